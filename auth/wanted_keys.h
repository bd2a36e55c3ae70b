// WantedKeys: which keys a record should have for the mechanisms that are offered. PLAIN and LOGIN
// are proved against SCRAM's, whichever there are.
#ifndef SLUICE_AUTH_WANTED_KEYS_H_
#define SLUICE_AUTH_WANTED_KEYS_H_

#include <array>
#include <string>

#include "auth/mechanism.h"
#include "auth/record.h"

namespace sluice::auth {

struct WantedKeys {
  std::array<bool, kScramHashCount> scram{};  // by ScramHash
  bool cram_md5 = false;
  std::string digest_realm;  // DIGEST-MD5 in this realm; empty: not wanted

  // `digest_realm`: that of DIGEST-MD5, where it is among them.
  static WantedKeys For(const MechanismSet& mechanisms, ByteView digest_realm);
  // Those of these that `record` lacks.
  WantedKeys MissingIn(const CredentialRecord& record) const;
  bool any() const;
  bool operator==(const WantedKeys&) const = default;
};

using Salts = std::array<std::array<char, kSaltBytes>, kScramHashCount>;

// Gives `record` these keys of a prepared password; with SCRAM's it needs no foreign hash any more.
// `login`: canonical. `salts`: random. Slow: a millisecond or more a hash.
void AddKeys(const WantedKeys& keys, ByteView login, ByteView password, const Salts& salts,
             uint32_t iterations, CredentialRecord& record);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_WANTED_KEYS_H_
