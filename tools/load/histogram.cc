#include "tools/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace sluice::load {
namespace {

// How many of the smallest values `quantile` of them are; at least one.
uint64_t RankOf(double quantile, uint64_t count) {
  const double wanted = std::ceil(std::clamp(quantile, 0.0, 1.0) * static_cast<double>(count));
  return std::max(static_cast<uint64_t>(wanted), uint64_t{1});
}

}  // namespace

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

void Histogram::Clear() {
  std::fill(counts_.begin(), counts_.end(), 0);
  count_ = 0;
  sum_ = 0;
  max_ = Duration(0);
}

Duration Histogram::mean() const {
  return count_ == 0 ? Duration(0) : Duration(std::llround(sum_ / static_cast<double>(count_)));
}

Duration Histogram::Quantile(double quantile) const {
  const uint64_t rank = RankOf(quantile, count_);
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

// --- packed --------------------------------------------------------------------------------------

namespace {

constexpr uint32_t kTogether = 4;  // buckets; divides the parts of a power of two

uint32_t Sum(uint64_t a, uint64_t b) {
  return static_cast<uint32_t>(std::min<uint64_t>(a + b, UINT32_MAX));
}

}  // namespace

PackedHistogram::PackedHistogram(const Histogram& histogram)
    : count_(histogram.count_), max_(histogram.max_) {
  if (count_ == 0) return;
  for (uint32_t i = 0; i < Histogram::kBuckets; i++) {
    const uint64_t count = histogram.counts_[i];
    if (count == 0) continue;
    if (buckets_.empty() || buckets_.back().number != i / kTogether) {
      buckets_.push_back({.number = i / kTogether, .count = 0});
    }
    buckets_.back().count = Sum(buckets_.back().count, count);
  }
}

void PackedHistogram::Merge(const PackedHistogram& other) {
  std::vector<Bucket> merged;
  merged.reserve(buckets_.size() + other.buckets_.size());
  auto theirs = other.buckets_.begin();
  for (const Bucket& ours : buckets_) {
    while (theirs != other.buckets_.end() && theirs->number < ours.number) {
      merged.push_back(*theirs++);
    }
    merged.push_back(ours);
    if (theirs != other.buckets_.end() && theirs->number == ours.number) {
      merged.back().count = Sum(ours.count, theirs++->count);
    }
  }
  merged.insert(merged.end(), theirs, other.buckets_.end());
  merged.shrink_to_fit();
  buckets_ = std::move(merged);
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

Duration PackedHistogram::Quantile(double quantile) const {
  const uint64_t rank = RankOf(quantile, count_);
  uint64_t seen = 0;
  for (const Bucket& bucket : buckets_) {
    seen += bucket.count;
    if (seen < rank) continue;
    const uint64_t last = Histogram::LastOf(bucket.number * kTogether + kTogether - 1);
    return std::min(Duration(static_cast<int64_t>(last)), max_);
  }
  return max_;
}

}  // namespace sluice::load
