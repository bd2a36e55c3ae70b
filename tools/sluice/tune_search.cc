#include "tools/sluice/tune_search.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/server/options_values.h"

namespace sluice {
namespace {

constexpr Duration kDurations[] = {Duration(0),     microseconds(100), microseconds(300), milliseconds(1), milliseconds(3),
                                   milliseconds(10), milliseconds(30),  milliseconds(100), milliseconds(300), seconds(1)};
constexpr uint32_t kLevelMax = 2;  // steps that make no difference, before it is given up

std::optional<Duration> NextDuration(Duration from, int direction) {
  std::optional<Duration> below;
  for (const Duration value : kDurations) {
    if (value < from) below = value;
    if (value > from && direction > 0) return value;
  }
  return direction > 0 ? std::nullopt : below;
}

std::string Unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  return std::string(text);
}

}  // namespace

double FigureOf(Goal goal, const Sample& sample) {
  switch (goal) {
    case Goal::kRate:
      return sample.rate;
    case Goal::kP99:
      return sample.p99_ms;
    case Goal::kCpu:
      return sample.cpu_us;
  }
  return 0;
}

double Median(Goal goal, std::span<const Sample> samples) {
  std::vector<double> figures;
  for (const Sample& sample : samples) figures.push_back(FigureOf(goal, sample));
  std::sort(figures.begin(), figures.end());
  const size_t middle = figures.size() / 2;
  return figures.size() % 2 == 1 ? figures[middle] : (figures[middle - 1] + figures[middle]) / 2;
}

Verdict Compare(Goal goal, std::span<const Sample> best, std::span<const Sample> tried) {
  CHECK(!best.empty() && !tried.empty());
  const auto less = [goal](const Sample& a, const Sample& b) { return FigureOf(goal, a) < FigureOf(goal, b); };
  const auto [best_least, best_most] = std::minmax_element(best.begin(), best.end(), less);
  const auto [tried_least, tried_most] = std::minmax_element(tried.begin(), tried.end(), less);
  const bool above = less(*best_most, *tried_least);
  const bool below = less(*tried_most, *best_least);
  if (!above && !below) return Verdict::kNoise;
  return above == (goal == Goal::kRate) ? Verdict::kBetter : Verdict::kWorse;
}

std::optional<std::string> NextValue(const server::Tunable& tunable, std::string_view value, int direction) {
  const std::string text = Unquoted(value);
  std::string next;
  if (const auto bytes = server::ParseBytes(text)) {
    const uint64_t other = direction > 0 ? *bytes * 2 : *bytes / 2;
    if (other == *bytes) return std::nullopt;
    next = absl::StrCat(other);
  } else if (const auto duration = server::ParseDuration(text)) {
    const auto other = NextDuration(*duration, direction);
    if (!other) return std::nullopt;
    next = server::FormatDuration(*other);
  } else {
    return std::nullopt;
  }
  server::Tuning tuning;
  if (!server::ReadTunable(tunable, next, tuning).empty()) return std::nullopt;
  return Unquoted(server::ShowTunable(tunable, tuning));
}

std::optional<Climb::Try> Climb::Next() {
  while (rounds_left_ > 0 && !keys_.empty()) {
    const std::string& from = level_ > 0 ? level_value_ : keys_[at_].value;
    const auto value = NextValue(*keys_[at_].tunable, from, direction_);
    if (value) return tried_ = Try{at_, *value};
    LeaveKey();
  }
  return std::nullopt;
}

void Climb::Tell(Verdict verdict) {
  CHECK(tried_.has_value());
  if (verdict == Verdict::kBetter) {
    keys_[tried_->key].value = tried_->value;
    climbed_ = improved_ = true;
    level_ = 0;
  } else if (verdict == Verdict::kNoise && ++level_ < kLevelMax) {
    level_value_ = tried_->value;
  } else {
    LeaveKey();
  }
  tried_.reset();
}

// Up is done: down, unless up was the way; down is done: the next key.
void Climb::LeaveKey() {
  level_ = 0;
  if (direction_ > 0 && !climbed_) {
    direction_ = -1;
    return;
  }
  direction_ = 1;
  climbed_ = false;
  if (++at_ < keys_.size()) return;
  at_ = 0;
  rounds_left_ = improved_ ? rounds_left_ - 1 : 0;
  improved_ = false;
}

}  // namespace sluice
