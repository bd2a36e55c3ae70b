#include "tools/load/latest.h"

#include <gtest/gtest.h>

#include <thread>

namespace sluice::load {
namespace {

TEST(LatestTest, TheNewestIsTakenOnce) {
  Latest<int> latest;
  EXPECT_EQ(latest.Take(), nullptr);
  latest.Put(std::make_unique<int>(1));
  latest.Put(std::make_unique<int>(2));
  EXPECT_EQ(*latest.Take(), 2);
  EXPECT_EQ(latest.Take(), nullptr);
  latest.Put(std::make_unique<int>(3));  // never taken: freed with the place
}

TEST(LatestTest, AnotherThreadSeesWholeValuesThatOnlyGetNewer) {
  struct Pair {
    int first;
    int second;
  };
  constexpr int kLast = 20'000;
  Latest<Pair> latest;
  std::thread writer([&] {
    for (int i = 1; i <= kLast; i++) latest.Put(std::make_unique<Pair>(Pair{i, -i}));
  });
  int seen = 0;
  while (seen < kLast) {
    const std::unique_ptr<Pair> taken = latest.Take();
    if (taken == nullptr) continue;
    ASSERT_GT(taken->first, seen);
    ASSERT_EQ(taken->second, -taken->first);
    seen = taken->first;
  }
  writer.join();
}

}  // namespace
}  // namespace sluice::load
