// The admin interface: HTTP on helper threads, for operators and for the sluice program itself.
//
//   <state_dir>/admin.sock (UNIX socket, 0600; the peer must be root or the server's own user):
//     GET /v1/stats                 counters, a shard and in total          (JSON)
//     GET /v1/queue?limit=&after=&held=   messages in the queue             (JSON)
//     PUT /v1/queue                 releases or deletes some of them        (JSON)
//     GET /v1/sessions?FILTERS      who is connected                        (JSON: session_listing.h)
//     DELETE /v1/sessions?FILTERS   ends those                              (JSON)
//     GET /v1/guesses?FILTERS       failed logins that are counted          (JSON: guess_listing.h)
//     DELETE /v1/guesses?FILTERS    forgets those                           (JSON)
//     GET /v1/health                {"ready":true} or why not               (JSON)
//     GET /v1/shards                what each shard is tuned to             (JSON: shard_tunings.h)
//     PUT /v1/shards                changes it; the answer has old and new  (JSON)
//     and the three below
//   [admin] address (TCP, optional; no credentials are asked, nothing about a user or a message is
//   told):
//     GET /metrics                  Prometheus text 0.0.4
//     GET /healthz                  200 while the process answers at all
//     GET /readyz                   200 when mail is taken, else 503 and why
//
// It never touches a shard: it reads what an AdminSource gives, on its own threads, which may wait.
// A slow or silent client holds one of kAdminThreads threads of its endpoint for kAdminTimeout at
// most.
#ifndef SLUICE_CORE_SERVER_ADMIN_H_
#define SLUICE_CORE_SERVER_ADMIN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/sock_addr.h"
#include "core/base/time.h"
#include "core/server/counters.h"
#include "core/server/session_listing.h"
#include "queue/queue_id.h"

namespace sluice::server {

inline constexpr int kAdminThreads = 2;  // an endpoint
inline constexpr Duration kAdminTimeout = seconds(5);

// Numbers at about one instant.
struct Snapshot {
  struct Shard {
    std::vector<uint64_t> cells;  // kShardCells, in the order of kShardMetrics
    bool answered = true;         // false: it did not when asked; what it publishes is older

    uint64_t Get(const MetricInfo& info, size_t cell = 0) const { return cells[info.first + cell]; }
  };

  std::string version;
  std::string hostname;
  uint64_t uptime_seconds = 0;
  uint64_t process_cpu_ns = 0;
  uint64_t process_resident_bytes = 0;
  std::vector<Shard> shards;

  // One more row, read from live counters.
  void AddShard(const ShardCounters& counters, bool answered = true);
  // The sum of all rows.
  Shard Total() const;
};

struct QueueFilter {
  uint32_t limit = 100;  // messages at most; 1 to kQueueListMax
  std::string after;     // ids greater than this one; empty: from the start
  bool held = false;     // only those that wait for an operator, or for a suspended login
};
inline constexpr uint32_t kQueueListMax = 10'000;

// {"action":"release"|"delete","ids":["..."]}: what an operator orders of queued messages.
struct QueueOrder {
  bool release = false;             // else: delete
  std::vector<queue::QueueId> ids;  // at most kQueueOrderMax
};
inline constexpr size_t kQueueOrderMax = 1000;  // a request has 32 KiB
absl::StatusOr<QueueOrder> ParseQueueOrder(std::string_view json);

// What the server tells about itself. Called on any of the admin threads, several at once; may
// block for as long as kAdminTimeout, must not throw.
class AdminSource {
 public:
  virtual ~AdminSource() = default;
  virtual Snapshot Stats() = 0;
  // A JSON object {"messages":[{"id":..,"sender":..,"recipients":[..],"size":..,"created":..,
  // "next_attempt":..,"num_attempts":..,"last_response":..}],"more":bool}, or why it cannot be had.
  virtual absl::StatusOr<std::string> QueueJson(const QueueFilter& filter) = 0;
  // Of held messages: sends them, or of any: ends them without a bounce. {"done":n}: for how many;
  // the others are gone, not held, or being delivered just now. It is durable within moments.
  virtual absl::StatusOr<std::string> OrderQueue(const QueueOrder& order) = 0;
  // What each shard is tuned to, and a change of it (InvalidArgument: the request is wrong, nothing has changed); see
  // shard_tunings.h.
  virtual std::string ShardsJson() = 0;
  virtual absl::StatusOr<std::string> SetShards(std::string_view request) = 0;
  // {"sessions":[...],"next":".."}: "next" is there when it goes on, and is `after` of the next request. The second
  // ends them, {"ended":n,"next":".."}, and wants a filter that names somebody. InvalidArgument: a filter is wrong.
  virtual absl::StatusOr<std::string> SessionsJson(const RequestParameters& filters) = 0;
  virtual absl::StatusOr<std::string> EndSessions(const RequestParameters& filters) = 0;
  // guess_listing.h; the second {"forgotten":n}.
  virtual absl::StatusOr<std::string> GuessesJson(const RequestParameters& filters) = 0;
  virtual absl::StatusOr<std::string> ForgetGuesses(const RequestParameters& filters) = 0;
  // True while mail is taken; otherwise `why` gets one line for the operator.
  virtual bool Ready(std::string* why) = 0;
};

struct AdminEndpoints {
  std::string socket_path;  // empty: no UNIX socket. A stale socket file there is replaced.
  SockAddr address;         // !known(): no TCP endpoint
};

class Admin {
 public:
  // Binds and starts the threads. `source` outlives the result. The status says which endpoint
  // failed and why.
  static absl::StatusOr<std::unique_ptr<Admin>> Start(const AdminEndpoints& endpoints,
                                                      AdminSource* source);
  // Stops the threads, within kAdminTimeout, and removes the socket file.
  virtual ~Admin() = default;

  virtual SockAddr tcp_address() const = 0;  // as bound (port 0 asks for any); !known() without one
};

// The path of the UNIX socket under a state folder.
std::string AdminSocketPath(const std::string& state_dir);

// One GET over the UNIX socket, for the sluice program. Unavailable: no server answers there;
// PermissionDenied: it refuses this user; InvalidArgument: it says that the request is wrong, and its
// words; otherwise the body of a 200, or Internal with the server's words.
absl::StatusOr<std::string> AdminGet(const std::string& socket_path, const std::string& target,
                                     const RequestParameters& parameters = {});
absl::StatusOr<std::string> AdminDelete(const std::string& socket_path, const std::string& target,
                                        const RequestParameters& parameters);
absl::StatusOr<std::string> AdminPut(const std::string& socket_path, const std::string& target,
                                     const std::string& body);

std::string PrometheusText(const Snapshot& snapshot, bool ready);
std::string StatsJson(const Snapshot& snapshot);
// The way back, for the sluice program. Families that the text does not have are 0.
absl::StatusOr<Snapshot> ParseStats(const std::string& json);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_ADMIN_H_
