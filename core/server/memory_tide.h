// MemoryTide: when what a shard has freed is given back to the system: after much of it went, not all the time, since
// giving back takes a while and pages that come back cost a fault each. Pure; one a shard.
#ifndef SLUICE_CORE_SERVER_MEMORY_TIDE_H_
#define SLUICE_CORE_SERVER_MEMORY_TIDE_H_

#include <algorithm>
#include <cstdint>

#include "core/base/time.h"

namespace sluice::server {

class MemoryTide {
 public:
  // Whether Ebbed is to be asked now: ten times a second, since `held` is added up for it.
  bool Due(MonoTime now) {
    if (now < look_) return false;
    look_ = now + kLook;
    return true;
  }

  // `held`: octets in use now, about. True: at least kEbb, and a third, of what was in use at the peak since the last true
  // is free now, nothing much is going on, and the last time is kPause ago.
  bool Ebbed(uint64_t held, bool quiet, MonoTime now) {
    peak_ = std::max(peak_, held);
    const uint64_t gone = peak_ - held;
    if (gone < kEbb || gone < peak_ / 3 || !quiet || now < next_) return false;
    peak_ = held;
    next_ = now + kPause;
    return true;
  }

  static constexpr uint64_t kEbb = 4 << 20;
  static constexpr Duration kPause = seconds(10);
  static constexpr Duration kLook = milliseconds(100);

 private:
  uint64_t peak_ = 0;
  MonoTime next_ = MonoTime::min();
  MonoTime look_ = MonoTime::min();
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_MEMORY_TIDE_H_
