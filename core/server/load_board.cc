#include "core/server/load_board.h"

namespace sluice::server {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

void LoadBoard::Open(uint32_t shard, uint32_t weight, uint32_t sessions_max) {
  Entry& entry = entries_[shard];
  entry.weight.store(weight, kRelaxed);
  entry.sessions_max.store(sessions_max, kRelaxed);
  entry.open.store(true);
}

void LoadBoard::Publish(uint32_t shard, uint32_t connections) { entries_[shard].connections.store(connections, kRelaxed); }

void LoadBoard::Close(uint32_t shard) { entries_[shard].open.store(false); }

// Promise first, then look: Close and then expects look the other way round, so one of the two sees the other.
bool LoadBoard::Promise(uint32_t shard) {
  entries_[shard].promised.fetch_add(1);
  if (entries_[shard].open.load()) return true;
  entries_[shard].promised.fetch_sub(1);
  return false;
}

uint32_t LoadBoard::Choose(uint32_t from, uint32_t connections) {
  const Entry& own = entries_[from];
  const uint64_t own_weight = own.weight.load(kRelaxed);
  uint64_t all = 1;  // the fresh one
  uint64_t weights = 0;
  uint32_t best = kNobody;
  uint64_t best_load = 0, best_weight = 1;
  for (uint32_t i = 0; i < entries_.size(); i++) {
    const Entry& entry = entries_[i];
    if (!entry.takes()) continue;
    const uint64_t load = i == from ? connections : entry.load();
    const uint64_t weight = entry.weight.load(kRelaxed);
    all += load;
    weights += weight;
    if (i == from || load >= entry.sessions_max.load(kRelaxed)) continue;
    if (best != kNobody && (load + 1) * best_weight >= (best_load + 1) * weight) continue;
    best = i;
    best_load = load;
    best_weight = weight;
  }
  if (best == kNobody) return kNobody;
  const bool full = connections >= own.sessions_max.load(kRelaxed);
  if (own_weight > 0 && !full) {
    const uint64_t share = all * own_weight / weights;
    // A little above is left alone: passing costs microseconds, and hashing is not so bad.
    if (connections <= share + share / 64) return kNobody;
    if ((connections + 1) * best_weight <= (best_load + 1) * own_weight) return kNobody;
  }
  return Promise(best) ? best : kNobody;
}

}  // namespace sluice::server
