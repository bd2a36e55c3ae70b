// LoadBoard: what the shards of a process know of each other's load, so that a fresh connection goes where it is least.
//
// SO_REUSEPORT spreads connections by hash and knows nothing of how long they stay: after a while one shard may have three
// times what another has. A shard that is above its share therefore passes a connection that it has just accepted on to
// the least loaded one. A connection is passed once at most, and a promise is counted with the load of the shard that it
// was made to, so that several shards do not all run to the same one. Shares are by weight; with weight 0 a shard takes no
// connection while another does.
//
// Any thread, but for the calls of a shard about itself. Relaxed atomics, a line of cache each; a look at all of them a
// connection accepted. Only the end is exact: after Close no promise is made to the shard that the reader of
// `expects` does not see.
#ifndef SLUICE_CORE_SERVER_LOAD_BOARD_H_
#define SLUICE_CORE_SERVER_LOAD_BOARD_H_

#include <atomic>
#include <cstdint>
#include <vector>

namespace sluice::server {

class LoadBoard {
 public:
  static constexpr uint32_t kNobody = UINT32_MAX;

  explicit LoadBoard(uint32_t shards) : entries_(shards) {}

  // --- a shard about itself ---
  void Open(uint32_t shard, uint32_t weight, uint32_t sessions_max);  // also again, when they change
  void Publish(uint32_t shard, uint32_t connections);
  void Close(uint32_t shard);  // for good

  // Who should have the connection that `from` has accepted, having so many already: itself (kNobody), or one to whom
  // it is promised now: the promise ends with Arrived.
  uint32_t Choose(uint32_t from, uint32_t connections);

  // A promised connection has come, or will not.
  void Arrived(uint32_t shard) { entries_[shard].promised.fetch_sub(1); }
  bool expects(uint32_t shard) const { return entries_[shard].promised.load() > 0; }

 private:
  struct alignas(64) Entry {
    std::atomic<uint32_t> connections{0};
    std::atomic<uint32_t> weight{0};
    std::atomic<uint32_t> sessions_max{0};
    std::atomic<uint32_t> promised{0};
    std::atomic<bool> open{false};

    uint64_t load() const {
      return uint64_t{connections.load(std::memory_order_relaxed)} + promised.load(std::memory_order_relaxed);
    }
    bool takes() const {
      return open.load(std::memory_order_relaxed) && weight.load(std::memory_order_relaxed) > 0;
    }
  };
  bool Promise(uint32_t shard);

  std::vector<Entry> entries_;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_LOAD_BOARD_H_
