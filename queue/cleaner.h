// Cleaner: frees segments that are mostly dead, by writing again, at the journal's end, what in them is still
// needed: live messages with their parts and statuses, and the done records of messages elsewhere.
//
// It starts when the journal takes more than about twice the room of what is live, or when room runs out, and
// takes the segment that costs least. Messages that are being delivered are left for another pass.
#ifndef SLUICE_QUEUE_CLEANER_H_
#define SLUICE_QUEUE_CLEANER_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "queue/device.h"
#include "queue/journal.h"
#include "queue/mover.h"
#include "queue/segment_table.h"

namespace sluice::queue {

class Cleaner {
 public:
  static constexpr size_t kMovers = 8;  // messages on the way at a time

  Cleaner(Device& device, SegmentTable& segments, Journal& journal);

  // `starved`: no free segment, and none to be had otherwise.
  void Pump(MonoTime now, bool starved);

  // The entry is about to be destroyed.
  void Forget(const Entry& entry);

  void OnTombstoneDurable(const BatchItem& item, Segment& segment);

  // Starts nothing any more; what it has appended may still become durable.
  void Stop();

  bool idle() const;  // no read in flight
  uint64_t moved() const { return moved_; }

 private:
  enum class Phase : uint8_t { kMessages, kParts, kStatuses, kTombstones };

  bool Wanted(bool starved) const;
  void Begin(Segment& victim);
  void End(MonoTime now);
  bool Moving() const;
  Segment* ChooseVictim(MonoTime now) const;
  uint64_t CostOf(const Segment& segment) const;
  void StartMovers();
  void NextPhase();
  Entry* NextEntry();
  bool CopyTombstones();

  Device& device_;
  SegmentTable& segments_;
  Journal& journal_;
  std::vector<std::unique_ptr<Mover>> movers_;
  Segment* victim_ = nullptr;
  Phase phase_ = Phase::kMessages;
  uint8_t pass_ = 0;  // stamped on entries that were looked at in this phase; 7 bits
  bool stopped_ = false;
  std::vector<std::pair<uint32_t, QueueId>> tombstones_;  // of the victim, not yet copied; last first
  bool tombstones_listed_ = false;
  size_t tombstones_in_flight_ = 0;
  uint64_t moved_ = 0;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_CLEANER_H_
