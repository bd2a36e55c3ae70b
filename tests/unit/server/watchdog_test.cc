#include "core/server/watchdog.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

MonoTime At(int64_t ms) { return MonoTime(seconds(1000)) + milliseconds(ms); }

TEST(WatchdogTest, TellsAStallOnceAndItsEnd) {
  Watchdog watchdog(2);
  EXPECT_EQ(watchdog.Look(0, 7, Stage::kCallbacks, At(0)), "");
  EXPECT_EQ(watchdog.Look(1, 7, Stage::kCallbacks, At(0)), "");
  EXPECT_EQ(watchdog.Look(0, 7, Stage::kCallbacks, At(100)),
            "shard 0 stands still: for over 100 ms in one step, handling what arrived and what "
            "became durable");
  EXPECT_EQ(watchdog.Look(0, 7, Stage::kCallbacks, At(200)), "");
  EXPECT_EQ(watchdog.Look(0, 7, Stage::kQueue, At(300)), "shard 0 goes on, after about 300 ms");
  EXPECT_EQ(watchdog.Look(0, 8, Stage::kQueue, At(400)), "");
  EXPECT_EQ(watchdog.Look(1, 8, Stage::kCallbacks, At(400)), "");
}

TEST(WatchdogTest, SleepIsNoStall) {
  Watchdog watchdog(1);
  for (int ms = 0; ms < 2000; ms += 100) EXPECT_EQ(watchdog.Look(0, 7, Stage::kAsleep, At(ms)), "");
}

// A signal makes the main thread look early.
TEST(WatchdogTest, TwoLooksInAMomentProveNothing) {
  Watchdog watchdog(1);
  EXPECT_EQ(watchdog.Look(0, 7, Stage::kFlush, At(0)), "");
  EXPECT_EQ(watchdog.Look(0, 7, Stage::kFlush, At(1)), "");
  EXPECT_EQ(watchdog.Look(0, 7, Stage::kFlush, At(99)), "");
  EXPECT_EQ(watchdog.Look(0, 8, Stage::kFlush, At(101)), "");
  EXPECT_NE(watchdog.Look(0, 8, Stage::kFlush, At(201)), "");
}

}  // namespace
}  // namespace sluice::server
