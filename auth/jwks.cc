#include "auth/jwks.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "auth/json_object.h"
#include "core/base/base64.h"

namespace sluice::auth {
namespace {

using nlohmann::json;

absl::Status Wrong(std::string_view text) { return absl::InvalidArgumentError(text); }

// A text member that may be missing: empty then.
absl::StatusOr<std::string> OptionalText(const json& key, const char* name) {
  if (FindMember(key, name) == nullptr) return std::string();
  const std::string* text = FindText(key, name);
  if (text == nullptr || text->empty()) {
    return Wrong(absl::StrCat(name, " is no text, or empty"));
  }
  return *text;
}

absl::StatusOr<std::string> Number(const json& key, const char* name) {
  const std::string* text = FindText(key, name);
  if (text == nullptr) return Wrong(absl::StrCat(name, " is missing"));
  std::string bytes(Base64UrlDecodedBytesMax(text->size()), '\0');
  const ptrdiff_t size = Base64UrlDecode(*text, bytes);
  if (size < 0) return Wrong(absl::StrCat(name, " is not base64url without padding"));
  bytes.resize(static_cast<size_t>(size));
  return bytes;
}

// Which algorithm a key is for by its type and curve; nothing: none of ours.
std::optional<JwsAlgorithm> AlgorithmOf(std::string_view type, std::string_view curve) {
  if (type == "RSA") return JwsAlgorithm::kRs256;
  if (type == "EC" && curve == "P-256") return JwsAlgorithm::kEs256;
  if (type == "OKP" && curve == "Ed25519") return JwsAlgorithm::kEdDsa;
  return std::nullopt;
}

// `use` and `key_ops`: what the issuer says the key is for (RFC 7517 sections 4.2 and 4.3).
absl::StatusOr<bool> IsForSignatures(const json& key) {
  const auto use = OptionalText(key, "use");
  if (!use.ok()) return use.status();
  const json* operations = FindMember(key, "key_ops");
  if (operations != nullptr && !operations->is_array()) return Wrong("key_ops is no list");
  const bool may_verify = operations == nullptr || std::find(operations->begin(), operations->end(),
                                                             json("verify")) != operations->end();
  return (use->empty() || *use == "sig") && may_verify;
}

// nullptr: not for us.
absl::StatusOr<std::unique_ptr<JwsKey>> MakeKey(const json& key) {
  const std::string* type = FindText(key, "kty");
  if (type == nullptr) return Wrong("kty is missing");
  const auto curve = OptionalText(key, "crv");
  if (!curve.ok()) return curve.status();
  const auto name = OptionalText(key, "alg");
  if (!name.ok()) return name.status();
  const auto for_signatures = IsForSignatures(key);
  if (!for_signatures.ok()) return for_signatures.status();
  const std::optional<JwsAlgorithm> algorithm = AlgorithmOf(*type, *curve);
  if (!algorithm.has_value() || !*for_signatures ||
      (!name->empty() && *name != NameOf(*algorithm))) {
    return nullptr;
  }
  if (FindMember(key, "d") != nullptr) {
    return Wrong("it is a private key (d); give the public ones, and treat this one as known");
  }
  if (*algorithm == JwsAlgorithm::kRs256) {
    const auto modulus = Number(key, "n");
    if (!modulus.ok()) return modulus.status();
    const auto exponent = Number(key, "e");
    if (!exponent.ok()) return exponent.status();
    return JwsKey::Rsa(*modulus, *exponent);
  }
  const auto x = Number(key, "x");
  if (!x.ok()) return x.status();
  if (*algorithm == JwsAlgorithm::kEdDsa) return JwsKey::Ed25519(*x);
  const auto y = Number(key, "y");
  if (!y.ok()) return y.status();
  return JwsKey::P256(*x, *y);
}

}  // namespace

absl::StatusOr<Jwks> Jwks::Parse(ByteView text) {
  if (text.size() > kJwksBytesMax) {
    return Wrong(absl::StrCat("is larger than ", kJwksBytesMax, " octets"));
  }
  const auto set = ParseJsonObject(text);
  if (!set.ok()) return set.status();
  const json* list = FindMember(*set, "keys");
  if (list == nullptr || !list->is_array()) return Wrong("has no list \"keys\" (RFC 7517)");

  Jwks jwks;
  for (size_t i = 0; i < list->size(); i++) {
    const json& item = (*list)[i];
    std::string where = absl::StrCat("key ", i + 1);
    if (!item.is_object()) return Wrong(absl::StrCat(where, ": is no object"));
    auto id = OptionalText(item, "kid");
    if (id.ok() && id->size() > kKeyIdBytesMax) id = Wrong("kid is too long");
    if (!id.ok()) return Wrong(absl::StrCat(where, ": ", id.status().message()));
    if (!id->empty()) absl::StrAppend(&where, " (\"", *id, "\")");
    auto made = MakeKey(item);
    if (!made.ok()) return Wrong(absl::StrCat(where, ": ", made.status().message()));
    if (*made == nullptr) {
      jwks.left_out_++;
      continue;
    }
    const bool twice = !id->empty() && std::any_of(jwks.keys_.begin(), jwks.keys_.end(),
                                                   [&](const Key& key) { return key.id == *id; });
    if (twice) return Wrong(absl::StrCat(where, ": another key has this kid"));
    if (jwks.keys_.size() == kJwksKeysMax) {
      return Wrong(absl::StrCat("has more than ", kJwksKeysMax, " keys"));
    }
    jwks.keys_.push_back({*std::move(id), *std::move(made)});
  }
  if (jwks.keys_.empty()) {
    return Wrong(absl::StrCat("has no key for RS256, ES256 or EdDSA; ", jwks.left_out_,
                              " others are left out"));
  }
  return jwks;
}

}  // namespace sluice::auth
