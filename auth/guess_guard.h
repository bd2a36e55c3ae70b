// GuessGuard: who guesses passwords, and what is done about it; one for the process, for all
// shards.
//
// A failed login counts for four at once: its login from its address, its address (once for each
// login that fails from there: many customers may share one, and each may have a stale password),
// its login wherever it comes from, and the server. Each has a limit. From half of a limit on,
// failures are answered later and later; at the limit a login is refused before its password is
// looked at, right or wrong, and by the time that is learnt the client has its 421. What is refused
// counts no further, so at most the limit is guessed in each window, plus what was under way when
// it was reached.
//
//   the login is known   Meet(login, peer)       its names, once an attempt
//                        Check(visitor)          kRefused: do not look at the password
//   before a hash        Enter(visitor)          a place among the verifiers' jobs, or 454
//   proved               Check(visitor) again    it was right, but others were tried meanwhile
//                        Succeeded(visitor)
//   failed               Failed(visitor)         and how much later than usual to say so
//
// A **known client**, from whose network the login has lately succeeded (auth/known_clients.h), is
// kept out by nobody else's guesses: only what is guessed of that login from that very address
// counts, and five times as much of it is let by.
//
// Unknown logins count like known ones: nothing is told. Memory is bounded, whatever is tried: a
// table without room forgets some other count.
//
// Any thread, each call; no lock. Times are the wall clock's.
#ifndef SLUICE_AUTH_GUESS_GUARD_H_
#define SLUICE_AUTH_GUESS_GUARD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "auth/known_clients.h"
#include "auth/meters.h"
#include "core/base/bytes.h"
#include "core/base/network.h"
#include "core/base/sock_addr.h"
#include "core/base/time.h"

namespace sluice::auth {

// How many failed logins there may be; 0: any number.
struct GuessLimits {
  uint32_t login_from_address = 20;   // an hour: of one login from one address
  uint32_t logins_from_address = 30;  // an hour: different logins that fail from one address (IPv6:
                                      // a /64; four times as many from a /56, 16 from a /48)
  uint32_t login = 200;               // an hour: of one login, from wherever
  uint32_t server = 0;                // a minute: of all
  Duration slowest = seconds(20);     // what is added to the answer just below a limit
  uint32_t counters = 1 << 18;        // places for what is counted, 64 octets each
  uint32_t known_logins = 1 << 20;    // places for known clients' logins, 64 octets each
};

// Of the passwords that wait for the verifiers, how many there may be of one login, and from one
// address; 0: any number.
struct WaitingLimits {
  uint32_t login = 128;
  uint32_t address = 256;
};

// What is counted.
enum class GuessBy : uint8_t {
  kLoginFromAddress,
  kLoginsFromAddress,
  kLoginsFromBlock,       // an IPv6 /56 ...
  kLoginsFromLargeBlock,  // ... and /48
  kLogin,
  kServer,
};
inline constexpr size_t kGuessBys = 6;

class GuessGuard {
 public:
  // `secret`: what names in the table of known clients are hashed with, 32 octets.
  GuessGuard(const GuessLimits& limits, const WaitingLimits& waiting, ByteView secret);
  GuessGuard(const GuessGuard&) = delete;
  GuessGuard& operator=(const GuessGuard&) = delete;

  // A login as it comes from an address, by the keys of all that it counts for.
  struct Visitor {
    uint64_t keys[kGuessBys] = {};  // 0: there is none
    uint64_t login = 0;
    uint64_t network = 0;  // as known clients are known
    uint64_t address = 0;
  };
  // `login`: canonical; empty where it is not known: then only Enter has a use. A microsecond's
  // half.
  Visitor Meet(ByteView login, const SockAddr& peer) const;

  struct Standing {
    std::optional<GuessBy> refused;  // by what it is
    Duration slower{};               // than usual, if it fails
  };
  Standing Check(const Visitor& visitor, WallTime now) const;

  // What a failure was the last one to be let by for, one bit a GuessBy: worth a line in a log.
  uint32_t Failed(const Visitor& visitor, WallTime now);
  void Succeeded(const Visitor& visitor, WallTime now);

  // A job's place among those that wait for the verifiers; given back at its end.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept { *this = std::move(other); }
    Place& operator=(Place&& other) noexcept;
    ~Place() { Leave(); }
    void Leave();

   private:
    friend class GuessGuard;
    Levels* levels_ = nullptr;
    uint64_t login_ = 0;  // 0: none
    uint64_t address_ = 0;
  };
  // nullopt: there are as many as may be of that login, or from that address.
  std::optional<Place> Enter(const Visitor& visitor);

  // --- for operators ---
  struct Count {
    uint64_t failed = 0;
    uint64_t limit = 0;
    WallTime until;  // refused until then; `now` when it is not
  };
  Count Get(const Visitor& visitor, GuessBy by, WallTime now) const;
  void Clear(const Visitor& visitor, GuessBy by);
  void ClearAll() { failures_.ForgetAll(); }

  KnownClients& known_clients() { return known_; }

 private:
  bool Knows(const Visitor& visitor, WallTime now) const;
  uint64_t LimitOf(GuessBy by, bool known) const;

  const GuessLimits limits_;
  const WaitingLimits waiting_limits_;
  Meters failures_;
  KnownClients known_;
  Levels waiting_;
};

// Why who comes is refused, for a log: "refused: too many failed logins of this login from this
// address".
ByteView Explain(GuessBy by);
// "10 failed logins of alice@example.org from 192.0.2.7 in an hour", for a log. An empty login is
// one that is not to be shown.
std::string Describe(GuessBy by, uint64_t count, ByteView login, const SockAddr& peer);
// The address or block that is counted, "2001:db8::/64"; empty where it is not one.
std::string BlockText(GuessBy by, const SockAddr& peer);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_GUESS_GUARD_H_
