#include "tools/load/mix.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/load/control.h"
#include "tools/load/report.h"
#include "tools/load/run.h"

namespace sluice::load {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFailed = 1;

bool IsGood(const RunReport& report) {
  return report.options.behaviour == RunOptions::Behaviour::kGood;
}

}  // namespace

int MixCommand(const MixOptions& options) {
  RunOptions whole = options.whole;
  ChooseLive(whole);
  Control control;
  auto outcome = Run(whole, options.kinds, control);
  if (!outcome.ok()) return CannotStart(outcome.status());
  bool succeeded = true;
  std::string text;
  Json json = {{"mode", "mix"}, {"clients", Json::array()}};
  for (const RunReport& report : outcome->reports) {
    const std::string& name = report.options.name;
    absl::StrAppend(&text, "--- ", name,
                    IsGood(report) ? "" : " (bad: its failures are no failures)", "\n",
                    ToText(report));
    Json client = {{"name", name}, {"good", IsGood(report)}, {"succeeded", Succeeded(report)}};
    client.update(Json::parse(ToJson(report)));
    json["clients"].push_back(std::move(client));
    if (Succeeded(report)) continue;
    absl::StrAppend(&text, "FAILED       ", name, "\n");
    succeeded = false;
  }
  absl::StrAppend(&text, "=== all good clients\n", ToText(outcome->whole));
  json["all"] = Json::parse(ToJson(outcome->whole));
  std::fputs(text.c_str(), TakesOutput(whole) ? stderr : stdout);
  absl::Status status = std::move(outcome->status);
  if (!whole.json.empty()) status.Update(WriteFileOrOutput(whole.json, json.dump(2) + "\n"));
  status.Update(WriteFiles(whole.report, outcome->whole, text));
  if (!status.ok()) return CannotStart(status);
  if (!outcome->whole.missed.empty()) return kMissed;
  return succeeded ? 0 : kFailed;
}

}  // namespace sluice::load
