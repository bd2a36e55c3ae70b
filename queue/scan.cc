#include "queue/scan.h"

#include <algorithm>
#include <vector>

#include "core/base/crc32c.h"

namespace sluice::queue {
namespace {

// How much of a batch can be believed.
enum class Verdict : uint8_t {
  kNothing,        // no header of ours
  kHeader,         // its size, but not its record headers
  kRecordHeaders,  // all but the payload of some record
  kWhole,
};

struct Piece {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  Verdict verdict = Verdict::kNothing;
  BatchHeader batch;
};

class Scanner {
 public:
  Scanner(ByteView segment, const SegmentHeader& header, ScanVisitor& visitor)
      : segment_(segment), header_(header), visitor_(visitor), next_number_(header.first_batch) {}

  ScanResult Run(bool newest);

 private:
  Piece Look(uint64_t offset) const;
  void Accept(const Piece& piece);
  void Doubt(const Piece& piece);
  void ConfirmDamage();
  void CutTail();
  template <typename F>
  bool ForEachRecord(const BatchHeader& batch, uint64_t offset, F f) const;

  const ByteView segment_;
  const SegmentHeader& header_;
  ScanVisitor& visitor_;
  uint64_t next_number_;
  std::vector<Piece> doubtful_;  // since the last good batch
  ScanResult result_;
};

ScanResult Scanner::Run(bool newest) {
  uint64_t at = kBlockBytes;
  while (at + kBlockBytes <= segment_.size()) {
    const Piece piece = Look(at);
    at += piece.bytes;
    if (piece.verdict != Verdict::kNothing) ConfirmDamage();  // what is before a batch was durable
    if (piece.verdict == Verdict::kWhole) {
      Accept(piece);
    } else {
      Doubt(piece);
    }
    if (piece.verdict == Verdict::kNothing) continue;
    next_number_ = piece.batch.number + 1;
    if (piece.batch.flags & kLastInSegment) break;
  }
  if (newest) {
    CutTail();
  } else {
    ConfirmDamage();  // a later segment was begun only when all of this one was durable
  }
  return result_;
}

Piece Scanner::Look(uint64_t offset) const {
  Piece piece{offset, kBlockBytes, Verdict::kNothing, {}};
  BatchHeader& batch = piece.batch;
  if (!DecodeBatchAt(segment_, offset, header_.spool, header_.segment, batch)) return piece;
  if (batch.epoch != header_.epoch || batch.number < next_number_) return piece;
  piece.bytes = RoundUpToBlock(batch.bytes);
  piece.verdict = Verdict::kHeader;
  uint32_t chain = 0;
  bool payloads_good = true;
  const bool fits = ForEachRecord(batch, offset, [&](const RecordHeader& record, uint64_t at) {
    chain = Crc32c(chain, segment_.substr(at, kChainedHeaderBytes));
    const ByteView payload = segment_.substr(at + kRecordHeaderBytes, record.payload_bytes);
    if (Crc32c(0, payload) != record.payload_crc) payloads_good = false;
  });
  if (!fits || chain != batch.chain_crc) return piece;
  piece.verdict = payloads_good ? Verdict::kWhole : Verdict::kRecordHeaders;
  return piece;
}

// Calls f(header, offset) for each record; false when they do not fill the batch exactly.
template <typename F>
bool Scanner::ForEachRecord(const BatchHeader& batch, uint64_t offset, F f) const {
  uint64_t at = offset + kBatchHeaderBytes;
  const uint64_t end = offset + batch.bytes;
  for (uint32_t i = 0; i < batch.records; i++) {
    RecordHeader record;
    if (end - at < kRecordHeaderBytes) return false;
    if (!RecordHeader::Decode(segment_.substr(at, kRecordHeaderBytes), record)) return false;
    const uint64_t padded = PaddedRecordBytes(uint64_t{kRecordHeaderBytes} + record.payload_bytes);
    if (padded > end - at) return false;
    f(record, at);
    at += padded;
  }
  return at == end;
}

void Scanner::Accept(const Piece& piece) {
  const BatchHeader& batch = piece.batch;
  ForEachRecord(batch, piece.offset, [&](const RecordHeader& record, uint64_t at) {
    const ByteView payload = segment_.substr(at + kRecordHeaderBytes, record.payload_bytes);
    if (piece.verdict != Verdict::kWhole && Crc32c(0, payload) != record.payload_crc) {
      visitor_.OnDamage(at, record.record_bytes(), "a record fails its checksum");
      return;
    }
    result_.records++;
    visitor_.OnRecord(record, Location{header_.segment, static_cast<uint32_t>(at), record.record_bytes()},
                      payload);
  });
  result_.batches++;
  result_.end = piece.offset + piece.bytes;
  result_.last_batch = batch.number;
  result_.newest_id = std::max(result_.newest_id, batch.newest_id);
  result_.newest_wall_ms = std::max(result_.newest_wall_ms, batch.wall_ms);
  result_.ended = (batch.flags & kLastInSegment) != 0;
  result_.clean = (batch.flags & kCleanEnd) != 0;
}

void Scanner::Doubt(const Piece& piece) {
  if (piece.verdict == Verdict::kNothing && !doubtful_.empty() &&
      doubtful_.back().verdict == Verdict::kNothing) {
    doubtful_.back().bytes += piece.bytes;
  } else {
    doubtful_.push_back(piece);
  }
}

void Scanner::ConfirmDamage() {
  for (const Piece& piece : doubtful_) {
    if (piece.verdict == Verdict::kRecordHeaders) {
      Accept(piece);
    } else {
      visitor_.OnDamage(piece.offset, piece.bytes, "a batch is missing or damaged");
      result_.end = piece.offset + piece.bytes;
    }
  }
  doubtful_.clear();
}

void Scanner::CutTail() {
  for (const Piece& piece : doubtful_) {
    if (piece.verdict != Verdict::kNothing) result_.torn_bytes += piece.bytes;
  }
  doubtful_.clear();
}

}  // namespace

ScanResult ScanSegment(ByteView segment, const SegmentHeader& header, bool newest, ScanVisitor& visitor) {
  return Scanner(segment, header, visitor).Run(newest);
}

bool DecodeBatchAt(ByteView segment, uint64_t offset, const SpoolId& spool, uint32_t number,
                   BatchHeader& batch) {
  if (offset + kBlockBytes > segment.size()) return false;
  if (!BatchHeader::Decode(segment.substr(offset, kBatchHeaderBytes), batch)) return false;
  return batch.spool == spool && batch.segment == number && batch.offset == offset &&
         RoundUpToBlock(batch.bytes) <= segment.size() - offset;
}

BatchesFound FindBatches(ByteView segment, const SpoolId& spool, uint32_t number) {
  BatchesFound found;
  for (uint64_t at = kBlockBytes; at + kBlockBytes <= segment.size(); at += kBlockBytes) {
    BatchHeader batch;
    if (!DecodeBatchAt(segment, at, spool, number, batch) || batch.epoch < found.epoch) continue;
    if (batch.epoch > found.epoch) found = {batch.epoch, 0, at, RoundUpToBlock(batch.bytes)};
    found.count++;
  }
  return found;
}

}  // namespace sluice::queue
