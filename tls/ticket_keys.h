// TicketKeys: the keys that seal session tickets (RFC 5077, RFC 8446 4.6.1), an immutable snapshot.
//
// All shards, and later all nodes, hold the same snapshot, so a client may resume at any of them. The server
// keeps it in a file (Encode, Decode) and swaps a rotated one into its contexts. There are three keys: tickets
// are sealed with `current`; those sealed with `previous` (it was current one period ago) and `next` (current at
// a node that rotated first) are still opened; all others are declined, which costs the client a full handshake
// and nothing else. So a ticket is good for at least one period, and at most two after it was made.
//
// Pure: time and randomness are arguments. Any thread.
#ifndef SLUICE_TLS_TICKET_KEYS_H_
#define SLUICE_TLS_TICKET_KEYS_H_

#include <array>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/base/random.h"
#include "core/base/time.h"

namespace sluice::tls {

struct TicketKey {
  std::array<char, 16> name;  // stands in clear in the ticket; never all zeros
  std::array<char, 32> key;   // AES-256-GCM

  bool operator==(const TicketKey&) const = default;
  ~TicketKey() { Wipe(key.data(), key.size()); }
};

class TicketKeys {
 public:
  // Three fresh keys, current since `now`.
  static TicketKeys Generate(RandomFill random, WallTime now);

  // What Encode wrote. InvalidArgument says what is wrong with the bytes (length, magic, checksum, version).
  static absl::StatusOr<TicketKeys> Decode(ByteView bytes);
  std::string Encode() const;  // holds secrets: wipe it, and the file is for its owner alone (0600)

  // Whether `current` has served its period. A clock that went back says no.
  bool RotationDue(WallTime now, Duration period) const { return now - current_since_ >= period; }

  // The snapshot to use from `now` on: next becomes current, current previous. When more than two periods went
  // by (the server was down) nothing old is kept: all three are fresh.
  TicketKeys Rotated(RandomFill random, WallTime now, Duration period) const;

  const TicketKey& current() const { return keys_[0]; }
  // The key of that name (16 octets), or nullptr when it is not one of the three.
  const TicketKey* Find(ByteView name) const;
  WallTime current_since() const { return current_since_; }

  bool operator==(const TicketKeys&) const = default;

 private:
  TicketKeys() = default;

  std::array<TicketKey, 3> keys_;  // current, previous, next
  WallTime current_since_;
};

}  // namespace sluice::tls

#endif  // SLUICE_TLS_TICKET_KEYS_H_
