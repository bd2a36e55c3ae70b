// Journal: batches of records onto the device, one write in flight, in the order of their numbers.
//
// Append to open() what fits; Pump closes and writes it when its time has come; the client hears when it is
// durable. A batch closes when the one before is durable, so a lone record never waits and batches grow by
// themselves under load. A segment ends with a batch that says so; the next one begins with its header. A
// failed write poisons the journal: it never writes again.
#ifndef SLUICE_QUEUE_JOURNAL_H_
#define SLUICE_QUEUE_JOURNAL_H_

#include <algorithm>
#include <cstdint>
#include <optional>

#include "core/base/time.h"
#include "queue/batch.h"
#include "queue/device.h"
#include "queue/queue_id.h"
#include "queue/segment_table.h"

namespace sluice::queue {

class Journal {
 public:
  class Client {
   public:
    // `batch` is durable at `offset` of `segment`, and is cleared when this returns. The segment's state is
    // still kActive.
    virtual void OnBatchDurable(Batch& batch, Segment& segment, uint64_t offset) = 0;
    virtual void OnSealed() = 0;
    // Nothing was or will be written; the records in both batches are of unknown or no fate.
    virtual void OnPoisoned(int error) = 0;

   protected:
    ~Client() = default;
  };

  // What recovery found out.
  struct Start {
    uint64_t next_batch = 1;
    uint64_t next_epoch = 1;
    Segment* active = nullptr;  // to be continued at its write_at; else the next free one is taken
  };

  Journal(const SpoolId& spool, Device& device, SegmentTable& segments, const QueueIdMaker& ids, Client& client);
  ~Journal();

  // The table has all segments. Segments smaller than the device now makes them are still written, so until the
  // next start no batch is larger than suits the smallest.
  void Begin(const Start& start);

  Batch& open() { return *open_; }
  const Batch& open() const { return *open_; }
  bool Fits(uint64_t payload_bytes) const { return open_->Fits(payload_bytes, limit()); }
  // The largest payload that fits in any batch.
  size_t payload_bytes_max() const;

  // Closes and writes the open batch if nothing is in flight, something is open, and it is time: at once when
  // somebody waits (after the linger), else kLazyDelay after the first record. Does nothing while no segment
  // is free.
  void Pump(MonoTime now, WallTime wall);
  std::optional<MonoTime> NextDeadline() const;

  // Writes the seal. REQUIRES: idle(). False when there is no room for it.
  bool Seal();
  bool idle() const { return !write_.in_flight && open_->empty(); }

  bool writing() const { return write_.in_flight; }
  bool poisoned() const { return poisoned_; }
  bool sealed() const { return sealed_; }
  void Poison(int error);

  // Header of an empty segment: for whoever voids one.
  SegmentHeader HeaderFor(const Segment& segment, SegmentUse use) const;

  // Bytes that batches can still take: in the active segment, and in all free ones.
  uint64_t active_room() const;
  uint64_t room() const;
  Batch& in_flight() { return *writing_; }  // its items; empty when nothing is
  const Segment* active() const { return active_; }

  void set_batch_bytes(size_t bytes);
  void set_linger(Duration linger) { linger_ = linger; }
  // Room is scarce: what nobody waits for is written when it fills a block, or after kFrugalDelay.
  void set_frugal(bool frugal) { frugal_ = frugal; }

  uint64_t batches() const { return batches_; }
  uint64_t bytes_written() const { return bytes_written_; }
  uint64_t records() const { return records_; }
  MonoTime write_started() const { return write_started_; }

 private:
  struct WriteOp : DeviceOp {
    explicit WriteOp(Journal& j) : DeviceOp(&OnWriteDone), journal(j) {}
    Journal& journal;
  };
  static void OnWriteDone(DeviceOp& op, int result);

  size_t limit() const { return open_->empty() ? bytes_max_ : std::min(batch_bytes_, bytes_max_); }
  bool TimeToClose(MonoTime now) const;
  Duration Delay() const;
  bool EnsureActive();
  void Write(Batch& batch, uint16_t flags);

  const SpoolId spool_;
  Device& device_;
  SegmentTable& segments_;
  const QueueIdMaker& ids_;
  Client& client_;

  Batch batch_a_;
  Batch batch_b_;
  Batch* open_ = &batch_a_;
  Batch* writing_ = &batch_b_;
  WriteOp write_;
  size_t write_bytes_ = 0;     // what the device must report
  uint64_t write_offset_ = 0;  // of the batch in flight
  uint64_t write_end_ = 0;
  uint16_t write_flags_ = 0;
  MonoTime write_started_{};

  Segment* active_ = nullptr;
  uint64_t next_batch_ = 1;
  uint64_t next_epoch_ = 1;
  uint64_t durable_ = 0;
  WallTime wall_{};

  size_t bytes_max_;  // of a batch: what the smallest segment there is can take
  size_t batch_bytes_;
  Duration linger_{0};
  bool frugal_ = false;
  bool poisoned_ = false;
  bool sealed_ = false;
  bool telling_ = false;  // the client is hearing of a batch: its memory is not free yet

  uint64_t batches_ = 0;
  uint64_t bytes_written_ = 0;
  uint64_t records_ = 0;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_JOURNAL_H_
