// Batch: records gathered in aligned memory, to be written and made durable in one request.
//
// The memory is allocated once and reused. A record's bytes are copied into it once, and its checksum is
// taken there, while they are in the cache.
#ifndef SLUICE_QUEUE_BATCH_H_
#define SLUICE_QUEUE_BATCH_H_

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "core/base/aligned_bytes.h"
#include "core/base/bytes.h"
#include "core/base/time.h"
#include "queue/record.h"

namespace sluice::queue {

struct Entry;
struct PartWrite;
class Mover;

// Who wants to know that a record of the batch is durable.
struct BatchItem {
  enum class Kind : uint8_t { kMessage, kStatus, kDone, kPart, kMovedMessage, kMovedStatus, kMovedPart, kTombstone };

  Kind kind = Kind::kMessage;
  uint32_t offset = 0;  // of the record, from the batch's start
  uint32_t bytes = 0;   // of the record
  uint32_t payload_crc = 0;
  union {
    Entry* entry;             // kMessage, kStatus, kDone
    PartWrite* part;          // kPart
    Mover* mover;             // kMoved...
    uint32_t negated_segment; // kTombstone
  };
  QueueId id;
};

class Batch {
 public:
  // `bytes_max` counts header, records and padding.
  explicit Batch(size_t bytes_max) : memory_(kBlockBytes + bytes_max) {}

  bool empty() const { return records_ == 0; }
  size_t bytes() const { return bytes_; }
  uint32_t records() const { return records_; }
  size_t bytes_max() const { return memory_.size() - kBlockBytes; }

  // Room for a record with such a payload within `limit` bytes of batch.
  bool Fits(uint64_t payload_bytes, size_t limit) const {
    return bytes_ + PaddedRecordBytes(kRecordHeaderBytes + payload_bytes) <= limit;
  }

  // Appends a record whose payload is `pieces` one after the other, and `item`, whose offset, bytes, crc and
  // id are filled in. REQUIRES: it fits in bytes_max().
  void Append(RecordType type, QueueId id, std::initializer_list<ByteView> pieces, BatchItem item);

  // Completes `header` (bytes, records, checksums), and gives what is to be written at its offset, or in the
  // block before it when `first` is given: then the segment's header goes along.
  ByteView Close(BatchHeader& header, const SegmentHeader* first);

  void Clear();

  std::vector<BatchItem> items;
  bool urgent = false;  // somebody waits
  MonoTime since{};     // when Pump first saw it; unset: not yet

 private:
  char* start() { return memory_.data() + kBlockBytes; }

  AlignedBytes memory_;  // a block for the segment's header, then the batch
  size_t bytes_ = kBatchHeaderBytes;
  uint32_t records_ = 0;
  uint32_t chain_crc_ = 0;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_BATCH_H_
