#include "queue/journal.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/base/check.h"
#include "queue/limits.h"

namespace sluice::queue {

Journal::Journal(const SpoolId& spool, Device& device, SegmentTable& segments, const QueueIdMaker& ids,
                 Client& client)
    : spool_(spool),
      device_(device),
      segments_(segments),
      ids_(ids),
      client_(client),
      batch_a_(BatchBytesMaxFor(device.segment_bytes())),
      batch_b_(BatchBytesMaxFor(device.segment_bytes())),
      write_(*this),
      bytes_max_(batch_a_.bytes_max()),
      batch_bytes_(batch_a_.bytes_max()) {}

Journal::~Journal() { CHECK(!write_.in_flight); }

void Journal::Begin(const Start& start) {
  next_batch_ = start.next_batch;
  next_epoch_ = start.next_epoch;
  durable_ = next_batch_ - 1;  // what recovery read is durable: Device::List
  segments_.ForEach([&](const Segment& segment) {
    if (segment.bytes < kSegmentBytesMin) return;  // never written again
    bytes_max_ = std::min(bytes_max_, BatchBytesMaxFor(segment.bytes));
  });
  active_ = start.active;
  if (active_ != nullptr) segments_.SetState(*active_, SegmentState::kActive);
}

size_t Journal::payload_bytes_max() const {
  return bytes_max_ - kBatchHeaderBytes - kRecordHeaderBytes - kRecordAlignment;
}

void Journal::set_batch_bytes(size_t bytes) {
  batch_bytes_ = std::clamp<size_t>(bytes, kBlockBytes, open_->bytes_max());
}

// The last batch of a segment may find, and leave, this much unused.
uint64_t Journal::active_room() const {
  return active_ == nullptr || active_->room() <= bytes_max_ ? 0 : active_->room() - bytes_max_;
}

uint64_t Journal::room() const {
  // A segment's first block is its header, and up to a batch at its end may stay unused.
  return active_room() + segments_.free_bytes() - segments_.free_count() * (kBlockBytes + bytes_max_);
}

// --- writing -------------------------------------------------------------------------------------------------

void Journal::Pump(MonoTime now, WallTime wall) {
  wall_ = wall;
  if (poisoned_ || sealed_ || telling_ || open_->empty()) return;
  if (open_->since == MonoTime{}) open_->since = now;
  if (write_.in_flight) return;
  if (!TimeToClose(now) || !EnsureActive()) return;
  write_started_ = now;
  if (active_->room() < bytes_max_) {
    // One that an earlier start left with room for smaller batches only: end it with a batch of nothing.
    writing_->Clear();
    Write(*writing_, kLastInSegment);
    return;
  }
  std::swap(open_, writing_);
  const bool last = active_->room() - RoundUpToBlock(writing_->bytes()) < bytes_max_;
  Write(*writing_, last ? kLastInSegment : 0);
}

bool Journal::TimeToClose(MonoTime now) const {
  if (open_->bytes() >= std::min(batch_bytes_, bytes_max_)) return true;
  return now >= open_->since + Delay();
}

Duration Journal::Delay() const {
  if (open_->urgent) return linger_;
  if (!frugal_) return kLazyDelay;
  const bool full = open_->bytes() + kRecordHeaderBytes + kRecordAlignment > kBlockBytes;
  return full ? Duration(0) : kFrugalDelay;
}

std::optional<MonoTime> Journal::NextDeadline() const {
  if (poisoned_ || sealed_ || write_.in_flight || open_->empty()) return std::nullopt;
  if (open_->since == MonoTime{}) return MonoTime::min();
  if (active_ == nullptr && segments_.free_count() == 0) return std::nullopt;  // a completion will tell
  return open_->since + Delay();
}

bool Journal::EnsureActive() {
  if (active_ != nullptr) return true;
  active_ = segments_.FirstFree();
  if (active_ == nullptr) return false;
  segments_.SetState(*active_, SegmentState::kActive);
  active_->epoch = next_epoch_++;
  active_->write_at = kBlockBytes;
  return true;
}

SegmentHeader Journal::HeaderFor(const Segment& segment, SegmentUse use) const {
  SegmentHeader header;
  header.use = use;
  header.spool = spool_;
  header.segment = segment.number;
  header.epoch = segment.epoch;
  header.bytes = segment.bytes;
  header.first_batch = next_batch_;
  header.newest_id = ids_.newest().value;
  header.wall_ms = WallMillis(wall_);
  return header;
}

void Journal::Write(Batch& batch, uint16_t flags) {
  const bool first = active_->write_at == kBlockBytes;
  const SegmentHeader segment_header = HeaderFor(*active_, SegmentUse::kOpen);
  BatchHeader header;
  header.flags = flags;
  header.spool = spool_;
  header.epoch = active_->epoch;
  header.number = next_batch_++;
  header.durable = durable_;
  header.newest_id = ids_.newest().value;
  header.wall_ms = WallMillis(wall_);
  header.segment = active_->number;
  header.offset = active_->write_at;
  const ByteView bytes = batch.Close(header, first ? &segment_header : nullptr);
  write_flags_ = flags;
  write_bytes_ = bytes.size();
  write_offset_ = active_->write_at;
  write_end_ = (first ? 0 : write_offset_) + bytes.size();
  CHECK(write_end_ <= active_->bytes);
  device_.Write(active_->number, first ? 0 : write_offset_, bytes, write_);
}

void Journal::OnWriteDone(DeviceOp& op, int result) {
  Journal& journal = static_cast<WriteOp&>(op).journal;
  if (journal.poisoned_) return;  // by another failure, while this write was in flight
  if (result < 0 || static_cast<size_t>(result) != journal.write_bytes_) {
    journal.Poison(result < 0 ? result : -EIO);
    return;
  }
  Batch& batch = *journal.writing_;
  Segment& segment = *journal.active_;
  journal.durable_ = journal.next_batch_ - 1;
  journal.batches_++;
  journal.bytes_written_ += journal.write_bytes_;
  journal.records_ += batch.records();
  segment.write_at = journal.write_end_;
  journal.telling_ = true;
  journal.client_.OnBatchDurable(batch, segment, journal.write_offset_);
  journal.telling_ = false;
  batch.Clear();
  if (journal.write_flags_ & kLastInSegment) {
    journal.segments_.SetState(segment, SegmentState::kSealed);
    journal.active_ = nullptr;
  }
  if (journal.write_flags_ & kCleanEnd) journal.client_.OnSealed();
}

bool Journal::Seal() {
  CHECK(idle());
  if (poisoned_ || !EnsureActive()) return false;
  sealed_ = true;
  writing_->Clear();
  Write(*writing_, kCleanEnd);
  return true;
}

void Journal::Poison(int error) {
  if (poisoned_) return;
  poisoned_ = true;
  client_.OnPoisoned(error);
}

}  // namespace sluice::queue
