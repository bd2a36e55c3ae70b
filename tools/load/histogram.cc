#include "tools/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace sluice::load {

void Histogram::Add(Duration value) {
  value = std::clamp(value, Duration(0), kMax);
  counts_[BucketOf(static_cast<uint64_t>(value.count()))]++;
  count_++;
  sum_ += static_cast<double>(value.count());
  max_ = std::max(max_, value);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < counts_.size(); i++) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

Duration Histogram::mean() const {
  return count_ == 0 ? Duration(0) : Duration(std::llround(sum_ / static_cast<double>(count_)));
}

Duration Histogram::Quantile(double quantile) const {
  const double wanted = std::ceil(std::clamp(quantile, 0.0, 1.0) * static_cast<double>(count_));
  const uint64_t rank = std::max(static_cast<uint64_t>(wanted), uint64_t{1});
  uint64_t seen = 0;
  for (uint64_t bucket = 0; bucket < kBuckets; bucket++) {
    seen += counts_[bucket];
    if (seen >= rank) return std::min(Duration(LastOf(bucket)), max_);
  }
  return max_;
}

// A value of more than kExactBits bits loses its lowest `shift` ones. What is left is between kPart
// and 2 * kPart, so the buckets of one shift follow those of the shift before without a gap.
uint64_t Histogram::BucketOf(uint64_t value) {
  const int shift = std::max(static_cast<int>(std::bit_width(value)) - kExactBits, 0);
  return static_cast<uint64_t>(shift) * kPart + (value >> shift);
}

uint64_t Histogram::LastOf(uint64_t bucket) {
  if (bucket < 2 * kPart) return bucket;
  const uint64_t shift = bucket / kPart - 1;
  const uint64_t kept = bucket - shift * kPart;
  return ((kept + 1) << shift) - 1;
}

}  // namespace sluice::load
