// CredentialRecord: what the store keeps of one user, and its octets.
//
// It holds derived keys and never the password (RFC 5802 section 3), so that a stolen store gives
// nobody a login without guessing. The octets are a format number and then fields:
//
//   record = %d1 *field
//   field  = type(2, little-endian) length(2, little-endian) value(length)
//
// A reader keeps a field it does not know and writes it back as it was, so an older `sluice user
// passwd` does not lose what a newer one stored. Types from kCriticalField on restrict the user: a
// reader that does not know one of these must not let the user in, and Decode fails. The types are
// in record.cc.
#ifndef SLUICE_AUTH_RECORD_H_
#define SLUICE_AUTH_RECORD_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auth/hash.h"
#include "auth/mechanism.h"
#include "auth/rate_limit.h"
#include "core/base/bytes.h"
#include "core/base/network.h"
#include "core/base/time.h"

namespace sluice::auth {

inline constexpr uint32_t kIterationsDefault = 10'000;
inline constexpr uint32_t kIterationsMax = 10'000'000;  // bounds the work a record can ask for
inline constexpr size_t kSaltBytes = 16;                // what we make
inline constexpr size_t kSaltBytesMax = 64;             // what we read
inline constexpr size_t kForeignHashBytesMax = 512;
inline constexpr size_t kRecordBytesMax = 32 * 1024;
inline constexpr uint16_t kCriticalField = 0x8000;

// What SCRAM needs of a password with one hash (RFC 5802 section 3): PLAIN and LOGIN are checked
// against the same keys. Make them with DeriveScramKeys (auth/scram_keys.h). Both keys only ever
// key an HMAC, whose states after their block are kept beside them (HmacKey::AppendStates).
struct ScramKeys {
  ScramHash hash = ScramHash::kSha256;
  uint8_t salt_bytes = 0;
  uint32_t iterations = 0;
  std::array<char, kSaltBytesMax> salt{};
  // Of the next four the first octets count: DigestBytes(hash), and for states twice as many.
  std::array<char, kDigestBytesMax> stored_key{};
  std::array<char, kDigestBytesMax> server_key{};
  std::array<char, 2 * kDigestBytesMax> stored_key_states{};
  std::array<char, 2 * kDigestBytesMax> server_key_states{};

  ByteView salt_view() const { return ByteView(salt.data(), salt_bytes); }
  ByteView stored_key_view() const { return ByteView(stored_key.data(), DigestBytes(hash)); }
  ByteView server_key_view() const { return ByteView(server_key.data(), DigestBytes(hash)); }
  ByteView stored_key_states_view() const {
    return ByteView(stored_key_states.data(), 2 * DigestBytes(hash));
  }
  ByteView server_key_states_view() const {
    return ByteView(server_key_states.data(), 2 * DigestBytes(hash));
  }
  bool operator==(const ScramKeys&) const = default;
};

// The states of HMAC-MD5 keyed with the password (HmacKey<Md5>): all that CRAM-MD5 needs. Who has
// them can log in by CRAM-MD5, so a record has them only where the operator wants that mechanism,
// or has imported them. Where a record has nothing else, PLAIN and LOGIN are proved by them.
using CramMd5States = std::array<char, 32>;

// What bounds a login beside what all have in common.
struct LoginLimits {
  std::vector<RateLimit> rates;   // at most one of a kind; those not here are as configured
  uint32_t connections = 0;       // at a time; 0: as configured
  uint32_t recipients = 0;        // of a message; likewise
  uint64_t message_bytes = 0;     // likewise
  std::vector<Network> networks;  // where it may log in from; empty: anywhere
  std::optional<OverPolicy> over_limit;  // of its own rates and the common ones; as configured
  bool operator==(const LoginLimits&) const = default;
};

// H(user:realm:password): all that DIGEST-MD5 needs (auth/digest_md5.h), in that realm alone. As
// good as the password for it, like CRAM-MD5's states.
struct DigestMd5Key {
  DigestOf<Md5> hash{};
  std::string realm;
  bool operator==(const DigestMd5Key&) const = default;
};

struct CredentialRecord {
  // Differs for each change of each user, and is never used again by the store: a remembered login
  // is bound to it. Set by the store.
  uint64_t version = 0;

  std::array<std::optional<ScramKeys>, kScramHashCount> scram;  // by ScramHash
  std::optional<CramMd5States> cram_md5;
  std::optional<DigestMd5Key> digest_md5;
  // As another server stored the password (auth/foreign_hash.h): proves PLAIN and LOGIN for as long
  // as there are no SCRAM keys. Empty: none.
  std::string foreign_hash;
  std::string tenant;

  // Policy. Addresses and domains are canonical (auth/sender_policy.h).
  std::vector<std::string> addresses;
  std::vector<std::string> domains;
  // For whom it may act, by an authorization identity or AUTH= of MAIL: canonical logins,
  // "@example.net" for all of a domain, "*" for everybody.
  std::vector<std::string> acts_for;
  LoginLimits limits;
  MechanismSet mechanisms;  // by which it may log in; empty: by any
  bool disabled = false;
  bool suspended = false;  // as disabled, by who means to undo it; its queued mail waits, too
  // When and why, where it is suspended and that is known.
  WallTime suspended_at{};
  std::string suspended_why;
  bool null_sender_forbidden = false;

  std::string unknown_fields;  // whole fields, in their order

  std::optional<ScramKeys>& Scram(ScramHash hash) { return scram[static_cast<size_t>(hash)]; }
  const std::optional<ScramKeys>& Scram(ScramHash hash) const {
    return scram[static_cast<size_t>(hash)];
  }
  // Those that a password is proved against: SHA-256's, or whichever there are.
  const std::optional<ScramKeys>& PasswordKeys() const;

  [[nodiscard]] bool may_log_in() const { return !disabled && !suspended; }

  bool operator==(const CredentialRecord&) const = default;
};

// Appends the record's octets to `out`, known fields in a fixed order and then the unknown ones.
// False, with `out` as it was, when a part exceeds a field or the whole exceeds kRecordBytesMax.
[[nodiscard]] bool EncodeRecord(const CredentialRecord& record, std::string& out);

// Reads a record. False for anything but a well-formed record: an unknown format or critical field,
// a cut field, a field twice that may stand once, a key of a wrong size. `record` is then
// unspecified.
[[nodiscard]] bool DecodeRecord(ByteView bytes, CredentialRecord& record);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_RECORD_H_
