// Loads: what a delivery holds of a message, and the reads that bring it there. Fields of the delivery.
#ifndef SLUICE_QUEUE_LOAD_H_
#define SLUICE_QUEUE_LOAD_H_

#include <cstdint>
#include <vector>

#include "core/base/aligned_bytes.h"
#include "core/base/bytes.h"
#include "queue/message.h"
#include "queue/record.h"
#include "queue/record_read.h"

namespace sluice::queue {

struct Entry;

enum class LoadResult : uint8_t {
  kOk,
  kCorrupt,  // the record fails its checksum, or says nonsense: see Queue::SetDamaged
  kFailed,   // the device could not read it now: Queue::Release and try later
};

// A message: envelope, prefix and body (or where the body's parts are), and what earlier attempts achieved.
// It owns the bytes unless the message is still in memory; then they are the queue's, until Finish or Release.
class MessageLoad {
 public:
  using Done = void (*)(MessageLoad& load, LoadResult result);

  explicit MessageLoad(Done done);
  MessageLoad(const MessageLoad&) = delete;
  MessageLoad& operator=(const MessageLoad&) = delete;

  bool in_flight() const { return entry_ != nullptr; }

  // --- valid after a good load ---
  const EnvelopeView& envelope() const { return envelope_; }
  ByteView prefix() const { return prefix_; }
  ByteView body() const { return body_; }  // what follows the parts; all of it when there are none
  size_t parts() const { return parts_.size(); }
  uint64_t content_bytes() const;  // prefix, parts and body

  // Whether a recipient was delivered or bounced in an earlier attempt.
  bool finished(uint32_t recipient) const;

  // The next hop's last words about a recipient; empty when there were none. Borrows from this load.
  ByteView last_reply(uint32_t recipient) const;

  // Lets go of the bytes. REQUIRES: !in_flight().
  void Reset();

 private:
  friend class Queue;
  friend class Loader;
  LoadResult Accept(ByteView message_payload, ByteView status_payload);

  Done done_;
  Entry* entry_ = nullptr;  // while in flight
  RecordRead message_read_;
  RecordRead status_read_;
  EnvelopeView envelope_;
  ByteView prefix_;
  ByteView body_;
  StatusView status_;
  std::vector<PartLocation> parts_;
};

// One part of a large body.
class PartLoad {
 public:
  using Done = void (*)(PartLoad& load, LoadResult result);

  explicit PartLoad(Done done);
  PartLoad(const PartLoad&) = delete;
  PartLoad& operator=(const PartLoad&) = delete;

  bool in_flight() const;
  ByteView bytes() const { return bytes_; }  // after a good load, until the next one or Reset
  void Reset();                              // REQUIRES: !in_flight()

 private:
  friend class Queue;
  friend class Loader;
  Done done_;
  RecordRead read_;
  ByteView bytes_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_LOAD_H_
