// RecordRead: one record brought from the device into memory and checked.
#ifndef SLUICE_QUEUE_RECORD_READ_H_
#define SLUICE_QUEUE_RECORD_READ_H_

#include <cstdint>

#include "core/base/aligned_bytes.h"
#include "core/base/bytes.h"
#include "queue/device.h"
#include "queue/entry.h"
#include "queue/record.h"

namespace sluice::queue {

enum class ReadResult : uint8_t {
  kOk,
  kCorrupt,  // the record is not what should be there, or its checksum is wrong
  kFailed,   // the device could not read it now
};

// The segment must not be recycled while the read is in flight: the owner sees to that.
class RecordRead {
 public:
  using Done = void (*)(void* owner, ReadResult result);

  RecordRead(Done done, void* owner) : op_(*this), done_(done), owner_(owner) {}

  // REQUIRES: !in_flight(). The payload stays until Reset or the next Start.
  void Start(Device& device, const Location& where, RecordType type, QueueId id);
  void Reset();

  bool in_flight() const { return op_.in_flight; }
  const Location& where() const { return where_; }
  ByteView payload() const { return payload_; }  // empty unless the read was kOk

 private:
  struct Op : DeviceOp {
    explicit Op(RecordRead& r) : DeviceOp(&OnDone), read(r) {}
    RecordRead& read;
  };
  static void OnDone(DeviceOp& op, int result);
  ReadResult Accept(int result);

  Op op_;
  Done done_;
  void* owner_;
  Location where_;
  RecordType type_ = RecordType::kMessage;
  QueueId id_;
  AlignedBytes memory_;
  ByteView payload_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_RECORD_READ_H_
