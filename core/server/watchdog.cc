#include "core/server/watchdog.h"

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

int64_t Millis(Duration d) { return std::chrono::duration_cast<milliseconds>(d).count(); }

}  // namespace

std::string_view StageWords(Stage stage) {
  switch (stage) {
    case Stage::kAsleep:
      return "asleep";
    case Stage::kCallbacks:
      return "handling what arrived and what became durable";
    case Stage::kTasks:
      return "running tasks from other threads";
    case Stage::kInput:
      return "parsing input that had to wait";
    case Stage::kRelay:
      return "starting deliveries";
    case Stage::kQueue:
      return "closing a batch of the journal";
    case Stage::kFlush:
      return "sending replies";
  }
  return "?";
}

std::string Watchdog::Look(size_t shard, uint64_t turns, Stage stage, MonoTime now) {
  Seen& seen = last_[shard];
  if (turns == seen.turns && stage == seen.stage && stage != Stage::kAsleep) {
    if (seen.told || now - seen.since < kPatience) return "";
    seen.told = true;
    return absl::StrCat("shard ", shard, " stands still: for over ", Millis(kPatience),
                        " ms in one step, ", StageWords(stage));
  }
  const Seen before = seen;
  seen = {turns, stage, now, false};
  if (!before.told) return "";
  return absl::StrCat("shard ", shard, " goes on, after about ", Millis(now - before.since), " ms");
}

}  // namespace sluice::server
