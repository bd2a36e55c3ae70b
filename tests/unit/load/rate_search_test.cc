#include "tools/load/rate_search.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace sluice::load {
namespace {

// The rates tried against a server that holds what `holds` says.
std::vector<double> Tried(RateSearch& search, const std::function<bool(double)>& holds) {
  std::vector<double> rates;
  while (const auto rate = search.next()) {
    rates.push_back(*rate);
    search.Tell(holds(*rate));
    EXPECT_LT(rates.size(), 1000u);
    if (rates.size() >= 1000) break;
  }
  return rates;
}

constexpr RateSearch::Options kOnce = {.tries = 1, .needed = 1};

TEST(RateSearchTest, DoublesUntilOneIsMissedThenHalvesTheGap) {
  RateSearch search(kOnce);
  const auto rates = Tried(search, [](double rate) { return rate <= 1000; });
  ASSERT_GE(rates.size(), 6u);
  EXPECT_EQ((std::vector<double>(rates.begin(), rates.begin() + 5)),
            (std::vector<double>{100, 200, 400, 800, 1600}));
  EXPECT_NEAR(rates[5], 1131, 1);
  EXPECT_LE(search.held(), 1000);
  EXPECT_GT(search.missed(), 1000);
  EXPECT_LE(search.missed(), search.held() * 1.05);
}

TEST(RateSearchTest, HalvesWhenTheFirstIsTooMuch) {
  RateSearch search({.first = 10'000, .precision = 0.01, .tries = 1, .needed = 1});
  Tried(search, [](double rate) { return rate <= 77; });
  EXPECT_LE(search.held(), 77);
  EXPECT_GT(search.missed(), 77);
  EXPECT_LE(search.missed(), search.held() * 1.01);
}

TEST(RateSearchTest, GivesUpWhenNothingHolds) {
  RateSearch search(kOnce);
  const auto rates = Tried(search, [](double) { return false; });
  EXPECT_EQ(search.held(), 0);
  EXPECT_EQ(search.missed(), 1);
  EXPECT_EQ(rates.back(), 1);
}

TEST(RateSearchTest, EndsAtTheMost) {
  RateSearch search({.max = 1000, .tries = 1, .needed = 1});
  const auto rates = Tried(search, [](double) { return true; });
  EXPECT_EQ(rates.back(), 1000);
  EXPECT_EQ(search.held(), 1000);
  EXPECT_EQ(search.missed(), RateSearch::kNone);
}

// A verdict is given as soon as it is sure, and not before.
TEST(RateSearchTest, ARateHasSeveralTries) {
  const struct {
    std::vector<bool> tries;
    bool held;
  } cases[] = {
      {{true, true}, true},    {{false, true, true}, true},   {{true, false, true}, true},
      {{false, false}, false}, {{true, false, false}, false}, {{false, true, false}, false},
  };
  for (const auto& c : cases) {
    RateSearch search({});
    for (const bool held : c.tries) {
      EXPECT_EQ(search.next(), 100);
      search.Tell(held);
    }
    EXPECT_EQ(search.next(), c.held ? 200 : 50);
    EXPECT_EQ(search.held(), c.held ? 100 : 0);
  }
}

TEST(RateSearchTest, OneUnluckyTryInThreeDoesNotSpoilIt) {
  RateSearch search({});
  int count = 0;
  Tried(search, [&](double rate) { return rate <= 1000 && count++ % 3 != 1; });
  EXPECT_GT(search.held(), 940);
}

}  // namespace
}  // namespace sluice::load
