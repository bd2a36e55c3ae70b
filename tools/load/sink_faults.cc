#include "tools/load/sink_faults.h"

#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "core/base/bytes.h"

namespace sluice::load {
namespace {

using Action = SinkFault::Action;

constexpr std::string_view kNames[kSinkPhases] = {"connect", "greeting", "ehlo", "starttls",
                                                  "tls",     "auth",     "mail", "rcpt",
                                                  "data",    "body",     "end"};
constexpr std::string_view kReplies = "a reply (450 4.2.0 Later)";
constexpr std::string_view kWaits = "a time (20ms, or 20ms-80ms)";

std::optional<SinkPhase> ParsePhase(std::string_view name) {
  for (size_t i = 0; i < kSinkPhases; i++) {
    if (EqualsIgnoreCase(kNames[i], name)) return static_cast<SinkPhase>(i);
  }
  return std::nullopt;
}

// What is possible at a phase, in words.
std::string Expected(SinkPhase phase) {
  const std::string_view name = kNames[static_cast<size_t>(phase)];
  switch (phase) {
    case SinkPhase::kConnect:
      return absl::StrCat(name, " can: drop");
    case SinkPhase::kTls:
      return absl::StrCat(name, " can: drop, garbage");
    case SinkPhase::kBody:
      return absl::StrCat(name, " can: drop, ", kWaits, ", a rate to read at (64KiB/s)");
    default:
      return absl::StrCat(name, " can: drop, ", kReplies, ", ", kWaits);
  }
}

std::optional<Duration> ParseDuration(std::string_view text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration()) return std::nullopt;
  return Duration(absl::ToInt64Nanoseconds(duration));
}

bool ParseWait(std::string_view text, SinkFault& fault) {
  const size_t dash = text.find('-');
  const auto min = ParseDuration(text.substr(0, dash));
  const auto max = dash == text.npos ? min : ParseDuration(text.substr(dash + 1));
  if (!min.has_value() || !max.has_value() || *max < *min || *max == Duration(0)) return false;
  fault.action = Action::kWait;
  fault.wait_min = *min;
  fault.wait_max = *max;
  return true;
}

bool ParseRate(std::string_view text, SinkFault& fault) {
  if (!text.ends_with("/s")) return false;
  text.remove_suffix(2);
  uint64_t unit = 1;
  const struct {
    std::string_view name;
    uint64_t bytes;
  } units[] = {{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"B", 1}};
  for (const auto& [name, bytes] : units) {
    if (!text.ends_with(name)) continue;
    text.remove_suffix(name.size());
    unit = bytes;
    break;
  }
  uint64_t count = 0;
  if (!absl::SimpleAtoi(text, &count) || count == 0 || count > (uint64_t{1} << 40)) return false;
  fault.action = Action::kSlow;
  fault.bytes_per_second = count * unit;
  return true;
}

// A refusal; after a message a good reply in other words too.
bool ParseReply(std::string_view text, SinkFault& fault) {
  const bool good = text.size() >= 3 && IsAsciiDigit(text[1]) && IsAsciiDigit(text[2]) &&
                    (text.size() == 3 || text[3] == ' ') && text.find_first_of("\r\n") == text.npos;
  const bool fits = good && (text[0] == '4' || text[0] == '5' ||
                             (text[0] == '2' && fault.phase == SinkPhase::kEnd));
  if (!fits) return false;
  fault.action = Action::kReply;
  fault.reply = text;
  return true;
}

bool ParseAction(std::string_view text, SinkFault& fault) {
  const SinkPhase phase = fault.phase;
  if (EqualsIgnoreCase(text, "drop")) {
    fault.action = Action::kDrop;
    return true;
  }
  switch (phase) {
    case SinkPhase::kConnect:
      return false;
    case SinkPhase::kTls:
      fault.action = Action::kGarbage;
      return EqualsIgnoreCase(text, "garbage");
    case SinkPhase::kBody:
      return ParseRate(text, fault) || ParseWait(text, fault);
    default:
      return ParseReply(text, fault) || ParseWait(text, fault);
  }
}

// Takes "@10%" from the end of `text`. False: it is there and no share.
bool TakeShare(std::string_view& text, double& percent) {
  const size_t at = text.rfind('@');
  if (at == text.npos || !text.ends_with('%')) return true;  // an address in a reply, perhaps
  const std::string_view number = text.substr(at + 1, text.size() - at - 2);
  if (!absl::SimpleAtod(number, &percent) || !(percent > 0 && percent <= 100)) return false;
  text = text.substr(0, at);
  return true;
}

bool Chance(double percent, Prng& prng) {
  constexpr uint64_t kOne = 1'000'000;
  return percent >= 100 || static_cast<double>(prng.Below(kOne)) < percent / 100 * kOne;
}

}  // namespace

absl::Status SinkFaults::Add(std::string_view text) {
  const auto refuse = [&](const auto&... why) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "': ", why...));
  };
  std::string_view action = text;
  SinkFault fault{};
  if (!TakeShare(action, fault.percent)) return refuse("a share is more than 0% and at most 100%");
  const size_t equals = action.find('=');
  const auto phase = ParsePhase(action.substr(0, equals));
  if (equals == action.npos || !phase.has_value()) {
    return refuse("expected PHASE=ACTION or PHASE=ACTION@SHARE%, where PHASE is one of ",
                  absl::StrJoin(kNames, ", "));
  }
  fault.phase = *phase;
  if (!ParseAction(action.substr(equals + 1), fault)) return refuse(Expected(*phase));

  AtPhase& here = phases_[static_cast<size_t>(*phase)];
  if (fault.action == Action::kWait) {
    here.waits.push_back(std::move(fault));
  } else if (fault.action == Action::kSlow) {
    here.slow.push_back(std::move(fault));
  } else {
    double sum = fault.percent;
    for (const SinkFault& other : here.outcomes) sum += other.percent;
    if (sum > 100) return refuse("the shares at this phase add up to more than 100%");
    here.outcomes.push_back(std::move(fault));
  }
  empty_ = false;
  return absl::OkStatus();
}

const SinkFault* SinkFaults::Outcome(SinkPhase phase, Prng& prng) const {
  if (at(phase).outcomes.empty()) return nullptr;
  double left = static_cast<double>(prng.Below(1'000'000)) / 10'000;  // percent
  for (const SinkFault& fault : at(phase).outcomes) {
    if (left < fault.percent) return &fault;
    left -= fault.percent;
  }
  return nullptr;
}

Duration SinkFaults::Wait(SinkPhase phase, Prng& prng) const {
  for (const SinkFault& fault : at(phase).waits) {
    if (!Chance(fault.percent, prng)) continue;
    const auto span = static_cast<uint64_t>((fault.wait_max - fault.wait_min).count());
    return fault.wait_min + Duration(static_cast<int64_t>(prng.Between(0, span)));
  }
  return Duration(0);
}

uint64_t SinkFaults::BytesPerSecond(Prng& prng) const {
  for (const SinkFault& fault : at(SinkPhase::kBody).slow) {
    if (Chance(fault.percent, prng)) return fault.bytes_per_second;
  }
  return 0;
}

}  // namespace sluice::load
