#include "tools/load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/prng.h"

namespace sluice::load {
namespace {

TEST(HistogramTest, EmptyTellsZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.Quantile(0.5), Duration(0));
  EXPECT_EQ(histogram.max(), Duration(0));
  EXPECT_EQ(histogram.mean(), Duration(0));
}

TEST(HistogramTest, SmallValuesAreExact) {
  Histogram histogram;
  for (int i = 1; i <= 100; i++) histogram.Add(Duration(i));
  EXPECT_EQ(histogram.Quantile(0), Duration(1));
  EXPECT_EQ(histogram.Quantile(0.5), Duration(50));
  EXPECT_EQ(histogram.Quantile(0.99), Duration(99));
  EXPECT_EQ(histogram.Quantile(1), Duration(100));
  EXPECT_EQ(histogram.mean(), Duration(51));  // 50.5
}

TEST(HistogramTest, OneValueIsToldExactlyAtEveryPowerOfTwo) {
  for (int bit = 0; bit < 42; bit++) {
    for (int64_t value : {(int64_t{1} << bit) - 1, int64_t{1} << bit, (int64_t{1} << bit) + 1}) {
      Histogram histogram;
      histogram.Add(Duration(value));
      EXPECT_EQ(histogram.Quantile(0.5), Duration(value)) << value;  // never above the greatest
    }
  }
}

// Adds values of all magnitudes, and returns them sorted.
std::vector<int64_t> AddRandom(uint64_t seed, Histogram& histogram) {
  Prng prng(seed);
  std::vector<int64_t> values;
  for (int i = 0; i < 20'000; i++) {
    values.push_back(static_cast<int64_t>(prng.Next() >> (24 + prng.Below(39))));
    histogram.Add(Duration(values.back()));
  }
  std::sort(values.begin(), values.end());
  return values;
}

TEST(HistogramTest, QuantilesAreNeverTooLowAndAtMostOnePercentTooHigh) {
  Histogram histogram;
  const std::vector<int64_t> values = AddRandom(1, histogram);
  for (double quantile : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(quantile * static_cast<double>(values.size())));
    const int64_t exact = values[rank - 1];
    const int64_t told = histogram.Quantile(quantile).count();
    EXPECT_GE(told, exact) << quantile;
    EXPECT_LE(static_cast<double>(told), static_cast<double>(exact) * 1.01) << quantile;
  }
}

TEST(HistogramTest, TheFarPercentilesAreThoseOfTheirRanks) {
  Histogram histogram;  // the ranks 19,998, 19,999 and 20,000 differ from the others
  for (int rank = 1; rank <= 19'997; rank++) histogram.Add(Duration(100));
  for (int value : {198, 199, 200}) histogram.Add(Duration(value));
  EXPECT_EQ(histogram.Quantile(0.999), Duration(100));
  EXPECT_EQ(histogram.Quantile(0.9999), Duration(198));
  EXPECT_EQ(histogram.Quantile(0.99995), Duration(199));
  EXPECT_EQ(histogram.Quantile(1), Duration(200));
  histogram.Clear();
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.Quantile(1), Duration(0));
  histogram.Add(Duration(7));
  EXPECT_EQ(histogram.Quantile(1), Duration(7));
}

TEST(HistogramTest, ValuesOutsideTheRangeCountAsItsEnds) {
  Histogram histogram;
  histogram.Add(Duration(-5));
  EXPECT_EQ(histogram.max(), Duration(0));
  histogram.Add(Duration::max());
  EXPECT_EQ(histogram.max(), Histogram::kMax);
  EXPECT_EQ(histogram.count(), 2u);
}

TEST(HistogramTest, MergedPartsTellTheSameAsTheWhole) {
  Prng prng(2);
  Histogram whole;
  Histogram parts[3];
  for (int i = 0; i < 10'000; i++) {
    const Duration value(static_cast<int64_t>(prng.Below(1'000'000'000)));
    whole.Add(value);
    parts[prng.Below(3)].Add(value);
  }
  Histogram merged;
  for (const Histogram& part : parts) merged.Merge(part);
  EXPECT_EQ(merged.count(), whole.count());
  EXPECT_EQ(merged.max(), whole.max());
  EXPECT_EQ(merged.mean(), whole.mean());
  for (int i = 0; i <= 1000; i++) {
    EXPECT_EQ(merged.Quantile(i / 1000.0), whole.Quantile(i / 1000.0));
  }
}

TEST(PackedHistogramTest, TellsAtMostFourPercentMoreThanTheRightValue) {
  Histogram histogram;
  const std::vector<int64_t> values = AddRandom(3, histogram);
  const PackedHistogram packed(histogram);
  EXPECT_EQ(packed.count(), histogram.count());
  EXPECT_EQ(packed.max(), histogram.max());
  for (double quantile : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(quantile * static_cast<double>(values.size())));
    const int64_t exact = values[rank - 1];
    const int64_t told = packed.Quantile(quantile).count();
    EXPECT_GE(told, exact) << quantile;
    EXPECT_LE(static_cast<double>(told), static_cast<double>(exact) * 1.04 + 3) << quantile;
  }
}

TEST(PackedHistogramTest, MergedPartsTellTheSameAsTheWhole) {
  Prng prng(4);
  Histogram whole;
  PackedHistogram merged;
  for (int part = 0; part < 5; part++) {
    Histogram histogram;
    for (int i = 0; i < 1000; i++) {
      const Duration value(static_cast<int64_t>(prng.Below(1'000'000'000) >> (4 * part)));
      whole.Add(value);
      histogram.Add(value);
    }
    merged.Merge(PackedHistogram(histogram));
    merged.Merge(PackedHistogram());
  }
  const PackedHistogram expected(whole);
  EXPECT_EQ(merged.count(), 5000u);
  for (int i = 0; i <= 1000; i++) {
    EXPECT_EQ(merged.Quantile(i / 1000.0), expected.Quantile(i / 1000.0));
  }
  EXPECT_EQ(PackedHistogram().Quantile(0.5), Duration(0));
}

}  // namespace
}  // namespace sluice::load
