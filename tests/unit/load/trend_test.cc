#include "tools/load/trend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "core/base/prng.h"
#include "tools/load/soak.h"

namespace sluice::load {
namespace {

// Readings each minute.
std::vector<Trend::Reading> Readings(size_t count,
                                     const std::function<double(double hours)>& value) {
  std::vector<Trend::Reading> readings;
  for (size_t i = 0; i < count; i++) {
    const double hours = static_cast<double>(i) / 60;
    readings.push_back({.hours = hours, .value = value(hours)});
  }
  return readings;
}

double Noise(Prng& prng) {  // sum of uniforms: mean 0, deviation 1
  double sum = -6;
  for (int i = 0; i < 12; i++) sum += static_cast<double>(prng.Next() >> 11) * 0x1p-53;
  return sum;
}

TEST(TrendTest, ALineIsFoundExactly) {
  const Trend trend(Readings(60, [](double hours) { return 100 + 12 * hours; }));
  EXPECT_NEAR(trend.per_hour(), 12, 1e-6);
  EXPECT_NEAR(trend.mean(), 100 + 12 * 59.0 / 120, 1e-6);
  EXPECT_TRUE(trend.sure());
  EXPECT_TRUE(trend.grows());
}

TEST(TrendTest, WhatStaysDoesNotGrow) {
  const Trend trend(Readings(60, [](double) { return 100; }));
  EXPECT_TRUE(trend.told());
  EXPECT_FALSE(trend.sure());
  EXPECT_FALSE(trend.grows());
}

TEST(TrendTest, FewReadingsSayNothing) {
  EXPECT_FALSE(Trend({}).told());
  EXPECT_FALSE(Trend(Readings(7, [](double hours) { return hours; })).told());
  EXPECT_TRUE(Trend(Readings(8, [](double hours) { return hours; })).told());
}

TEST(TrendTest, AFallIsSureButDoesNotGrow) {
  const Trend trend(Readings(60, [](double hours) { return 100 - 20 * hours; }));
  EXPECT_TRUE(trend.sure());
  EXPECT_FALSE(trend.grows());
}

TEST(TrendTest, ALittleIsNoMatter) {
  const Trend trend(Readings(60, [](double hours) { return 100 + hours; }));
  EXPECT_TRUE(trend.sure());
  EXPECT_FALSE(trend.grows());
}

// Of a hundred that do not grow about one is taken for such; growth above the noise is always
// found.
TEST(TrendTest, NoiseIsNoGrowth) {
  Prng prng(1);
  int sure = 0;
  int found = 0;
  for (int i = 0; i < 1000; i++) {
    sure += Trend(Readings(120, [&](double) { return 100 + Noise(prng); })).sure();
    found +=
        Trend(Readings(120, [&](double hours) { return 100 + 3 * hours + Noise(prng); })).grows();
  }
  EXPECT_LT(sure, 25);
  EXPECT_GT(found, 990);
}

// A wandering figure (each reading near the one before) looks like growth to a plain line.
TEST(TrendTest, ReadingsThatHangTogetherAreLessSure) {
  Prng prng(2);
  int sure = 0;
  for (int i = 0; i < 500; i++) {
    double wander = 0;
    sure += Trend(Readings(240, [&](double) {
              return 100 + (wander = 0.8 * wander + Noise(prng));
            })).sure();
  }
  EXPECT_LT(sure, 25);  // without allowing for it: some 200
}

TEST(SoakTest, ALeakIsTold) {
  std::vector<SoakSample> samples;
  for (int minute = 1; minute <= 60; minute++) {
    samples.push_back({.at = minutes(minute),
                       .p99 = milliseconds(5 + minute % 3),
                       .rss_bytes = (100u << 20) + (minute < 6 ? 0u : minute * (1u << 20)),
                       .descriptors = 20});
  }
  const std::vector<Drift> drifts = FindDrifts(samples);
  EXPECT_TRUE(Leaks(drifts));
  const std::string text = ToText(drifts);
  EXPECT_NE(text.find("RSS          mean"), std::string::npos) << text;
  EXPECT_NE(text.find("+60.000 an hour"), std::string::npos) << text;
  EXPECT_NE(text.find("GROWS: a leak?"), std::string::npos) << text;
  EXPECT_NE(text.find("steady"), std::string::npos) << text;
  EXPECT_EQ(text.find("PSS"), std::string::npos) << text;  // never read
  for (SoakSample& sample : samples) sample.rss_bytes = 100 << 20;
  EXPECT_FALSE(Leaks(FindDrifts(samples)));
}

}  // namespace
}  // namespace sluice::load
