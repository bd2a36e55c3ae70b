// What a run tells at its end: a table for people, JSON for programs. README.md lists the fields.
#ifndef SLUICE_TOOLS_LOAD_REPORT_H_
#define SLUICE_TOOLS_LOAD_REPORT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/load/bounds.h"
#include "tools/load/cpu_usage.h"
#include "tools/load/monitor.h"
#include "tools/load/options.h"
#include "tools/load/results.h"
#include "tools/load/soak.h"

namespace sluice::load {

struct RunReport {
  const RunOptions& options;
  Results results;           // of all threads
  size_t content_bytes = 0;  // of a message, on average
  CpuUsage cpu;              // of all generator threads, from their start to their end
  double busiest = 0;        // the share of its wall time that the busiest thread was on a core
  double hindered = 0;       // ... that some thread was on a core or waited for one, the greatest
  double starved = 0;        // how much of that it waited
  std::optional<ServerUsage> server;  // where it is on this machine
  std::vector<std::string> missed;    // bounds
  std::vector<SoakSample> soak;       // of `soak`: while by while
  std::vector<Drift> drifts;          // ... and where it goes
};

// What is told of a run at one glance: what, where to, how.
std::string Title(const RunOptions& options);

// The latency that the run is about, and its name: of the schedule, of answers, of logins.
const char* LatencyName(const RunOptions& options);
const Histogram& MainLatency(const RunReport& report);

// What the user's bounds are held against.
Measured ForBounds(const RunReport& report);

// From the first connect to the last answer, in seconds.
double Seconds(const Results& results);

std::string ToText(const RunReport& report);
std::string ToJson(const RunReport& report);  // one object, a line end behind it
std::string ToCsv(const RunReport& report);   // the series: a line of names, and a line a slot

// To `file`, or to standard output when it is "-".
absl::Status WriteFileOrOutput(const std::string& file, const std::string& text);

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_REPORT_H_
