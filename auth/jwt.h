// TokenVerifier: whether a JSON Web Token (RFC 7519) says who its bearer is, and who that is.
//
//   eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ . eyJpc3MiOiJodHRwczovL... . DtEhU3ljbEg8L38VWAfU...
//   {"alg":"ES256","kid":"1"}            {"iss":"https://...", ...}   signature of both parts
//
// A compact JWS (RFC 7515) of one of JwsKey's algorithms, whose claims are the configured issuer's,
// for the configured audience, at this time. Nobody is asked: a token that its issuer has revoked
// is good until it expires. The signature is checked before a claim is looked at. The octets of the
// signature, which make a token a secret, are wiped; header and claims are none without them.
//
// Pure: the time comes in. One thread (JwsKey).
#ifndef SLUICE_AUTH_JWT_H_
#define SLUICE_AUTH_JWT_H_

#include <string>

#include "auth/jwks.h"
#include "core/base/bytes.h"
#include "core/base/time.h"

namespace sluice::auth {

inline constexpr size_t kTokenBytesMax = 8192;
// A token without `kid` is tried with so many keys of its algorithm, the first ones.
inline constexpr size_t kKeysTriedMax = 4;

struct TokenRules {
  std::string issuer;                 // what `iss` must be
  std::string audience;               // what `aud` must be, or have among others
  std::string login_claim = "email";  // the claim that is the login
  Duration clock_skew = seconds(60);  // how far the issuer's clock may be from ours
  // For a client whose token is refused (RFC 7628 section 3.2.2); empty: not told.
  std::string scope;
  std::string openid_configuration;
};

// What was wrong with a token, in the order of looking.
enum class TokenFault : uint8_t {
  kNone,
  kMalformed,  // no three parts of base64url, no header, too long
  kAlgorithm,  // `alg` is none of ours, or the header asks for an extension (`crit`)
  kKey,        // no such key, or it is of another algorithm
  kSignature,
  kClaims,  // the claims are no JSON object, or one of them is of the wrong type or missing
  kIssuer,
  kAudience,
  kExpired,
  kNotYet,      // `nbf` or `iat` lies ahead
  kUnverified,  // the login is an address that the issuer has not verified (`email_verified`)
  kLogin,       // there is no such claim, or it is no text
};

// For the event log: "the token has expired".
ByteView Explain(TokenFault fault);

class TokenVerifier {
 public:
  TokenVerifier(Jwks keys, TokenRules rules) : keys_(std::move(keys)), rules_(std::move(rules)) {}

  // kNone: `login` is the claim as it stands, not prepared.
  [[nodiscard]] TokenFault Verify(ByteView token, WallTime now, std::string& login);

  const TokenRules& rules() const { return rules_; }
  const Jwks& keys() const { return keys_; }

 private:
  TokenFault CheckSignature(ByteView header, ByteView message, ByteView signature) const;
  TokenFault CheckClaims(ByteView claims, WallTime now, std::string& login) const;

  const Jwks keys_;
  const TokenRules rules_;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_JWT_H_
