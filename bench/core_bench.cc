// The small parts that every connection uses: base64, checksums, slab, timer wheel.
//
//   build/release/bench/core_bench
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "core/base/base64.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/prng.h"
#include "core/base/slab.h"
#include "core/io/timer_wheel.h"

namespace sluice {
namespace {

void Label(benchmark::State& state, ByteView result) {
  state.SetLabel("result " + std::to_string(Crc32c(0, result)));
}

std::string Octets(size_t bytes) {
  Prng prng(1);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(prng.Below(256));
  return text;
}

// 48 octets are a response to AUTH PLAIN.
void BM_Base64Decode(benchmark::State& state) {
  const std::string octets = Octets(static_cast<size_t>(state.range(0)));
  const std::string text = Base64Encode(octets);
  std::string out(octets.size() + 3, '\0');
  for (auto _ : state) {
    CHECK(Base64Decode(text, out) == static_cast<ptrdiff_t>(octets.size()));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(octets.size()) * state.iterations());
  Label(state, ByteView(out).substr(0, octets.size()));
}
BENCHMARK(BM_Base64Decode)->Arg(48)->Arg(4096);

void BM_Base64Encode(benchmark::State& state) {
  const std::string octets = Octets(static_cast<size_t>(state.range(0)));
  Buffer out;
  for (auto _ : state) {
    out.Clear();
    Base64Encode(octets, out);
  }
  state.SetBytesProcessed(static_cast<int64_t>(octets.size()) * state.iterations());
  Label(state, out.view());
}
BENCHMARK(BM_Base64Encode)->Arg(48)->Arg(4096);

void BM_Crc32c(benchmark::State& state) {
  const std::string octets = Octets(static_cast<size_t>(state.range(0)));
  uint32_t crc = 0;
  for (auto _ : state) benchmark::DoNotOptimize(crc = Crc32c(0, octets));
  state.SetBytesProcessed(static_cast<int64_t>(octets.size()) * state.iterations());
  state.SetLabel("result " + std::to_string(crc));
}
BENCHMARK(BM_Crc32c)->Arg(64)->Arg(4096)->Arg(65536);

struct Item {
  explicit Item(SlabHandle h) : handle(h) {}
  SlabHandle handle;
  char rest[504] = {};  // about a Connection
};

// Of `range` objects, one goes and another comes, then a third is looked up.
void BM_Slab(benchmark::State& state) {
  const auto count = static_cast<uint32_t>(state.range(0));
  Slab<Item> slab(count);
  std::vector<SlabHandle> handles;
  for (uint32_t i = 0; i < count; i++) handles.push_back(slab.New()->handle);
  Prng prng(1);
  uint64_t generations = 0;
  for (auto _ : state) {
    SlabHandle& gone = handles[prng.Below(count)];
    slab.Delete(gone);
    gone = slab.New()->handle;
    generations += slab.Get(handles[prng.Below(count)])->handle.generation;
  }
  benchmark::DoNotOptimize(generations);
  CHECK(slab.size() == count);
  state.SetLabel("result " + std::to_string(slab.size()));
}
BENCHMARK(BM_Slab)->Arg(1000)->Arg(100'000);

struct Sleeper {
  void Fire() { fired++; }
  io::Timer timer{io::Fires<&Sleeper::Fire>, this};
  uint64_t fired = 0;
};

// A command came: one of `range` connections has its time-out of five minutes moved.
void BM_TimerSet(benchmark::State& state) {
  MonoTime now{hours(1)};
  io::TimerWheel wheel(now);
  std::vector<Sleeper> sleepers(static_cast<size_t>(state.range(0)));
  Prng prng(1);
  for (Sleeper& sleeper : sleepers) wheel.Set(sleeper.timer, now + minutes(5));
  for (auto _ : state) {
    now += microseconds(10);
    wheel.Set(sleepers[prng.Below(sleepers.size())].timer, now + minutes(5));
  }
  CHECK(sleepers[0].timer.armed());
  state.SetLabel("result " + std::to_string(sleepers.size()));
}
BENCHMARK(BM_TimerSet)->Arg(1000)->Arg(100'000);

// A tick in which one of `range` timers fires, on average, and is set again.
void BM_TimerAdvance(benchmark::State& state) {
  const auto count = static_cast<size_t>(state.range(0));
  MonoTime now{hours(1)};
  io::TimerWheel wheel(now);
  std::vector<Sleeper> sleepers(count);
  const Duration round = io::TimerWheel::kTick * static_cast<int64_t>(count);
  for (size_t i = 0; i < count; i++)
    wheel.Set(sleepers[i].timer, now + io::TimerWheel::kTick * static_cast<int64_t>(i + 1));
  size_t next = 0;
  for (auto _ : state) {
    now += io::TimerWheel::kTick;
    wheel.Advance(now);
    CHECK(!sleepers[next].timer.armed());
    wheel.Set(sleepers[next].timer, now + round);
    next = (next + 1) % count;
  }
  state.SetLabel("result " + std::to_string(count));
}
BENCHMARK(BM_TimerAdvance)->Arg(1000)->Arg(100'000);

}  // namespace
}  // namespace sluice
