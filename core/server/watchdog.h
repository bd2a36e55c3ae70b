// Watchdog: notices when a shard's loop stands still, and says where. Short stalls are only
// counted, by the loop itself (loop_stalls_total); what is told here is too long for a busy machine
// to be the cause. For the main thread, which looks at every shard now and then.
#ifndef SLUICE_CORE_SERVER_WATCHDOG_H_
#define SLUICE_CORE_SERVER_WATCHDOG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/server/shard.h"

namespace sluice::server {

// What the loop does in it, in words for the operator.
std::string_view StageWords(Stage stage);

class Watchdog {
 public:
  static constexpr Duration kPatience = milliseconds(100);

  explicit Watchdog(size_t shards) : last_(shards) {}

  // What there is to log of this shard: once when it has been awake in the same place for
  // kPatience, and once when it goes on; empty otherwise.
  std::string Look(size_t shard, uint64_t turns, Stage stage, MonoTime now);

 private:
  struct Seen {
    uint64_t turns = 0;
    Stage stage = Stage::kAsleep;
    MonoTime since;
    bool told = false;
  };
  std::vector<Seen> last_;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_WATCHDOG_H_
