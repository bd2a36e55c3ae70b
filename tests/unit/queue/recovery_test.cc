// What recovery makes of damage: what lay before the last durable batch is set aside and reported
// and the rest goes on; what nobody was ever told of is cut; nothing is truncated in silence, and
// one bad place stops no start.
#include "queue/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "core/base/crc32c.h"
#include "core/base/endian.h"
#include "queue/limits.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_journal.h"

namespace sluice::queue {
namespace {

using sim::JournalMaker;
using sim::SimDisk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr SpoolId kSpool = {'s', 'p', 'o', 'o', 'l'};
constexpr uint64_t kSmall = 16 * kBlockBytes;  // of a segment

QueueId Id(uint64_t n) { return QueueId{(n << 22) | 1}; }

class RecoveryTest : public ::testing::Test {
 protected:
  RecoveredJournal Recover() {
    absl::StatusOr<RecoveredJournal> journal = RecoverJournal(disk_, kSpool);
    EXPECT_TRUE(journal.ok()) << journal.status();
    return journal.ok() ? *std::move(journal) : RecoveredJournal();
  }

  // Ids of messages to deliver, as numbers given to Id().
  static std::vector<uint64_t> Found(const RecoveredJournal& journal) {
    std::vector<uint64_t> ids;
    for (const auto& [id, message] : journal.messages) {
      if (!message.damaged) ids.push_back(id.value >> 22);
    }
    return ids;
  }

  // One message, one batch.
  uint64_t Batch(uint64_t n, uint16_t flags = 0) {
    maker_.Message(Id(n), 1, "body");
    return maker_.EndBatch(flags);
  }

  std::string& Segment(uint32_t number) { return disk_.segments().at(number); }
  void Flip(uint32_t segment, uint64_t offset) { disk_.FlipBit(segment, offset, 3); }

  static std::vector<std::string> What(const RecoveredJournal& journal) {
    std::vector<std::string> what;
    for (const DamagedRange& damage : journal.report.damage) what.push_back(damage.what);
    return what;
  }

  SimDisk disk_{1};
  JournalMaker maker_{disk_, kSpool};
};

// --- good journals
// -------------------------------------------------------------------------------------------

TEST_F(RecoveryTest, AnEmptyFolderIsACleanJournal) {
  const RecoveredJournal journal = Recover();
  EXPECT_TRUE(journal.report.clean);
  EXPECT_THAT(journal.segments, IsEmpty());
  EXPECT_EQ(journal.next_batch, 1u);
  EXPECT_EQ(journal.next_epoch, 1u);
}

TEST_F(RecoveryTest, TheNewestStatusCountsAndDoneEndsIt) {
  maker_.BeginSegment(1, kSmall);
  maker_.Message(Id(1), 3, "a");
  maker_.Message(Id(2), 1, "b");
  maker_.EndBatch();
  maker_.Status(Id(1), 1, 3, {}, 10'000);
  maker_.Done(Id(2));
  const Location status = maker_.Status(Id(1), 2, 3, {0, 2}, 20'000);
  maker_.EndBatch(kCleanEnd);
  const RecoveredJournal journal = Recover();
  ASSERT_THAT(Found(journal), ElementsAre(1));
  const RecoveredMessage& message = journal.messages[0].second;
  EXPECT_EQ(message.status, status);
  EXPECT_EQ(message.attempts, 2u);
  EXPECT_EQ(message.open_recipients, 1u);
  EXPECT_EQ(message.next_attempt_ms, 20'000);
  EXPECT_TRUE(journal.report.clean);
  EXPECT_THAT(journal.report.damage, IsEmpty());
  EXPECT_EQ(journal.newest_id, Id(2));
  EXPECT_EQ(journal.next_batch, 3u);
  EXPECT_EQ(journal.next_epoch, 2u);
  EXPECT_EQ(journal.active, std::optional<uint32_t>(1));
  EXPECT_EQ(journal.segments[0].end, maker_.end());
}

TEST_F(RecoveryTest, PartsBelongToTheirMessage) {
  maker_.BeginSegment(1, kSmall);
  const PartLocation first = maker_.Part(Id(1), "one");
  maker_.EndBatch(kLastInSegment);
  maker_.BeginSegment(2, kSmall);
  const PartLocation second = maker_.Part(Id(1), "two");
  maker_.EndBatch();
  maker_.Message(Id(1), 1, "rest", {first, second});
  maker_.EndBatch();
  EXPECT_THAT(Found(Recover()), ElementsAre(1));

  Flip(1, first.offset + kRecordHeaderBytes);  // then it is there, but not to be delivered
  const RecoveredJournal damaged = Recover();
  EXPECT_THAT(Found(damaged), IsEmpty());
  EXPECT_EQ(damaged.report.messages_damaged, 1u);
  EXPECT_THAT(What(damaged), ElementsAre("a record fails its checksum"));
}

TEST_F(RecoveryTest, ADoneRecordNegatesEveryCopyInOtherSegments) {
  maker_.BeginSegment(1, kSmall);
  Batch(1, kLastInSegment);
  maker_.BeginSegment(2, kSmall);
  Batch(1, kLastInSegment);  // moved there
  maker_.BeginSegment(3, kSmall);
  maker_.Done(Id(1));
  maker_.EndBatch();
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), IsEmpty());
  ASSERT_EQ(journal.segments[2].negates.size(), 2u);
  EXPECT_THAT(journal.segments[2].negates.at(1), ElementsAre(Id(1)));
  EXPECT_THAT(journal.segments[2].negates.at(2), ElementsAre(Id(1)));
}

TEST_F(RecoveryTest, NothingInAVoidSegmentComesBack) {
  maker_.BeginSegment(1, kSmall);
  Batch(1, kLastInSegment);
  maker_.BeginSegment(2, kSmall);
  Batch(2);
  maker_.Void(1);
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(2));
  EXPECT_EQ(journal.segments[0].state, SegmentState::kFree);
  EXPECT_EQ(journal.next_epoch, 3u);
}

TEST_F(RecoveryTest, BatchesOfAnEarlierUseAreNotRead) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  Batch(2);
  Batch(3, kLastInSegment);
  maker_.Void(1);
  maker_.BeginSegment(1, kSmall);
  Batch(4);
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(4));
  EXPECT_THAT(journal.report.damage, IsEmpty());
  EXPECT_EQ(journal.active, std::optional<uint32_t>(1));
}

// --- the torn end
// --------------------------------------------------------------------------------------------

TEST_F(RecoveryTest, ATornLastBatchIsCutWhereverItIsTorn) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  const Location last = maker_.Message(Id(2), 1, "body");
  const uint64_t torn = maker_.EndBatch();
  const std::string whole = Segment(1);
  for (uint64_t at = torn; at < last.offset + last.bytes; at++) {
    SCOPED_TRACE(at);
    Segment(1) = whole;
    Flip(1, at);
    const RecoveredJournal journal = Recover();
    EXPECT_THAT(Found(journal), ElementsAre(1));
    EXPECT_THAT(journal.report.damage, IsEmpty());
    EXPECT_THAT(disk_.set_aside(), IsEmpty());
    EXPECT_EQ(journal.active, std::optional<uint32_t>(1));
    EXPECT_EQ(journal.segments[0].end, torn);  // the next batch is written over it
  }
}

// What a torn write did not reach may hold good records of an earlier write to the same place.
TEST_F(RecoveryTest, RecordsOfAnotherBatchAreNotTakenForItsOwn) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  const uint64_t last = Batch(2);
  SimDisk earlier_disk(1);
  JournalMaker earlier(earlier_disk, kSpool);
  earlier.BeginSegment(1, kSmall);
  for (uint64_t n = 8; n <= 9; n++) {
    earlier.Message(Id(n), 1, "body");
    earlier.EndBatch();
  }
  Segment(1).replace(last + kBatchHeaderBytes, kBlockBytes - kBatchHeaderBytes,
                     earlier_disk.segments().at(1), last + kBatchHeaderBytes,
                     kBlockBytes - kBatchHeaderBytes);
  EXPECT_THAT(Found(Recover()), ElementsAre(1));
}

TEST_F(RecoveryTest, ATornFirstWriteOfASegmentIsCut) {
  maker_.BeginSegment(1, kSmall);
  Batch(1, kLastInSegment);
  maker_.BeginSegment(2, kSmall);
  Batch(2);
  Segment(2).replace(0, kBlockBytes, kBlockBytes, '\0');  // all but the header was written
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(1));
  EXPECT_THAT(journal.report.damage, IsEmpty());
  EXPECT_EQ(journal.report.torn_bytes, kBlockBytes);
  EXPECT_EQ(journal.segments[1].state, SegmentState::kFree);
  EXPECT_EQ(journal.next_epoch, 3u);  // used up
}

// --- damage
// --------------------------------------------------------------------------------------------------

TEST_F(RecoveryTest, DamageBeforeAGoodBatchIsSetAsideAndTheRestGoesOn) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  const uint64_t bad = Batch(2);
  Batch(3);
  const std::string before = Segment(1).substr(bad, kBlockBytes);
  Flip(1, bad + 10);
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(1, 3));
  ASSERT_EQ(journal.report.damage.size(), 1u);
  EXPECT_EQ(journal.report.damage[0].segment, 1u);
  EXPECT_EQ(journal.report.damage[0].epoch, 1u);
  EXPECT_EQ(journal.report.damage[0].offset, bad);
  EXPECT_EQ(journal.report.damage[0].bytes, kBlockBytes);
  ASSERT_EQ(disk_.set_aside().size(), 1u);
  EXPECT_EQ(disk_.set_aside()[0].offset, bad);
  EXPECT_EQ(disk_.set_aside()[0].bytes.size(), kBlockBytes);
  EXPECT_EQ(disk_.set_aside()[0].bytes.substr(11), before.substr(11));
}

TEST_F(RecoveryTest, OneBadRecordDoesNotTakeItsBatchAlong) {
  maker_.BeginSegment(1, kSmall);
  maker_.Message(Id(1), 1, "a");
  const Location bad = maker_.Message(Id(2), 1, "b");
  maker_.Message(Id(3), 1, "c");
  maker_.EndBatch();
  Batch(4);
  Flip(1, bad.offset + bad.bytes - 1);
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(1, 3, 4));
  EXPECT_THAT(What(journal), ElementsAre("a record fails its checksum"));
  EXPECT_EQ(disk_.set_aside().size(), 1u);
}

TEST_F(RecoveryTest, DamageBeforeTheSealIsReported) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  const uint64_t last = Batch(2);
  maker_.EndBatch(kCleanEnd);
  Flip(1, last + 100);
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(1));
  EXPECT_EQ(journal.report.damage.size(), 1u);
  EXPECT_TRUE(journal.report.clean);
}

// The header of a batch says what was durable before, whatever became of its own records.
TEST_F(RecoveryTest, DamageBeforeATornBatchIsReported) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  const uint64_t bad = Batch(2);
  const uint64_t torn = Batch(3);
  Flip(1, bad + 10);
  Flip(1, torn + kBatchHeaderBytes + kRecordHeaderBytes + 5);
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(1));
  ASSERT_EQ(journal.report.damage.size(), 1u);
  EXPECT_EQ(journal.report.damage[0].offset, bad);
  EXPECT_EQ(journal.segments[0].end, torn);
}

TEST_F(RecoveryTest, TheEndOfASegmentIsNoTailOnceAnotherWasBegun) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  const uint64_t bad = Batch(2, kLastInSegment);
  maker_.BeginSegment(2, kSmall);
  Batch(3);
  Flip(1, bad + 10);
  EXPECT_THAT(Found(Recover()), ElementsAre(1, 3));
  EXPECT_THAT(disk_.set_aside().size(), 1u);

  maker_.Void(2);  // that it was begun is known all the same
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(1));
  EXPECT_THAT(journal.report.damage.size(), 1u);
  EXPECT_EQ(journal.active, std::nullopt);
}

TEST_F(RecoveryTest, AFileThatLostItsEndIsReported) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  const uint64_t lost = Batch(2);
  Batch(3);
  for (const uint64_t bytes : {lost, lost + 100}) {
    SCOPED_TRACE(bytes);
    Segment(1).resize(bytes);
    const RecoveredJournal journal = Recover();
    EXPECT_THAT(Found(journal), ElementsAre(1));
    ASSERT_EQ(journal.report.damage.size(), 1u);
    EXPECT_EQ(journal.report.damage[0].offset, lost);
    EXPECT_EQ(journal.report.damage[0].bytes, kSmall - lost);
    EXPECT_EQ(journal.active, std::nullopt);
    Segment(1).resize(lost + kBlockBytes);
  }
}

TEST_F(RecoveryTest, RecordsThatMakeNoSenseAreDamage) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  maker_.Status(Id(1), 1, 9, {}, 5);  // of another number of recipients
  maker_.EndBatch();
  const RecoveredJournal journal = Recover();
  ASSERT_THAT(Found(journal), ElementsAre(1));
  EXPECT_FALSE(journal.messages[0].second.status);
  EXPECT_THAT(What(journal), ElementsAre("a status record makes no sense"));
}

// --- the header of a segment
// -----------------------------------------------------------------------------------

TEST_F(RecoveryTest, OneCopyOfTheHeaderIsEnough) {
  for (const uint64_t copy : {uint64_t{0}, uint64_t{kSegmentHeaderCopyAt}}) {
    disk_.segments().clear();
    maker_.BeginSegment(1, kSmall);
    Batch(1);
    Flip(1, copy + 30);
    const RecoveredJournal journal = Recover();
    EXPECT_THAT(Found(journal), ElementsAre(1));
    EXPECT_THAT(journal.report.damage, IsEmpty());
  }
}

TEST_F(RecoveryTest, AHeadlessSegmentIsReadByItsBatches) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  Batch(2);
  Flip(1, 30);
  Flip(1, kSegmentHeaderCopyAt + 30);
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(1, 2));
  EXPECT_THAT(What(journal), ElementsAre("a segment's header is damaged"));
  EXPECT_EQ(journal.active, std::nullopt);  // not written to again
  EXPECT_EQ(journal.next_epoch, 2u);
  EXPECT_EQ(journal.next_batch, 3u);
}

TEST_F(RecoveryTest, ABlankHeaderHidesNothingThatWasDurable) {
  maker_.BeginSegment(1, kSmall);
  const uint64_t first = Batch(1);
  Batch(2);
  Batch(3);
  Segment(1).replace(0, kBlockBytes, kBlockBytes, '\0');
  EXPECT_THAT(Found(Recover()), ElementsAre(1, 2, 3));
  Segment(1).replace(first, kBlockBytes, kBlockBytes, '\0');
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(2, 3));
  EXPECT_EQ(journal.segments[0].state, SegmentState::kSealed);
}

TEST_F(RecoveryTest, ASegmentThatSaysNothingIsLeftAlone) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  disk_.segments()[2].assign(kSmall, 'x');
  disk_.segments()[3].assign(100, 'x');
  disk_.segments()[4] = Segment(1);  // a copy under another name
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(1));
  EXPECT_EQ(journal.report.damage.size(), 3u);
  for (size_t i = 1; i < 4; i++) EXPECT_EQ(journal.segments[i].state, SegmentState::kUnusable);
}

// --- what must not be read at all
// ----------------------------------------------------------------------------

TEST_F(RecoveryTest, ANewerFormatIsRefusedByName) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  std::string header = Segment(1).substr(0, kSegmentHeaderBytes);
  header[4] = 2;
  const uint32_t crc = Crc32c(0, ByteView(header).substr(0, kSegmentHeaderBytes - 4));
  StoreLe<uint32_t>(header.data() + kSegmentHeaderBytes - 4, crc);
  for (const uint64_t at : {uint64_t{0}, uint64_t{kSegmentHeaderCopyAt}}) {
    Segment(1).replace(at, header.size(), header);
  }
  const absl::Status status = RecoverJournal(disk_, kSpool).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("segment 1 has format 2; this program reads format 1"));
}

TEST_F(RecoveryTest, AnotherSpoolsSegmentIsRefused) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  JournalMaker other(disk_, {'o', 't', 'h', 'e', 'r'});
  other.BeginSegment(2, kSmall);
  other.Message(Id(9), 1, "x");
  other.EndBatch();
  EXPECT_THAT(std::string(RecoverJournal(disk_, kSpool).status().message()),
              HasSubstr("segment 2 is of another spool"));
  disk_.segments()[3] = Segment(2);  // under whatever name
  disk_.segments().erase(2);
  EXPECT_THAT(std::string(RecoverJournal(disk_, kSpool).status().message()),
              HasSubstr("segment 3 is of another spool"));
  EXPECT_THAT(disk_.set_aside(), IsEmpty());
}

// --- what cannot be read
// -------------------------------------------------------------------------------------

TEST_F(RecoveryTest, ABadSectorInTheMiddleIsDamage) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  const uint64_t bad = Batch(2);
  Batch(3);
  disk_.set_unreadable(1, bad, 1);
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(1, 3));
  EXPECT_EQ(journal.report.damage.size(), 1u);
}

TEST_F(RecoveryTest, AnUnreadableFirstBlockStopsNoStart) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  Batch(2);
  Batch(3);
  disk_.set_unreadable(1, 0, 2 * kBlockBytes);
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(2, 3));
  EXPECT_THAT(What(journal),
              ElementsAre("a segment's header is damaged", "a batch is missing or damaged"));
}

TEST_F(RecoveryTest, ManyUnreadableMebibytesStopNoStart) {
  const uint64_t large = uint64_t{12} << 20;
  maker_.BeginSegment(1, large);
  Batch(1);
  const std::string body(600 << 10, 'b');
  const uint64_t bad = maker_.end();
  for (uint64_t n = 2; maker_.end() < (uint64_t{10} << 20); n++) {
    maker_.Message(Id(n), 1, body);
    maker_.EndBatch();
  }
  const uint64_t good = maker_.end();
  Batch(100);
  disk_.set_unreadable(1, bad, good - bad);
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(1, 100));
  ASSERT_EQ(journal.report.damage.size(), 1u);
  EXPECT_EQ(journal.report.damage[0].bytes, good - bad);
}

TEST_F(RecoveryTest, AnUnreadableEndIsNoTornTail) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  const uint64_t bad = Batch(2);
  disk_.set_unreadable(1, bad, 1);
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(1));
  EXPECT_THAT(What(journal), ElementsAre("cannot be read"));
  EXPECT_EQ(journal.active, std::nullopt);  // it may yet be read: nothing is written over it
}

TEST_F(RecoveryTest, AnUnreadableSegmentIsLeftAlone) {
  maker_.BeginSegment(1, kSmall);
  Batch(1, kLastInSegment);
  maker_.BeginSegment(2, kSmall);
  Batch(2);
  disk_.set_unreadable(1, 0, kSmall);
  const RecoveredJournal journal = Recover();
  EXPECT_THAT(Found(journal), ElementsAre(2));
  EXPECT_EQ(journal.segments[0].state, SegmentState::kUnusable);
  EXPECT_EQ(journal.report.damage.size(), 1u);
}

TEST_F(RecoveryTest, ADiskOfWhichNothingCanBeReadIsRefused) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  disk_.set_unreadable(1, 0, kSmall);
  EXPECT_FALSE(RecoverJournal(disk_, kSpool).ok());
}

// --- again
// ---------------------------------------------------------------------------------------------------

TEST_F(RecoveryTest, RecoveryWritesNothing) {
  maker_.BeginSegment(1, kSmall);
  Batch(1);
  const uint64_t bad = Batch(2);
  Batch(3);
  const uint64_t torn = Batch(4);
  Flip(1, bad + 10);
  Flip(1, torn + 10);
  const std::string before = Segment(1);
  const RecoveredJournal once = Recover();
  EXPECT_EQ(Segment(1), before);
  const RecoveredJournal again = Recover();
  EXPECT_EQ(Found(once), Found(again));
  EXPECT_EQ(What(once), What(again));
}

}  // namespace
}  // namespace sluice::queue
