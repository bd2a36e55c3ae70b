#include "tools/load/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace sluice::load {
namespace {

constexpr MonoTime kStart = MonoTime(seconds(1000));

std::vector<Duration> Instants(Schedule::Options options, size_t count) {
  Schedule schedule(options, kStart);
  std::vector<Duration> instants;
  for (size_t i = 0; i < count; i++, schedule.Advance()) {
    instants.push_back(schedule.next() - kStart);
  }
  return instants;
}

TEST(ScheduleTest, FixedArrivalsAreExactAlsoAfterAMillion) {
  const auto instants = Instants({.rate = 3, .arrivals = Arrivals::kFixed}, 1'000'000);
  EXPECT_EQ(instants[0], Duration(0));
  EXPECT_EQ(instants[1], Duration(333'333'333));
  EXPECT_EQ(instants[3], Duration(999'999'999));
  EXPECT_NEAR(static_cast<double>(instants[999'999].count()), 333'333e9, 1e5);
}

TEST(ScheduleTest, FixedArrivalsOfThreadsTakeTurns) {
  std::vector<Duration> all;
  for (uint32_t thread = 0; thread < 4; thread++) {
    const auto own =
        Instants({.rate = 1000, .arrivals = Arrivals::kFixed, .thread = thread, .threads = 4}, 10);
    all.insert(all.end(), own.begin(), own.end());
  }
  std::sort(all.begin(), all.end());
  for (size_t i = 0; i < all.size(); i++) EXPECT_EQ(all[i], milliseconds(1) * i);
}

TEST(ScheduleTest, PoissonArrivalsHaveTheRateAndTheSpread) {
  for (const uint64_t seed : {1, 2, 3}) {
    const size_t count = 200'000;
    const auto instants = Instants({.rate = 500, .seed = seed}, count);
    EXPECT_NEAR(static_cast<double>(instants.back().count()) / 1e9, count / 500.0, 4);
    double sum = 0;
    double squares = 0;
    for (size_t i = 1; i < count; i++) {
      const double interval = static_cast<double>((instants[i] - instants[i - 1]).count()) / 2e6;
      EXPECT_GE(interval, 0);
      sum += interval;
      squares += interval * interval;
    }
    const double mean = sum / count;
    EXPECT_NEAR(mean, 1, 0.02);
    EXPECT_NEAR(squares / count - mean * mean, 1,
                0.05);  // exponential: the variance is the mean's square
  }
}

TEST(ScheduleTest, PoissonThreadsHaveTheirPartOfTheRateEach) {
  const auto instants = Instants({.rate = 4000, .thread = 1, .threads = 4, .seed = 7}, 100'000);
  EXPECT_NEAR(static_cast<double>(instants.back().count()) / 1e9, 100, 2);
}

TEST(ScheduleTest, ASeedGivesTheSameAgain) {
  EXPECT_EQ(Instants({.rate = 100, .seed = 5}, 100), Instants({.rate = 100, .seed = 5}, 100));
  EXPECT_NE(Instants({.rate = 100, .seed = 5}, 100), Instants({.rate = 100, .seed = 6}, 100));
}

}  // namespace
}  // namespace sluice::load
