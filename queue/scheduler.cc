#include "queue/scheduler.h"

#include "core/base/check.h"

namespace sluice::queue {

void Scheduler::PushReady(Entry& entry) {
  entry.state = EntryState::kReady;
  ready_.PushBack(entry);
  ready_count_++;
}

void Scheduler::Defer(Entry& entry, MonoTime due) {
  entry.state = EntryState::kDeferred;
  heap_.emplace_back();
  SiftUp(heap_.size() - 1, Item{due, next_sequence_++, &entry});
}

void Scheduler::Remove(Entry& entry) {
  if (entry.state == EntryState::kReady) {
    static_cast<LineNode&>(entry).Unlink();
    ready_count_--;
  } else {
    CHECK(entry.state == EntryState::kDeferred);
    RemoveAt(entry.heap_index);
  }
}

Entry* Scheduler::Take(MonoTime now) {
  while (!heap_.empty() && heap_.front().due <= now) {
    Entry& entry = *heap_.front().entry;
    RemoveAt(0);
    PushReady(entry);
  }
  Entry* entry = ready_.PopFront();
  if (entry == nullptr) return nullptr;
  ready_count_--;
  entry->state = EntryState::kTaken;
  return entry;
}

std::optional<MonoTime> Scheduler::NextDue() const {
  if (ready_count_ > 0) return MonoTime::min();
  if (heap_.empty()) return std::nullopt;
  return heap_.front().due;
}

bool Scheduler::Before(const Item& a, const Item& b) {
  return a.due != b.due ? a.due < b.due : a.sequence < b.sequence;
}

void Scheduler::Place(size_t index, const Item& item) {
  heap_[index] = item;
  item.entry->heap_index = static_cast<uint32_t>(index);
}

void Scheduler::SiftUp(size_t index, const Item& item) {
  while (index > 0) {
    const size_t parent = (index - 1) / 2;
    if (!Before(item, heap_[parent])) break;
    Place(index, heap_[parent]);
    index = parent;
  }
  Place(index, item);
}

void Scheduler::SiftDown(size_t index, const Item& item) {
  while (true) {
    size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && Before(heap_[child + 1], heap_[child])) child++;
    if (!Before(heap_[child], item)) break;
    Place(index, heap_[child]);
    index = child;
  }
  Place(index, item);
}

void Scheduler::RemoveAt(size_t index) {
  const Item last = heap_.back();
  heap_.pop_back();
  if (index == heap_.size()) return;
  if (index > 0 && Before(last, heap_[(index - 1) / 2])) {
    SiftUp(index, last);
  } else {
    SiftDown(index, last);
  }
}

}  // namespace sluice::queue
