// Entry: all that memory must hold of a queued message: its name, where its records lie, when it is due.
//
// About 100 bytes, so that ten million deferred messages fit in a GiB; envelope and content stay in the
// journal (but see Content in queue/content.h). Entries are made and destroyed by Queue. Callers get one from
// Queue::TakeDue, read it, and give it back by Finish or Release; only queue/ writes the fields.
#ifndef SLUICE_QUEUE_ENTRY_H_
#define SLUICE_QUEUE_ENTRY_H_

#include <cstdint>
#include <memory>

#include "core/base/intrusive_list.h"
#include "core/base/time.h"
#include "queue/queue_id.h"

namespace sluice::queue {

struct Content;
struct Upload;

// A record in a segment; `bytes` counts its header.
struct Location {
  static constexpr uint32_t kNowhere = UINT32_MAX;
  uint32_t segment = kNowhere;
  uint32_t offset = 0;
  uint32_t bytes = 0;
  explicit operator bool() const { return segment != kNowhere; }
  bool operator==(const Location&) const = default;
};

enum class EntryState : uint8_t {
  kCommitting,  // its message, status or done record is on the way to disk
  kReady,       // due, in line
  kDeferred,    // waits for its time
  kTaken,       // the caller is delivering it
  kHeld,        // not tried until an operator releases it
  kSuspended,   // not tried while its login is suspended
  kDamaged,     // its record fails its checksum: kept for the operator, not delivered
};

struct MessageTag {};
struct StatusTag {};
struct LineTag {};
using MessageNode = TaggedNode<MessageTag>;  // in the segment that holds its MESSAGE record
using StatusNode = TaggedNode<StatusTag>;    // in the segment that holds its newest STATUS record
using LineNode =
    TaggedNode<LineTag>;  // ready for delivery, waiting for room in a batch, or suspended

struct Entry : MessageNode, StatusNode, LineNode {
  Entry();
  ~Entry();

  WallTime created() const { return WallFromMillis(int64_t{created_s} * 1000); }

  QueueId id;
  std::unique_ptr<Content> content;  // its bytes, while in memory
  std::unique_ptr<Upload> upload;    // where its parts lie, if its body was too large for one record
  Location message;
  Location status;
  uint32_t created_s = 0;  // seconds since 1970
  uint32_t heap_index = 0;
  uint16_t recipients = 0;
  uint16_t open_recipients = 0;  // neither delivered nor bounced yet
  uint16_t attempts = 0;
  EntryState state = EntryState::kCommitting;
  uint8_t finishing : 1 = 0;     // every recipient is finished; its done record is on the way
  uint8_t cleaner_pass : 7 = 0;  // in which the cleaner last looked at it
};

static_assert(sizeof(Entry) <= 112);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_ENTRY_H_
