// What a shard counts. Three tables name each family of numbers once; the struct, the admin
// interface's JSON, the Prometheus text, `sluice stats` and METRICS.md all come from them.
//
// A ShardCounters has one writer, its shard, and any number of readers (core/base/counter.h). What
// happens is counted where it happens. What merely is (lengths, memory, what the kernel or another
// part counts anyway) costs nothing until somebody asks: those families are marked "published", and
// Shard::PublishCounters sets them when the admin interface is about to read.
//
// To add a number: one line in a table, one in METRICS.md (a test tells which).
#ifndef SLUICE_CORE_SERVER_COUNTERS_H_
#define SLUICE_CORE_SERVER_COUNTERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "auth/mechanism.h"
#include "core/base/counter.h"
#include "core/smtp/session.h"

namespace sluice::server {

// --- labels ------------------------------------------------------------------------------------

// What a session is at. One that was refused at a limit is closing from the start.
enum class SessionState : uint8_t {
  kConnected,       // no EHLO yet
  kHandshaking,     // TLS
  kGreeted,         // EHLO, no login
  kAuthenticating,  // inside AUTH, the wait for a verifier or for the reply's time included
  kAuthenticated,   // logged in, between messages
  kTransaction,     // from MAIL to DATA
  kData,            // the message is coming
  kCommitting,      // the message is on its way to the disk
  kClosing,
};
inline constexpr size_t kSessionStates = 9;
std::string_view SessionStateName(size_t state);

enum class LoginResult : uint8_t {
  kSuccess,
  kRejected,   // wrong password, unknown user
  kMalformed,  // not what the mechanism's grammar allows
  kTemporary,  // no verdict could be had
  kAbandoned,  // the client cancelled, or left before the verdict
  kThrottled,  // too many logins had failed before
};
inline constexpr size_t kLoginResults = 6;

// What came of a request to the Dovecot server.
enum class DovecotResult : uint8_t {
  kOk,
  kRejected,
  kTemporary,  // it could not say
  kCancelled,  // the client cancelled, or left
  kLost,       // its connection was lost, or it did not answer in time
  kRefused,    // never sent: there was no connection, or too much was under way
};
inline constexpr size_t kDovecotResults = 6;

enum class HandshakeResult : uint8_t { kFull, kResumed, kFailed };
inline constexpr size_t kHandshakeResults = 3;

enum class MemoryUse : uint8_t {
  kConnections,     // Connection objects, with the slots that are free
  kStreams,         // held for peers: handshakes, half records, input and output that wait
  kBodies,          // of messages that are not durable yet, whether in memory or in the journal
  kQueuedMessages,  // kept in memory until their first attempt has ended
  kReceiveBuffers,
};
inline constexpr size_t kMemoryUses = 5;

// A family's label and the values that it takes, by index.
struct Label {
  std::string_view name;
  size_t count = 1;
  std::string_view (*value)(size_t index) = nullptr;
};

// One label or two; the second one's values vary fastest.
struct Labels {
  Label first;
  Label second = {};
  constexpr size_t cells() const { return first.count * second.count; }
};

std::string_view LoginResultName(size_t result);
std::string_view DovecotResultName(size_t result);
std::string_view HandshakeResultName(size_t result);
std::string_view MemoryUseName(size_t use);
std::string_view MechanismName(size_t mechanism);
std::string_view ReplyClassName(size_t index);

inline constexpr Labels kNoLabels = {};
inline constexpr Labels kByState = {{"state", kSessionStates, SessionStateName}};
inline constexpr Labels kByVerb = {{"verb", smtp::Session::kVerbs, smtp::Session::VerbName}};
inline constexpr Labels kByClass = {{"class", 4, ReplyClassName}};  // 2xx to 5xx
inline constexpr Labels kByLogin = {{"mechanism", auth::kMechanismCount, MechanismName},
                                    {"result", kLoginResults, LoginResultName}};
inline constexpr Labels kByHandshake = {{"result", kHandshakeResults, HandshakeResultName}};
inline constexpr Labels kByDovecotResult = {{"result", kDovecotResults, DovecotResultName}};
inline constexpr Labels kByUse = {{"use", kMemoryUses, MemoryUseName}};

// --- the tables ----------------------------------------------------------------------------------

// X(name, kind, help). A kCounter only grows and is named *_total; kSeconds is one that is kept in
// nanoseconds; a kGauge goes both ways.
// clang-format off
#define SLUICE_SHARD_COUNTERS(X) \
  X(connections_total, kCounter, "Client connections served") \
  X(connections_open, kGauge, "Client connections open") \
  X(connections_passed_total, kCounter, "Client connections given to a shard with fewer before they began") \
  X(connections_refused_total, kCounter, "Client connections refused at a limit") \
  X(messages_received_total, kCounter, "Messages made durable and acknowledged") \
  X(bytes_received_total, kCounter, "Octets of messages made durable and acknowledged") \
  X(messages_delivered_total, kCounter, "Messages delivered to all of their remaining recipients") \
  X(messages_deferred_total, kCounter, "Delivery attempts that ended in a deferral") \
  X(messages_bounced_total, kCounter, "Messages returned after a permanent failure") \
  X(messages_expired_total, kCounter, "Messages returned because they were too old") \
  X(messages_queued, kGauge, "Messages in the queue; published") \
  X(messages_waiting, kGauge, "Messages in the queue that wait for another attempt; published") \
  X(messages_damaged, kGauge, "Messages in the queue whose record is damaged; published") \
  X(messages_held, kGauge, "Messages in the queue that wait for `sluice queue release`; published") \
  X(messages_suspended, kGauge, "Messages in the queue that came due while their login was suspended, and wait for it; published") \
  X(relay_connections_total, kCounter, "Connections made to next hops") \
  X(relay_connections_open, kGauge, "Connections open to next hops") \
  X(relay_connect_failures_total, kCounter, "Connections to next hops that could not be made") \
  X(relay_attempts_open, kGauge, "Delivery attempts under way; published") \
  X(relay_attempts_waiting, kGauge, "Delivery attempts that wait for a connection; published") \
  X(relay_restarts_total, kCounter, "Delivery attempts begun again because a kept connection was lost") \
  X(relay_next_hops_down, kGauge, "Next hops that rest after a failure; published") \
  X(dovecot_connected, kGauge, "1 while the Dovecot authentication server is connected") \
  X(dovecot_requests_open, kGauge, "Requests whose answer the Dovecot server owes") \
  X(journal_batches_total, kCounter, "Batches made durable") \
  X(journal_records_total, kCounter, "Records made durable") \
  X(journal_bytes_total, kCounter, "Octets written to the journal, padding included; published") \
  X(journal_segments, kGauge, "Segments of the journal; published") \
  X(journal_segments_free, kGauge, "Segments of the journal that are ready to be written; published") \
  X(journal_live_bytes, kGauge, "Octets of records in the journal that are still needed; published") \
  X(journal_poisoned, kGauge, "1 when a write failed and the journal refuses further mail") \
  X(events_dropped_total, kCounter, "Events counted instead of written to the event log; published") \
  X(loop_turns_total, kCounter, "Turns of the shard's loop") \
  X(loop_stalls_total, kCounter, "Turns of the shard's loop that took more than 10 ms; published") \
  X(cpu_seconds_total, kSeconds, "Processor time of the shard's thread; published") \
  X(timers_fired_total, kCounter, "Timers that rang; published") \
  X(ring_submissions_total, kCounter, "Operations given to the kernel; published") \
  X(ring_submission_queue_full_total, kCounter, "Times that the submission queue was full; published") \
  X(ring_completions_total, kCounter, "Completions taken from the kernel; published") \
  X(ring_overflows_total, kCounter, "Times that the completion queue had overflowed; published") \
  X(ring_no_buffer_total, kCounter, "Receives that had to wait for a receive buffer; published") \
  X(ring_paused_total, kCounter, "Receives paused since they took more than their share; published") \
  X(ring_operations_open, kGauge, "Operations under way, in the kernel or waiting to be; published") \
  X(ring_sockets_open, kGauge, "Sockets in the rings' tables; published") \
  X(ring_submission_entries, kGauge, "Room of the submission queues; published") \
  X(ring_completion_entries, kGauge, "Room of the completion queues; published") \
  X(receive_buffers, kGauge, "Receive buffers; published") \
  X(receive_buffers_used, kGauge, "Receive buffers that the last turn used; published") \
  X(network_received_bytes_total, kCounter, "Octets received, from clients and next hops; published") \
  X(network_sent_bytes_total, kCounter, "Octets sent, to clients and next hops; published") \
  X(streams_evicted_total, kCounter, "Connections closed since too much memory was held for peers; published")

// X(name, kind, labels, help)
#define SLUICE_SHARD_FAMILIES(X) \
  X(sessions, kGauge, kByState, "Client sessions by what they are at") \
  X(tls_handshakes_total, kCounter, kByHandshake, "TLS handshakes with clients; those that timed out have failed") \
  X(logins_total, kCounter, kByLogin, "Attempts to log in") \
  X(dovecot_requests_total, kCounter, kByDovecotResult, "Requests to the Dovecot server; refused: those that could not be made") \
  X(commands_total, kCounter, kByVerb, "SMTP commands received") \
  X(replies_total, kCounter, kByClass, "Replies given to clients") \
  X(memory_bytes, kGauge, kByUse, "Memory held, by use; published")

// X(name, bounds, help). Times are kept in nanoseconds and told in seconds.
#define SLUICE_SHARD_HISTOGRAMS(X) \
  X(commit_records, kCountBounds, "Records a batch") \
  X(commit_bytes, kByteBounds, "Octets a batch, without padding") \
  X(commit_wait_seconds, kTimeBounds, "From a batch's first record until its write was asked for") \
  X(commit_sync_seconds, kTimeBounds, "From there until the shard heard that it is durable") \
  X(loop_turn_seconds, kTimeBounds, "Work of a turn of the shard's loop, without its sleep") \
  X(loop_completions, kCountBounds, "Completions a turn: what lay in the completion queue") \
  X(loop_submissions, kCountBounds, "Operations given to the kernel a turn")
// clang-format on

// --- what comes of them --------------------------------------------------------------------------

template <const Labels& kLabels>
struct CounterFamily {
  std::array<Counter, kLabels.cells()> cells;

  // By the label's index, or an enum that is one.
  template <typename Index>
  Counter& operator[](Index index) {
    return cells[static_cast<size_t>(index)];
  }
  template <typename Index>
  const Counter& operator[](Index index) const {
    return cells[static_cast<size_t>(index)];
  }
  // By both, of a family with two labels: the first one's value has a row of the second one's.
  template <typename First, typename Second>
  Counter& At(First first, Second second) {
    return cells[static_cast<size_t>(first) * kLabels.second.count + static_cast<size_t>(second)];
  }
};

struct alignas(64) ShardCounters {
#define SLUICE_FIELD(name, kind, help) Counter name;
  SLUICE_SHARD_COUNTERS(SLUICE_FIELD)
#undef SLUICE_FIELD
#define SLUICE_FIELD(name, kind, labels, help) CounterFamily<labels> name;
  SLUICE_SHARD_FAMILIES(SLUICE_FIELD)
#undef SLUICE_FIELD
#define SLUICE_FIELD(name, bounds, help) Histogram<bounds> name;
  SLUICE_SHARD_HISTOGRAMS(SLUICE_FIELD)
#undef SLUICE_FIELD
};

enum class MetricKind : uint8_t { kCounter, kSeconds, kGauge, kHistogram };

// As Prometheus calls it; METRICS.md too.
constexpr std::string_view TypeName(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
    case MetricKind::kSeconds:
      return "counter";
    case MetricKind::kGauge:
      return "gauge";
    case MetricKind::kHistogram:
      break;
  }
  return "histogram";
}

// One family: `cells` numbers, which a reader finds from `first` on in a row of all of them. Those
// of a histogram are its buckets, the one above the last bound, and the sum.
struct MetricInfo {
  std::string_view name;
  MetricKind kind;
  std::string_view help;
  const Labels* labels;              // kNoLabels when there are none
  std::span<const uint64_t> bounds;  // of a histogram
  bool nanoseconds;                  // told in seconds
  size_t cells;
  std::span<const Counter> (*read)(const ShardCounters&);
  size_t first = 0;
};

constexpr bool IsTimes(const auto& bounds) {
  return static_cast<const void*>(&bounds) == static_cast<const void*>(&kTimeBounds);
}

#define SLUICE_ONE(...) +1
inline constexpr size_t kShardMetricCount = 0 SLUICE_SHARD_COUNTERS(SLUICE_ONE)
    SLUICE_SHARD_FAMILIES(SLUICE_ONE) SLUICE_SHARD_HISTOGRAMS(SLUICE_ONE);
#undef SLUICE_ONE

inline constexpr std::array<MetricInfo, kShardMetricCount> kShardMetrics = [] {
  std::array<MetricInfo, kShardMetricCount> all = {{
#define SLUICE_INFO(name, kind, help)               \
  {#name, MetricKind::kind,                         \
   help,  &kNoLabels,                               \
   {},    MetricKind::kind == MetricKind::kSeconds, \
   1,     [](const ShardCounters& c) { return std::span<const Counter>(&c.name, 1); }},
      SLUICE_SHARD_COUNTERS(SLUICE_INFO)
#undef SLUICE_INFO
#define SLUICE_INFO(name, kind, labels, help)                                                      \
  {#name, MetricKind::kind, help, &labels, {}, false, labels.cells(), [](const ShardCounters& c) { \
     return std::span<const Counter>(c.name.cells);                                                \
   }},
          SLUICE_SHARD_FAMILIES(SLUICE_INFO)
#undef SLUICE_INFO
#define SLUICE_INFO(name, bounds, help) \
  {#name,                               \
   MetricKind::kHistogram,              \
   help,                                \
   &kNoLabels,                          \
   bounds,                              \
   IsTimes(bounds),                     \
   Histogram<bounds>::kCells,           \
   [](const ShardCounters& c) { return c.name.cells(); }},
              SLUICE_SHARD_HISTOGRAMS(SLUICE_INFO)
#undef SLUICE_INFO
  }};
  size_t first = 0;
  for (MetricInfo& info : all) {
    info.first = first;
    first += info.cells;
  }
  return all;
}();

inline constexpr size_t kShardCells = kShardMetrics.back().first + kShardMetrics.back().cells;
static_assert(sizeof(ShardCounters) == (kShardCells * sizeof(Counter) + 63) / 64 * 64);

// The family of that name; nullptr: there is none.
const MetricInfo* FindMetric(std::string_view name);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_COUNTERS_H_
