// The queue's bounds, and why.
#ifndef SLUICE_QUEUE_LIMITS_H_
#define SLUICE_QUEUE_LIMITS_H_

#include <algorithm>
#include <cstdint>

#include "core/base/time.h"
#include "queue/device.h"

namespace sluice::queue {

// A body up to this size is one record, in memory until the final dot; a larger one comes in such parts.
inline constexpr size_t kPartBytesMax = 96 << 10;

// The largest batch: what one write moves at most, and twice that is a shard's memory for batches. Beyond
// half a MiB a disk gains nothing and the messages in a batch wait for each other.
inline constexpr size_t kBatchBytesMax = 1 << 20;

inline constexpr uint64_t kSegmentBytesMin = 512 << 10;
inline constexpr uint64_t kSegmentBytesMax = uint64_t{4} << 30;  // offsets of records are 32 bits

// The last batch of a segment may leave this much unused, so batches are small beside segments.
constexpr size_t BatchBytesMaxFor(uint64_t segment_bytes) {
  return std::min<uint64_t>(kBatchBytesMax, segment_bytes / 4 / kBlockBytes * kBlockBytes);
}

// A record must leave room for the header of its batch.
inline constexpr uint32_t kRecipientsMax = 65'535;  // Entry counts them in 16 bits

inline constexpr size_t kReplyBytesMax = 200;         // of a reply kept a recipient
inline constexpr size_t kRepliesBytesMax = 32 << 10;  // of all replies in a status record, with their heads
inline constexpr size_t kStatusBytesMax = 16 + (kRecipientsMax + 7) / 8 + kRepliesBytesMax;  // of its payload

// Done and status records that nobody waits for are written within this time.
inline constexpr Duration kLazyDelay = milliseconds(100);

// ... and within this when the spool is full: a block is then better spent on a hundred of them than on one.
inline constexpr Duration kFrugalDelay = seconds(5);

// A segment that could not be made is tried again after this.
inline constexpr Duration kPrepareRetry = seconds(1);

static_assert(kPartBytesMax + (16 << 10) <= BatchBytesMaxFor(kSegmentBytesMin));

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_LIMITS_H_
