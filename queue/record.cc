#include "queue/record.h"

#include <algorithm>
#include <cstring>

#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/endian.h"

namespace sluice::queue {
namespace {

constexpr uint32_t kSegmentMagic = 0x47534c53;  // "SLSG"
constexpr uint32_t kBatchMagic = 0x54424c53;    // "SLBT"

// A cursor over fixed-width fields, so that Encode and Decode read like the table in FORMAT.md.
class Writer {
 public:
  explicit Writer(char* at) : at_(at) {}
  template <typename T>
  Writer& Put(T value) {
    StoreLe<T>(at_, value);
    at_ += sizeof value;
    return *this;
  }
  Writer& Put(const SpoolId& id) {
    std::memcpy(at_, id.data(), id.size());
    at_ += id.size();
    return *this;
  }
  char* at() const { return at_; }

 private:
  char* at_;
};

class Reader {
 public:
  explicit Reader(const char* at) : at_(at) {}
  template <typename T>
  T Get() {
    const T value = LoadLe<T>(at_);
    at_ += sizeof value;
    return value;
  }
  SpoolId GetSpool() {
    SpoolId id;
    std::memcpy(id.data(), at_, id.size());
    at_ += id.size();
    return id;
  }

 private:
  const char* at_;
};

SegmentHeader::Found DecodeCopy(ByteView copy, SegmentHeader& header) {
  if (LoadLe<uint32_t>(copy.data()) != kSegmentMagic) return SegmentHeader::Found::kBad;
  const uint32_t crc = LoadLe<uint32_t>(copy.data() + kSegmentHeaderBytes - 4);
  if (crc != Crc32c(0, copy.substr(0, kSegmentHeaderBytes - 4))) return SegmentHeader::Found::kBad;
  Reader in(copy.data() + 4);
  header.format = in.Get<uint16_t>();
  if (header.format != kFormatVersion) return SegmentHeader::Found::kNewerFormat;
  header.use = static_cast<SegmentUse>(in.Get<uint16_t>());
  header.spool = in.GetSpool();
  header.segment = in.Get<uint32_t>();
  in.Get<uint32_t>();
  header.epoch = in.Get<uint64_t>();
  header.bytes = in.Get<uint64_t>();
  header.first_batch = in.Get<uint64_t>();
  header.newest_id = in.Get<uint64_t>();
  header.wall_ms = static_cast<int64_t>(in.Get<uint64_t>());
  const bool known = header.use == SegmentUse::kOpen || header.use == SegmentUse::kVoid;
  return known ? SegmentHeader::Found::kGood : SegmentHeader::Found::kBad;
}

}  // namespace

// --- segment header ------------------------------------------------------------------------------------------

void SegmentHeader::Encode(char* block) const {
  std::memset(block, 0, kBlockBytes);
  Writer out(block);
  out.Put(kSegmentMagic).Put(kFormatVersion).Put(static_cast<uint16_t>(use)).Put(spool);
  out.Put(segment).Put(uint32_t{0}).Put(epoch).Put(bytes).Put(first_batch).Put(newest_id);
  out.Put(static_cast<uint64_t>(wall_ms));
  out.Put(Crc32c(0, ByteView(block, kSegmentHeaderBytes - 4)));
  DCHECK(out.at() == block + kSegmentHeaderBytes);
  std::memcpy(block + kSegmentHeaderCopyAt, block, kSegmentHeaderBytes);
}

SegmentHeader::Found SegmentHeader::Decode(ByteView block, SegmentHeader& header) {
  CHECK(block.size() == kBlockBytes);
  SegmentHeader copies[2];
  Found found[2];
  for (size_t i = 0; i < 2; i++) {
    found[i] = DecodeCopy(block.substr(i * kSegmentHeaderCopyAt, kSegmentHeaderBytes), copies[i]);
  }
  if (found[0] == Found::kGood && found[1] == Found::kGood) {
    // A torn write leaves one old copy: the later use counts, and within a use void comes after open.
    const bool second_is_later = copies[1].epoch != copies[0].epoch ? copies[1].epoch > copies[0].epoch
                                                                    : copies[1].use > copies[0].use;
    header = copies[second_is_later ? 1 : 0];
    return Found::kGood;
  }
  for (size_t i = 0; i < 2; i++) {
    if (found[i] != Found::kGood) continue;
    header = copies[i];
    return Found::kGood;
  }
  for (size_t i = 0; i < 2; i++) {
    if (found[i] != Found::kNewerFormat) continue;
    header = copies[i];
    return Found::kNewerFormat;
  }
  const bool blank = std::all_of(block.begin(), block.end(), [](char c) { return c == 0; });
  return blank ? Found::kBlank : Found::kBad;
}

// --- batch ---------------------------------------------------------------------------------------------------

void BatchHeader::Encode(char* at) const {
  Writer out(at);
  out.Put(kBatchMagic).Put(kFormatVersion).Put(flags).Put(spool).Put(epoch).Put(number).Put(durable);
  out.Put(newest_id).Put(static_cast<uint64_t>(wall_ms)).Put(segment);
  out.Put(static_cast<uint32_t>(offset / kBlockBytes)).Put(bytes).Put(records).Put(chain_crc);
  out.Put(Crc32c(0, ByteView(at, kBatchHeaderBytes - 4)));
  DCHECK(out.at() == at + kBatchHeaderBytes);
}

bool BatchHeader::Decode(ByteView bytes, BatchHeader& header) {
  if (bytes.size() < kBatchHeaderBytes || LoadLe<uint32_t>(bytes.data()) != kBatchMagic) return false;
  const uint32_t crc = LoadLe<uint32_t>(bytes.data() + kBatchHeaderBytes - 4);
  if (crc != Crc32c(0, bytes.substr(0, kBatchHeaderBytes - 4))) return false;
  Reader in(bytes.data() + 4);
  if (in.Get<uint16_t>() != kFormatVersion) return false;
  header.flags = in.Get<uint16_t>();
  header.spool = in.GetSpool();
  header.epoch = in.Get<uint64_t>();
  header.number = in.Get<uint64_t>();
  header.durable = in.Get<uint64_t>();
  header.newest_id = in.Get<uint64_t>();
  header.wall_ms = static_cast<int64_t>(in.Get<uint64_t>());
  header.segment = in.Get<uint32_t>();
  header.offset = uint64_t{in.Get<uint32_t>()} * kBlockBytes;
  header.bytes = in.Get<uint32_t>();
  header.records = in.Get<uint32_t>();
  header.chain_crc = in.Get<uint32_t>();
  return header.bytes >= kBatchHeaderBytes;
}

// --- records -------------------------------------------------------------------------------------------------

void RecordHeader::Encode(char* at) const {
  Writer out(at);
  out.Put(payload_bytes).Put(static_cast<uint32_t>(type)).Put(id.value).Put(payload_crc);
  out.Put(Crc32c(0, ByteView(at, kRecordHeaderBytes - 4)));
}

bool RecordHeader::Decode(ByteView bytes, RecordHeader& header) {
  if (bytes.size() < kRecordHeaderBytes) return false;
  const uint32_t crc = LoadLe<uint32_t>(bytes.data() + kRecordHeaderBytes - 4);
  if (crc != Crc32c(0, bytes.substr(0, kRecordHeaderBytes - 4))) return false;
  Reader in(bytes.data());
  header.payload_bytes = in.Get<uint32_t>();
  const uint32_t type = in.Get<uint32_t>();
  header.type = static_cast<RecordType>(type);
  header.id = QueueId{in.Get<uint64_t>()};
  header.payload_crc = in.Get<uint32_t>();
  return type >= uint32_t{1} && type <= static_cast<uint32_t>(RecordType::kDone);
}

bool CheckRecord(ByteView bytes, RecordType type, QueueId id, ByteView& payload) {
  RecordHeader header;
  if (!RecordHeader::Decode(bytes, header)) return false;
  if (header.type != type || header.id != id) return false;
  if (header.payload_bytes != bytes.size() - kRecordHeaderBytes) return false;
  payload = bytes.substr(kRecordHeaderBytes);
  return Crc32c(0, payload) == header.payload_crc;
}

// --- payloads ------------------------------------------------------------------------------------------------

void EncodeParts(std::span<const PartLocation> parts, Buffer& out) {
  for (const PartLocation& part : parts) {
    Writer to(out.Extend(PartLocation::kEncodedBytes));
    to.Put(part.segment).Put(part.offset).Put(part.epoch).Put(part.bytes).Put(part.crc);
  }
}

PartLocation MessageView::part(size_t index) const {
  DCHECK(index < parts());
  Reader in(encoded_parts.data() + index * PartLocation::kEncodedBytes);
  PartLocation part;
  part.segment = in.Get<uint32_t>();
  part.offset = in.Get<uint32_t>();
  part.epoch = in.Get<uint64_t>();
  part.bytes = in.Get<uint32_t>();
  part.crc = in.Get<uint32_t>();
  return part;
}

void MessageView::EncodeFixed(char* at) const {
  Writer out(at);
  out.Put(static_cast<uint64_t>(created_ms)).Put(body_bytes).Put(recipients);
  out.Put(static_cast<uint32_t>(parts())).Put(static_cast<uint32_t>(envelope.size()));
  out.Put(static_cast<uint32_t>(prefix.size()));
}

bool MessageView::Decode(ByteView payload, MessageView& view) {
  if (payload.size() < kMessageFixedBytes) return false;
  Reader in(payload.data());
  view.created_ms = static_cast<int64_t>(in.Get<uint64_t>());
  view.body_bytes = in.Get<uint64_t>();
  view.recipients = in.Get<uint32_t>();
  const uint64_t parts_bytes = uint64_t{in.Get<uint32_t>()} * PartLocation::kEncodedBytes;
  const uint64_t envelope_bytes = in.Get<uint32_t>();
  const uint64_t prefix_bytes = in.Get<uint32_t>();
  payload.remove_prefix(kMessageFixedBytes);
  if (parts_bytes + envelope_bytes + prefix_bytes > payload.size()) return false;
  view.encoded_parts = payload.substr(0, parts_bytes);
  view.envelope = payload.substr(parts_bytes, envelope_bytes);
  view.prefix = payload.substr(parts_bytes + envelope_bytes, prefix_bytes);
  view.body = payload.substr(parts_bytes + envelope_bytes + prefix_bytes);
  uint64_t body_bytes = view.body.size();
  for (size_t i = 0; i < view.parts(); i++) body_bytes += view.part(i).bytes;
  return body_bytes == view.body_bytes;
}

bool StatusView::Decode(ByteView payload, StatusView& view) {
  if (payload.size() < kStatusFixedBytes) return false;
  Reader in(payload.data());
  view.attempts_ = in.Get<uint32_t>();
  view.recipients_ = in.Get<uint32_t>();
  view.next_attempt_ms_ = static_cast<int64_t>(in.Get<uint64_t>());
  payload.remove_prefix(kStatusFixedBytes);
  const size_t bitmap_bytes = (size_t{view.recipients_} + 7) / 8;
  if (view.recipients_ == 0 || bitmap_bytes > payload.size()) return false;
  view.bitmap_ = payload.substr(0, bitmap_bytes);
  view.replies_ = payload.substr(bitmap_bytes);
  return true;
}

bool StatusView::finished(uint32_t recipient) const {
  if (recipient >= recipients_) return false;
  return (static_cast<unsigned char>(bitmap_[recipient / 8]) >> (recipient % 8)) & 1;
}

uint32_t StatusView::finished_count() const {
  uint32_t count = 0;
  for (uint32_t i = 0; i < recipients_; i++) count += finished(i) ? 1 : 0;
  return count;
}

ByteView StatusView::reply(uint32_t recipient) const {
  ByteView rest = replies_;
  while (rest.size() >= kReplyHeadBytes) {
    const uint32_t index = LoadLe<uint32_t>(rest.data());
    const uint16_t bytes = LoadLe<uint16_t>(rest.data() + 4);
    if (bytes > rest.size() - kReplyHeadBytes) break;
    if (index == recipient) return rest.substr(kReplyHeadBytes, bytes);
    rest.remove_prefix(kReplyHeadBytes + bytes);
  }
  return {};
}

StatusBuilder::StatusBuilder(uint32_t attempts, uint32_t recipients, int64_t next_attempt_ms) {
  const size_t bitmap_bytes = (size_t{recipients} + 7) / 8;
  char* at = out_.Extend(kStatusFixedBytes + bitmap_bytes);
  Writer out(at);
  out.Put(attempts).Put(recipients).Put(static_cast<uint64_t>(next_attempt_ms));
  std::memset(out.at(), 0, bitmap_bytes);
}

void StatusBuilder::SetFinished(uint32_t recipient) {
  char& byte = out_.data()[kStatusFixedBytes + recipient / 8];
  byte = static_cast<char>(byte | (1 << (recipient % 8)));
}

bool StatusBuilder::finished(uint32_t recipient) const {
  return (static_cast<unsigned char>(out_.data()[kStatusFixedBytes + recipient / 8]) >> (recipient % 8)) & 1;
}

void StatusBuilder::AddReply(uint32_t recipient, ByteView text) {
  const auto bytes = static_cast<uint16_t>(std::min<size_t>(text.size(), UINT16_MAX));
  char* at = out_.Extend(kReplyHeadBytes);
  StoreLe<uint32_t>(at, recipient);
  StoreLe<uint16_t>(at + 4, bytes);
  out_.Append(text.substr(0, bytes));
}

}  // namespace sluice::queue
