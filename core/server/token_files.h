// [oauth]: the issuer's keys from their file, made into verifiers of tokens: at start, at reload,
// for `sluice check`.
#ifndef SLUICE_CORE_SERVER_TOKEN_FILES_H_
#define SLUICE_CORE_SERVER_TOKEN_FILES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "auth/jwt.h"
#include "core/server/options.h"

namespace sluice::server {

// One verifier a shard: they are not shared between threads. nullptr where no mechanism is shown a
// token. NotFound or PermissionDenied name the file, InvalidArgument says what is wrong in it.
absl::StatusOr<std::vector<std::shared_ptr<auth::TokenVerifier>>> LoadTokenVerifiers(
    const Options& options, uint32_t shards);

// What an operator should know of the keys: "3 keys of oauth.jwks_file, 1 left out (...)".
std::string DescribeKeys(const auth::Jwks& keys);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_TOKEN_FILES_H_
