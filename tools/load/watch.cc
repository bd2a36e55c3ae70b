#include "tools/load/watch.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/load/report.h"

namespace sluice::load {
namespace {

constexpr size_t kRatesMax = 300;

size_t TerminalColumns() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

Watch::Watch(const RunOptions& options, std::vector<Latest<Snapshot>*> workers, bool live)
    : options_(options),
      monitor_(options.report.server_pids),
      live_(live),
      workers_(std::move(workers)),
      snapshots_(workers_.size()) {
  frame_.title = Title(options);
  frame_.unit = options.mode == RunOptions::Mode::kRun ? "messages" : "logins";
  frame_.latency_of = LatencyName(options);
  frame_.planned = options.time;
  frame_.planned_count = options.messages;
  frame_.connections = options.connections;
  frame_.generator_threads = options.threads;
  frame_.server = !options.report.server_pids.empty();
}

std::FILE* Watch::Out() const { return options_.json == "-" ? stderr : stdout; }

absl::Status Watch::Begin(MonoTime now) {
  begun_ = while_begun_ = now;
  if (options_.every > Duration(0)) std::fputs(SoakHeading().c_str(), Out());
  return monitor_.Begin(now);
}

void Watch::Tick(MonoTime now) {
  monitor_.Sample(now);
  if (!live_ && options_.every == Duration(0)) return;
  Gather(now);
  if (live_) Draw();
  if (options_.every > Duration(0)) Soak(now);
}

void Watch::End(MonoTime now) {
  monitor_.End(now);
  if (live_ && lines_drawn_ > 0) std::puts("");
}

void Watch::Gather(MonoTime now) {
  double rate = 0;
  frame_.accepted = frame_.failed = 0;
  frame_.open = 0;
  frame_.latency = PackedHistogram();
  frame_.failures.clear();
  for (size_t i = 0; i < workers_.size(); i++) {
    if (auto newer = workers_[i]->Take()) {
      snapshots_[i] = std::move(newer);
      while_latency_.Merge(snapshots_[i]->latency);
    }
    if (snapshots_[i] == nullptr) continue;
    const Snapshot& snapshot = *snapshots_[i];
    frame_.accepted += snapshot.accepted;
    frame_.open += snapshot.open;
    rate += snapshot.rate;
    frame_.latency.Merge(snapshot.latency);
    MergeFailures(snapshot.failures, frame_.failures);
  }
  for (const auto& [where, failure] : frame_.failures) frame_.failed += failure.count;
  frame_.elapsed = now - begun_;
  frame_.rates.push_back(rate);
  if (frame_.rates.size() > kRatesMax) frame_.rates.pop_front();
  frame_.generator_cores = monitor_.generator_cores();
  frame_.server_cores = monitor_.server_cores();
  frame_.server_rss_bytes = monitor_.server_rss_bytes();
}

void Watch::Soak(MonoTime now) {
  while_cores_ += monitor_.server_cores();
  while_seconds_++;
  const Duration length = now - while_begun_;
  if (length < options_.every) return;
  const auto holdings = ProcessHoldings::Of(options_.report.server_pids);
  SoakSample sample{.at = now - begun_,
                    .accepted = frame_.accepted - while_accepted_,
                    .p50 = while_latency_.Quantile(0.5),
                    .p99 = while_latency_.Quantile(0.99),
                    .failed = frame_.failed - while_failed_,
                    .server_cores = while_cores_ / while_seconds_,
                    .rss_bytes = monitor_.server_rss_bytes(),
                    .pss_bytes = holdings.pss_bytes,
                    .descriptors = holdings.descriptors};
  sample.rate =
      static_cast<double>(sample.accepted) / std::chrono::duration<double>(length).count();
  std::fputs(ToText(sample).c_str(), Out());
  std::fflush(Out());
  soak_.push_back(sample);
  while_begun_ = now;
  while_accepted_ = frame_.accepted;
  while_failed_ = frame_.failed;
  while_latency_ = PackedHistogram();
  while_cores_ = 0;
  while_seconds_ = 0;
}

// Over the last view: up to its first line, and all below it cleared.
void Watch::Draw() {
  const std::string view = Render(frame_, TerminalColumns());
  if (lines_drawn_ > 0) std::fputs(absl::StrFormat("\x1b[%dA\x1b[J", lines_drawn_).c_str(), stdout);
  std::fputs(view.c_str(), stdout);
  std::fflush(stdout);
  lines_drawn_ = static_cast<size_t>(std::count(view.begin(), view.end(), '\n'));
}

}  // namespace sluice::load
