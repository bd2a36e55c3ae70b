#include "core/server/spool_files.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

TEST(SpoolSpaceTest, IsLowBelowTheReserveUntilAnEighthMoreIsFree) {
  constexpr uint64_t kReserve = 800;
  const auto low = [](uint64_t bytes, bool was_low) {
    return SpaceIsLow({.bytes = bytes, .inodes = 50, .inodes_total = 100}, kReserve, was_low);
  };
  EXPECT_FALSE(low(800, false));
  EXPECT_TRUE(low(799, false));
  EXPECT_TRUE(low(899, true));
  EXPECT_FALSE(low(900, true));
}

TEST(SpoolSpaceTest, InodesCountWhereTheFileSystemCountsThem) {
  const auto low = [](uint64_t inodes, uint64_t total, bool was_low) {
    return SpaceIsLow({.bytes = 1000, .inodes = inodes, .inodes_total = total}, 800, was_low);
  };
  EXPECT_FALSE(low(0, 0, false));
  EXPECT_FALSE(low(100, 10'000, false));
  EXPECT_TRUE(low(99, 10'000, false));
  EXPECT_TRUE(low(111, 10'000, true));
  EXPECT_FALSE(low(113, 10'000, true));
}

TEST(SpoolSpaceTest, NoReserveIsNeverLow) {
  EXPECT_FALSE(SpaceIsLow({.bytes = 0, .inodes = 0, .inodes_total = 0}, 0, false));
  EXPECT_FALSE(SpaceIsLow({.bytes = 0, .inodes = 0, .inodes_total = 0}, 0, true));
}

TEST(SpoolSpaceTest, IsReadFromTheFileSystem) {
  const auto space = ReadSpace("/tmp");
  ASSERT_TRUE(space.ok());
  EXPECT_GT(space->bytes, 0u);
  EXPECT_FALSE(ReadSpace("/tmp/none/such").ok());
}

}  // namespace
}  // namespace sluice::server
