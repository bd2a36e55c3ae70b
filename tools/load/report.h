// What a run tells at its end: a table for people, JSON for programs. README.md lists the fields.
#ifndef SLUICE_TOOLS_LOAD_REPORT_H_
#define SLUICE_TOOLS_LOAD_REPORT_H_

#include <string>

#include "absl/status/status.h"
#include "tools/load/cpu_usage.h"
#include "tools/load/options.h"
#include "tools/load/results.h"

namespace sluice::load {

struct RunReport {
  const RunOptions& options;
  Results results;           // of all threads
  size_t content_bytes = 0;  // of a message, on average
  CpuUsage cpu;              // of all generator threads, from their start to their end
  double busiest = 0;        // the share of its wall time that the busiest thread was on a core
  double starved = 0;        // the share that the same thread waited for one
};

// From the first connect to the last answer, in seconds.
double Seconds(const Results& results);

std::string ToText(const RunReport& report);
std::string ToJson(const RunReport& report);  // one object, a line end behind it

// To `file`, or to standard output when it is "-".
absl::Status WriteFileOrOutput(const std::string& file, const std::string& text);

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_REPORT_H_
