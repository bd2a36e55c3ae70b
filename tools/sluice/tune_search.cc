#include "tools/sluice/tune_search.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/server/options_values.h"

namespace sluice {
namespace {

constexpr Duration kDurationMax = seconds(1);

// 0, 10us, 20us, 50us, 100us ... 1s.
std::optional<Duration> NextDuration(Duration from, int direction) {
  std::optional<Duration> below;
  if (from > Duration::zero()) below = Duration::zero();
  for (Duration decade = microseconds(10); decade <= kDurationMax; decade *= 10) {
    for (const int step : {1, 2, 5}) {
      const Duration value = decade * step;
      if (value > kDurationMax) break;
      if (value < from) below = value;
      if (value > from && direction > 0) return value;
    }
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
    const auto value = NextValue(*keys_[at_].tunable, keys_[at_].value, direction_);
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
  } else {
    LeaveKey();
  }
  tried_.reset();
}

// Up is done: down, unless up was the way; down is done: the next key.
void Climb::LeaveKey() {
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
