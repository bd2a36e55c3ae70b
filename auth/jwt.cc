#include "auth/jwt.h"

#include <algorithm>
#include <array>
#include <optional>

#include "auth/json_object.h"
#include "core/base/base64.h"
#include "core/base/check.h"

namespace sluice::auth {
namespace {

using nlohmann::json;

// A part of the token.
std::optional<std::string> Decode(ByteView text) {
  std::string bytes(Base64UrlDecodedBytesMax(text.size()), '\0');
  const ptrdiff_t size = Base64UrlDecode(text, bytes);
  if (size < 0) return std::nullopt;
  bytes.resize(static_cast<size_t>(size));
  return bytes;
}

bool IsFor(const json& audience, const std::string& wanted) {
  if (const auto* one = audience.get_ptr<const std::string*>()) return *one == wanted;
  return audience.is_array() &&
         std::find(audience.begin(), audience.end(), json(wanted)) != audience.end();
}

// NumericDate, which may have a fraction (RFC 7519 section 2).
std::optional<double> FindSeconds(const json& claims, const char* name) {
  const json* date = FindMember(claims, name);
  if (date == nullptr || !date->is_number()) return std::nullopt;
  return date->get<double>();
}

// True where it is missing: most issuers do not say. Some say it as text.
bool IsVerified(const json& claims) {
  const json* verified = FindMember(claims, "email_verified");
  return verified == nullptr || *verified == json(true) || *verified == json("true");
}

}  // namespace

ByteView Explain(TokenFault fault) {
  switch (fault) {
    case TokenFault::kNone:
      return "the token is good";
    case TokenFault::kMalformed:
      return "the token is no JSON Web Token in compact form";
    case TokenFault::kAlgorithm:
      return "the token's header asks for another algorithm than RS256, ES256 and EdDSA, or for an "
             "extension";
    case TokenFault::kKey:
      return "oauth.jwks_file has no key of this kid for the token's algorithm";
    case TokenFault::kSignature:
      return "the token's signature is wrong";
    case TokenFault::kClaims:
      return "a claim of the token is missing or of the wrong type";
    case TokenFault::kIssuer:
      return "the token's issuer is not oauth.issuer";
    case TokenFault::kAudience:
      return "the token is not for oauth.audience";
    case TokenFault::kExpired:
      return "the token has expired";
    case TokenFault::kNotYet:
      return "the token is not valid yet";
    case TokenFault::kUnverified:
      return "the issuer has not verified the token's address (email_verified)";
    case TokenFault::kLogin:
      return "the token has no claim oauth.login_claim that can be a login";
  }
  CHECK(false);
  return "";
}

TokenFault TokenVerifier::Verify(ByteView token, WallTime now, std::string& login) {
  if (token.size() > kTokenBytesMax) return TokenFault::kMalformed;
  const size_t header_end = token.find('.');
  if (header_end == ByteView::npos) return TokenFault::kMalformed;
  const size_t claims_end = token.find('.', header_end + 1);
  if (claims_end == ByteView::npos) return TokenFault::kMalformed;
  const ByteView header = token.substr(0, header_end);
  const ByteView claims = token.substr(header_end + 1, claims_end - header_end - 1);

  // A third dot is no octet of base64url, so an encrypted token fails here.
  const ByteView text = token.substr(claims_end + 1);
  std::array<char, kSignatureBytesMax> signature;
  if (Base64UrlDecodedBytesMax(text.size()) > signature.size()) return TokenFault::kMalformed;
  const ptrdiff_t bytes = Base64UrlDecode(text, signature);
  TokenFault fault = TokenFault::kMalformed;
  if (bytes >= 0) {
    fault = CheckSignature(header, token.substr(0, claims_end),
                           ByteView(signature.data(), static_cast<size_t>(bytes)));
  }
  Wipe(signature);
  return fault == TokenFault::kNone ? CheckClaims(claims, now, login) : fault;
}

TokenFault TokenVerifier::CheckSignature(ByteView header_text, ByteView message,
                                         ByteView signature) const {
  const std::optional<std::string> header_json = Decode(header_text);
  if (!header_json.has_value()) return TokenFault::kMalformed;
  const auto header = ParseJsonObject(*header_json);
  if (!header.ok()) return TokenFault::kMalformed;
  const std::string* name = FindText(*header, "alg");
  const auto algorithm = name == nullptr ? std::nullopt : FindJwsAlgorithm(*name);
  // An extension that is not understood must not be ignored, and none is (RFC 7515 section 4.1.11).
  if (!algorithm.has_value() || FindMember(*header, "crit") != nullptr) {
    return TokenFault::kAlgorithm;
  }
  // Keys that the header brings along or points at (`jwk`, `jku`, `x5c`) are the sender's, not the
  // issuer's: not looked at.
  const bool has_id = FindMember(*header, "kid") != nullptr;
  const std::string* id = FindText(*header, "kid");
  if (has_id && id == nullptr) return TokenFault::kMalformed;
  TokenFault fault = TokenFault::kKey;
  size_t tried = 0;
  for (const Jwks::Key& key : keys_.keys()) {
    if (key.key->algorithm() != *algorithm || (has_id && key.id != *id)) continue;
    if (key.key->Verify(message, signature)) return TokenFault::kNone;
    fault = TokenFault::kSignature;
    if (++tried == kKeysTriedMax) break;
  }
  return fault;
}

TokenFault TokenVerifier::CheckClaims(ByteView claims_text, WallTime now,
                                      std::string& login) const {
  const std::optional<std::string> claims_json = Decode(claims_text);
  if (!claims_json.has_value()) return TokenFault::kClaims;
  const auto parsed = ParseJsonObject(*claims_json);
  if (!parsed.ok()) return TokenFault::kClaims;
  const json& claims = *parsed;

  const std::string* issuer = FindText(claims, "iss");
  const json* audience = FindMember(claims, "aud");
  const std::optional<double> expires = FindSeconds(claims, "exp");
  if (issuer == nullptr || audience == nullptr || !expires.has_value()) return TokenFault::kClaims;
  if (*issuer != rules_.issuer) return TokenFault::kIssuer;
  if (!IsFor(*audience, rules_.audience)) return TokenFault::kAudience;

  using Seconds = std::chrono::duration<double>;
  const double time = Seconds(now.time_since_epoch()).count();
  const double skew = Seconds(rules_.clock_skew).count();
  if (time >= *expires + skew) return TokenFault::kExpired;
  for (const char* name : {"nbf", "iat"}) {
    if (FindMember(claims, name) == nullptr) continue;
    const std::optional<double> from = FindSeconds(claims, name);
    if (!from.has_value()) return TokenFault::kClaims;
    if (time < *from - skew) return TokenFault::kNotYet;
  }

  const std::string* name = FindText(claims, rules_.login_claim.c_str());
  if (name == nullptr || name->empty()) return TokenFault::kLogin;
  if (rules_.login_claim == "email" && !IsVerified(claims)) return TokenFault::kUnverified;
  login = *name;
  return TokenFault::kNone;
}

}  // namespace sluice::auth
