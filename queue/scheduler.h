// Scheduler: which message is tried next. A line of those that are due, first come first served, and a heap
// of those that wait for their time. Entries join and leave in O(1) and O(log n); nothing is allocated for
// one that is ready. Order depends on calls and times alone, so that simulations replay.
#ifndef SLUICE_QUEUE_SCHEDULER_H_
#define SLUICE_QUEUE_SCHEDULER_H_

#include <cstdint>
#include <deque>
#include <optional>

#include "core/base/intrusive_list.h"
#include "core/base/time.h"
#include "queue/entry.h"

namespace sluice::queue {

class Scheduler {
 public:
  // REQUIRES (all): the entry is in neither place, for Remove in one of them. Set the entry's state.
  void PushReady(Entry& entry);
  void Defer(Entry& entry, MonoTime due);
  void Remove(Entry& entry);

  // The entry at the head of the line, once those due by `now` have joined it; nullptr when it is empty.
  Entry* Take(MonoTime now);

  // When Take next gives something; MonoTime::min() when it does now, nullopt when there is nothing.
  std::optional<MonoTime> NextDue() const;

  MonoTime DueAt(const Entry& entry) const { return heap_[entry.heap_index].due; }  // REQUIRES: deferred

  uint32_t ready() const { return ready_count_; }
  uint32_t deferred() const { return static_cast<uint32_t>(heap_.size()); }

 private:
  struct Item {
    MonoTime due;
    uint64_t sequence;  // equal times: first come first served
    Entry* entry;
  };

  static bool Before(const Item& a, const Item& b);
  void Place(size_t index, const Item& item);
  void SiftUp(size_t index, const Item& item);
  void SiftDown(size_t index, const Item& item);
  void RemoveAt(size_t index);

  IntrusiveList<Entry, LineNode> ready_;
  std::deque<Item> heap_;  // a deque: growing must not copy a million items at once
  uint64_t next_sequence_ = 0;
  uint32_t ready_count_ = 0;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_SCHEDULER_H_
