// Soak: what a run of hours tells on its way, a line each while, and whether it drifted. Pure: the
// main thread's Watch reads and prints.
#ifndef SLUICE_TOOLS_LOAD_SOAK_H_
#define SLUICE_TOOLS_LOAD_SOAK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "tools/load/trend.h"

namespace sluice::load {

// One while of the run.
struct SoakSample {
  Duration at{};          // its end, since the run's beginning
  uint64_t accepted = 0;  // in it
  double rate = 0;        // a second
  Duration p50{};
  Duration p99{};
  uint64_t failed = 0;
  double server_cores = 0;
  uint64_t rss_bytes = 0;  // of the server; 0: it is elsewhere, or may not be read. So the next two
  uint64_t pss_bytes = 0;
  uint32_t descriptors = 0;
};

// A figure, and where it goes.
struct Drift {
  const char* name;
  const char* unit;
  Trend trend;  // in that unit, an hour
  bool leak;    // growing is a failure of the run
};

std::string SoakHeading();
std::string ToText(const SoakSample& sample);  // a line

// Of memory, descriptors and latency. The first tenth is left out: caches fill, sessions begin.
std::vector<Drift> FindDrifts(const std::vector<SoakSample>& samples);
std::string ToText(const std::vector<Drift>& drifts);
bool Leaks(const std::vector<Drift>& drifts);

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_SOAK_H_
