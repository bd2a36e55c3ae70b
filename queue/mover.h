// Mover: copies one entry's records out of a segment that is to be freed.
//
//   read message -> read status -> for each part in the victim: read it, append it, wait until it is durable
//   -> append message and status in one batch -> when durable, the index points at the copies
//
// Nothing of this stops the entry from being delivered meanwhile. Whatever becomes of it, recovery finds the
// same message: the newest copy, and every copy void once its done record is durable.
#ifndef SLUICE_QUEUE_MOVER_H_
#define SLUICE_QUEUE_MOVER_H_

#include <cstdint>
#include <vector>

#include "queue/batch.h"
#include "queue/device.h"
#include "queue/entry.h"
#include "queue/journal.h"
#include "queue/record.h"
#include "queue/record_read.h"
#include "queue/segment_table.h"

namespace sluice::queue {

class Mover {
 public:
  Mover(Device& device, SegmentTable& segments, Journal& journal, uint64_t& moved);

  bool idle() const { return step_ == Step::kIdle; }
  bool reading() const { return message_.in_flight() || status_.in_flight() || part_.in_flight(); }
  const Entry* entry() const { return entry_; }

  // Whether the entry may be moved now: it rests in the journal, neither taken nor on its way to disk.
  static bool Movable(const Entry& entry);

  // Whether message and status can go in one batch. Not those from a time of larger segments, for instance: they
  // stay where they are until they are done.
  static bool FitsInBatch(const Entry& entry, const Journal& journal);

  void Start(Entry& entry, const Segment& victim);  // REQUIRES: idle(), Movable, FitsInBatch

  // Appends what is ready, if it fits in the open batch.
  void Pump();

  // The entry is gone or the journal is closed: no result is wanted any more.
  void Abort();

  // A record of ours is durable in `segment`.
  void OnDurable(const BatchItem& item, Segment& segment, const Location& where);

 private:
  enum class Step : uint8_t {
    kIdle,
    kReadMessage,
    kReadStatus,
    kReadPart,
    kAppendPart,
    kAwaitPart,
    kAppend,
    kAwait,
    kAborted,  // a read is still in flight, or the copy of a part
  };

  static void OnRead(void* owner, ReadResult result);
  void Read(RecordRead& read, const Location& where, RecordType type);
  void AfterRead();
  void NextPart();
  void AppendPart();
  void AppendMessage();
  void AppendStatus();
  bool Unchanged() const;
  void TakeNewPlace(Segment& segment, const Location& where);
  void Finish();

  Device& device_;
  SegmentTable& segments_;
  Journal& journal_;
  uint64_t& moved_;

  Step step_ = Step::kIdle;
  Entry* entry_ = nullptr;
  uint32_t victim_ = 0;
  bool with_message_ = false;  // else only its status lies in the victim
  Location from_message_;
  Location from_status_;
  RecordRead message_{&OnRead, this};
  RecordRead status_{&OnRead, this};
  RecordRead part_{&OnRead, this};
  uint32_t reading_from_ = 0;
  std::vector<PartLocation> parts_;
  size_t part_index_ = 0;
  std::vector<size_t> copied_parts_;
  std::vector<uint32_t> pinned_;  // segments that hold copies of parts which nothing refers to yet
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_MOVER_H_
