#include "queue/record_read.h"

#include "core/base/check.h"

namespace sluice::queue {

void RecordRead::Start(Device& device, const Location& where, RecordType type, QueueId id) {
  CHECK(!in_flight());
  where_ = where;
  type_ = type;
  id_ = id;
  payload_ = {};
  const uint64_t first = where.offset / kBlockBytes * kBlockBytes;
  const uint64_t bytes = RoundUpToBlock(uint64_t{where.offset} + where.bytes) - first;
  if (memory_.size() != bytes) memory_ = AlignedBytes(bytes);
  device.Read(where.segment, first, memory_.span(), op_);
}

void RecordRead::Reset() {
  CHECK(!in_flight());
  memory_ = AlignedBytes();
  payload_ = {};
}

void RecordRead::OnDone(DeviceOp& op, int result) {
  RecordRead& read = static_cast<Op&>(op).read;
  const ReadResult accepted = read.Accept(result);
  read.done_(read.owner_, accepted);
}

ReadResult RecordRead::Accept(int result) {
  if (result < 0 || static_cast<size_t>(result) != memory_.size()) return ReadResult::kFailed;
  const ByteView record = memory_.view().substr(where_.offset % kBlockBytes, where_.bytes);
  ByteView payload;
  if (!CheckRecord(record, type_, id_, payload)) return ReadResult::kCorrupt;
  payload_ = payload;
  return ReadResult::kOk;
}

}  // namespace sluice::queue
