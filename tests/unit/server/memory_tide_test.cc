#include "core/server/memory_tide.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr MonoTime At(int64_t s) { return MonoTime(seconds(s)); }

TEST(MemoryTideTest, GivesBackOnceAfterMuchHasGone) {
  MemoryTide tide;
  EXPECT_FALSE(tide.Ebbed(30 * kMiB, true, At(1)));
  EXPECT_FALSE(tide.Ebbed(21 * kMiB, true, At(2))) << "9 of 30: less than a third";
  EXPECT_TRUE(tide.Ebbed(20 * kMiB, true, At(3)));
  EXPECT_FALSE(tide.Ebbed(20 * kMiB, true, At(60))) << "the peak is now what is left";
}

TEST(MemoryTideTest, SmallEbbsAreNotWorthIt) {
  MemoryTide tide;
  EXPECT_FALSE(tide.Ebbed(4 * kMiB - 1, true, At(1)));
  EXPECT_FALSE(tide.Ebbed(0, true, At(2)));
}

TEST(MemoryTideTest, WaitsForAQuietTurnAndForThePause) {
  MemoryTide tide;
  EXPECT_FALSE(tide.Ebbed(100 * kMiB, true, At(1)));
  EXPECT_FALSE(tide.Ebbed(0, false, At(2)));
  EXPECT_TRUE(tide.Ebbed(0, true, At(3)));
  EXPECT_FALSE(tide.Ebbed(100 * kMiB, true, At(4)));
  EXPECT_FALSE(tide.Ebbed(0, true, At(12))) << "9 s since the last time";
  EXPECT_TRUE(tide.Ebbed(0, true, At(13)));
}

TEST(MemoryTideTest, IsAskedTenTimesASecond) {
  MemoryTide tide;
  EXPECT_TRUE(tide.Due(At(1)));
  EXPECT_FALSE(tide.Due(At(1) + MemoryTide::kLook - milliseconds(1)));
  EXPECT_TRUE(tide.Due(At(1) + MemoryTide::kLook));
}

}  // namespace
}  // namespace sluice::server
