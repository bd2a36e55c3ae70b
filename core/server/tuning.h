// Tuning: the values of a shard that can change while it runs. Each shard has its own Tuning, which only its thread
// reads and changes, so that none of them costs the loop an atomic.
//
// One table names each value once. The struct, [[shard]] and the keys for all shards in sluice.toml, `sluice shards`,
// its messages, its JSON and its TOML all come from it. To add a value: a line here, its default in options.h, and
// whoever uses it reads Shard::tuning(), or is told in Shard::Tune.
#ifndef SLUICE_CORE_SERVER_TUNING_H_
#define SLUICE_CORE_SERVER_TUNING_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/base/time.h"

namespace sluice::server {

struct Options;
class Value;

// Values of `core` that are no core's number.
inline constexpr int32_t kCoreAuto = -1;  // "auto": the usable cores in turn
inline constexpr int32_t kCoreAny = -2;   // "any": not pinned

// X(name, type, table, key, kind, bounds, help): [table] key is the value for all shards that have none of their own.
// clang-format off
#define SLUICE_TUNABLES(X) \
  X(sessions, uint32_t, limits, sessions, Count, (1u, 10'000'000u), \
    "at once, a shard; beyond: passed on, or 421") \
  X(handshake_steps, uint32_t, limits, handshake_steps, Count, (1u, 10'000u), \
    "TLS handshake steps a loop turn, a shard") \
  X(receive_buffers, uint32_t, io, receive_buffers, Count, (16u, 32'768u), \
    "of a shard's ring; in the file a power of two") \
  X(turn_bytes, uint64_t, io, turn_bytes, Bytes, (uint64_t{1} << 10, uint64_t{8} << 20), \
    "a connection that takes more in a loop turn waits for the next") \
  X(batch_bytes, uint64_t, queue, batch_bytes, Bytes, (uint64_t{64} << 10, uint64_t{64} << 20), \
    "a batch closes at this size") \
  X(batch_wait, Duration, queue, batch_wait, Span, (Duration(0), Duration(seconds(1))), \
    "an idle journal waits this long for company") \
  X(relay_connections, uint32_t, relay, connections, Count, (1u, 10'000u), \
    "to one next hop at most, a shard") \
  X(accept_weight, uint32_t, io, accept_weight, Count, (0u, 10'000u), \
    "share of new connections, beside other shards'; 0: none") \
  X(core, int32_t, io, core, Core, (), \
    "processor core of a shard's thread; \"auto\": in turn, \"any\": not pinned")
// clang-format on

struct Tuning {
#define SLUICE_FIELD(name, type, table, key, kind, bounds, help) type name{};
  SLUICE_TUNABLES(SLUICE_FIELD)
#undef SLUICE_FIELD
  bool operator==(const Tuning&) const = default;
};

struct Tunable {
  std::string_view name;   // in [[shard]] and `sluice shards`: "batch_wait"
  std::string_view table;  // and key: of the value for all shards
  std::string_view key;
  std::string_view help;
  std::unique_ptr<Value> (*own)(Tuning&);      // to read it from TOML, and to show it
  std::unique_ptr<Value> (*common)(Options&);  // likewise
  void (*inherit)(Tuning&, const Options&);    // takes the value for all shards
};

std::span<const Tunable> Tunables();
const Tunable* FindTunable(std::string_view name);  // nullptr: there is none

// A value as TOML.
std::string ShowTunable(const Tunable& tunable, Tuning tuning);

// Sets a value from what somebody typed, TOML or bare: 8, "2ms", 2ms. What is wrong with it, or empty.
std::string ReadTunable(const Tunable& tunable, std::string_view text, Tuning& tuning);

// What a shard starts with.
Tuning TuningOf(const Options& options, uint32_t shard);

// Reports what cannot be, beyond the bounds of each value: by the value's name, and why.
using TuningReport = std::function<void(std::string_view name, const std::string& text)>;
void CheckTuning(const Tuning& tuning, const Options& options, const TuningReport& report);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_TUNING_H_
