// What the queue costs a message, without the disk: records into a batch, a batch made durable, a
// message's whole life, and the scheduler.
//
//   build/release/bench/queue_bench
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/queue_parts.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/prng.h"
#include "queue/batch.h"
#include "queue/limits.h"
#include "queue/scheduler.h"

namespace sluice::queue {
namespace {

// A record of `range` octets copied into the open batch and checksummed there.
void BM_JournalAppend(benchmark::State& state) {
  const std::string payload(static_cast<size_t>(state.range(0)), 'x');
  Batch batch(kBatchBytesMax);
  QueueId id{1};
  uint32_t crc = 0;
  for (auto _ : state) {
    if (!batch.Fits(payload.size(), batch.bytes_max())) {
      crc = batch.items.back().payload_crc;
      batch.Clear();
    }
    batch.Append(RecordType::kMessage, id, {payload}, {});
  }
  state.SetBytesProcessed(state.range(0) * state.iterations());
  benchmark::DoNotOptimize(crc);
  state.SetLabel("result " + std::to_string(Crc32c(0, payload)));
}
BENCHMARK(BM_JournalAppend)->Arg(4 << 10)->Arg(64 << 10);

// `range` messages of 4 KiB in a batch: submitted, durable, delivered, forgotten.
void BM_MessagesInABatch(benchmark::State& state) {
  QueueOnNothing queue;
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); i++) queue.Submit();
    queue.Turn();
    queue.Deliver();
  }
  for (int i = 0; i < 2; i++) queue.Turn(minutes(1));
  CHECK(queue.stats().messages == 0);
  state.SetItemsProcessed(state.range(0) * state.iterations());
  state.SetLabel("left " + std::to_string(queue.stats().messages));
}
BENCHMARK(BM_MessagesInABatch)->Arg(1)->Arg(16)->Arg(64);

std::vector<std::unique_ptr<Entry>> Entries(int64_t count) {
  std::vector<std::unique_ptr<Entry>> entries;
  for (int64_t i = 0; i < count; i++) entries.push_back(std::make_unique<Entry>());
  return entries;
}

// The line: in at the end, out at the head.
void BM_SchedulerReady(benchmark::State& state) {
  const auto entries = Entries(state.range(0));
  Scheduler scheduler;
  for (const auto& entry : entries) scheduler.PushReady(*entry);
  for (auto _ : state) scheduler.PushReady(*scheduler.Take(MonoTime()));
  CHECK(scheduler.ready() == entries.size());
  state.SetLabel("ready " + std::to_string(scheduler.ready()));
  while (scheduler.Take(MonoTime()) != nullptr) {
  }
}
BENCHMARK(BM_SchedulerReady)->Arg(1000);

// The heap: of `range` deferred messages the next comes due, is tried and deferred again.
void BM_SchedulerDeferred(benchmark::State& state) {
  const auto entries = Entries(state.range(0));
  Scheduler scheduler;
  Prng prng(1);
  MonoTime now{};
  for (const auto& entry : entries)
    scheduler.Defer(*entry, now + microseconds(static_cast<int64_t>(prng.Below(3'600'000'000))));
  for (auto _ : state) {
    now = *scheduler.NextDue();
    Entry* entry = scheduler.Take(now);
    scheduler.Defer(
        *entry, now + minutes(30) + microseconds(static_cast<int64_t>(prng.Below(1'800'000'000))));
  }
  CHECK(scheduler.deferred() + scheduler.ready() == entries.size());
  state.SetLabel("deferred " + std::to_string(scheduler.deferred()));
  for (const auto& entry : entries) {
    if (entry->state == EntryState::kDeferred) scheduler.Remove(*entry);
  }
}
BENCHMARK(BM_SchedulerDeferred)->Arg(1000)->Arg(1'000'000);

}  // namespace
}  // namespace sluice::queue
