// What a shard counts. One table names each number once; the struct, the admin interface's JSON and
// the Prometheus text all come from it.
//
// A ShardCounters has one writer, its shard, and any number of readers: the values are relaxed
// atomics, each exact by itself, not taken at one instant together. Adding is a load and a store,
// not a locked instruction, since nobody else writes. To add a number: one line in the table.
#ifndef SLUICE_CORE_SERVER_COUNTERS_H_
#define SLUICE_CORE_SERVER_COUNTERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::server {

// X(name, kind, help). A kCounter only grows and is named *_total; a kGauge goes both ways.
// clang-format off
#define SLUICE_SHARD_COUNTERS(X) \
  X(connections_total, kCounter, "Client connections accepted") \
  X(connections_open, kGauge, "Client connections open") \
  X(connections_refused_total, kCounter, "Client connections refused at a limit") \
  X(sessions_authenticated, kGauge, "Open sessions that have authenticated") \
  X(commands_total, kCounter, "SMTP commands received") \
  X(rejections_total, kCounter, "4xx and 5xx replies given to clients") \
  X(tls_handshakes_total, kCounter, "TLS handshakes completed with clients") \
  X(tls_handshakes_failed_total, kCounter, "TLS handshakes with clients that failed or timed out") \
  X(tls_resumed_total, kCounter, "TLS handshakes with clients that resumed a session") \
  X(auth_success_total, kCounter, "Successful authentications") \
  X(auth_failure_total, kCounter, "Failed authentications") \
  X(auth_tempfail_total, kCounter, "Authentications answered with a temporary failure") \
  X(messages_received_total, kCounter, "Messages made durable and acknowledged") \
  X(bytes_received_total, kCounter, "Octets of messages made durable and acknowledged") \
  X(messages_delivered_total, kCounter, "Messages delivered to all of their remaining recipients") \
  X(messages_deferred_total, kCounter, "Delivery attempts that ended in a deferral") \
  X(messages_bounced_total, kCounter, "Messages returned after a permanent failure") \
  X(messages_expired_total, kCounter, "Messages returned because they were too old") \
  X(messages_queued, kGauge, "Messages in the queue") \
  X(relay_connections_total, kCounter, "Connections made to next hops") \
  X(relay_connections_open, kGauge, "Connections open to next hops") \
  X(relay_connect_failures_total, kCounter, "Connections to next hops that could not be made") \
  X(journal_batches_total, kCounter, "Batches made durable") \
  X(journal_records_total, kCounter, "Records made durable") \
  X(journal_bytes_total, kCounter, "Octets written to the journal, padding included") \
  X(journal_poisoned, kGauge, "1 when a write failed and the journal refuses further mail") \
  X(events_dropped_total, kCounter, "Events counted instead of written to the event log") \
  X(loop_turns_total, kCounter, "Turns of the shard's loop") \
  X(loop_stalls_total, kCounter, "Turns of the shard's loop that took more than 10 ms")
// clang-format on

enum class CounterKind : uint8_t { kCounter, kGauge };

// One number. Only the owning shard's thread calls Add, Sub and Set.
class Counter {
 public:
  void Add(uint64_t n = 1) { Set(Get() + n); }
  void Sub(uint64_t n = 1) { Set(Get() - n); }
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct alignas(64) ShardCounters {
#define SLUICE_FIELD(name, kind, help) Counter name;
  SLUICE_SHARD_COUNTERS(SLUICE_FIELD)
#undef SLUICE_FIELD
};

struct CounterInfo {
  std::string_view name;
  CounterKind kind;
  std::string_view help;
  Counter ShardCounters::*field;
};

inline constexpr CounterInfo kShardCounters[] = {
#define SLUICE_INFO(name, kind, help) {#name, CounterKind::kind, help, &ShardCounters::name},
    SLUICE_SHARD_COUNTERS(SLUICE_INFO)
#undef SLUICE_INFO
};

inline constexpr size_t kShardCounterCount = sizeof kShardCounters / sizeof kShardCounters[0];
static_assert(sizeof(ShardCounters) == (kShardCounterCount * sizeof(Counter) + 63) / 64 * 64);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_COUNTERS_H_
