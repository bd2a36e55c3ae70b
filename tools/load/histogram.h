// Histogram: counts durations so that percentiles to p99.99 can be told, in constant memory (36
// KiB).
//
// Log-linear, as HdrHistogram: below 256 ns each value has its bucket, above each power of two is
// cut into 128 equal parts, so that what is told is at most 0.8 percent above what was measured.
// Never an average: histograms of threads (or of seconds, or of machines) are merged by adding
// their counts, and their percentiles are then those of all values together. One thread.
#ifndef SLUICE_TOOLS_LOAD_HISTOGRAM_H_
#define SLUICE_TOOLS_LOAD_HISTOGRAM_H_

#include <cstdint>
#include <vector>

#include "core/base/time.h"

namespace sluice::load {

class Histogram {
 public:
  // Longer ones are counted as this long (73 minutes).
  static constexpr Duration kMax = Duration((int64_t{1} << 42) - 1);

  Histogram() : counts_(kBuckets) {}

  void Add(Duration value);  // a negative one counts as 0
  void Merge(const Histogram& other);
  void Clear();

  uint64_t count() const { return count_; }
  Duration max() const { return max_; }  // exact; 0 when nothing was added
  Duration mean() const;

  // The value that `quantile` (0 to 1) of all values do not exceed, rounded up to its bucket's end
  // but never above max(). 0 when nothing was added.
  Duration Quantile(double quantile) const;

 private:
  static constexpr int kExactBits = 8;
  static constexpr int kMaxBits = 42;
  static constexpr uint64_t kPart = 1 << (kExactBits - 1);
  static constexpr uint64_t kBuckets = (kMaxBits - kExactBits) * kPart + 2 * kPart;

  static uint64_t BucketOf(uint64_t value);
  static uint64_t LastOf(uint64_t bucket);  // the greatest value that it counts

  friend class PackedHistogram;

  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  double sum_ = 0;
  Duration max_{};
};

// A histogram put away: only what is not zero, and four buckets as one, so that a second of a run
// takes some hundred octets (9 KiB at the very most) and what is told is at most 3.2 percent above
// what was measured. Merged as above.
class PackedHistogram {
 public:
  PackedHistogram() = default;
  explicit PackedHistogram(const Histogram& histogram);

  void Merge(const PackedHistogram& other);

  uint64_t count() const { return count_; }
  Duration max() const { return max_; }
  Duration Quantile(double quantile) const;  // as Histogram's

 private:
  struct Bucket {
    uint32_t number;
    uint32_t count;  // stops at its greatest
  };

  std::vector<Bucket> buckets_;  // in order
  uint64_t count_ = 0;
  Duration max_{};
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_HISTOGRAM_H_
