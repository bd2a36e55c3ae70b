// Bounds: what the user asked a run to keep to; a missed one is told and decides the exit code.
#ifndef SLUICE_TOOLS_LOAD_BOUNDS_H_
#define SLUICE_TOOLS_LOAD_BOUNDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"

namespace sluice::load {

// At most so many, or such a share of all that was started.
struct FailureBound {
  uint64_t count = 0;
  std::optional<double> percent;

  // "20" or "0.5%"; nullopt: neither.
  static std::optional<FailureBound> Parse(std::string_view text);
};

struct Bounds {
  // Of the latency that the run is about: `scheduled` in an open loop, else `answer` (`login` where
  // no messages are sent).
  std::optional<Duration> p99;
  std::optional<Duration> p99_9;
  std::optional<FailureBound> failures;
  std::optional<double> rate;  // accepted (logins) a second, at least

  bool any() const { return p99 || p99_9 || failures || rate; }
};

// What the bounds are held against.
struct Measured {
  const char* latency_name = "";
  uint64_t answers = 0;  // that the latencies are of
  Duration p99{};
  Duration p99_9{};
  uint64_t started = 0;
  uint64_t failed = 0;
  double rate = 0;
};

// A line for each missed bound: what was measured and what was wanted. A latency of which nothing
// was measured is a missed one.
std::vector<std::string> Missed(const Bounds& bounds, const Measured& measured);

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_BOUNDS_H_
