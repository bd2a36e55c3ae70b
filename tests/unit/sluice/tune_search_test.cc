#include "tools/sluice/tune_search.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "core/server/options_values.h"

namespace sluice {
namespace {

std::vector<Sample> Rates(std::vector<double> rates) {
  std::vector<Sample> samples;
  for (const double rate : rates) samples.push_back({.rate = rate, .p99_ms = rate, .cpu_us = rate});
  return samples;
}

TEST(CompareTest, OnlyRunsThatDoNotOverlapDiffer) {
  const auto best = Rates({100, 110, 105});
  EXPECT_EQ(Compare(Goal::kRate, best, Rates({111, 130, 120})), Verdict::kBetter);
  EXPECT_EQ(Compare(Goal::kRate, best, Rates({99, 80, 90})), Verdict::kWorse);
  EXPECT_EQ(Compare(Goal::kRate, best, Rates({110, 200, 300})), Verdict::kNoise) << "one is as good as the other's best";
  EXPECT_EQ(Compare(Goal::kRate, best, Rates({100, 50, 60})), Verdict::kNoise);
  EXPECT_EQ(Compare(Goal::kRate, best, best), Verdict::kNoise);
}

TEST(CompareTest, LessLatencyAndCpuAreBetter) {
  for (const Goal goal : {Goal::kP99, Goal::kCpu}) {
    EXPECT_EQ(Compare(goal, Rates({5, 6}), Rates({3, 4})), Verdict::kBetter);
    EXPECT_EQ(Compare(goal, Rates({5, 6}), Rates({7, 8})), Verdict::kWorse);
    EXPECT_EQ(Compare(goal, Rates({5, 6}), Rates({5.5, 4})), Verdict::kNoise);
  }
}

TEST(CompareTest, TheMedianIsInTheMiddle) {
  EXPECT_EQ(Median(Goal::kRate, Rates({3, 1, 2})), 2);
  EXPECT_EQ(Median(Goal::kRate, Rates({4, 1, 2, 3})), 2.5);
}

std::string Next(const char* name, const char* value, int direction) {
  return NextValue(*server::FindTunable(name), value, direction).value_or("none");
}

TEST(NextValueTest, SizesAndCountsDoubleAndDurationsGoByAThird) {
  EXPECT_EQ(Next("handshake_steps", "16", 1), "32");
  EXPECT_EQ(Next("handshake_steps", "16", -1), "8");
  EXPECT_EQ(Next("handshake_steps", "1", -1), "none") << "below its bounds";
  EXPECT_EQ(Next("handshake_steps", "10000", 1), "none");
  EXPECT_EQ(Next("batch_bytes", "1M", 1), "2M");
  EXPECT_EQ(Next("batch_bytes", "\"128K\"", -1), "64K");
  EXPECT_EQ(Next("batch_bytes", "64K", -1), "none");
  EXPECT_EQ(Next("batch_wait", "0s", 1), "100us");
  EXPECT_EQ(Next("batch_wait", "0s", -1), "none");
  EXPECT_EQ(Next("batch_wait", "100us", -1), "0s");
  EXPECT_EQ(Next("batch_wait", "1ms", 1), "3ms");
  EXPECT_EQ(Next("batch_wait", "2ms", 1), "3ms");
  EXPECT_EQ(Next("batch_wait", "2ms", -1), "1ms");
  EXPECT_EQ(Next("batch_wait", "1s", 1), "none");
  EXPECT_EQ(Next("core", "auto", 1), "none");
}

// Climbs by what `figure` says of a value of the one key; gives the values that were tried.
std::vector<std::string> ClimbAll(Climb& climb, const std::function<Verdict(const Climb&, const Climb::Try&)>& judge) {
  std::vector<std::string> tried;
  while (const auto next = climb.Next()) {
    tried.push_back(next->value);
    if (tried.size() > 100) break;
    climb.Tell(judge(climb, *next));
  }
  return tried;
}

// A hill with its top at `top`.
auto Hill(int top) {
  return [top](const Climb& climb, const Climb::Try& next) {
    const int now = std::abs(std::atoi(climb.best()[next.key].value.c_str()) - top);
    const int then = std::abs(std::atoi(next.value.c_str()) - top);
    return then < now ? Verdict::kBetter : then > now ? Verdict::kWorse : Verdict::kNoise;
  };
}

TEST(ClimbTest, GoesUpOrDownToTheTop) {
  for (const int top : {1, 2, 16, 32, 256}) {
    Climb climb({{server::FindTunable("handshake_steps"), "16"}}, 5);
    ClimbAll(climb, Hill(top));
    EXPECT_EQ(climb.best()[0].value, std::to_string(top));
  }
}

TEST(ClimbTest, NoiseMovesNothingAndEndsIt) {
  Climb climb({{server::FindTunable("handshake_steps"), "16"}, {server::FindTunable("batch_wait"), "0s"}}, 5);
  const auto tried = ClimbAll(climb, [](const Climb&, const Climb::Try&) { return Verdict::kNoise; });
  EXPECT_EQ(tried, (std::vector<std::string>{"32", "64", "8", "4", "100us", "300us"}));
  EXPECT_EQ(climb.best()[0].value, "16");
  EXPECT_EQ(climb.best()[1].value, "0s");
}

// Nothing changes at 32, but at 64.
TEST(ClimbTest, AStepThatDoesNothingIsFollowedByOneMore) {
  Climb climb({{server::FindTunable("handshake_steps"), "16"}}, 1);
  const auto tried = ClimbAll(climb, [](const Climb&, const Climb::Try& next) {
    return next.value == "64" ? Verdict::kBetter : next.value == "32" ? Verdict::kNoise : Verdict::kWorse;
  });
  EXPECT_EQ(climb.best()[0].value, "64");
  EXPECT_EQ(tried, (std::vector<std::string>{"32", "64", "128"}));
}

TEST(ClimbTest, KeysAreGoneThroughAgainWhileThatHelps) {
  Climb climb({{server::FindTunable("handshake_steps"), "16"}, {server::FindTunable("relay_connections"), "8"}}, 3);
  const auto tried = ClimbAll(climb, Hill(32));
  EXPECT_EQ(climb.best()[0].value, "32");
  EXPECT_EQ(climb.best()[1].value, "32");
  // Up to the top and one beyond; and a second round that finds both directions worse.
  EXPECT_EQ(tried, (std::vector<std::string>{"32", "64", "16", "32", "64", "64", "16", "64", "16"}));
}

TEST(ClimbTest, RoundsAreBounded) {
  Climb climb({{server::FindTunable("handshake_steps"), "16"}}, 1);
  int told = 0;
  ClimbAll(climb, [&](const Climb&, const Climb::Try&) { return told++ == 0 ? Verdict::kBetter : Verdict::kImpossible; });
  EXPECT_EQ(climb.best()[0].value, "32");
  EXPECT_EQ(told, 2);
}

}  // namespace
}  // namespace sluice
