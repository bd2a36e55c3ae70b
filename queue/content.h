// What an entry has in memory beyond its index, most of it only for a while.
#ifndef SLUICE_QUEUE_CONTENT_H_
#define SLUICE_QUEUE_CONTENT_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/buffer.h"
#include "core/base/intrusive_list.h"
#include "core/base/time.h"
#include "queue/record.h"
#include "queue/submission.h"

namespace sluice::queue {

struct Entry;

// The message's bytes, from Submit until its first attempt has ended (or until it is durable, when memory is
// short); later, what goes with a status or done record on its way to disk.
struct Content {
  Buffer envelope;
  Buffer prefix;
  Buffer body;
  Buffer status;                  // payload of a STATUS record that is not (or never will be) durable
  MonoTime due{};                 // when that attempt comes, once the record is durable
  CommitWaiter* waiter = nullptr; // of the message's commit
  std::unique_ptr<Entry> bounce;  // to be committed in the same batch as the record
  bool counted = false;           // in the queue's hot bytes
  bool hold = false;              // when durable, it is held

  size_t bytes() const { return envelope.size() + prefix.size() + body.size(); }
};

// The share of a large message's parts that lies in one segment. Linked in that segment.
struct PartSpan : ListNode {
  Upload* upload = nullptr;
  uint32_t segment = 0;
  uint64_t bytes = 0;  // of the records
};

// One part on its way to disk. Linked in its upload.
struct PartWrite : ListNode {
  Upload* upload = nullptr;
  size_t index = 0;
  Buffer bytes;
  CommitWaiter* waiter = nullptr;
};

// The parts of a message too large for one record. Owned by its Submission until Submit, then by its Entry.
struct Upload {
  QueueId id;
  Entry* entry = nullptr;      // once submitted
  bool commit_wanted = false;  // the message record waits for the parts
  bool abandoned = false;      // owned by `writes`
  uint64_t part_bytes = 0;     // of the body
  IntrusiveList<PartWrite> writes;
  std::vector<PartLocation> locations;  // in order; given up with the content
  std::vector<std::unique_ptr<PartSpan>> spans;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_CONTENT_H_
