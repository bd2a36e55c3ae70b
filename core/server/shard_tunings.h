// ShardTunings: the tuning of all shards as the admin interface sees it: tells it, and plans changes whole before any of
// them is applied. It holds no shard: whoever owns it gives them what was planned. One thread at a time.
#ifndef SLUICE_CORE_SERVER_SHARD_TUNINGS_H_
#define SLUICE_CORE_SERVER_SHARD_TUNINGS_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/server/options.h"
#include "core/server/tuning.h"

namespace sluice::server {

// Connections to a next hop that there is room for at least, whatever number a shard starts with.
inline constexpr uint32_t kRelayConnectionsRoom = 64;

class ShardTunings {
 public:
  // `options` are those that the shards were made of, and outlive this; `cores` those that the process may use.
  ShardTunings(const Options& options, uint32_t shards, std::vector<int> cores);

  uint32_t shards() const { return static_cast<uint32_t>(now_.size()); }
  const Tuning& of(uint32_t shard) const { return now_[shard]; }

  // No shard takes connections.
  bool drained() const {
    return std::all_of(now_.begin(), now_.end(), [](const Tuning& tuning) { return tuning.accept_weight == 0; });
  }

  // The core of a shard's thread; negative: any.
  int CoreOf(uint32_t shard) const;

  // Why a shard cannot start so; empty when all can.
  std::string Refusal() const;

  // {"shards":2,"tunables":[{"name":"batch_wait","key":"queue.batch_wait","live":true,"help":"..","values":["0s","2ms"]},
  // ..],"toml":".."}; those that only a restart changes have one value in place of one a shard.
  std::string Json() const;

  // What would keep the present values, as TOML for the configuration.
  std::string Toml() const;

  // The tunings that a request asks for, {"shard":0,"values":{"batch_wait":"2ms"}} with "all" for every shard, or all that
  // is wrong with it, a line each. Nothing has changed then.
  struct Change {
    uint32_t shard;
    Tuning tuning;
  };
  absl::StatusOr<std::vector<Change>> Plan(std::string_view request) const;

  // Takes over what was planned; {"changes":[{"shard":0,"name":"batch_wait","old":"0s","new":"2ms"}]}, for all values that
  // the request names, those that stay as they were too.
  std::string Commit(std::string_view request, const std::vector<Change>& changes);

 private:
  std::string CheckLive(const Tuning& tuning, uint32_t shard) const;

  const Options& options_;
  const std::vector<int> cores_;
  std::vector<Tuning> start_;
  std::vector<Tuning> now_;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_SHARD_TUNINGS_H_
