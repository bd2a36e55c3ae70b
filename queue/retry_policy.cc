#include "queue/retry_policy.h"

#include <algorithm>
#include <utility>

namespace sluice::queue {

Duration RetryPolicy::DelayAfter(uint32_t attempts, Prng& prng) const {
  const Duration least = std::max(retry_min, Duration(milliseconds(1)));
  Duration delay = least;
  for (uint32_t i = 1; i < attempts && delay < retry_max; i++) delay *= 2;
  delay = std::min(delay, std::max(retry_max, least));
  const auto eighth = static_cast<uint64_t>(delay.count() / 8);
  return delay - Duration(eighth) + Duration(prng.Below(2 * eighth + 1));
}

void WallClockGuard::Start(MonoTime mono, WallTime wall, WallTime newest) {
  mono_ = mono;
  wall_ = wall;
  newest_ = newest;
  suspended_ = wall < newest;
}

bool WallClockGuard::Observe(MonoTime mono, WallTime wall) {
  const auto expected = wall_.time_since_epoch() + (mono - mono_);
  const auto off = wall.time_since_epoch() - expected;
  const bool suspended = off > kJump || off < -kJump || wall < newest_;
  return std::exchange(suspended_, suspended) != suspended;
}

}  // namespace sluice::queue
