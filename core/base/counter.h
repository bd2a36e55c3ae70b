// Counter and Histogram: numbers with one writer and any number of readers.
//
// The values are relaxed atomics: each is exact by itself, not taken at one instant together with
// others. Adding is a load and a store, not a locked instruction, since nobody else writes.
#ifndef SLUICE_CORE_BASE_COUNTER_H_
#define SLUICE_CORE_BASE_COUNTER_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/time.h"

namespace sluice {

// One number. Only its owner's thread calls Add, Sub and Set.
class Counter {
 public:
  void Add(uint64_t n = 1) { Set(Get() + n); }
  void Sub(uint64_t n = 1) { Set(Get() - n); }
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Upper bounds, inclusive, of a histogram's buckets, rising; one more bucket takes what is above.
// Times are in nanoseconds, 1-2-5 from a microsecond to ten seconds.
inline constexpr std::array<uint64_t, 22> kTimeBounds = [] {
  std::array<uint64_t, 22> bounds{};
  uint64_t decade = 1'000;
  for (size_t i = 0; i < bounds.size(); i++) {
    bounds[i] = decade * (i % 3 == 0 ? 1 : i % 3 == 1 ? 2 : 5);
    if (i % 3 == 2) decade *= 10;
  }
  return bounds;
}();
inline constexpr std::array<uint64_t, 12> kCountBounds = {1,   2,   5,   10,    20,    50,
                                                          100, 200, 500, 1'000, 2'000, 5'000};
inline constexpr std::array<uint64_t, 11> kByteBounds = [] {  // 4 KiB to 4 MiB
  std::array<uint64_t, 11> bounds{};
  for (size_t i = 0; i < bounds.size(); i++) bounds[i] = uint64_t{4096} << i;
  return bounds;
}();

template <const auto& kBounds>
class Histogram {
 public:
  static constexpr size_t kCells = kBounds.size() + 2;

  void Add(uint64_t value) {
    size_t bucket = kFirst[static_cast<size_t>(std::bit_width(value))];
    while (bucket < kBounds.size() && kBounds[bucket] < value) bucket++;  // once or twice
    cells_[bucket].Add();
    cells_.back().Add(value);
  }
  void Add(Duration value) { Add(static_cast<uint64_t>(std::max<int64_t>(value.count(), 0))); }

  // How often each bucket was hit, then the sum of the values.
  std::span<const Counter> cells() const { return cells_; }

 private:
  // The first bucket for values of so many bits.
  static constexpr std::array<uint8_t, 65> kFirst = [] {
    std::array<uint8_t, 65> first{};
    for (size_t bits = 1; bits < first.size(); bits++) {
      const uint64_t least = uint64_t{1} << (bits - 1);
      while (first[bits] < kBounds.size() && kBounds[first[bits]] < least) first[bits]++;
    }
    return first;
  }();

  std::array<Counter, kCells> cells_;
};

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_COUNTER_H_
