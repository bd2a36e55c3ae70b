// `sluice stats`: the running server's counters; and what `sluice top` needs of them too.
#ifndef SLUICE_TOOLS_SLUICE_STATS_H_
#define SLUICE_TOOLS_SLUICE_STATS_H_

#include <string>

#include "absl/status/statusor.h"
#include "core/server/admin.h"

namespace CLI {
class App;
}

namespace sluice {

void RegisterStats(CLI::App& app);

// All numbers as lines for people: the sum, then each shard's.
std::string FormatStats(const server::Snapshot& stats);

// What the server with this state folder says.
absl::StatusOr<server::Snapshot> FetchStats(const std::string& state_dir);

// --- of a histogram's family ---
uint64_t CountOf(const server::MetricInfo& info, const server::Snapshot::Shard& row);
// Below which the share `q` of the values lies, spread evenly over its bucket; the last bound when
// it lies above; 0 when there are none.
double Quantile(const server::MetricInfo& info, const server::Snapshot::Shard& row, double q);
std::string FormatQuantile(const server::MetricInfo& info, double value);
// "340us", "1.2ms", "15ms", "2.0s"
std::string FormatNanoseconds(double ns);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_STATS_H_
