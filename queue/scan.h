// Scan: what in one segment is good. Pure: the whole segment's bytes come in, records and damage go out.
//
// Validity is a matter of whole batches. A batch is begun when the one before is durable, so damage that a good
// batch header follows, or that lies in a segment which is not the newest, hits bytes that were durable: it is
// reported, and records whose own checksum is good are still taken from a batch whose record headers are. Damage
// at the very end of the newest segment is the torn tail of a write that was never acknowledged: it is cut.
#ifndef SLUICE_QUEUE_SCAN_H_
#define SLUICE_QUEUE_SCAN_H_

#include <cstdint>
#include <string_view>

#include "core/base/bytes.h"
#include "queue/entry.h"
#include "queue/record.h"

namespace sluice::queue {

class ScanVisitor {
 public:
  // Records come in the order in which they were written.
  virtual void OnRecord(const RecordHeader& record, const Location& where, ByteView payload) = 0;
  virtual void OnDamage(uint64_t offset, uint64_t bytes, std::string_view what) = 0;

 protected:
  ~ScanVisitor() = default;
};

struct ScanResult {
  uint64_t end = kBlockBytes;  // where good batches end
  uint64_t batches = 0;
  uint64_t records = 0;
  uint64_t last_batch = 0;  // number of the last good one; 0: none
  uint64_t newest_id = 0;
  int64_t newest_wall_ms = 0;
  uint64_t torn_bytes = 0;
  bool ended = false;  // by a batch that says it is the last in the segment
  bool clean = false;  // the last good batch is the seal of a clean shutdown
};

// `header` is the segment's; `newest` says that no segment at all was begun later.
ScanResult ScanSegment(ByteView segment, const SegmentHeader& header, bool newest, ScanVisitor& visitor);

// The header of the batch at `offset`, when it belongs there.
bool DecodeBatchAt(ByteView segment, uint64_t offset, const SpoolId& spool, uint32_t number, BatchHeader& batch);

// For a segment whose header is lost.
struct BatchesFound {
  uint64_t epoch = 0;  // the highest; 0: there is no batch
  uint32_t count = 0;  // batches of that epoch
  uint64_t first = 0;  // where the first of them is
  uint64_t first_bytes = 0;
};
BatchesFound FindBatches(ByteView segment, const SpoolId& spool, uint32_t number);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_SCAN_H_
