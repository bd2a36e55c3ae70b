#include "auth/meters.h"

#include <algorithm>
#include <bit>

#include "core/base/check.h"

namespace sluice::auth {
namespace {

constexpr unsigned kBuckets = kLineWords;
constexpr unsigned kBucketsWindow = 6;

// A bucket: the number of its time slice, cut to 24 bits, and what was counted in it.
constexpr unsigned kCountBits = 40;
constexpr uint64_t kCountMax = (uint64_t{1} << kCountBits) - 1;
constexpr uint64_t kSliceMask = (uint64_t{1} << (64 - kCountBits)) - 1;
constexpr uint64_t Pack(uint64_t slice, uint64_t count) { return slice << kCountBits | count; }
constexpr uint64_t SliceOf(uint64_t bucket) { return bucket >> kCountBits; }
constexpr uint64_t CountOf(uint64_t bucket) { return bucket & kCountMax; }

milliseconds SliceLength(uint64_t key) {
  switch (static_cast<MeterKind>(key & 0xf)) {
    case MeterKind::kMinute:
      return seconds(10);
    case MeterKind::kHour:
      return minutes(10);
    case MeterKind::kDay:
      break;
  }
  return hours(4);
}

uint64_t SliceAt(uint64_t key, WallTime when) {
  return static_cast<uint64_t>(when.time_since_epoch() / SliceLength(key));
}

// Whether `bucket` still counts in slice `now`. One from the future, by a clock set back, does.
bool Counts(uint64_t bucket, uint64_t now) {
  if (CountOf(bucket) == 0) return false;
  const uint64_t age = (now - SliceOf(bucket)) & kSliceMask;
  return age <= kBucketsWindow || age > kSliceMask - kBucketsWindow;
}

constexpr uint64_t Mix(uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93;
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93;
  return x ^ x >> 32;
}

}  // namespace

uint64_t Meters::Key(uint64_t name, unsigned what, MeterKind kind) {
  CHECK(what < 16);
  const uint64_t low = uint64_t{what} << 4 | static_cast<uint64_t>(kind);
  return (Mix(name + low) & ~uint64_t{0xff}) | low;
}

// Slices of another window would be misread, but a key has one.
bool Meters::Means(uint64_t key, const uint64_t (&buckets)[kLineWords], WallTime now) const {
  const uint64_t kind = key & 0xf;
  if (kind < static_cast<uint64_t>(MeterKind::kMinute) ||
      kind > static_cast<uint64_t>(MeterKind::kDay)) {
    return false;
  }
  const uint64_t slice = SliceAt(key, now);
  return std::any_of(std::begin(buckets), std::end(buckets),
                     [slice](uint64_t bucket) { return Counts(bucket, slice); });
}

void Meters::Add(uint64_t key, uint64_t count, WallTime now) {
  if (count == 0) return;
  Line* const line = FindOrClaim(key, now);
  if (line == nullptr) return;
  const uint64_t slice = SliceAt(key, now);
  std::atomic<uint64_t>& bucket = line->words[slice % kBuckets];
  uint64_t before = bucket.load(std::memory_order_relaxed);
  uint64_t after;
  do {
    const uint64_t had = SliceOf(before) == (slice & kSliceMask) ? CountOf(before) : 0;
    after = Pack(slice, had + std::min(count, kCountMax - had));
  } while (!bucket.compare_exchange_weak(before, after, std::memory_order_relaxed));
  Touch(*line);
}

void Meters::Subtract(uint64_t key, uint64_t count, WallTime then) {
  Line* const line = Find(key);
  if (line == nullptr) return;
  const uint64_t slice = SliceAt(key, then);
  std::atomic<uint64_t>& bucket = line->words[slice % kBuckets];
  uint64_t before = bucket.load(std::memory_order_relaxed);
  do {
    if (SliceOf(before) != (slice & kSliceMask)) return;
  } while (!bucket.compare_exchange_weak(
      before, Pack(slice, CountOf(before) - std::min(count, CountOf(before))),
      std::memory_order_relaxed));
  Touch(*line);
}

uint64_t Meters::Sum(uint64_t key, WallTime now) const {
  const Line* const line = Find(key);
  if (line == nullptr) return 0;
  const uint64_t slice = SliceAt(key, now);
  uint64_t sum = 0;
  for (const auto& bucket : line->words) {
    const uint64_t value = bucket.load(std::memory_order_relaxed);
    if (Counts(value, slice)) sum += CountOf(value);
  }
  return sum;
}

WallTime Meters::WhenAtMost(uint64_t key, uint64_t count, WallTime now) const {
  WallTime when = now;
  while (Sum(key, when) > count) {
    const milliseconds length = SliceLength(key);
    when = WallTime((when.time_since_epoch() / length + 1) * length);
  }
  return when;
}

void Meters::Clear(uint64_t key) {
  Line* const line = Find(key);
  if (line == nullptr) return;
  for (auto& bucket : line->words) bucket.store(0, std::memory_order_relaxed);
  Touch(*line);
}

// --- Levels --------------------------------------------------------------------------------------

namespace {

constexpr uint32_t kWordsMin = 64;
constexpr unsigned kProbes = 8;
constexpr unsigned kNumberBits = 24;
constexpr uint64_t Number(uint64_t word) { return word & Levels::kMax; }
constexpr uint64_t Tag(uint64_t key) { return Mix(key) >> kNumberBits; }
constexpr uint64_t TagOf(uint64_t word) { return word >> kNumberBits; }

}  // namespace

Levels::Levels(uint32_t words)
    : mask_(std::bit_ceil(std::max(words, kWordsMin)) - 1),
      words_(static_cast<std::atomic<uint64_t>*>(
          std::calloc(size_t{mask_} + 1, sizeof(std::atomic<uint64_t>)))) {
  static_assert(std::atomic<uint64_t>::is_always_lock_free);
  CHECK(words_ != nullptr);
}

uint64_t Levels::Enter(uint64_t key) {
  const uint64_t tag = Tag(key);
  // One that is there already; else one that is free. Two threads may take two for one key: its
  // level is their sum.
  for (const bool there : {true, false}) {
    for (unsigned i = 0; i < kProbes; i++) {
      std::atomic<uint64_t>& word = words_[(Home(key) + i) & mask_];
      uint64_t before = word.load(std::memory_order_relaxed);
      while (there ? TagOf(before) == tag && Number(before) != 0 && Number(before) < kMax
                   : Number(before) == 0) {
        const uint64_t after = tag << kNumberBits | (Number(before) + 1);
        if (word.compare_exchange_weak(before, after, std::memory_order_relaxed)) return Get(key);
      }
    }
  }
  return 0;
}

void Levels::Leave(uint64_t key) {
  const uint64_t tag = Tag(key);
  for (unsigned i = 0; i < kProbes; i++) {
    std::atomic<uint64_t>& word = words_[(Home(key) + i) & mask_];
    uint64_t before = word.load(std::memory_order_relaxed);
    while (TagOf(before) == tag && Number(before) != 0) {
      if (word.compare_exchange_weak(before, before - 1, std::memory_order_relaxed)) return;
    }
  }
}

uint64_t Levels::Get(uint64_t key) const {
  const uint64_t tag = Tag(key);
  uint64_t level = 0;
  for (unsigned i = 0; i < kProbes; i++) {
    const uint64_t word = words_[(Home(key) + i) & mask_].load(std::memory_order_relaxed);
    if (TagOf(word) == tag) level += Number(word);
  }
  return level;
}

}  // namespace sluice::auth
