// Monitor: the processor time of both sides of a run, second by second: our own, and the server's
// where it runs on this machine. The main thread's.
#ifndef SLUICE_TOOLS_LOAD_MONITOR_H_
#define SLUICE_TOOLS_LOAD_MONITOR_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "core/base/time.h"
#include "tools/load/cpu_usage.h"
#include "tools/load/process_usage.h"
#include "tools/load/series.h"

namespace sluice::load {

// Of the server's processes, from the start of the run to its end.
struct ServerUsage {
  Duration user{};
  Duration system{};
  Duration wall{};
  uint64_t rss_bytes_max = 0;  // of what was seen once a second
  bool ended = false;          // a process of it did, before the run; its figures are then too low

  Duration busy() const { return user + system; }
};

class Monitor {
 public:
  // `server`: empty: it is elsewhere.
  explicit Monitor(std::vector<pid_t> server) : server_pids_(std::move(server)) {}

  absl::Status Begin(MonoTime now);        // an error: there is no such process
  MonoTime next() const { return next_; }  // when Sample is wanted: once a second
  void Sample(MonoTime now);
  void End(MonoTime now);

  const Series& series() const { return series_; }  // after End: only the fields of CPU and memory
  std::optional<ServerUsage> server() const { return server_; }

  // Of the time between the last two samples: 1 is one core.
  double generator_cores() const { return generator_cores_; }
  double server_cores() const { return server_cores_; }
  uint64_t server_rss_bytes() const { return server_last_.rss_bytes; }

 private:
  void Measure(MonoTime now);

  std::vector<pid_t> server_pids_;
  MonoTime begun_{};
  MonoTime last_{};
  MonoTime next_{};
  CpuUsage generator_last_;
  ProcessUsage server_first_;
  ProcessUsage server_last_;
  std::optional<ServerUsage> server_;
  double generator_cores_ = 0;
  double server_cores_ = 0;
  Series series_;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_MONITOR_H_
