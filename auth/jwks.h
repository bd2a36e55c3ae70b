// Jwks: the keys that tokens are verified by, from a set of JSON Web Keys (RFC 7517).
//
//   {"keys": [{"kty": "EC", "crv": "P-256", "kid": "1", "x": "...", "y": "..."}, ...]}
//
// Those for RS256, ES256 and EdDSA with Ed25519 (RFC 7518, RFC 8037) are taken. Others, of another
// type, curve, `alg` or `use`, are left out and counted: an issuer may well have them. A key that
// is for us and wrong makes the whole set wrong, and so does a private one. One thread (JwsKey).
#ifndef SLUICE_AUTH_JWKS_H_
#define SLUICE_AUTH_JWKS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "auth/jws_key.h"
#include "core/base/bytes.h"

namespace sluice::auth {

inline constexpr size_t kJwksBytesMax = 256 * 1024;
inline constexpr size_t kJwksKeysMax = 64;  // that are taken
inline constexpr size_t kKeyIdBytesMax = 256;

class Jwks {
 public:
  struct Key {
    std::string id;  // `kid`; empty: it has none. No two keys have the same
    std::unique_ptr<JwsKey> key;
  };

  // At least one key is taken. InvalidArgument says which key it is, by its place from 1 on and its
  // kid, and what is wrong with it: "key 2 ("2026-11"): RSA with 1024 bits; expected 2048 to 4096".
  static absl::StatusOr<Jwks> Parse(ByteView text);

  const std::vector<Key>& keys() const { return keys_; }
  size_t left_out() const { return left_out_; }

 private:
  std::vector<Key> keys_;
  size_t left_out_ = 0;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_JWKS_H_
