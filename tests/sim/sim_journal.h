// JournalMaker: a journal written by hand, batch by batch, onto a simulated disk. For tests of
// recovery, which want layouts that Queue comes to only by luck, and segments far smaller than
// Queue makes them. No use of a test framework.
#ifndef SLUICE_TESTS_SIM_SIM_JOURNAL_H_
#define SLUICE_TESTS_SIM_SIM_JOURNAL_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "queue/batch.h"
#include "queue/entry.h"
#include "queue/limits.h"
#include "queue/record.h"
#include "tests/sim/sim_disk.h"

namespace sluice::sim {

class JournalMaker {
 public:
  JournalMaker(SimDisk& disk, const queue::SpoolId& spool) : disk_(disk), spool_(spool) {}

  // Further batches go there; ended with `flags` as the segment before needs them (kLastInSegment).
  void BeginSegment(uint32_t number, uint64_t bytes);

  // Each appends to the open batch and says where the record will lie.
  queue::Location Message(queue::QueueId id, uint32_t recipients, ByteView body,
                          const std::vector<queue::PartLocation>& parts = {});
  queue::PartLocation Part(queue::QueueId id, ByteView bytes);
  queue::Location Status(queue::QueueId id, uint32_t attempts, uint32_t recipients,
                         std::initializer_list<uint32_t> finished, int64_t next_attempt_ms);
  queue::Location Done(queue::QueueId id);

  // Writes the open batch, which may be empty, and returns where it begins.
  uint64_t EndBatch(uint16_t flags = 0);

  // Marks a segment void, as SegmentKeeper does.
  void Void(uint32_t number);

  uint64_t end() const { return at_; }  // of what is written in the present segment
  int64_t wall_ms = 1'700'000'000'000;
  uint64_t next_epoch = 1;
  uint64_t next_batch = 1;

 private:
  queue::Location Append(queue::RecordType type, queue::QueueId id,
                         std::initializer_list<ByteView> pieces);
  queue::SegmentHeader Header(uint32_t number, queue::SegmentUse use) const;

  SimDisk& disk_;
  queue::SpoolId spool_;
  queue::Batch batch_{queue::kBatchBytesMax};
  uint32_t segment_ = 0;
  uint64_t epoch_ = 0;
  uint64_t at_ = queue::kBlockBytes;
  queue::QueueId newest_id_;
};

}  // namespace sluice::sim

#endif  // SLUICE_TESTS_SIM_SIM_JOURNAL_H_
