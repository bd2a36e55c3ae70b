// Meters: how much happened to whom in the last minute, hour or day; one table for all shards,
// without locks.
//
// A meter belongs to a 64-bit key: a keyed hash of who, in which the lowest bits say what is
// counted and in which window. It is one line of the table (auth/line_table.h): the key and seven
// buckets of a sixth of its window, six whole ones and the one that is filling, so that a sum
// covers the window and at most a sixth more. Adding is one compare-and-swap. A meter whose buckets
// have all expired is free again. Limits lose what finds no room: size their table so that nothing
// is.
//
// Exactness: what one thread adds, all see at once. Who asks for a sum and then adds, as a limit
// does, may pass the limit by what other threads add in between: at most one message a shard.
//
// Any thread, each call; times are arguments. Keys are for good: they may be saved and restored.
#ifndef SLUICE_AUTH_METERS_H_
#define SLUICE_AUTH_METERS_H_

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "auth/line_table.h"
#include "auth/rate_limit.h"
#include "core/base/bytes.h"
#include "core/base/time.h"

namespace sluice::auth {

// What a meter's key says of it: its window. Values are saved: never renumber.
enum class MeterKind : uint8_t {
  kMinute = 1,
  kHour = 2,
  kDay = 3,
};
inline constexpr MeterKind KindOf(Window window) {
  return static_cast<MeterKind>(static_cast<uint8_t>(window) + 1);
}

class Meters final : public LineTable {
 public:
  Meters(ByteView secret, uint32_t lines, WhenFull when_full = WhenFull::kLose)
      : LineTable(secret, lines, when_full) {}

  // The key of a meter of that name. `what`: a number of the caller's below 16.
  static uint64_t Key(uint64_t name, unsigned what, MeterKind kind);

  void Add(uint64_t key, uint64_t count, WallTime now);
  // Takes back what was added at `then`, if its bucket is still there.
  void Subtract(uint64_t key, uint64_t count, WallTime then);
  uint64_t Sum(uint64_t key, WallTime now) const;
  // When the sum will be `count` at most, if nothing is added; `now` when it is.
  WallTime WhenAtMost(uint64_t key, uint64_t count, WallTime now) const;
  void Clear(uint64_t key);

 private:
  bool Means(uint64_t key, const uint64_t (&buckets)[kLineWords], WallTime now) const override;
};

// Levels: how many there are of something at this moment, by key; for all shards, without locks.
//
// One word a key: 40 bits of it, and the number. A key is there while its number is not 0.
class Levels {
 public:
  static constexpr uint64_t kMax = (uint64_t{1} << 24) - 1;

  explicit Levels(uint32_t words);  // rounded up to a power of two
  Levels(const Levels&) = delete;
  Levels& operator=(const Levels&) = delete;

  // What it is afterwards; 0 when there was no room, nothing was counted and nothing is to be left.
  uint64_t Enter(uint64_t key);
  void Leave(uint64_t key);
  uint64_t Get(uint64_t key) const;

 private:
  size_t Home(uint64_t key) const { return key >> 8 & mask_; }

  struct Free {
    void operator()(std::atomic<uint64_t>* words) const { std::free(words); }
  };

  const uint32_t mask_;
  // By calloc, so that the kernel zeroes them when they are used.
  const std::unique_ptr<std::atomic<uint64_t>[], Free> words_;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_METERS_H_
