// Recovery: what a folder of segments says is queued. Reads everything, writes nothing, so that a crash in the
// middle of it changes nothing. Blocking; used at start, and by tools that read a spool.
#ifndef SLUICE_QUEUE_RECOVERY_H_
#define SLUICE_QUEUE_RECOVERY_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "queue/device.h"
#include "queue/entry.h"
#include "queue/record.h"
#include "queue/recovery_report.h"
#include "queue/segment_table.h"

namespace sluice::queue {

struct RecoveredMessage {
  Location message;
  Location status;
  int64_t created_ms = 0;
  int64_t next_attempt_ms = 0;  // when `status`
  uint32_t recipients = 0;
  uint32_t open_recipients = 0;
  uint32_t attempts = 0;
  bool damaged = false;             // parts of it are lost
  bool held = false;                // until an operator releases it
  std::vector<PartLocation> parts;
  absl::InlinedVector<uint32_t, 1> stale;  // segments with older copies of its record
};

struct RecoveredSegment {
  uint32_t number = 0;
  uint64_t bytes = 0;
  uint64_t epoch = 0;
  SegmentState state = SegmentState::kFree;
  uint64_t end = 0;  // of what is good
  // As in Segment: what done records here, or ones copied here, make void.
  absl::flat_hash_map<uint32_t, std::vector<QueueId>> negates;
};

struct RecoveredJournal {
  RecoveryReport report;
  std::vector<RecoveredSegment> segments;              // by number
  std::vector<std::pair<QueueId, RecoveredMessage>> messages;  // by id
  std::optional<uint32_t> active;  // segment to go on writing, at its `end`
  uint64_t next_batch = 1;
  uint64_t next_epoch = 1;
  QueueId newest_id;
};

// `spool`: which spool the segments must belong to; nullopt: that of the first that says so.
absl::StatusOr<RecoveredJournal> RecoverJournal(Device& device, const std::optional<SpoolId>& spool);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_RECOVERY_H_
