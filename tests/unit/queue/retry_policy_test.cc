#include "queue/retry_policy.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::queue {
namespace {

TEST(RetryPolicyTest, DoublesWithinItsBoundsSpreadByAnEighth) {
  const RetryPolicy policy{.retry_min = minutes(5), .retry_max = hours(4)};
  Prng prng(1);
  struct Case {
    uint32_t attempts;
    Duration base;
  };
  const Case kCases[] = {{0, minutes(5)},  {1, minutes(5)},       {2, minutes(10)},
                         {3, minutes(20)}, {6, minutes(160)},     {7, hours(4)},
                         {1000, hours(4)}, {UINT32_MAX, hours(4)}};
  for (const Case& c : kCases) {
    Duration least = Duration::max();
    Duration most{0};
    for (int i = 0; i < 2000; i++) {
      const Duration delay = policy.DelayAfter(c.attempts, prng);
      EXPECT_GE(delay, c.base - c.base / 8);
      EXPECT_LE(delay, c.base + c.base / 8);
      least = std::min(least, delay);
      most = std::max(most, delay);
    }
    EXPECT_LT(least, c.base - c.base / 9);  // the whole range is used
    EXPECT_GT(most, c.base + c.base / 9);
  }
}

TEST(RetryPolicyTest, SenselessBoundsStillWait) {
  Prng prng(1);
  const RetryPolicy none{.retry_min = Duration(0), .retry_max = Duration(0)};
  EXPECT_GT(none.DelayAfter(1, prng), Duration(0));
  const RetryPolicy reversed{.retry_min = hours(2), .retry_max = hours(1)};
  EXPECT_GE(reversed.DelayAfter(9, prng), hours(2) - minutes(15));
  EXPECT_LE(reversed.DelayAfter(9, prng), hours(2) + minutes(15));
}

TEST(RetryPolicyTest, ASeedReplays) {
  const RetryPolicy policy;
  Prng a(7);
  Prng b(7);
  for (uint32_t i = 1; i < 20; i++) EXPECT_EQ(policy.DelayAfter(i, a), policy.DelayAfter(i, b));
}

class WallClockGuardTest : public ::testing::Test {
 protected:
  bool At(Duration mono, Duration wall) {
    guard_.Observe(kMono + mono, kWall + std::chrono::duration_cast<milliseconds>(wall));
    return guard_.suspended();
  }
  static constexpr MonoTime kMono{hours(3)};
  static constexpr WallTime kWall = WallFromMillis(1'700'000'000'000);
  WallClockGuard guard_;
};

TEST_F(WallClockGuardTest, ARunningClockIsTrusted) {
  guard_.Start(kMono, kWall, kWall);
  EXPECT_FALSE(guard_.suspended());
  EXPECT_FALSE(At(hours(1), hours(1)));
  EXPECT_FALSE(At(hours(1000), hours(1000) + minutes(59)));
}

TEST_F(WallClockGuardTest, AJumpSuspendsUntilTheClockComesBack) {
  guard_.Start(kMono, kWall, WallTime());
  EXPECT_TRUE(At(minutes(1), hours(2)));
  EXPECT_FALSE(At(minutes(2), minutes(2)));
  EXPECT_TRUE(At(hours(5), hours(3)));
  EXPECT_FALSE(At(hours(6), hours(6)));
  EXPECT_FALSE(guard_.Observe(kMono + hours(7), kWall + hours(7)));  // no change to tell
  EXPECT_TRUE(guard_.Observe(kMono + hours(7), kWall + hours(70)));
}

TEST_F(WallClockGuardTest, AStartBeforeTheNewestRecordSuspends) {
  guard_.Start(kMono, kWall, kWall + minutes(30));
  EXPECT_TRUE(guard_.suspended());
  EXPECT_TRUE(At(minutes(10), minutes(10)));
  EXPECT_FALSE(At(minutes(31), minutes(31)));
}

}  // namespace
}  // namespace sluice::queue
