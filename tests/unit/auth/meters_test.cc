#include "auth/meters.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

namespace sluice::auth {
namespace {

const std::string kSecret(32, 's');
constexpr WallTime kStart = WallFromMillis(1'800'000'000'000);  // on a multiple of every slice

class MetersTest : public testing::Test {
 protected:
  uint64_t KeyOf(ByteView name, Window window) {
    return Meters::Key(meters_.NameKey('l', name), 0, KindOf(window));
  }
  Meters meters_{kSecret, 1024};
};

TEST_F(MetersTest, AWindowCountsForItsLengthAndAtMostASixthMore) {
  for (const Window window : {Window::kMinute, Window::kHour, Window::kDay}) {
    const uint64_t key = KeyOf("alice", window);
    const auto length = std::chrono::duration_cast<milliseconds>(LengthOf(window));
    const WallTime sent = kStart + length / 4;  // in the middle of a bucket
    meters_.Add(key, 5, sent);
    meters_.Add(key, 2, sent);
    EXPECT_EQ(meters_.Sum(key, sent), 7u);
    EXPECT_EQ(meters_.Sum(key, sent + length), 7u) << "the whole window";
    EXPECT_EQ(meters_.Sum(key, sent + length + length / 6), 0u);
  }
}

TEST_F(MetersTest, BucketsAreForgottenOneByOne) {
  const uint64_t key = KeyOf("alice", Window::kMinute);
  for (int i = 0; i < 12; i++) meters_.Add(key, 1, kStart + seconds(10 * i));
  const WallTime now = kStart + seconds(115);
  EXPECT_EQ(meters_.Sum(key, now), 7u);
  EXPECT_EQ(meters_.WhenAtMost(key, 7, now), now);
  EXPECT_EQ(meters_.WhenAtMost(key, 6, now), kStart + seconds(120));
  EXPECT_EQ(meters_.WhenAtMost(key, 0, now), kStart + seconds(180));
}

TEST_F(MetersTest, SubtractTakesBackAndNeverGoesBelowZero) {
  const uint64_t key = KeyOf("alice", Window::kHour);
  meters_.Add(key, 5, kStart);
  meters_.Subtract(key, 2, kStart);
  EXPECT_EQ(meters_.Sum(key, kStart), 3u);
  meters_.Subtract(key, 9, kStart);
  EXPECT_EQ(meters_.Sum(key, kStart), 0u);
  meters_.Subtract(key, 1, kStart + hours(5));  // its bucket is another by now
  meters_.Subtract(KeyOf("nobody", Window::kHour), 1, kStart);
  EXPECT_EQ(meters_.Sum(key, kStart), 0u);
}

TEST_F(MetersTest, NamesSpacesAndKindsAreApart) {
  const uint64_t keys[] = {
      KeyOf("alice", Window::kMinute),
      KeyOf("alice", Window::kHour),
      KeyOf("bob", Window::kMinute),
      Meters::Key(meters_.NameKey('t', "alice"), 0, MeterKind::kMinute),
      Meters::Key(meters_.NameKey('l', "alice"), 1, MeterKind::kMinute),
  };
  uint64_t count = 1;
  for (const uint64_t key : keys) meters_.Add(key, count++, kStart);
  count = 1;
  for (const uint64_t key : keys) EXPECT_EQ(meters_.Sum(key, kStart), count++);
}

TEST_F(MetersTest, CountsSaturate) {
  const uint64_t key = KeyOf("alice", Window::kDay);
  for (int i = 0; i < 3; i++) meters_.Add(key, kRateMax, kStart);
  EXPECT_EQ(meters_.Sum(key, kStart), kRateMax - 1);
}

TEST_F(MetersTest, AClockSetBackForgetsNothingOfThePresent) {
  const uint64_t key = KeyOf("alice", Window::kMinute);
  meters_.Add(key, 3, kStart + seconds(60));
  EXPECT_EQ(meters_.Sum(key, kStart + seconds(30)), 3u);
  EXPECT_EQ(meters_.Sum(key, kStart - hours(2)), 0u) << "a jump of hours begins anew";
}

TEST_F(MetersTest, AFullTableLosesAndSaysSo) {
  Meters small(kSecret, 64);
  ASSERT_EQ(small.lines(), 64u);
  std::vector<uint64_t> keys;
  for (int i = 0; i < 200; i++) {
    keys.push_back(Meters::Key(small.NameKey('l', std::to_string(i)), 0, MeterKind::kMinute));
    small.Add(keys.back(), 1, kStart);
  }
  uint64_t kept = 0;
  for (const uint64_t key : keys) kept += small.Sum(key, kStart);
  EXPECT_GT(kept, 40u);
  EXPECT_EQ(kept + small.lost(), 200u);
  // An hour later all places are free again.
  const uint64_t lost = small.lost();
  for (int i = 0; i < 30; i++) small.Add(keys[static_cast<size_t>(i)], 1, kStart + hours(1));
  EXPECT_LE(small.lost() - lost, 2u);
}

TEST_F(MetersTest, SavedLinesRestoreInATableOfAnotherSize) {
  const uint64_t minute = KeyOf("alice", Window::kMinute), day = KeyOf("alice", Window::kDay);
  meters_.Add(minute, 3, kStart);
  meters_.Add(day, 4, kStart);
  std::map<uint64_t, SavedLine> saved;
  const auto save = [&](uint32_t first, const SavedLine(&lines)[Meters::kSaveLines]) {
    EXPECT_EQ(first % Meters::kSaveLines, 0u);
    for (const SavedLine& line : lines) saved[line.key] = line;
  };
  meters_.SaveChanged(save);
  ASSERT_EQ(saved.count(minute) + saved.count(day), 2u);
  saved.erase(0);
  size_t again = 0;
  meters_.SaveChanged([&](uint32_t, const auto&) { again++; });
  EXPECT_EQ(again, 0u) << "nothing has changed";

  Meters other(kSecret, 4096);
  for (const auto& [key, line] : saved) other.Restore(line, kStart + hours(1));
  EXPECT_EQ(other.Sum(minute, kStart + hours(1)), 0u);
  EXPECT_EQ(other.Sum(day, kStart + hours(1)), 4u);
  SavedLine garbage;
  garbage.key = ~uint64_t{0};
  garbage.words[0] = ~uint64_t{0};
  other.Restore(garbage, kStart);  // a kind that there is not
  other.SaveChanged([&](uint32_t, const auto& lines) {
    for (const SavedLine& line : lines) EXPECT_NE(line.key, garbage.key);
  });
}

TEST_F(MetersTest, ThreadsLoseNothing) {
  constexpr int kThreads = 4, kAdds = 20'000, kNames = 16;
  const auto work = [&] {
    for (int i = 0; i < kAdds; i++)
      meters_.Add(KeyOf(std::to_string(i % kNames), Window::kHour), 1, kStart);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++) threads.emplace_back(work);
  std::thread saver([&] {
    for (int i = 0; i < 100; i++) meters_.SaveChanged([](uint32_t, const auto&) {});
  });
  for (std::thread& thread : threads) thread.join();
  saver.join();
  uint64_t sum = 0;
  for (int i = 0; i < kNames; i++)
    sum += meters_.Sum(KeyOf(std::to_string(i), Window::kHour), kStart);
  EXPECT_EQ(sum, uint64_t{kThreads} * kAdds);
}

// Threads that come with a new key in the same instant find the same line for it.
TEST_F(MetersTest, ThreadsThatAreFirstAtOnceCountTogether) {
  constexpr uint64_t kThreads = 4, kKeys = 20'000;
  Meters meters(kSecret, 1 << 19);
  const auto key_of = [](uint64_t i) {
    return Meters::Key(i * 0x9e3779b97f4a7c15, 1, MeterKind::kHour);
  };
  std::atomic<uint64_t> at{0};  // all go from key to key together
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; t++) {
    threads.emplace_back([&] {
      for (uint64_t i = 0; i < kKeys; i++) {
        meters.Add(key_of(i), 1, kStart);
        at.fetch_add(1);
        while (at.load() < (i + 1) * kThreads) std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (uint64_t i = 0; i < kKeys; i++) ASSERT_EQ(meters.Sum(key_of(i), kStart), kThreads) << i;
}

TEST(LevelsTest, EntersAndLeaves) {
  Levels levels(64);
  EXPECT_EQ(levels.Get(7), 0u);
  EXPECT_EQ(levels.Enter(7 << 8), 1u);
  EXPECT_EQ(levels.Enter(7 << 8), 2u);
  EXPECT_EQ(levels.Enter(9 << 8), 1u);
  levels.Leave(7 << 8);
  EXPECT_EQ(levels.Get(7 << 8), 1u);
  levels.Leave(7 << 8);
  levels.Leave(7 << 8);  // nobody is there: nothing happens
  EXPECT_EQ(levels.Get(7 << 8), 0u);
  EXPECT_EQ(levels.Get(9 << 8), 1u);
}

TEST(LevelsTest, WithoutRoomNobodyIsCounted) {
  Levels levels(64);
  uint64_t entered = 0;
  std::vector<uint64_t> keys;
  for (uint64_t i = 1; i <= 500; i++) {
    if (levels.Enter(i << 8) == 0) continue;
    entered++;
    keys.push_back(i << 8);
  }
  EXPECT_GE(entered, 50u);
  EXPECT_LE(entered, 64u);
  for (const uint64_t key : keys) levels.Leave(key);
  EXPECT_EQ(levels.Enter(1000 << 8), 1u);
}

TEST(LevelsTest, ThreadsEndWhereTheyBegan) {
  Levels levels(64);
  const auto work = [&] {
    for (uint64_t i = 0; i < 50'000; i++) {
      const uint64_t key = i % 7 << 8;
      if (levels.Enter(key) != 0) levels.Leave(key);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  for (uint64_t i = 0; i < 7; i++) EXPECT_EQ(levels.Get(i << 8), 0u);
}

}  // namespace
}  // namespace sluice::auth
