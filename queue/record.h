// What a journal looks like on disk: FORMAT.md in structs. Encoding and checked decoding, nothing else.
//
// Decoders take bytes from a disk that may lie: they return false rather than trust a length.
#ifndef SLUICE_QUEUE_RECORD_H_
#define SLUICE_QUEUE_RECORD_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "queue/device.h"
#include "queue/queue_id.h"

namespace sluice::queue {

inline constexpr uint16_t kFormatVersion = 1;
using SpoolId = std::array<char, 16>;

constexpr uint64_t RoundUpToBlock(uint64_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

// --- segment header: block 0, twice, so that one bad sector does not hide a segment ------------------------

inline constexpr size_t kSegmentHeaderBytes = 76;
inline constexpr size_t kSegmentHeaderCopyAt = 2048;

enum class SegmentUse : uint16_t {
  kOpen = 1,  // batches of this epoch are good
  kVoid = 2,  // nothing in the segment is
};

struct SegmentHeader {
  uint16_t format = kFormatVersion;  // as decoded; Encode writes kFormatVersion
  SegmentUse use = SegmentUse::kOpen;
  SpoolId spool{};
  uint32_t segment = 0;
  uint64_t epoch = 0;         // rises with every use of any segment
  uint64_t bytes = 0;         // size of the segment
  uint64_t first_batch = 0;   // no batch of this use has a lower number
  uint64_t newest_id = 0;     // no id up to here is handed out again
  int64_t wall_ms = 0;        // when

  void Encode(char* block) const;  // fills kBlockBytes

  enum class Found : uint8_t { kGood, kBlank, kBad, kNewerFormat };
  static Found Decode(ByteView block, SegmentHeader& header);  // the better of the two copies
};

// --- batch -------------------------------------------------------------------------------------------------

inline constexpr size_t kBatchHeaderBytes = 88;

enum BatchFlags : uint16_t {
  kLastInSegment = 1,  // what follows is not ours
  kCleanEnd = 2,       // the seal of a clean shutdown
};

struct BatchHeader {
  uint16_t flags = 0;
  SpoolId spool{};
  uint64_t epoch = 0;
  uint64_t number = 0;    // rises by one with each batch of the journal
  uint64_t durable = 0;   // the highest number known durable when this one was closed
  uint64_t newest_id = 0;
  int64_t wall_ms = 0;
  uint32_t segment = 0;   // where it was written: a batch is good nowhere else
  uint64_t offset = 0;
  uint32_t bytes = 0;     // header and records, without the padding to a block
  uint32_t records = 0;
  uint32_t chain_crc = 0;  // over all record headers, without their own checksums

  void Encode(char* at) const;
  static bool Decode(ByteView bytes, BatchHeader& header);  // magic, version, checksum and sizes
};

// --- records -----------------------------------------------------------------------------------------------

inline constexpr size_t kRecordHeaderBytes = 24;
// Those that a batch's chain checksum covers: with its own checksum, any good header would add the same to it.
inline constexpr size_t kChainedHeaderBytes = kRecordHeaderBytes - 4;
inline constexpr size_t kRecordAlignment = 8;

enum class RecordType : uint8_t {
  kMessage = 1,
  kPart = 2,
  kStatus = 3,
  kDone = 4,
};

struct RecordHeader {
  uint32_t payload_bytes = 0;
  RecordType type = RecordType::kMessage;
  QueueId id;
  uint32_t payload_crc = 0;

  uint32_t record_bytes() const { return static_cast<uint32_t>(kRecordHeaderBytes) + payload_bytes; }

  void Encode(char* at) const;
  static bool Decode(ByteView bytes, RecordHeader& header);  // checksum; the payload's end is not checked
};

constexpr uint64_t PaddedRecordBytes(uint64_t record_bytes) {
  return (record_bytes + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

// Header and payload of the one record in `bytes`: true when it is `id`'s, of `type`, and whole.
bool CheckRecord(ByteView bytes, RecordType type, QueueId id, ByteView& payload);

// --- payloads ------------------------------------------------------------------------------------------------

// Where a PART record lies. `bytes` and `crc` are those of its payload.
struct PartLocation {
  static constexpr size_t kEncodedBytes = 24;
  uint32_t segment = 0;
  uint32_t offset = 0;
  uint64_t epoch = 0;
  uint32_t bytes = 0;
  uint32_t crc = 0;
};

inline constexpr size_t kMessageFixedBytes = 32;

struct MessageView {
  int64_t created_ms = 0;
  uint32_t recipients = 0;
  uint64_t body_bytes = 0;  // parts and inline
  ByteView encoded_parts;
  ByteView envelope;
  ByteView prefix;
  ByteView body;  // inline: what follows the parts

  size_t parts() const { return encoded_parts.size() / PartLocation::kEncodedBytes; }
  PartLocation part(size_t index) const;

  // The fixed head of a payload made of these pieces, in this order after it: parts, envelope, prefix, body.
  void EncodeFixed(char* at) const;
  static bool Decode(ByteView payload, MessageView& view);
};

void EncodeParts(std::span<const PartLocation> parts, Buffer& out);

inline constexpr size_t kStatusFixedBytes = 16;
inline constexpr size_t kReplyHeadBytes = 6;

// Attempts so far, and what they achieved: cumulative, so that the newest record says all.
class StatusView {
 public:
  static bool Decode(ByteView payload, StatusView& view);

  uint32_t attempts() const { return attempts_; }
  uint32_t recipients() const { return recipients_; }
  int64_t next_attempt_ms() const { return next_attempt_ms_; }
  bool finished(uint32_t recipient) const;
  uint32_t finished_count() const;
  ByteView reply(uint32_t recipient) const;  // empty: none

 private:
  uint32_t attempts_ = 0;
  uint32_t recipients_ = 0;  // 0: no status yet
  int64_t next_attempt_ms_ = 0;
  ByteView bitmap_;
  ByteView replies_;
};

class StatusBuilder {
 public:
  StatusBuilder(uint32_t attempts, uint32_t recipients, int64_t next_attempt_ms);
  void SetFinished(uint32_t recipient);
  bool finished(uint32_t recipient) const;
  void AddReply(uint32_t recipient, ByteView text);  // each recipient once, after all SetFinished
  ByteView payload() const { return out_.view(); }
  Buffer Take() { return std::move(out_); }

 private:
  Buffer out_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_RECORD_H_
