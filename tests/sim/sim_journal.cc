#include "tests/sim/sim_journal.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "queue/message.h"

namespace sluice::sim {

using queue::BatchItem;
using queue::kBlockBytes;
using queue::Location;
using queue::PartLocation;
using queue::QueueId;
using queue::RecordType;
using queue::SegmentHeader;
using queue::SegmentUse;

void JournalMaker::BeginSegment(uint32_t number, uint64_t bytes) {
  CHECK(batch_.empty() && bytes % kBlockBytes == 0);
  disk_.segments()[number].resize(bytes, '\0');  // one used before keeps its bytes
  segment_ = number;
  epoch_ = next_epoch++;
  at_ = kBlockBytes;
}

Location JournalMaker::Message(QueueId id, uint32_t recipients, ByteView body,
                               const std::vector<PartLocation>& parts) {
  queue::EnvelopeBuilder builder;
  builder.SetSender("ann@example.net");
  for (uint32_t i = 0; i < recipients; i++) {
    builder.AddRecipient(absl::StrCat("r", i, "@example.org"));
  }
  const Buffer envelope = builder.Take();
  Buffer encoded_parts;
  queue::EncodeParts(parts, encoded_parts);
  queue::MessageView view;
  view.created_ms = wall_ms;
  view.recipients = recipients;
  view.body_bytes = body.size();
  for (const PartLocation& part : parts) view.body_bytes += part.bytes;
  view.encoded_parts = encoded_parts.view();
  view.envelope = envelope.view();
  view.prefix = "Received: by test\r\n";
  char fixed[queue::kMessageFixedBytes];
  view.EncodeFixed(fixed);
  return Append(
      RecordType::kMessage, id,
      {ByteView(fixed, sizeof fixed), view.encoded_parts, view.envelope, view.prefix, body});
}

PartLocation JournalMaker::Part(QueueId id, ByteView bytes) {
  const Location where = Append(RecordType::kPart, id, {bytes});
  return {where.segment, where.offset, epoch_, static_cast<uint32_t>(bytes.size()),
          batch_.items.back().payload_crc};
}

Location JournalMaker::Status(QueueId id, uint32_t attempts, uint32_t recipients,
                              std::initializer_list<uint32_t> finished, int64_t next_attempt_ms) {
  queue::StatusBuilder status(attempts, recipients, next_attempt_ms);
  for (uint32_t recipient : finished) status.SetFinished(recipient);
  for (uint32_t i = 0; i < recipients; i++) {
    if (!status.finished(i)) status.AddReply(i, "450 later");
  }
  return Append(RecordType::kStatus, id, {status.payload()});
}

Location JournalMaker::Done(QueueId id) { return Append(RecordType::kDone, id, {}); }

Location JournalMaker::Append(RecordType type, QueueId id, std::initializer_list<ByteView> pieces) {
  newest_id_ = std::max(newest_id_, id);
  batch_.Append(type, id, pieces, BatchItem{.entry = nullptr, .id = {}});
  const BatchItem& item = batch_.items.back();
  return {segment_, static_cast<uint32_t>(at_) + item.offset, item.bytes};
}

SegmentHeader JournalMaker::Header(uint32_t number, SegmentUse use) const {
  SegmentHeader header;
  header.use = use;
  header.spool = spool_;
  header.segment = number;
  header.epoch = epoch_;
  header.bytes = disk_.segments().at(number).size();
  header.first_batch = next_batch;
  header.newest_id = newest_id_.value;
  header.wall_ms = wall_ms;
  return header;
}

uint64_t JournalMaker::EndBatch(uint16_t flags) {
  const uint64_t at = at_;
  const SegmentHeader header = Header(segment_, SegmentUse::kOpen);
  queue::BatchHeader batch;
  batch.flags = flags;
  batch.spool = spool_;
  batch.epoch = epoch_;
  batch.number = next_batch++;
  batch.durable = batch.number - 1;
  batch.newest_id = newest_id_.value;
  batch.wall_ms = wall_ms;
  batch.segment = segment_;
  batch.offset = at;
  const bool first = at == kBlockBytes;
  const ByteView bytes = batch_.Close(batch, first ? &header : nullptr);
  std::string& segment = disk_.segments().at(segment_);
  const uint64_t write_at = first ? 0 : at;
  CHECK(write_at + bytes.size() <= segment.size());
  segment.replace(write_at, bytes.size(), bytes);
  at_ = write_at + bytes.size();
  batch_.Clear();
  return at;
}

void JournalMaker::Void(uint32_t number) {
  std::string& segment = disk_.segments().at(number);
  SegmentHeader header;
  CHECK(SegmentHeader::Decode(ByteView(segment).substr(0, kBlockBytes), header) ==
        SegmentHeader::Found::kGood);
  header.use = SegmentUse::kVoid;
  header.Encode(segment.data());
}

}  // namespace sluice::sim
