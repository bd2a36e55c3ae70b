#include "tools/load/soak.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace sluice::load {
namespace {

constexpr double kMiB = 1 << 20;

double InMillis(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double InHours(Duration duration) {
  return std::chrono::duration<double, std::ratio<3600>>(duration).count();
}

template <typename F>
void AddDrift(const char* name, const char* unit, bool leak, const std::vector<SoakSample>& samples,
              F value, std::vector<Drift>& drifts) {
  std::vector<Trend::Reading> readings;
  for (size_t i = samples.size() / 10; i < samples.size(); i++) {
    readings.push_back({.hours = InHours(samples[i].at), .value = value(samples[i])});
  }
  const auto is_none = [](const Trend::Reading& reading) { return reading.value == 0; };
  if (std::all_of(readings.begin(), readings.end(), is_none)) return;
  drifts.push_back({.name = name, .unit = unit, .trend = Trend(readings), .leak = leak});
}

}  // namespace

std::string SoakHeading() {
  return absl::StrFormat("%10s%12s%10s%10s%10s%10s%10s%10s%10s\n", "hours", "accepted/s", "p50 ms",
                         "p99 ms", "failed", "cores", "RSS MiB", "PSS MiB", "files");
}

std::string ToText(const SoakSample& sample) {
  return absl::StrFormat("%10.3f%12.1f%10.3f%10.3f%10d%10.2f%10.1f%10.1f%10d\n", InHours(sample.at),
                         sample.rate, InMillis(sample.p50), InMillis(sample.p99), sample.failed,
                         sample.server_cores, static_cast<double>(sample.rss_bytes) / kMiB,
                         static_cast<double>(sample.pss_bytes) / kMiB, sample.descriptors);
}

std::vector<Drift> FindDrifts(const std::vector<SoakSample>& samples) {
  std::vector<Drift> drifts;
  AddDrift(
      "RSS", "MiB", true, samples,
      [](const SoakSample& s) { return static_cast<double>(s.rss_bytes) / kMiB; }, drifts);
  AddDrift(
      "PSS", "MiB", true, samples,
      [](const SoakSample& s) { return static_cast<double>(s.pss_bytes) / kMiB; }, drifts);
  AddDrift(
      "descriptors", "", true, samples,
      [](const SoakSample& s) { return static_cast<double>(s.descriptors); }, drifts);
  AddDrift(
      "p99", "ms", false, samples, [](const SoakSample& s) { return InMillis(s.p99); }, drifts);
  AddDrift(
      "CPU", "cores", false, samples, [](const SoakSample& s) { return s.server_cores; }, drifts);
  return drifts;
}

std::string ToText(const std::vector<Drift>& drifts) {
  std::string text;
  for (const Drift& drift : drifts) {
    const Trend& trend = drift.trend;
    absl::StrAppendFormat(&text, "drift        %-12s mean %.3f %s", drift.name, trend.mean(),
                          drift.unit);
    if (!trend.told()) {
      absl::StrAppendFormat(&text, "; fewer than %d readings say nothing\n", Trend::kLeast);
      continue;
    }
    const char* verdict = trend.grows()  ? (drift.leak ? "GROWS: a leak?" : "GROWS")
                          : trend.sure() ? (trend.per_hour() > 0 ? "grows a little" : "falls")
                                         : "steady, as far as can be told";
    absl::StrAppendFormat(&text, ", %+.3f an hour (+/- %.3f with 99%%): %s\n", trend.per_hour(),
                          trend.margin(), verdict);
  }
  return text;
}

bool Leaks(const std::vector<Drift>& drifts) {
  return std::any_of(drifts.begin(), drifts.end(),
                     [](const Drift& drift) { return drift.leak && drift.trend.grows(); });
}

}  // namespace sluice::load
