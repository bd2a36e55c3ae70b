// What the commands of `sluice user` share: names and passwords as they are stored, the store, and
// how they fail.
#ifndef SLUICE_TOOLS_SLUICE_USER_STORE_H_
#define SLUICE_TOOLS_SLUICE_USER_STORE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "auth/lmdb_store.h"
#include "auth/prepare.h"
#include "auth/record.h"
#include "auth/secret.h"
#include "core/server/options.h"
#include "tools/sluice/user.h"

namespace sluice::users {

// A name as it is stored; the error says what is wrong with it.
absl::StatusOr<std::string> LoginOf(const std::string& name, auth::Purpose purpose);

// Whether SetKeys() could make keys of it; the error says what is wrong.
absl::Status CheckPassword(const server::Options& options, const auth::Secret& password);

// Whether a configured mechanism can be proved by what `record` has; where it has no keys, whether
// one of them wants none.
bool ServesSome(const server::Options& options, const auth::CredentialRecord& record);

// Gives `record` the keys of a new password that the configured mechanisms need; those of an old
// one go. Takes a millisecond or more a hash.
absl::Status SetKeys(const server::Options& options, ByteView login, const auth::Secret& password,
                     auth::CredentialRecord& record);

// "SCRAM-SHA-256" for its keys.
ByteView NameOf(auth::ScramHash hash);

absl::StatusOr<std::unique_ptr<auth::LmdbStore>> OpenStore(const server::Options& options);
absl::Status ExistsAlready(const std::string& login);

// These say why on standard error and throw CLI::RuntimeError with the exit code.
[[noreturn]] void Fail(ByteView command, const absl::Status& status, int code);
[[noreturn]] void Fail(ByteView command, const absl::Status& status);
// Of looking for one user: NotFound is the user, not the store.
[[noreturn]] void FailForUser(ByteView command, const absl::Status& status);
server::Options Load(ByteView command, const std::string& config);
std::unique_ptr<auth::LmdbStore> MustOpen(ByteView command, const server::Options& options);

}  // namespace sluice::users

#endif  // SLUICE_TOOLS_SLUICE_USER_STORE_H_
