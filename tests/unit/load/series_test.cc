#include "tools/load/series.h"

#include <gtest/gtest.h>

#include <numeric>

namespace sluice::load {
namespace {

constexpr MonoTime kStart = MonoTime(hours(5));

TEST(SeriesTest, EachSecondHasWhatHappenedInIt) {
  Series series;
  series.Begin(kStart);
  for (int i = 0; i < 35; i++) {  // ten a second
    series.Turn(kStart + milliseconds(100) * i);
    series.Started();
    if (i % 10 == 9) {
      series.Failed();
    } else {
      series.Accepted(milliseconds(i + 1));
    }
  }
  EXPECT_EQ(series.slots().size(), 3u);
  series.Finish();
  ASSERT_EQ(series.slots().size(), 4u);
  const uint64_t accepted[] = {9, 9, 9, 5};
  for (size_t i = 0; i < 4; i++) {
    const SeriesSlot& slot = series.slots()[i];
    EXPECT_EQ(slot.started, i < 3 ? 10u : 5u);
    EXPECT_EQ(slot.accepted, accepted[i]);
    EXPECT_EQ(slot.failed, i < 3 ? 1u : 0u);
    EXPECT_EQ(slot.latency.count(), accepted[i]);
    EXPECT_EQ(slot.latency.max(), milliseconds(i < 3 ? 10 * i + 9 : 35));
  }
}

TEST(SeriesTest, SecondsWithoutATurnAreEmpty) {
  Series series;
  series.Begin(kStart);
  series.Turn(kStart + milliseconds(500));
  series.Started();
  series.Turn(kStart + seconds(4));
  series.Started();
  series.Finish();
  ASSERT_EQ(series.slots().size(), 5u);
  const uint64_t started[] = {1, 0, 0, 0, 1};
  for (size_t i = 0; i < 5; i++) EXPECT_EQ(series.slots()[i].started, started[i]);
  series.Finish();  // nothing more
  EXPECT_EQ(series.slots().size(), 5u);
}

uint64_t Started(const Series& series) {
  return std::accumulate(series.slots().begin(), series.slots().end(), uint64_t{0},
                         [](uint64_t sum, const SeriesSlot& slot) { return sum + slot.started; });
}

TEST(SeriesTest, LongRunsHalveTheResolution) {
  Series series;
  series.Begin(kStart);
  constexpr int kSeconds = 20'001;
  for (int i = 0; i < kSeconds; i++) {
    series.Turn(kStart + seconds(i));
    series.Started();
    series.Accepted(milliseconds(1 + i / 1000));
    ASSERT_LE(series.slots().size(), Series::kSlotsMax);
  }
  series.Finish();
  EXPECT_EQ(series.width(), seconds(4));
  ASSERT_EQ(series.slots().size(), 5001u);
  for (size_t i = 0; i < 5000; i++) EXPECT_EQ(series.slots()[i].started, 4u) << i;
  EXPECT_EQ(series.slots()[5000].started, 1u);
  EXPECT_EQ(series.slots()[250].latency.max(), milliseconds(2));  // from 1000 s on
  EXPECT_EQ(Started(series), static_cast<uint64_t>(kSeconds));
}

TEST(SeriesTest, ThreadsAreMergedSecondBySecond) {
  Series parts[2];
  for (int part = 0; part < 2; part++) {
    parts[part].Begin(kStart + milliseconds(part));
    for (int i = 0; i < 3 + part; i++) {
      parts[part].Turn(kStart + milliseconds(part) + seconds(i));
      parts[part].Started();
      parts[part].Accepted(milliseconds(10 * (part + 1)));
    }
    parts[part].Finish();
  }
  parts[0].Merge(parts[1]);
  ASSERT_EQ(parts[0].slots().size(), 4u);
  for (size_t i = 0; i < 3; i++) {
    EXPECT_EQ(parts[0].slots()[i].accepted, 2u);
    EXPECT_EQ(parts[0].slots()[i].latency.max(), milliseconds(20));
    EXPECT_LE(parts[0].slots()[i].latency.Quantile(0.5), microseconds(10'320));
    EXPECT_GE(parts[0].slots()[i].latency.Quantile(0.5), milliseconds(10));
  }
  EXPECT_EQ(parts[0].slots()[3].accepted, 1u);
}

TEST(SeriesTest, MergingBringsBothToTheWiderSlots) {
  Series wide;
  wide.Begin(kStart);
  wide.Turn(kStart + seconds(7199));
  wide.Started();
  wide.Turn(kStart + seconds(7203));
  wide.Started();
  wide.Finish();
  ASSERT_EQ(wide.width(), seconds(2));
  Series narrow;
  narrow.Begin(kStart);
  narrow.Turn(kStart + seconds(2));
  narrow.Started();
  narrow.Finish();
  ASSERT_EQ(narrow.slots().size(), 3u);
  Series sum = narrow;
  sum.Merge(wide);
  wide.Merge(narrow);
  for (const Series* merged : {&sum, &wide}) {
    EXPECT_EQ(merged->width(), seconds(2));
    ASSERT_EQ(merged->slots().size(), 3602u);
    EXPECT_EQ(merged->slots()[1].started, 1u);
    EXPECT_EQ(merged->slots()[3599].started, 1u);
    EXPECT_EQ(merged->slots()[3601].started, 1u);
  }
}

}  // namespace
}  // namespace sluice::load
