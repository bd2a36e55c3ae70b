#include "queue/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/base/prng.h"
#include "queue/content.h"

namespace sluice::queue {
namespace {

MonoTime At(int64_t ms) { return MonoTime(milliseconds(ms)); }

class SchedulerTest : public ::testing::Test {
 protected:
  Entry& New() {
    entries_.push_back(std::make_unique<Entry>());
    entries_.back()->id = QueueId{entries_.size()};
    return *entries_.back();
  }
  uint64_t Take(int64_t ms) {
    Entry* entry = scheduler_.Take(At(ms));
    if (entry == nullptr) return 0;
    EXPECT_EQ(entry->state, EntryState::kTaken);
    return entry->id.value;
  }

  std::vector<std::unique_ptr<Entry>> entries_;
  Scheduler scheduler_;
};

TEST_F(SchedulerTest, NothingWaits) {
  EXPECT_EQ(Take(1'000'000), 0u);
  EXPECT_EQ(scheduler_.NextDue(), std::nullopt);
}

TEST_F(SchedulerTest, ReadyOnesComeInTheirOrder) {
  for (int i = 0; i < 3; i++) scheduler_.PushReady(New());
  EXPECT_EQ(scheduler_.ready(), 3u);
  EXPECT_EQ(scheduler_.NextDue(), MonoTime::min());
  EXPECT_EQ(Take(0), 1u);
  EXPECT_EQ(Take(0), 2u);
  EXPECT_EQ(Take(0), 3u);
  EXPECT_EQ(Take(0), 0u);
}

TEST_F(SchedulerTest, DeferredOnesComeWhenDueBehindThoseInLine) {
  scheduler_.Defer(New(), At(30));
  scheduler_.Defer(New(), At(10));
  scheduler_.Defer(New(), At(10));  // equal times: first come first served
  EXPECT_EQ(scheduler_.NextDue(), At(10));
  EXPECT_EQ(Take(9), 0u);
  scheduler_.PushReady(New());
  EXPECT_EQ(Take(10), 4u);
  EXPECT_EQ(Take(10), 2u);
  EXPECT_EQ(Take(10), 3u);
  EXPECT_EQ(Take(10), 0u);
  EXPECT_EQ(scheduler_.NextDue(), At(30));
  EXPECT_EQ(scheduler_.deferred(), 1u);
}

TEST_F(SchedulerTest, AnEntryLeavesFromEitherPlace) {
  Entry& ready = New();
  Entry& deferred = New();
  scheduler_.PushReady(ready);
  scheduler_.Defer(deferred, At(5));
  EXPECT_EQ(scheduler_.DueAt(deferred), At(5));
  scheduler_.Remove(ready);
  scheduler_.Remove(deferred);
  EXPECT_EQ(scheduler_.NextDue(), std::nullopt);
  EXPECT_EQ(scheduler_.ready(), 0u);
  EXPECT_EQ(scheduler_.deferred(), 0u);
}

TEST_F(SchedulerTest, TheHeapSortsWhateverComesAndGoes) {
  Prng prng(5);
  std::vector<Entry*> waiting;
  for (int i = 0; i < 3000; i++) {
    if (waiting.empty() || prng.Chance(2, 3)) {
      Entry& entry = New();
      scheduler_.Defer(entry, At(static_cast<int64_t>(prng.Below(500))));
      waiting.push_back(&entry);
    } else {
      const size_t index = prng.Below(waiting.size());
      scheduler_.Remove(*waiting[index]);
      waiting.erase(waiting.begin() + static_cast<ptrdiff_t>(index));
    }
  }
  std::vector<std::pair<MonoTime, uint64_t>> expected;  // ids rise as the entries came
  for (Entry* entry : waiting) expected.emplace_back(scheduler_.DueAt(*entry), entry->id.value);
  std::sort(expected.begin(), expected.end());
  for (const auto& [due, id] : expected) EXPECT_EQ(Take(1000), id);
  EXPECT_EQ(Take(1000), 0u);
}

}  // namespace
}  // namespace sluice::queue
