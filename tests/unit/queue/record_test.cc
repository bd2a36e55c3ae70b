// The format: exact bytes, so that it cannot change unnoticed, and decoders that trust no length.
#include "queue/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/crc32c.h"
#include "core/base/endian.h"
#include "queue/message.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_journal.h"

namespace sluice::queue {
namespace {

constexpr SpoolId kSpool = {'S', 'l', 'u', 'i', 'c', 'e', ' ', 't',
                            'e', 's', 't', ' ', 'i', 'd', ' ', '1'};

// --- golden bytes
// ----------------------------------------------------------------------------------------------

// The worked example of FORMAT.md: one segment of five blocks, three batches.
class GoldenTest : public ::testing::Test {
 protected:
  GoldenTest() {
    sim::SimDisk disk(1);
    sim::JournalMaker maker(disk, kSpool);
    maker.wall_ms = 0x0000018bcfe56800;  // 2023-11-14T22:13:20Z
    maker.next_epoch = 3;
    maker.next_batch = 7;
    maker.BeginSegment(2, 5 * kBlockBytes);
    const PartLocation part = maker.Part(kId, "part");
    maker.EndBatch();
    maker.Message(kId, 2, "body", {part});
    maker.EndBatch();
    maker.Status(kId, 1, 2, {0}, maker.wall_ms + 300'000);
    maker.Done(kId);
    maker.EndBatch(kLastInSegment | kCleanEnd);
    bytes_ = disk.segments().at(2);
  }

  std::string Hex(size_t at, size_t bytes) const {
    return absl::BytesToHexString(bytes_.substr(at, bytes));
  }

  static constexpr QueueId kId{0x0072a5c3d1401001};
  std::string bytes_;
};

// clang-format off: a line is a row of FORMAT.md's tables
TEST_F(GoldenTest, SegmentHeader) {
  EXPECT_EQ(Hex(0, kSegmentHeaderBytes),
            "534c5347"
            "0100"
            "0100"
            "536c7569636520746573742069642031"  // magic, format, use, spool
            "02000000"
            "00000000"
            "0300000000000000"
            "0050000000000000"  // segment, 0, epoch, bytes
            "0700000000000000"
            "011040d1c3a57200"
            "0068e5cf8b010000"  // first batch, newest id, wall
            "f833b2e6");
  EXPECT_EQ(Hex(kSegmentHeaderCopyAt, kSegmentHeaderBytes), Hex(0, kSegmentHeaderBytes));
}

TEST_F(GoldenTest, BatchWithAPart) {
  EXPECT_EQ(Hex(0x1000, 88 + 32),
            "534c4254"
            "0100"
            "0000"
            "536c7569636520746573742069642031"  // magic, format, flags, spool
            "0300000000000000"
            "0700000000000000"
            "0600000000000000"  // epoch, number, durable
            "011040d1c3a57200"
            "0068e5cf8b010000"
            "02000000"
            "01000000"  // id, wall, segment, block
            "78000000"
            "01000000"
            "550894ec"
            "3d752b3d"  // bytes, records, chain
            "04000000"
            "02000000"
            "011040d1c3a57200"
            "5e7ffe70"
            "550894ec"
            "70617274"
            "00000000");
}

TEST_F(GoldenTest, BatchWithAMessage) {
  EXPECT_EQ(Hex(0x2000, 88),
            "534c4254"
            "0100"
            "0000"
            "536c7569636520746573742069642031"
            "0300000000000000"
            "0800000000000000"
            "0700000000000000"
            "011040d1c3a57200"
            "0068e5cf8b010000"
            "02000000"
            "02000000"
            "00010000"
            "01000000"
            "f37a77f3"
            "b9528303");
  EXPECT_EQ(Hex(0x2000 + 88, 24),
            "90000000"
            "01000000"
            "011040d1c3a57200"
            "e243f9ca"
            "f37a77f3");
  EXPECT_EQ(Hex(0x2000 + 112, 32),
            "0068e5cf8b010000"
            "0800000000000000"
            "02000000"
            "01000000"
            "41000000"
            "13000000");
  EXPECT_EQ(Hex(0x2000 + 144, 24),
            "02000000"
            "58100000"
            "0300000000000000"
            "04000000"
            "5e7ffe70");
  EXPECT_EQ(Hex(0x2000 + 168, 65),
            "0100"
            "0f000000"
            "616e6e406578616d706c652e6e6574"
            "0200"
            "10000000"
            "0e00"
            "7230406578616d706c652e6f7267"
            "0200"
            "10000000"
            "0e00"
            "7231406578616d706c652e6f7267");
  EXPECT_EQ(bytes_.substr(0x2000 + 233, 23), "Received: by test\r\nbody");
}

TEST_F(GoldenTest, BatchWithAStatusAndADone) {
  EXPECT_EQ(Hex(0x3000, 88),
            "534c4254"
            "0100"
            "0300"
            "536c7569636520746573742069642031"
            "0300000000000000"
            "0900000000000000"
            "0800000000000000"
            "011040d1c3a57200"
            "0068e5cf8b010000"
            "02000000"
            "03000000"
            "a8000000"
            "02000000"
            "226c4e2f"
            "b5f352ba");
  EXPECT_EQ(Hex(0x3000 + 88, 24 + 32),
            "20000000"
            "03000000"
            "011040d1c3a57200"
            "a7311edf"
            "9ffe4472"
            "01000000"
            "02000000"
            "e0fbe9cf8b010000"
            "01"  // attempts, recipients, next, finished
            "01000000"
            "0900"
            "343530206c61746572");  // recipient 1: "450 later"
  EXPECT_EQ(Hex(0x3000 + 144, 24),
            "00000000"
            "04000000"
            "011040d1c3a57200"
            "00000000"
            "1b3c53bd");
}

TEST_F(GoldenTest, AllElseIsZero) {
  std::string rest = bytes_;
  ASSERT_EQ(rest.size(), 5 * kBlockBytes);
  const std::pair<size_t, size_t> kUsed[] = {
      {0, 76}, {kSegmentHeaderCopyAt, 76}, {0x1000, 88 + 28}, {0x2000, 256}, {0x3000, 168}};
  for (const auto& [at, bytes] : kUsed) rest.replace(at, bytes, bytes, '\0');
  EXPECT_EQ(rest.find_first_not_of('\0'), std::string::npos);
}
// clang-format on

// --- every byte counts
// -----------------------------------------------------------------------------------------

TEST(RecordTest, ASegmentHeaderSurvivesOneBadCopyAndNoTwo) {
  SegmentHeader header{.spool = kSpool,
                       .segment = 5,
                       .epoch = 9,
                       .bytes = 1 << 20,
                       .first_batch = 77,
                       .newest_id = 0x123456789,
                       .wall_ms = -5};
  std::string block(kBlockBytes, '?');
  header.Encode(block.data());
  for (size_t at = 0; at < kSegmentHeaderBytes; at++) {
    std::string bad = block;
    bad[at] ^= 0x10;
    SegmentHeader found;
    ASSERT_EQ(SegmentHeader::Decode(bad, found), SegmentHeader::Found::kGood);
    EXPECT_EQ(found.epoch, 9u);
    EXPECT_EQ(found.wall_ms, -5);
    bad[kSegmentHeaderCopyAt + at] ^= 0x10;
    EXPECT_EQ(SegmentHeader::Decode(bad, found), SegmentHeader::Found::kBad);
  }
  SegmentHeader found;
  EXPECT_EQ(SegmentHeader::Decode(std::string(kBlockBytes, '\0'), found),
            SegmentHeader::Found::kBlank);
}

// A torn write leaves an old copy beside a new one.
TEST(RecordTest, OfTwoSegmentHeadersTheLaterUseCounts) {
  const auto both = [](const SegmentHeader& a, const SegmentHeader& b) {
    std::string first(kBlockBytes, '\0');
    std::string second(kBlockBytes, '\0');
    a.Encode(first.data());
    b.Encode(second.data());
    first.replace(kSegmentHeaderCopyAt, kSegmentHeaderBytes, second, 0, kSegmentHeaderBytes);
    SegmentHeader found;
    EXPECT_EQ(SegmentHeader::Decode(first, found), SegmentHeader::Found::kGood);
    return std::pair(found.epoch, found.use);
  };
  const SegmentHeader open{.use = SegmentUse::kOpen, .epoch = 4};
  const SegmentHeader voided{.use = SegmentUse::kVoid, .epoch = 4};
  const SegmentHeader again{.use = SegmentUse::kOpen, .epoch = 8};
  EXPECT_EQ(both(open, voided), std::pair(uint64_t{4}, SegmentUse::kVoid));
  EXPECT_EQ(both(voided, open), std::pair(uint64_t{4}, SegmentUse::kVoid));
  EXPECT_EQ(both(again, voided), std::pair(uint64_t{8}, SegmentUse::kOpen));
  EXPECT_EQ(both(voided, again), std::pair(uint64_t{8}, SegmentUse::kOpen));
}

TEST(RecordTest, ABatchHeaderIsGoodWholeOrNotAtAll) {
  const BatchHeader header{.flags = kCleanEnd,
                           .spool = kSpool,
                           .epoch = 3,
                           .number = 8,
                           .durable = 7,
                           .newest_id = 99,
                           .wall_ms = 1234,
                           .segment = 2,
                           .offset = 3 * kBlockBytes,
                           .bytes = 500,
                           .records = 4,
                           .chain_crc = 0xabcdef};
  std::string bytes(kBatchHeaderBytes, '\0');
  header.Encode(bytes.data());
  BatchHeader found;
  ASSERT_TRUE(BatchHeader::Decode(bytes, found));
  EXPECT_EQ(found.flags, kCleanEnd);
  EXPECT_EQ(found.spool, kSpool);
  EXPECT_EQ(found.epoch, 3u);
  EXPECT_EQ(found.number, 8u);
  EXPECT_EQ(found.durable, 7u);
  EXPECT_EQ(found.newest_id, 99u);
  EXPECT_EQ(found.wall_ms, 1234);
  EXPECT_EQ(found.segment, 2u);
  EXPECT_EQ(found.offset, 3 * kBlockBytes);
  EXPECT_EQ(found.bytes, 500u);
  EXPECT_EQ(found.records, 4u);
  EXPECT_EQ(found.chain_crc, 0xabcdefu);
  for (size_t at = 0; at < bytes.size(); at++) {
    EXPECT_FALSE(BatchHeader::Decode(ByteView(bytes).substr(0, at), found));
    std::string bad = bytes;
    bad[at] ^= 1;
    EXPECT_FALSE(BatchHeader::Decode(bad, found)) << at;
  }
  const BatchHeader short_one{.bytes = kBatchHeaderBytes - 1};
  short_one.Encode(bytes.data());
  EXPECT_FALSE(BatchHeader::Decode(bytes, found));
}

TEST(RecordTest, ARecordIsCheckedByTypeIdLengthAndChecksum) {
  const std::string payload = "payload";
  const RecordHeader header{.payload_bytes = 7,
                            .type = RecordType::kPart,
                            .id = QueueId{42},
                            .payload_crc = Crc32c(0, payload)};
  std::string record(kRecordHeaderBytes, '\0');
  header.Encode(record.data());
  record += payload;
  ByteView found;
  ASSERT_TRUE(CheckRecord(record, RecordType::kPart, QueueId{42}, found));
  EXPECT_EQ(found, payload);
  EXPECT_FALSE(CheckRecord(record, RecordType::kMessage, QueueId{42}, found));
  EXPECT_FALSE(CheckRecord(record, RecordType::kPart, QueueId{43}, found));
  EXPECT_FALSE(CheckRecord(record + "x", RecordType::kPart, QueueId{42}, found));
  for (size_t at = 0; at < record.size(); at++) {
    EXPECT_FALSE(
        CheckRecord(ByteView(record).substr(0, at), RecordType::kPart, QueueId{42}, found));
    std::string bad = record;
    bad[at] ^= 1;
    EXPECT_FALSE(CheckRecord(bad, RecordType::kPart, QueueId{42}, found)) << at;
  }
}

TEST(RecordTest, AnUnknownTypeOfRecordIsNone) {
  for (const uint32_t type : {0u, 5u, 0x101u, 0xffffffffu}) {
    std::string record(kRecordHeaderBytes, '\0');
    StoreLe<uint32_t>(record.data() + 4, type);
    StoreLe<uint32_t>(record.data() + 20, Crc32c(0, ByteView(record).substr(0, 20)));
    RecordHeader header;
    EXPECT_FALSE(RecordHeader::Decode(record, header)) << type;
  }
}

// --- payloads
// ----------------------------------------------------------------------------------------------------

std::string MessagePayload(const std::vector<PartLocation>& parts, ByteView envelope,
                           ByteView prefix, ByteView body) {
  Buffer encoded;
  EncodeParts(parts, encoded);
  MessageView view;
  view.created_ms = 1'700'000'000'123;
  view.recipients = 3;
  view.body_bytes = body.size();
  for (const PartLocation& part : parts) view.body_bytes += part.bytes;
  view.encoded_parts = encoded.view();
  view.envelope = envelope;
  view.prefix = prefix;
  std::string payload(kMessageFixedBytes, '\0');
  view.EncodeFixed(payload.data());
  return absl::StrCat(payload, encoded.view(), envelope, prefix, body);
}

TEST(RecordTest, AMessageIsItsPieces) {
  const PartLocation part{.segment = 7, .offset = 4184, .epoch = 12, .bytes = 65536, .crc = 0xfeed};
  const std::string payload = MessagePayload({part, part}, "envelope", "prefix", "body");
  MessageView view;
  ASSERT_TRUE(MessageView::Decode(payload, view));
  EXPECT_EQ(view.created_ms, 1'700'000'000'123);
  EXPECT_EQ(view.recipients, 3u);
  EXPECT_EQ(view.envelope, "envelope");
  EXPECT_EQ(view.prefix, "prefix");
  EXPECT_EQ(view.body, "body");
  EXPECT_EQ(view.body_bytes, 2 * 65536u + 4);
  ASSERT_EQ(view.parts(), 2u);
  EXPECT_EQ(view.part(1).segment, 7u);
  EXPECT_EQ(view.part(1).offset, 4184u);
  EXPECT_EQ(view.part(1).epoch, 12u);
  EXPECT_EQ(view.part(1).bytes, 65536u);
  EXPECT_EQ(view.part(1).crc, 0xfeedu);
  for (size_t cut = 0; cut < payload.size(); cut++) {  // its length says so, at whichever byte
    EXPECT_FALSE(MessageView::Decode(ByteView(payload).substr(0, cut), view)) << cut;
  }
  EXPECT_FALSE(MessageView::Decode(payload + "x", view));
}

TEST(RecordTest, AMessageWithLyingLengthsIsNone) {
  for (const size_t field : {8u, 20u, 24u, 28u}) {
    for (const uint32_t lie : {1u, 100u, 0x7fffffffu, 0xffffffffu}) {
      std::string payload = MessagePayload({}, "envelope", "prefix", "body");
      StoreLe<uint32_t>(payload.data() + field, lie);
      MessageView view;
      if (MessageView::Decode(payload, view)) {  // a piece may be taken for another
        EXPECT_EQ(view.envelope.size() + view.prefix.size() + view.body.size(), 18u);
        EXPECT_EQ(view.body.size(), view.body_bytes);
      }
    }
  }
}

TEST(RecordTest, AStatusSaysWhoIsFinishedAndWhatWasSaid) {
  StatusBuilder builder(3, 10, -7);
  builder.SetFinished(0);
  builder.SetFinished(9);
  builder.AddReply(1, "450 one");
  builder.AddReply(8, "");
  builder.AddReply(2, "451 two");
  const std::string payload(builder.payload());
  StatusView view;
  ASSERT_TRUE(StatusView::Decode(payload, view));
  EXPECT_EQ(view.attempts(), 3u);
  EXPECT_EQ(view.recipients(), 10u);
  EXPECT_EQ(view.next_attempt_ms(), -7);
  EXPECT_EQ(view.finished_count(), 2u);
  EXPECT_TRUE(view.finished(9));
  EXPECT_FALSE(view.finished(10));
  EXPECT_FALSE(view.finished(0xffffffff));
  EXPECT_EQ(view.reply(1), "450 one");
  EXPECT_EQ(view.reply(2), "451 two");
  EXPECT_EQ(view.reply(3), "");
  for (size_t cut = 0; cut < payload.size(); cut++) {
    StatusView part;
    EXPECT_EQ(StatusView::Decode(ByteView(payload).substr(0, cut), part),
              cut >= kStatusFixedBytes + 2);
    for (uint32_t i = 0; i < 12; i++) {
      const ByteView reply = part.reply(i);
      EXPECT_TRUE(reply.empty() || reply == view.reply(i));
    }
  }
  StatusView none;
  EXPECT_FALSE(none.finished(0));
  EXPECT_EQ(none.reply(0), "");
}

// --- envelopes
// -------------------------------------------------------------------------------------------------

TEST(EnvelopeTest, ReadsWhatWasWritten) {
  EnvelopeBuilder builder;
  builder.SetSender("ann@example.net");
  builder.SetLogin("ann");
  builder.SetClient("192.0.2.1:25");
  builder.SetHelo("client.example");
  builder.SetProtocol("ESMTPSA");
  builder.SetCreated(WallFromMillis(1'700'000'000'000));
  builder.SetFlags(kBody8BitMime);
  builder.SetHold("too much");
  builder.AddRecipient("bob@example.org");
  builder.AddRecipientOption(RecipientTag::kNotify, "NEVER");
  builder.Field(static_cast<EnvelopeTag>(999), "of a newer program");
  builder.AddRecipient("");
  const Buffer bytes = builder.Take();
  const std::optional<EnvelopeView> view = EnvelopeView::Parse(bytes.view());
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->sender(), "ann@example.net");
  EXPECT_EQ(view->login(), "ann");
  EXPECT_EQ(view->client(), "192.0.2.1:25");
  EXPECT_EQ(view->helo(), "client.example");
  EXPECT_EQ(view->protocol(), "ESMTPSA");
  EXPECT_EQ(WallMillis(view->created()), 1'700'000'000'000);
  EXPECT_EQ(view->flags(), kBody8BitMime);
  EXPECT_EQ(view->hold(), "too much");
  EXPECT_EQ(view->recipient_count(), 2u);
  std::vector<std::string> found;
  view->ForEachRecipient([&](uint32_t index, const RecipientView& recipient) {
    found.push_back(absl::StrCat(index, recipient.address, " ",
                                 RecipientOption(recipient, RecipientTag::kNotify).value_or("-")));
  });
  EXPECT_THAT(found, ::testing::ElementsAre("0bob@example.org NEVER", "1 -"));
}

TEST(EnvelopeTest, ACutEnvelopeIsNoneOrHasFewerFields) {
  EnvelopeBuilder builder;
  builder.SetSender("ann@example.net");
  builder.AddRecipient("bob@example.org");
  builder.AddRecipientOption(RecipientTag::kOriginalRecipient, "rfc822;bob");
  builder.SetFlags(1);
  const Buffer buffer = builder.Take();
  const std::string whole(buffer.view());
  int parsed = 0;
  for (size_t cut = 0; cut < whole.size(); cut++) {
    const std::string bytes = whole.substr(0, cut);  // of its own, so that a sanitizer sees its end
    const std::optional<EnvelopeView> view = EnvelopeView::Parse(bytes);
    if (!view.has_value()) continue;
    parsed++;
    EXPECT_EQ(view->sender(), "ann@example.net");
    view->ForEachRecipient(
        [](uint32_t, const RecipientView& r) { EXPECT_EQ(r.address, "bob@example.org"); });
  }
  EXPECT_EQ(parsed, 2);  // behind the sender, behind the recipient
}

TEST(EnvelopeTest, RefusesFieldsThatDoNotFit) {
  const auto field = [](uint16_t tag, const std::string& value) {
    std::string bytes(6, '\0');
    StoreLe<uint16_t>(bytes.data(), tag);
    StoreLe<uint32_t>(bytes.data() + 2, static_cast<uint32_t>(value.size()));
    return bytes + value;
  };
  const std::string sender = field(1, "");
  EXPECT_TRUE(EnvelopeView::Parse(sender).has_value());
  EXPECT_FALSE(EnvelopeView::Parse("").has_value());
  EXPECT_FALSE(EnvelopeView::Parse(field(3, "ann")).has_value());  // no sender
  EXPECT_FALSE(EnvelopeView::Parse(sender + field(2, "")).has_value());
  EXPECT_FALSE(EnvelopeView::Parse(sender + field(2, std::string("\5\0abc", 5))).has_value());
  EXPECT_FALSE(EnvelopeView::Parse(sender + field(2, std::string("\1\0abc", 5))).has_value());
  EXPECT_FALSE(EnvelopeView::Parse(sender + field(7, "1234567")).has_value());
  EXPECT_FALSE(EnvelopeView::Parse(sender + field(8, "12345")).has_value());
}

}  // namespace
}  // namespace sluice::queue
