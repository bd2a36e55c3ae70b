// QueueId: the name of a message, unique over shards and restarts and sortable by time of reception.
//
//   63              22 21       12 11        0
//   | ms since 2020    | shard     | counter   |
//
// As text, 13 digits of Crockford's base 32 (0-9 A-Z without I L O U), which sort like the number:
// "250 2.0.0 Ok: queued as 06Q3Z8K4W0000". Parse takes lower case too, but no other spelling.
#ifndef SLUICE_QUEUE_QUEUE_ID_H_
#define SLUICE_QUEUE_QUEUE_ID_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "core/base/bytes.h"
#include "core/base/time.h"

namespace sluice::queue {

struct QueueId {
  static constexpr size_t kTextBytes = 13;
  static constexpr int kCounterBits = 12;
  static constexpr int kShardBits = 10;
  static constexpr uint32_t kShardsMax = 1u << kShardBits;

  uint64_t value = 0;  // 0: none

  explicit operator bool() const { return value != 0; }
  auto operator<=>(const QueueId&) const = default;

  WallTime time() const;  // of reception; runs ahead of the clock where that jumped back
  uint32_t shard() const { return (value >> kCounterBits) & (kShardsMax - 1); }

  void Print(char (&text)[kTextBytes]) const;
  std::string ToString() const;
  static std::optional<QueueId> Parse(ByteView text);
};

// Hands out ids for one shard: strictly rising, whatever the wall clock does.
class QueueIdMaker {
 public:
  explicit QueueIdMaker(uint32_t shard);  // REQUIRES: shard < QueueId::kShardsMax

  QueueId Next(WallTime now);

  // No id at or before `id`'s millisecond will be handed out from now on.
  void StartAfter(QueueId id);

  QueueId newest() const { return newest_; }  // of those handed out or started after

 private:
  uint32_t shard_;
  uint64_t ms_ = 0;  // since 2020
  uint32_t counter_ = 0;
  QueueId newest_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUE_ID_H_
