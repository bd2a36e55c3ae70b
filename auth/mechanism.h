// The SASL mechanisms by name, and what the rest of the server must know of each (RFC 4422).
//
// Pure data. An `[auth] mechanisms` list is a MechanismSet; SMTP prints the set's names in its EHLO
// answer and AUTH finds the mechanism a client asks for.
#ifndef SLUICE_AUTH_MECHANISM_H_
#define SLUICE_AUTH_MECHANISM_H_

#include <cstdint>
#include <optional>
#include <span>

#include "auth/hash.h"
#include "core/base/bytes.h"

namespace sluice::auth {

enum class Mechanism : uint8_t {
  kScramSha512Plus,
  kScramSha512,
  kScramSha256Plus,
  kScramSha256,
  kScramSha1Plus,
  kScramSha1,
  kCramMd5,
  kDigestMd5,
  kPlain,
  kLogin,
  kGssapi,
  kOauthBearer,
  kXoauth2,
  kExternal,
};
inline constexpr size_t kMechanismCount = 14;

struct MechanismInfo {
  Mechanism mechanism;
  ByteView name;                   // as in EHLO, upper case
  bool plaintext_password;         // 538 5.7.11 without TLS, unless allowed there
  std::optional<ScramHash> scram;  // SCRAM with this hash
  // -PLUS: bound to the TLS channel (RFC 5802 section 6). It is not configured but goes with the
  // mechanism of the same hash.
  bool plus;
  bool token = false;  // shows a token of an issuer's, and wants no key of the record
  bool guessable = true;  // whoever knows the password is in: it can be guessed
};

// All mechanisms: those with a password, strongest first, then those without.
std::span<const MechanismInfo> Mechanisms();
const MechanismInfo& Info(Mechanism mechanism);

// By name in any case (RFC 4954 section 4); nothing for a name that no mechanism has.
std::optional<Mechanism> FindMechanism(ByteView name);

// The one with channel binding beside `mechanism`; nothing where there is none.
std::optional<Mechanism> PlusOf(Mechanism mechanism);

class MechanismSet {
 public:
  static constexpr MechanismSet Of(Mechanism mechanism) {
    MechanismSet set;
    set.Add(mechanism);
    return set;
  }
  constexpr void Add(Mechanism mechanism) { bits_ |= Bit(mechanism); }
  constexpr bool Has(Mechanism mechanism) const { return (bits_ & Bit(mechanism)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool operator==(const MechanismSet&) const = default;

 private:
  static constexpr uint32_t Bit(Mechanism mechanism) {
    return 1u << static_cast<unsigned>(mechanism);
  }
  uint32_t bits_ = 0;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_MECHANISM_H_
