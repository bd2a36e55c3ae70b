// TimerWheel: the time-outs of one shard, in ticks of 100 ms, four levels of 64 slots (19 days).
//
// Setting and cancelling cost a few instructions and never allocate: a Timer is a field of the object that
// waits. A timer fires at the first tick at or after its time, never early; timers of one tick fire in the
// order in which they were set. One thread; a callback may set and cancel any timer, also its own.
#ifndef SLUICE_CORE_IO_TIMER_WHEEL_H_
#define SLUICE_CORE_IO_TIMER_WHEEL_H_

#include <cstdint>
#include <optional>

#include "core/base/intrusive_list.h"
#include "core/base/time.h"

namespace sluice::io {

class Timer : public ListNode {
 public:
  using Fire = void (*)(void* owner);

  Timer(Fire fire, void* owner) : fire_(fire), owner_(owner) {}
  bool armed() const { return linked(); }

  // Disarms; a timer that is not armed stays so. Destruction cancels too.
  void Cancel() { Unlink(); }

 private:
  friend class TimerWheel;
  uint64_t tick_ = 0;
  Fire fire_;
  void* owner_;
};

// Timer(Fires<&Connection::OnTimeout>, this)
template <auto Method>
struct TimerThunk;
template <typename T, void (T::*Method)()>
struct TimerThunk<Method> {
  static void Call(void* owner) { (static_cast<T*>(owner)->*Method)(); }
};
template <auto Method>
inline constexpr Timer::Fire Fires = &TimerThunk<Method>::Call;

class TimerWheel {
 public:
  static constexpr Duration kTick = milliseconds(100);

  explicit TimerWheel(MonoTime start);

  // Arms the timer; one that is armed already is moved. Times beyond the range fire at its end.
  void Set(Timer& timer, MonoTime when);

  // Fires what is due at `now`. Time never goes back: an earlier `now` does nothing.
  void Advance(MonoTime now);

  // When to call Advance next: never later than the first armed timer's tick, perhaps earlier; nullopt
  // when nothing was armed.
  std::optional<MonoTime> NextDeadline() const;

  uint64_t fired() const { return fired_; }

 private:
  static constexpr int kLevels = 4;
  static constexpr int kBits = 6;
  static constexpr uint64_t kSlots = 1 << kBits;

  void Place(Timer& timer);
  void Cascade(int level);
  MonoTime TimeOf(uint64_t tick) const { return start_ + kTick * static_cast<int64_t>(tick); }

  MonoTime start_;
  uint64_t current_ = 0;  // the last tick that fired
  uint64_t fired_ = 0;
  IntrusiveList<Timer, ListNode> slots_[kLevels][kSlots];
};

}  // namespace sluice::io

#endif  // SLUICE_CORE_IO_TIMER_WHEEL_H_
