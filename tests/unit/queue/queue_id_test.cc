#include "queue/queue_id.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sluice::queue {
namespace {

WallTime At(int64_t ms) { return WallFromMillis(1'700'000'000'000 + ms); }

TEST(QueueIdTest, PrintsAndParses) {
  struct Case {
    uint64_t value;
    const char* text;
  };
  const Case kCases[] = {{0, "0000000000000"},
                         {1, "0000000000001"},
                         {31, "000000000000Z"},
                         {0x0123456789abcdef, "028T5CY4TQKFF"},
                         {UINT64_MAX, "FZZZZZZZZZZZZ"}};
  for (const Case& c : kCases) {
    EXPECT_EQ(QueueId{c.value}.ToString(), c.text);
    EXPECT_EQ(QueueId::Parse(c.text), QueueId{c.value});
  }
  EXPECT_EQ(QueueId::Parse("028t5cy4tqkff"), QueueId{0x0123456789abcdef});
}

TEST(QueueIdTest, ParsesNoOtherSpelling) {
  for (const char* text : {"", "000000000000", "00000000000000", "G000000000000", "ZZZZZZZZZZZZZ",
                           "00000000000I0", "00000000000L0", "00000000000O0", "00000000000U0",
                           "000000000000 ", "-000000000001", "0000000000/00", "000000000000\x80"}) {
    EXPECT_EQ(QueueId::Parse(text), std::nullopt) << text;
  }
  EXPECT_EQ(QueueId::Parse(ByteView("000000\0000000", 13)), std::nullopt);
}

TEST(QueueIdTest, SaysShardAndTime) {
  QueueIdMaker maker(1023);
  const QueueId id = maker.Next(At(5));
  EXPECT_EQ(id.shard(), 1023u);
  EXPECT_EQ(id.time(), At(5));
}

TEST(QueueIdTest, TextSortsLikeTimeWhateverTheShard) {
  std::string before;
  for (int64_t ms = 1; ms < 1'000'000'000'000; ms = ms * 3 + 1) {
    QueueIdMaker maker(static_cast<uint32_t>(ms * 7 % QueueId::kShardsMax));
    const std::string text = maker.Next(At(ms)).ToString();
    EXPECT_GT(text, before);
    before = text;
  }
}

TEST(QueueIdTest, NoIdTwiceOverShards) {
  std::set<QueueId> ids;
  for (const uint32_t shard : {0u, 1u, 1023u}) {
    QueueIdMaker maker(shard);
    for (int i = 0; i < 10'000; i++) EXPECT_TRUE(ids.insert(maker.Next(At(i / 6000))).second);
  }
}

TEST(QueueIdTest, RisesWhateverTheClockDoes) {
  QueueIdMaker maker(3);
  QueueId before = maker.Next(At(1000));
  for (const int64_t ms : {1000, 999, 0, 1000, 1001, -400'000'000, 1000}) {
    for (int i = 0; i < 5000; i++) {  // more than a millisecond has
      const QueueId id = maker.Next(At(ms));
      ASSERT_GT(id, before);
      before = id;
    }
  }
  EXPECT_EQ(maker.newest(), before);
  EXPECT_EQ(before.shard(), 3u);
}

TEST(QueueIdTest, ANextStartGoesOnBehindTheNewest) {
  QueueIdMaker first(3);
  QueueId newest;
  for (int i = 0; i < 10'000; i++) newest = first.Next(At(0));  // ran ahead of the clock
  QueueIdMaker second(3);
  second.StartAfter(newest);
  EXPECT_EQ(second.newest(), newest);
  EXPECT_GT(second.Next(At(0)), newest);
  second.StartAfter(newest);  // an older one changes nothing
  EXPECT_GT(second.newest(), newest);
}

TEST(QueueIdTest, ClocksBeforeAndBeyondItsRangeAreBounded) {
  QueueIdMaker maker(1);
  const QueueId early = maker.Next(WallFromMillis(0));
  EXPECT_TRUE(early);
  const QueueId late = maker.Next(WallFromMillis(int64_t{1} << 60));
  EXPECT_GT(late, early);
  EXPECT_EQ(late.shard(), 1u);
}

}  // namespace
}  // namespace sluice::queue
