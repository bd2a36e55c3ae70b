// The configuration's Kerberos keys, as the server uses them and `sluice check` tries them.
#ifndef SLUICE_CORE_SERVER_KERBEROS_H_
#define SLUICE_CORE_SERVER_KERBEROS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "auth/gss_acceptor.h"
#include "core/server/options.h"

namespace sluice::server {

// nullptr where no listener offers GSSAPI. Fails where the keytab cannot be used. Blocking.
absl::StatusOr<std::unique_ptr<auth::GssAcceptor>> OpenKerberos(const Options& options);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_KERBEROS_H_
