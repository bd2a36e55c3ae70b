// When to try again, and when to give up. Pure: times and randomness are arguments.
#ifndef SLUICE_QUEUE_RETRY_POLICY_H_
#define SLUICE_QUEUE_RETRY_POLICY_H_

#include <cstdint>

#include "core/base/prng.h"
#include "core/base/time.h"

namespace sluice::queue {

struct RetryPolicy {
  Duration retry_min = minutes(5);  // after the first deferral; doubles each time
  Duration retry_max = hours(4);
  Duration expire = hours(24 * 5);  // from reception; then the caller bounces

  // The wait after the `attempts`-th failed attempt (counted from 1), spread evenly over 7/8 to 9/8 so that
  // what was deferred together does not come back together.
  Duration DelayAfter(uint32_t attempts, Prng& prng) const;
};

// Tells a wall clock that runs from one that was set. A jump of more than an hour against the monotonic
// clock, or a start before the newest record in the spool, suspends expiry: nobody's mail is bounced because
// a machine woke up in the wrong year. It ends when the clock comes back to where it should be.
class WallClockGuard {
 public:
  static constexpr Duration kJump = hours(1);

  // `newest` is the wall time of the newest record found at start (the epoch when there is none).
  void Start(MonoTime mono, WallTime wall, WallTime newest);

  // Looks at both clocks; true when `suspended()` has changed, which is worth a line in the log.
  bool Observe(MonoTime mono, WallTime wall);

  bool suspended() const { return suspended_; }

 private:
  MonoTime mono_;
  WallTime wall_;
  WallTime newest_;
  bool suspended_ = false;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_RETRY_POLICY_H_
