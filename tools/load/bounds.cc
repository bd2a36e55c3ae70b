#include "tools/load/bounds.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

namespace sluice::load {
namespace {

double InMillis(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

void CheckLatency(const char* percentile, const std::optional<Duration>& bound, Duration value,
                  const Measured& measured, std::vector<std::string>& missed) {
  if (!bound.has_value()) return;
  if (measured.answers == 0) {
    missed.push_back(absl::StrFormat("%s of %s: nothing was answered, wanted at most %.3f ms",
                                     percentile, measured.latency_name, InMillis(*bound)));
  } else if (value > *bound) {
    missed.push_back(absl::StrFormat("%s of %s: %.3f ms, wanted at most %.3f ms", percentile,
                                     measured.latency_name, InMillis(value), InMillis(*bound)));
  }
}

void CheckFailures(const FailureBound& bound, const Measured& measured,
                   std::vector<std::string>& missed) {
  if (!bound.percent.has_value()) {
    if (measured.failed <= bound.count) return;
    missed.push_back(
        absl::StrFormat("failures: %d, wanted at most %d", measured.failed, bound.count));
    return;
  }
  // Failures without anything started (nobody could log in) are all there is.
  const double share = measured.failed == 0    ? 0
                       : measured.started == 0 ? 100
                                               : 100.0 * static_cast<double>(measured.failed) /
                                                     static_cast<double>(measured.started);
  if (share <= *bound.percent) return;
  missed.push_back(absl::StrFormat("failures: %d of %d (%.3f%%), wanted at most %g%%",
                                   measured.failed, measured.started, share, *bound.percent));
}

}  // namespace

std::optional<FailureBound> FailureBound::Parse(std::string_view text) {
  FailureBound bound;
  if (!text.ends_with('%')) {
    if (!absl::SimpleAtoi(text, &bound.count)) return std::nullopt;
    return bound;
  }
  text.remove_suffix(1);
  double percent = 0;
  if (!absl::SimpleAtod(text, &percent) || !(percent >= 0 && percent <= 100)) return std::nullopt;
  bound.percent = percent;
  return bound;
}

std::vector<std::string> Missed(const Bounds& bounds, const Measured& measured) {
  std::vector<std::string> missed;
  CheckLatency("p99", bounds.p99, measured.p99, measured, missed);
  CheckLatency("p99.9", bounds.p99_9, measured.p99_9, measured, missed);
  if (bounds.failures.has_value()) CheckFailures(*bounds.failures, measured, missed);
  if (bounds.rate.has_value() && measured.rate < *bounds.rate) {
    missed.push_back(
        absl::StrFormat("rate: %.1f a second, wanted at least %g", measured.rate, *bounds.rate));
  }
  return missed;
}

}  // namespace sluice::load
