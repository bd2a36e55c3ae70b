// Loads: what a delivery holds of a message, and the reads that bring it there. Fields of the delivery.
#ifndef SLUICE_QUEUE_LOAD_H_
#define SLUICE_QUEUE_LOAD_H_

#include <cstdint>
#include <vector>

#include "core/base/aligned_bytes.h"
#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "queue/message.h"
#include "queue/record.h"
#include "queue/record_read.h"

namespace sluice::queue {

class Loader;
class SegmentTable;
struct Content;
struct Entry;
struct Upload;

// kCorrupt: Queue::SetDamaged is due. kFailed: Queue::Release, and try later.
using LoadResult = ReadResult;

// A message: envelope, prefix and body (or where the body's parts are), and what earlier attempts achieved.
// It owns the bytes unless the message is still in memory; then they are the queue's, until Finish or Release.
class MessageLoad {
 public:
  using Done = void (*)(MessageLoad& load, LoadResult result);

  explicit MessageLoad(Done done) : done_(done) {}
  MessageLoad(const MessageLoad&) = delete;
  MessageLoad& operator=(const MessageLoad&) = delete;

  bool in_flight() const { return loader_ != nullptr; }

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

  QueueId id() const { return id_; }

  // Lets go of the bytes. REQUIRES: !in_flight().
  void Reset();

 private:
  friend class Loader;
  static void OnMessageRead(void* owner, ReadResult result);
  static void OnStatusRead(void* owner, ReadResult result);

  // Makes sense of the payloads; the views borrow them.
  bool Accept(ByteView message, ByteView status);
  void AcceptContent(const Content& content, const Upload* upload);
  void Finish(LoadResult result);

  Done done_;
  Loader* loader_ = nullptr;  // while in flight
  QueueId id_;
  Location message_at_;
  Location status_at_;
  RecordRead message_read_{&OnMessageRead, this};
  RecordRead status_read_{&OnStatusRead, this};
  Buffer status_bytes_;  // of a status that is only in memory
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

  explicit PartLoad(Done done) : done_(done) {}
  PartLoad(const PartLoad&) = delete;
  PartLoad& operator=(const PartLoad&) = delete;

  bool in_flight() const { return loader_ != nullptr; }
  ByteView bytes() const { return read_.payload(); }  // after a good load, until the next one or Reset
  void Reset() { read_.Reset(); }                     // REQUIRES: !in_flight()

 private:
  friend class Loader;
  static void OnRead(void* owner, ReadResult result);

  Done done_;
  Loader* loader_ = nullptr;
  RecordRead read_{&OnRead, this};
};

// Starts the reads, and keeps the segments that they read from being recycled. A part of Queue.
class Loader {
 public:
  Loader(Device& device, SegmentTable& segments) : device_(device), segments_(segments) {}

  bool Load(const Entry& entry, MessageLoad& load);
  void LoadPart(const MessageLoad& message, size_t part, PartLoad& load);

 private:
  friend class MessageLoad;
  friend class PartLoad;
  void Pin(const Location& where);  // its segment is not recycled
  void Unpin(const Location& where);

  Device& device_;
  SegmentTable& segments_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_LOAD_H_
