// What the admin interface tells of the queue. A shard gives only what its index holds (SnapshotQueue, a pass
// over the entries); envelopes are read from the journal's files afterwards, off the shard. A record that is gone
// by then belonged to a message that was finished meanwhile and is left out: every record is checked.
#ifndef SLUICE_CORE_SERVER_QUEUE_LISTING_H_
#define SLUICE_CORE_SERVER_QUEUE_LISTING_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/server/admin.h"
#include "queue/queue.h"

namespace sluice::server {

struct ListedMessage {
  queue::QueueId id;
  uint32_t folder = 0;  // of the spool
  queue::Location message;
  queue::Location status;  // none before the first deferral
  WallTime created;
  uint16_t attempts = 0;
  bool damaged = false;
  bool held = false;       // until it is released
  bool suspended = false;  // put aside, since its login is suspended
};

// Appends the durable messages of a queue with ids above `filter.after`, at most filter.limit + 1 of them, the
// lowest ids. About 10 ns a message that is queued. The shard's thread.
void SnapshotQueue(queue::Queue& queue, uint32_t folder, const QueueFilter& filter,
                   std::vector<ListedMessage>& out);

// Carries out an order as far as it is about this queue; a message's id goes into `done`. The
// shard's thread.
void OrderQueue(queue::Queue& queue, const QueueOrder& order, queue::Now now,
                std::vector<queue::QueueId>& done);

// The JSON of AdminSource::QueueJson. Reads files; any thread but a shard's.
std::string QueueListJson(const std::string& spool_dir, std::vector<ListedMessage> messages,
                          const QueueFilter& filter);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_QUEUE_LISTING_H_
