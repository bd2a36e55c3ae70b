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

// The segment must not be recycled while the read is in flight: the owner sees to that.
class RecordRead : private DeviceOp {
 public:
  enum class Result : uint8_t { kOk, kCorrupt, kFailed };
  using Done = void (*)(void* owner, RecordRead& read, Result result);

  RecordRead(Done done, void* owner) : DeviceOp(&OnDone), done_(done), owner_(owner) {}

  // REQUIRES: !in_flight(). The payload stays until Reset or the next Start.
  void Start(Device& device, const Location& where, RecordType type, QueueId id);
  void Reset() { memory_ = AlignedBytes(), payload_ = {}; }

  bool in_flight() const { return DeviceOp::in_flight; }
  const Location& where() const { return where_; }
  ByteView payload() const { return payload_; }  // empty unless the read was kOk

 private:
  static void OnDone(DeviceOp& op, int result);

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
