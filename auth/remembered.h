// Remembered logins: passwords that were proved lately, each as a keyed digest.
//
// A client that logs in again with the same name and password pays one short HMAC instead of the
// slow function. What is kept tells nothing without the process's random key and is worth nothing
// after the record changes (a new version), after its time, or in another process. Only successes
// are remembered.
//
// Memory is fixed at construction: sets of four entries, chosen by a keyed hash of the login alone,
// so that a login never holds more than kPerLogin entries and pushes out nobody else's but its own
// set's. When a set is full the entry that ends first goes. One a shard; no locks.
#ifndef SLUICE_AUTH_REMEMBERED_H_
#define SLUICE_AUTH_REMEMBERED_H_

#include <array>
#include <cstdint>
#include <vector>

#include "auth/hmac_key.h"
#include "core/base/bytes.h"
#include "core/base/time.h"

namespace sluice::auth {

class RememberedLogins {
 public:
  struct Options {
    uint32_t entries = 16'384;    // rounded up to a power of two, at least 4; 32 octets each
    Duration keep = minutes(10);  // from the proof; a login does not prolong it; 0: never
  };
  static constexpr unsigned kPerLogin = 2;

  // Where an entry belongs and what it must equal. Made once an attempt, before the password moves
  // on to the verifier; it is not the password, but wipe it when done (the destructor does).
  struct Ticket {
    std::array<char, 16> digest{};
    uint64_t login_hash = 0;
    ~Ticket() { Wipe(digest.data(), digest.size()); }
  };

  // `key`: random octets of this process (32 or more); all shards may share them.
  RememberedLogins(ByteView key, const Options& options);

  // Both prepared (auth/prepare.h).
  Ticket MakeTicket(ByteView login, ByteView password) const;

  // Whether this name and password were proved against this version of the record, and lately.
  [[nodiscard]] bool Knows(const Ticket& ticket, uint64_t version, MonoTime now) const;

  void Remember(const Ticket& ticket, uint64_t version, MonoTime now);

  size_t bytes() const { return entries_.size() * sizeof(Entry); }

 private:
  struct Entry {
    std::array<char, 16> digest{};
    uint64_t version = 0;
    uint32_t login_tag = 0;
    uint32_t ends_s = 0;  // seconds of the monotonic clock; 0: free
  };
  static_assert(sizeof(Entry) == 32);
  static constexpr size_t kWays = 4;

  size_t SetOf(const Ticket& ticket) const;

  const HmacSha256Key key_;
  std::array<uint64_t, 2> hash_key_;
  const uint32_t keep_s_;
  std::vector<Entry> entries_;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_REMEMBERED_H_
