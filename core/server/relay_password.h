// The password by which the relay logs in to its next hops: the first line of relay.password_file.
#ifndef SLUICE_CORE_SERVER_RELAY_PASSWORD_H_
#define SLUICE_CORE_SERVER_RELAY_PASSWORD_H_

#include "absl/status/statusor.h"
#include "auth/secret.h"
#include "core/server/options.h"

namespace sluice::server {

// Blocking. The status says what is wrong with the file.
absl::StatusOr<auth::Secret> LoadRelayPassword(const RelayOptions& options);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_RELAY_PASSWORD_H_
