#include "core/io/timer_wheel.h"

#include <algorithm>

namespace sluice::io {

TimerWheel::TimerWheel(MonoTime start) : start_(start) {}

void TimerWheel::Set(Timer& timer, MonoTime when) {
  timer.Unlink();
  const Duration from_start = std::max(when - start_, Duration::zero());
  const auto tick = static_cast<uint64_t>((from_start + kTick - Duration(1)) / kTick);
  const uint64_t range = uint64_t{1} << (kLevels * kBits);
  timer.tick_ = std::clamp(tick, current_ + 1, current_ + range - kSlots);
  Place(timer);
}

void TimerWheel::Place(Timer& timer) {
  const uint64_t distance = timer.tick_ - current_;
  int level = 0;
  while (level + 1 < kLevels && distance >> (kBits * (level + 1))) level++;
  const uint64_t slot = (timer.tick_ >> (kBits * level)) & (kSlots - 1);
  slots_[level][slot].PushBack(timer);
}

// The slot of `level` that begins at the current tick moves down to where its timers now belong.
void TimerWheel::Cascade(int level) {
  IntrusiveList<Timer, ListNode> moving;
  moving.Splice(slots_[level][(current_ >> (kBits * level)) & (kSlots - 1)]);
  while (Timer* timer = moving.PopFront()) Place(*timer);
}

void TimerWheel::Advance(MonoTime now) {
  const auto due = static_cast<uint64_t>(std::max(now - start_, Duration::zero()) / kTick);
  while (current_ < due) {
    current_++;
    for (int level = kLevels - 1; level > 0; level--) {
      if ((current_ & ((uint64_t{1} << (kBits * level)) - 1)) == 0) Cascade(level);
    }
    IntrusiveList<Timer, ListNode>& slot = slots_[0][current_ & (kSlots - 1)];
    while (Timer* timer = slot.PopFront()) {
      fired_++;
      timer->fire_(timer->owner_);
    }
  }
}

std::optional<MonoTime> TimerWheel::NextDeadline() const {
  auto* self = const_cast<TimerWheel*>(this);
  for (uint64_t tick = current_ + 1; tick <= current_ + kSlots; tick++) {
    if (!self->slots_[0][tick & (kSlots - 1)].empty()) return TimeOf(tick);
    if ((tick & (kSlots - 1)) == 0) break;  // here higher levels cascade
  }
  for (int level = 1; level < kLevels; level++) {
    for (uint64_t slot = 0; slot < kSlots; slot++) {
      if (!self->slots_[level][slot].empty()) return TimeOf((current_ | (kSlots - 1)) + 1);
    }
  }
  // A level-0 timer may lie behind the cascade point, in the slots before the current one.
  for (uint64_t slot = 0; slot < kSlots; slot++) {
    if (!self->slots_[0][slot].empty()) return TimeOf((current_ | (kSlots - 1)) + 1);
  }
  return std::nullopt;
}

}  // namespace sluice::io
