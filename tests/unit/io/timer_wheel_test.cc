// The wheel against a plain model: never early, at most a tick late, in order, and NextDeadline never late.
#include "core/io/timer_wheel.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "core/base/prng.h"

namespace sluice::io {
namespace {

const MonoTime kStart(seconds(5000));

struct Waiter {
  Waiter() : timer(Fires<&Waiter::OnTimer>, this) {}
  void OnTimer() { fired++; }
  Timer timer;
  MonoTime due;
  int fired = 0;
};

TEST(TimerWheelTest, FiresAtTheFirstTickAtOrAfterItsTime) {
  for (int64_t ms : {1, 99, 100, 101, 6300, 6400, 6401, 409'600, 409'700, 26'214'400, 100'000'000}) {
    TimerWheel wheel(kStart);
    Waiter waiter;
    wheel.Set(waiter.timer, kStart + milliseconds(ms));
    wheel.Advance(kStart + milliseconds((ms + 99) / 100 * 100 - 1));
    EXPECT_EQ(waiter.fired, 0) << ms;
    wheel.Advance(kStart + milliseconds((ms + 99) / 100 * 100));
    EXPECT_EQ(waiter.fired, 1) << ms;
  }
}

TEST(TimerWheelTest, RandomSetsCancelsAndMovesMatchAModel) {
  Prng prng(3);
  TimerWheel wheel(kStart);
  MonoTime now = kStart;
  std::vector<std::unique_ptr<Waiter>> waiters;
  for (int i = 0; i < 200; i++) waiters.push_back(std::make_unique<Waiter>());
  for (int step = 0; step < 20'000; step++) {
    Waiter& waiter = *waiters[prng.Below(waiters.size())];
    if (prng.Chance(1, 5)) {
      waiter.timer.Cancel();
    } else if (prng.Chance(1, 3)) {
      waiter.due = now + milliseconds(prng.Chance(1, 4) ? prng.Below(900'000) : prng.Below(9000));
      waiter.fired = 0;
      wheel.Set(waiter.timer, waiter.due);
    }
    MonoTime target = now + milliseconds(prng.Below(500));
    if (const auto deadline = wheel.NextDeadline()) {
      for (const auto& other : waiters) {
        if (other->timer.armed()) {
          ASSERT_LE(*deadline, std::max(other->due, now) + 2 * TimerWheel::kTick);
        }
      }
      if (prng.Chance(1, 50)) target = std::max(target, *deadline);
    } else {
      for (const auto& other : waiters) ASSERT_FALSE(other->timer.armed());
    }
    std::vector<bool> armed;
    for (const auto& other : waiters) armed.push_back(other->timer.armed());
    now = target;
    wheel.Advance(now);
    for (size_t i = 0; i < waiters.size(); i++) {
      if (!armed[i]) continue;
      if (waiters[i]->timer.armed()) {
        ASSERT_GT(waiters[i]->due + TimerWheel::kTick, now - TimerWheel::kTick) << "overdue";
      } else {
        ASSERT_EQ(waiters[i]->fired, 1);
        ASSERT_LE(waiters[i]->due, now) << "early";
      }
    }
  }
}

struct Periodic {
  explicit Periodic(TimerWheel& w) : timer(Fires<&Periodic::OnTimer>, this), wheel(w) {}
  void OnTimer() {
    count++;
    at += milliseconds(100);
    wheel.Set(timer, at);
  }
  Timer timer;
  TimerWheel& wheel;
  MonoTime at = kStart;
  int count = 0;
};

TEST(TimerWheelTest, ACallbackMaySetItsOwnTimer) {
  TimerWheel wheel(kStart);
  Periodic periodic(wheel);
  periodic.OnTimer();
  wheel.Advance(kStart + seconds(10));
  EXPECT_EQ(periodic.count, 101);
}

TEST(TimerWheelTest, NothingArmedMeansNoDeadline) {
  TimerWheel wheel(kStart);
  EXPECT_FALSE(wheel.NextDeadline().has_value());
  Waiter waiter;
  wheel.Set(waiter.timer, kStart + seconds(1));
  EXPECT_TRUE(wheel.NextDeadline().has_value());
  waiter.timer.Cancel();
  EXPECT_FALSE(wheel.NextDeadline().has_value());
}

}  // namespace
}  // namespace sluice::io
