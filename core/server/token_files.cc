#include "core/server/token_files.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/server/tls_files.h"

namespace sluice::server {

absl::StatusOr<std::vector<std::shared_ptr<auth::TokenVerifier>>> LoadTokenVerifiers(
    const Options& options, uint32_t shards) {
  std::vector<std::shared_ptr<auth::TokenVerifier>> verifiers(shards);
  if (!TakesTokens(options)) return verifiers;
  const OauthOptions& oauth = options.oauth;
  const auto text = ReadFile(oauth.jwks_file);
  if (!text.ok())
    return absl::Status(text.status().code(),
                        absl::StrCat("oauth.jwks_file: ", text.status().message()));
  for (auto& verifier : verifiers) {
    auto keys = auth::Jwks::Parse(*text);
    if (!keys.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("oauth.jwks_file: ", oauth.jwks_file, ": ", keys.status().message()));
    }
    verifier = std::make_shared<auth::TokenVerifier>(
        *std::move(keys), auth::TokenRules{.issuer = oauth.issuer,
                                           .audience = oauth.audience,
                                           .login_claim = oauth.login_claim,
                                           .clock_skew = oauth.clock_skew,
                                           .scope = oauth.scope,
                                           .openid_configuration = oauth.openid_configuration});
  }
  return verifiers;
}

std::string DescribeKeys(const auth::Jwks& keys) {
  std::string words = absl::StrCat(keys.keys().size(), " of oauth.jwks_file");
  if (keys.left_out() > 0)
    absl::StrAppend(&words, ", ", keys.left_out(), " left out (of other types or uses)");
  return words;
}

}  // namespace sluice::server
