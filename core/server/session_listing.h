// What the admin interface tells of the sessions, and how it ends some. Their sockets are direct
// descriptors, which neither ss nor lsof can see.
//
// A walk over the sessions asks one shard after the other, a slice at a time
// (Shard::LookAtSessions): the shard looks at a bounded number of slots a task and then goes on
// with its turn. A slot is looked at once and no session moves, so every session that is there from
// the beginning to the end of a walk is told exactly once.
#ifndef SLUICE_CORE_SERVER_SESSION_LISTING_H_
#define SLUICE_CORE_SERVER_SESSION_LISTING_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/json_writer.h"
#include "core/base/sock_addr.h"
#include "core/base/time.h"
#include "core/server/counters.h"

namespace sluice::server {

inline constexpr uint32_t kSessionListMax = 10'000;  // in one answer
inline constexpr uint32_t kSlotsASlice = 1024;       // about half a millisecond
inline constexpr uint32_t kEndedASlice = 64;         // each writes a reply: about a millisecond

// Where a walk goes on: "SHARD.SLOT".
struct SessionCursor {
  uint32_t shard = 0;
  uint32_t slot = 0;
};

struct SessionFilter {
  std::string login;  // as the server knows it; empty: any, also none
  SockAddr peer;      // !known(): any; its port 0: any
  std::optional<SessionState> state;
  std::optional<uint32_t> shard;
  uint64_t id = 0;  // 0: any
  uint32_t limit = 100;
  SessionCursor after;

  bool names_somebody() const { return !login.empty() || peer.known() || id != 0; }
};

// From a request's parameters: login, address (with a port or without), state, shard, id, limit,
// after. InvalidArgument says which one is wrong and what is expected.
using RequestParameters = std::multimap<std::string, std::string>;
absl::StatusOr<SessionFilter> ParseSessionFilter(const RequestParameters& parameters,
                                                 uint32_t shards);

struct ListedSession {
  uint64_t id = 0;  // as `session_id` in the event log
  uint32_t shard = 0;
  SockAddr peer;
  std::string login;  // empty: not logged in
  SessionState state = SessionState::kConnected;
  Duration age{};
  Duration idle{};          // since the client said something
  const char* tls = "";     // static: "TLSv1.3", or empty
  const char* cipher = "";  // likewise
  uint32_t messages = 0;    // acknowledged so far
};

struct SessionSlice {
  std::vector<ListedSession> found;
  uint32_t next_slot = 0;
  bool end = false;  // the shard has no more
};

std::string SessionIdText(uint64_t id);  // 16 hexadecimal digits
void AppendSessionJson(JsonWriter& json, const ListedSession& session);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_SESSION_LISTING_H_
