// Watch: what the main thread does once a second of a run: it samples the CPU of both sides and
// draws the live view, when there is one, from what the workers left for it.
#ifndef SLUICE_TOOLS_LOAD_WATCH_H_
#define SLUICE_TOOLS_LOAD_WATCH_H_

#include <cstdint>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "tools/load/histogram.h"
#include "tools/load/latest.h"
#include "tools/load/live_view.h"
#include "tools/load/monitor.h"
#include "tools/load/options.h"
#include "tools/load/results.h"
#include "tools/load/soak.h"

namespace sluice::load {

// A worker's word about its run so far: made once a second, only when somebody looks.
struct Snapshot {
  uint64_t accepted = 0;
  uint32_t open = 0;
  double rate = 0;          // accepted a second, in its last second
  PackedHistogram latency;  // of the same
  Failures failures;
};

class Watch {
 public:
  // `workers`: a place each. `live`: draws to standard output. All outlive it.
  Watch(const RunOptions& options, std::vector<Latest<Snapshot>*> workers, bool live);

  absl::Status Begin(MonoTime now);
  MonoTime next() const { return monitor_.next(); }
  void Tick(MonoTime now);                // when `next` is over
  void Interrupt() { lines_drawn_ = 0; }  // a line was printed: the next view stands below it
  void End(MonoTime now);  // the last view stays; what is printed next stands below it

  const Monitor& monitor() const { return monitor_; }
  const std::vector<SoakSample>& soak() const { return soak_; }

 private:
  void Gather(MonoTime now);
  void Soak(MonoTime now);
  std::FILE* Out() const;  // for lines on the way
  void Draw();

  const RunOptions& options_;
  Monitor monitor_;
  const bool live_;
  std::vector<Latest<Snapshot>*> workers_;
  std::vector<std::unique_ptr<Snapshot>> snapshots_;  // the newest of each
  LiveFrame frame_;
  MonoTime begun_{};
  size_t lines_drawn_ = 0;

  // Of `soak`: the while that is not over.
  std::vector<SoakSample> soak_;
  PackedHistogram while_latency_;
  MonoTime while_begun_{};
  uint64_t while_accepted_ = 0;  // at its beginning
  uint64_t while_failed_ = 0;
  double while_cores_ = 0;  // a sum of its seconds'
  uint32_t while_seconds_ = 0;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_WATCH_H_
