#include "tools/load/search.h"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "tools/load/control.h"
#include "tools/load/report.h"
#include "tools/load/run.h"

namespace sluice::load {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kNoneHeld = 1;

// One try at a rate.
struct Step {
  double rate = 0;      // offered
  double accepted = 0;  // a second
  Duration p99{};
  Duration lag{};  // p99 of the generator's own lateness
  uint64_t failed = 0;
  uint64_t unsent = 0;
  double busiest = 0;  // thread of the generator
  bool held = false;
};

double InMillis(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

Step Judge(double rate, const RunReport& report, Duration bound) {
  const Results& results = report.results;
  const double seconds = Seconds(results);
  Step step{.rate = rate,
            .accepted = seconds > 0 ? static_cast<double>(results.accepted) / seconds : 0,
            .p99 = results.scheduled.Quantile(0.99),
            .lag = results.lag.Quantile(0.99),
            .failed = results.failed(),
            .unsent = results.unsent,
            .busiest = report.busiest};
  step.held = results.scheduled.count() > 0 && step.failed == 0 && step.p99 <= bound;
  return step;
}

std::string ToText(const Step& step) {
  return absl::StrFormat("%10.0f%12.0f%12.3f%12.3f%10d%10d%11.0f%%  %s\n", step.rate, step.accepted,
                         InMillis(step.p99), InMillis(step.lag), step.failed, step.unsent,
                         step.busiest * 100, step.held ? "held" : "missed");
}

std::string Table(const std::vector<Step>& steps) {
  std::string table = absl::StrFormat("%10s%12s%12s%12s%10s%10s%12s\n", "offered/s", "accepted/s",
                                      "p99 ms", "lag ms", "failed", "unsent", "generator");
  for (const Step& step : steps) table += ToText(step);
  return table;
}

// The tries at the rate that was found.
std::vector<Step> Winners(const std::vector<Step>& steps, double rate) {
  std::vector<Step> winners;
  for (const Step& step : steps) {
    if (step.rate == rate) winners.push_back(step);
  }
  return winners;
}

std::string Verdict(const RateSearch& search, const std::vector<Step>& steps, Duration bound) {
  if (search.held() == 0) {
    return absl::StrFormat("no rate held a p99 of %g ms\n", InMillis(bound));
  }
  const std::vector<Step> tries = Winners(steps, search.held());
  const auto [least, most] = std::minmax_element(
      tries.begin(), tries.end(), [](const Step& a, const Step& b) { return a.p99 < b.p99; });
  const auto held = std::count_if(tries.begin(), tries.end(), [](const Step& s) { return s.held; });
  std::string text = absl::StrFormat(
      "highest rate %.0f a second with a p99 of %g ms or less: held in %d of %d tries, p99 %.3f to "
      "%.3f ms; ",
      search.held(), InMillis(bound), held, tries.size(), InMillis(least->p99),
      InMillis(most->p99));
  if (search.missed() == RateSearch::kNone) {
    text += "none was missed (--rate-max)\n";
  } else {
    absl::StrAppendFormat(&text, "%.0f a second was missed\n", search.missed());
  }
  for (const Step& step : steps) {
    if (step.held || step.lag * 2 < bound) continue;
    text +=
        "WARNING: in tries that missed the generator itself was late (lag): the machine was full, "
        "or "
        "it needs more --threads\n";
    break;
  }
  return text;
}

std::string ToJson(const SearchOptions& options, const RateSearch& search,
                   const std::vector<Step>& steps) {
  Json json = {
      {"p99_ms_bound", InMillis(options.p99)},
      {"step_seconds", InMillis(options.run.time - options.run.warm_up) / 1e3},
      {"held_rate", search.held()},
      {"missed_rate", search.missed() == RateSearch::kNone ? Json() : Json(search.missed())},
      {"steps", Json::array()}};
  for (const Step& step : steps) {
    json["steps"].push_back({{"rate", step.rate},
                             {"accepted_per_second", step.accepted},
                             {"p99_ms", InMillis(step.p99)},
                             {"lag_p99_ms", InMillis(step.lag)},
                             {"failed", step.failed},
                             {"unsent", step.unsent},
                             {"busiest_thread", step.busiest},
                             {"held", step.held}});
  }
  return json.dump(2) + "\n";
}

}  // namespace

int SearchCommand(const SearchOptions& options) {
  Control control;
  RateSearch search(options.search);
  std::vector<Step> steps;
  std::deque<RunOptions> runs;    // reports refer to them
  std::optional<RunReport> best;  // of the last try at the highest rate that held
  std::FILE* out = TakesOutput(options.run) ? stderr : stdout;
  std::fputs(Table({}).c_str(), out);
  bool stopped = false;
  while (const auto rate = search.next()) {
    RunOptions& run = runs.emplace_back(options.run);
    run.rate = *rate;
    run.run += static_cast<uint32_t>(steps.size());  // message numbers of their own
    auto outcome = Run(run, {&run, 1}, control);
    if (!outcome.ok()) return CannotStart(outcome.status());
    stopped = outcome->stopped;
    if (stopped) break;
    steps.push_back(Judge(*rate, outcome->whole, options.p99));
    const bool held = steps.back().held;
    if (held && (!best.has_value() || *rate >= best->options.rate))
      best.emplace(std::move(outcome->whole));
    std::fputs(ToText(steps.back()).c_str(), out);
    std::fflush(out);
    search.Tell(held);
  }
  const std::string verdict = Verdict(search, steps, options.p99);
  std::fputs(verdict.c_str(), out);
  if (best.has_value()) {
    const auto status =
        WriteFiles(options.run.report, *best, Table(steps) + verdict + "\n" + load::ToText(*best));
    if (!status.ok()) return CannotStart(status);
  }
  if (!options.run.json.empty()) {
    const auto status = WriteFileOrOutput(options.run.json, ToJson(options, search, steps));
    if (!status.ok()) return CannotStart(status);
  }
  return search.held() > 0 && !stopped ? 0 : kNoneHeld;
}

}  // namespace sluice::load
