// Series: what happened in each second of a run, in bounded memory however long it is: beyond
// kSlotsMax slots, each two become one of twice the width.
//
// Every thread of the generator has one and counts into its open slot; the main thread has one for
// the processor time of both sides. They are merged at the end. Slots are counted from a thread's
// own start, and threads start within milliseconds. One thread.
#ifndef SLUICE_TOOLS_LOAD_SERIES_H_
#define SLUICE_TOOLS_LOAD_SERIES_H_

#include <cstdint>
#include <vector>

#include "core/base/time.h"
#include "tools/load/histogram.h"

namespace sluice::load {

struct SeriesSlot {
  uint64_t started = 0;     // messages (logins, in a storm of them)
  uint64_t accepted = 0;    // ... that were answered well
  uint64_t failed = 0;      // failures of any kind: connections, recipients, messages
  PackedHistogram latency;  // of the accepted: from their end to the answer; open loop: from when
                            // they were due
  Duration generator_cpu{};
  Duration server_cpu{};
  uint64_t server_rss_bytes = 0;  // the greatest

  void Merge(const SeriesSlot& other);
};

class Series {
 public:
  static constexpr size_t kSlotsMax = 7200;

  void Begin(MonoTime start) { start_ = start; }
  // Once a turn, before what happens in it is counted: closes the slots that are over.
  void Turn(MonoTime now) {
    if (now - start_ >= until_) CloseUntil(now - start_);
  }
  void Started() { open_.started++; }
  void Accepted(Duration latency) {
    open_.accepted++;
    latency_.Add(latency);
  }
  void Failed() { open_.failed++; }
  SeriesSlot& open() { return open_; }

  // Closes the open slot, if there is anything in it. Nothing is counted afterwards.
  void Finish();
  // REQUIRES: both were finished.
  void Merge(const Series& other);

  uint64_t closed() const { return closed_; }  // slots, since the beginning
  Duration width() const { return width_; }
  const std::vector<SeriesSlot>& slots() const { return slots_; }  // closed ones

 private:
  void CloseUntil(Duration age);
  void Close();
  void Halve();

  MonoTime start_{};
  Duration width_ = seconds(1);
  Duration until_ = seconds(1);  // the end of the open slot, after start_
  SeriesSlot open_;              // but for its latency
  Histogram latency_;
  std::vector<SeriesSlot> slots_;
  uint64_t closed_ = 0;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_SERIES_H_
