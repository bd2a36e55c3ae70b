// What recovery found in a shard's folder, for the log.
#ifndef SLUICE_QUEUE_RECOVERY_REPORT_H_
#define SLUICE_QUEUE_RECOVERY_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/time.h"

namespace sluice::queue {

// Bytes that should have been good and were not; a copy was set aside.
struct DamagedRange {
  uint32_t segment = 0;
  uint64_t epoch = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  std::string what;
};

struct RecoveryReport {
  uint32_t segments = 0;       // found
  uint32_t segments_live = 0;  // of those, in use
  uint64_t bytes_read = 0;
  uint64_t batches = 0;
  uint64_t records = 0;
  uint64_t messages = 0;       // queued
  uint64_t message_bytes = 0;  // of their records
  uint64_t torn_bytes = 0;     // cut at the end: a batch that was never acknowledged
  bool clean = false;          // ended by a seal, or empty
  WallTime newest{};           // of the newest record
  std::vector<DamagedRange> damage;
  uint64_t messages_damaged = 0;  // whose parts are among the damage: not queued
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_RECOVERY_REPORT_H_
