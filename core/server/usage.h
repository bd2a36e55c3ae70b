// Usage: how much logins, tenants and the whole server have sent, and whether they may send more.
//
// One for the process; shards ask and charge without locks (auth/meters.h). A session has an
// Account for whom its mail counts: the keys of its meters and the limits in force, worked out at
// login, so that a message without limits costs nothing and one with limits some dozen nanoseconds
// each.
//
// Sessions count as connections of their login whether it has a limit or not: one that is set later
// counts those that are there. Tenants' and the server's limits change only with the process, so
// theirs are counted where there is a limit: no word is written by all logins of all shards.
//
//   MAIL           Find(account, one message and SIZE=)    over: 450 4.7.1 with what and until when
//   RCPT           Find(account, the recipients so far)
//   end of data    Charge(account, all of it)              or over; Refund when it is not accepted
//
// What is to be held is charged too, up to twice the limit: beyond, it is throttled. So nobody
// fills the spool with mail that waits for an operator.
//
// A limit may be passed by what shards accept in the same instant: one message each.
#ifndef SLUICE_CORE_SERVER_USAGE_H_
#define SLUICE_CORE_SERVER_USAGE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "auth/authenticator.h"
#include "auth/meters.h"
#include "auth/rate_limit.h"
#include "core/server/options.h"

namespace sluice::server {

enum class Scope : uint8_t { kLogin, kTenant, kServer };
inline constexpr size_t kScopes = 3;

// What a message, or a part of one, counts as.
struct Amount {
  uint64_t messages = 0;
  uint64_t recipients = 0;
  uint64_t bytes = 0;
};

// A limit that would be passed, what is to be done about it, and when it would not be any more.
struct OverLimit {
  Scope scope = Scope::kLogin;
  auth::RateLimit limit;
  auth::OverPolicy policy = auth::OverPolicy::kThrottle;
  bool never = false;        // it is more by itself: no time will do. The policy is then kReject
  WallTime until;            // unless never
  std::string Name() const;  // "100 messages/minute of this login"
  // For a reply: "Throttling failure: more than 100 messages/minute of this login; try again after
  // 2026-11-27T01:02:03Z", or "By itself more than ...".
  std::string Describe() const;
};

class Usage;

// Whom a session's mail counts for. One that was opened counts as a connection of theirs while it
// lives. It must not outlive its Usage; one thread.
class Account {
 public:
  Account() = default;  // counts for nobody
  Account(Account&& other) noexcept { *this = std::move(other); }
  Account& operator=(Account&& other) noexcept;
  ~Account() { Leave(); }

 private:
  friend class Usage;
  struct Metered {
    uint64_t key;
    auth::RateLimit limit;
    Scope scope;
    auth::OverPolicy policy;
    // What may be charged in all.
    uint64_t bound() const { return policy == auth::OverPolicy::kHold ? 2 * limit.max : limit.max; }
  };
  void Leave();

  Usage* usage_ = nullptr;
  std::vector<Metered> meters_;
  std::array<uint64_t, kScopes> connections_{};  // levels to leave, by Scope; 0: none
};

class Usage {
 public:
  // `options` outlives the object. `secret`: auth/meters.h.
  Usage(const Options& options, ByteView secret);
  Usage(const Usage&) = delete;
  Usage& operator=(const Usage&) = delete;

  // The account of who logged in, as one more connection; nullopt: there are as many as may be.
  std::optional<Account> Open(const auth::Identity& identity);

  // The account of an open session whose login's record is another now: what that says counts from
  // here on, and the session goes on whatever connections there are.
  void Renew(Account& account, const auth::Identity& identity);

  // The account of somebody whose mail a session brings who is not logged in himself: no connection
  // of his.
  Account Of(const auth::Identity& identity) { return MakeAccount(identity, NameOf(identity)); }

  // The account of those who have not logged in: the server's rates count their mail too. It is no
  // connection of anybody's.
  Account OfAnybody();

  // The limit that `more` would pass. Of several one that it can never fit, then one that rejects,
  // then one that throttles; of those alike the one that holds longest.
  std::optional<OverLimit> Find(const Account& account, const Amount& more, WallTime now) const;
  // The same, and where there is none, or it says kHold, `more` counts.
  std::optional<OverLimit> Charge(const Account& account, const Amount& more, WallTime now);
  // Takes back what was charged at `then`.
  void Refund(const Account& account, const Amount& amount, WallTime then);

  // The largest message that its limits can ever take.
  static uint64_t MessageBytesMax(const Account& account);

  auth::Meters& meters() { return meters_; }

 private:
  friend class Account;
  struct Shared {  // of a tenant, or of the server
    uint64_t name = 0;
    const std::vector<auth::RateLimit>* rates = nullptr;
    auth::OverPolicy policy = auth::OverPolicy::kThrottle;
    uint32_t connections = 0;
  };

  void AddMeters(Account& account, uint64_t name, Scope scope, auth::OverPolicy policy,
                 const std::vector<auth::RateLimit>& rates) const;
  Account MakeAccount(const auth::Identity& identity, uint64_t name);
  uint64_t NameOf(const auth::Identity& identity) const;
  bool Enter(Account& account, Scope scope, uint64_t name, uint32_t max);
  const Shared* TenantOf(const auth::Identity& identity) const;

  const Options& options_;
  auth::Meters meters_;
  auth::Levels connections_;
  Shared server_;
  absl::flat_hash_map<std::string, Shared> tenants_;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_USAGE_H_
