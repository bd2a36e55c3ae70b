#include "queue/batch.h"

#include <cstring>

#include "core/base/check.h"
#include "core/base/crc32c.h"

namespace sluice::queue {

void Batch::Append(RecordType type, QueueId id, std::initializer_list<ByteView> pieces, BatchItem item) {
  char* const record = start() + bytes_;
  char* at = record + kRecordHeaderBytes;
  for (ByteView piece : pieces) {
    CHECK(at + piece.size() <= memory_.data() + memory_.size());
    if (!piece.empty()) std::memcpy(at, piece.data(), piece.size());
    at += piece.size();
  }
  RecordHeader header;
  header.type = type;
  header.id = id;
  header.payload_bytes = static_cast<uint32_t>(at - record - static_cast<ptrdiff_t>(kRecordHeaderBytes));
  header.payload_crc = Crc32c(0, ByteView(record + kRecordHeaderBytes, header.payload_bytes));
  header.Encode(record);
  chain_crc_ = Crc32c(chain_crc_, ByteView(record, kChainedHeaderBytes));

  item.offset = static_cast<uint32_t>(bytes_);
  item.bytes = header.record_bytes();
  item.payload_crc = header.payload_crc;
  item.id = id;
  items.push_back(item);

  const size_t padded = PaddedRecordBytes(header.record_bytes());
  CHECK(bytes_ + padded <= bytes_max());
  std::memset(record + header.record_bytes(), 0, padded - header.record_bytes());
  bytes_ += padded;
  records_++;
}

ByteView Batch::Close(BatchHeader& header, const SegmentHeader* first) {
  header.bytes = static_cast<uint32_t>(bytes_);
  header.records = records_;
  header.chain_crc = chain_crc_;
  header.Encode(start());
  const size_t padded = RoundUpToBlock(bytes_);
  std::memset(start() + bytes_, 0, padded - bytes_);
  if (first == nullptr) return ByteView(start(), padded);
  first->Encode(memory_.data());
  return ByteView(memory_.data(), kBlockBytes + padded);
}

void Batch::Clear() {
  bytes_ = kBatchHeaderBytes;
  records_ = 0;
  chain_crc_ = 0;
  items.clear();
  urgent = false;
  since = MonoTime{};
}

}  // namespace sluice::queue
