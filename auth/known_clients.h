// KnownClients: from where each login has lately come, so that somebody else's guesses need not
// keep its owner out.
//
// One line a login (auth/line_table.h) with the last seven networks that it succeeded from: 40 bits
// of a keyed hash each and the day. Two networks of a login look alike once in 2^40 / 7. A network
// is known for kKnownDays. A table that is full forgets some login for a new one.
//
// Any thread, each call.
#ifndef SLUICE_AUTH_KNOWN_CLIENTS_H_
#define SLUICE_AUTH_KNOWN_CLIENTS_H_

#include <cstdint>

#include "auth/line_table.h"

namespace sluice::auth {

class KnownClients final : public LineTable {
 public:
  static constexpr unsigned kKnownDays = 30;

  KnownClients(ByteView secret, uint32_t lines) : LineTable(secret, lines, WhenFull::kReplace) {}

  // `login`, `network`: by NameKey.
  bool Knows(uint64_t login, uint64_t network, WallTime now) const;
  // The network takes the place of the one that was longest not seen. Mostly a read: a line changes
  // once a day.
  void Learn(uint64_t login, uint64_t network, WallTime now);
  void Forget(uint64_t login);

 private:
  bool Means(uint64_t key, const uint64_t (&words)[kLineWords], WallTime now) const override;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_KNOWN_CLIENTS_H_
