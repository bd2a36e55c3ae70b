// ProcessUsage: what processes of this machine use: the server beside us, named by its pids. Their
// descendants count too, and those that ended and were waited for.
#ifndef SLUICE_TOOLS_LOAD_PROCESS_USAGE_H_
#define SLUICE_TOOLS_LOAD_PROCESS_USAGE_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/base/time.h"

namespace sluice::load {

struct ProcessUsage {
  Duration user{};
  Duration system{};
  uint64_t rss_bytes = 0;  // now
  uint32_t processes = 0;

  // Reads /proc: some 10 us a process of the machine. Each pid must live (NotFound otherwise); who
  // ends meanwhile is left out. In steps of the kernel's clock tick (10 ms).
  static absl::StatusOr<ProcessUsage> OfTrees(std::span<const pid_t> roots);

  Duration busy() const { return user + system; }
};

// What a process holds, its children apart. 0 where that may not be read.
struct ProcessHoldings {
  uint64_t pss_bytes = 0;    // memory, what is shared divided among those who share it
  uint32_t descriptors = 0;  // files and sockets, but for those in a ring's own table

  static ProcessHoldings Of(std::span<const pid_t> pids);
};

// The fields of /proc/PID/stat that are of interest here.
struct ProcessStat {
  pid_t parent = 0;
  uint64_t user_ticks = 0;    // own and of waited-for children
  uint64_t system_ticks = 0;  // the same
  uint64_t rss_pages = 0;

  // The name in it may hold blanks and parentheses. nullopt: that is no such line.
  static std::optional<ProcessStat> Parse(std::string_view line);
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_PROCESS_USAGE_H_
