#include "tools/load/bounds.h"

#include <gtest/gtest.h>

namespace sluice::load {
namespace {

const Measured kGood = {.latency_name = "answer",
                        .answers = 1000,
                        .p99 = milliseconds(40),
                        .p99_9 = milliseconds(90),
                        .started = 1000,
                        .failed = 5,
                        .rate = 250};

TEST(BoundsTest, WhatIsKeptToIsNotMissed) {
  EXPECT_TRUE(Missed({}, kGood).empty());
  const Bounds bounds = {.p99 = milliseconds(40),
                         .p99_9 = milliseconds(90),
                         .failures = FailureBound::Parse("5"),
                         .rate = 250};
  EXPECT_TRUE(Missed(bounds, kGood).empty());
}

TEST(BoundsTest, EachMissedBoundIsALine) {
  const Bounds bounds = {.p99 = milliseconds(39),
                         .p99_9 = microseconds(89'999),
                         .failures = FailureBound::Parse("4"),
                         .rate = 250.5};
  const std::vector<std::string> expected = {
      "p99 of answer: 40.000 ms, wanted at most 39.000 ms",
      "p99.9 of answer: 90.000 ms, wanted at most 89.999 ms",
      "failures: 5, wanted at most 4",
      "rate: 250.0 a second, wanted at least 250.5",
  };
  EXPECT_EQ(Missed(bounds, kGood), expected);
}

TEST(BoundsTest, FailuresMayBeAShare) {
  const auto missed = [](const char* bound, Measured measured) {
    return Missed({.failures = FailureBound::Parse(bound)}, measured);
  };
  EXPECT_TRUE(missed("0.5%", kGood).empty());
  EXPECT_EQ(missed("0.4%", kGood),
            std::vector<std::string>{"failures: 5 of 1000 (0.500%), wanted at most 0.4%"});
  // Nobody could log in: nothing was begun, and all of it failed.
  EXPECT_EQ(missed("50%", {.latency_name = "answer", .failed = 3}).size(), 1u);
  EXPECT_TRUE(missed("0%", {.latency_name = "answer"}).empty());
}

TEST(BoundsTest, ALatencyOfNothingIsMissed) {
  EXPECT_EQ(
      Missed({.p99 = milliseconds(1)}, {.latency_name = "login"}),
      std::vector<std::string>{"p99 of login: nothing was answered, wanted at most 1.000 ms"});
}

TEST(BoundsTest, OnlyNumbersAndSharesAreBoundsOfFailures) {
  EXPECT_EQ(FailureBound::Parse("20")->count, 20u);
  EXPECT_EQ(FailureBound::Parse("2.5%")->percent, 2.5);
  for (const char* text : {"", "-1", "1.5", "%", "101%", "-1%", "x%", "nan%"}) {
    EXPECT_FALSE(FailureBound::Parse(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace sluice::load
