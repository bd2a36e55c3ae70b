#include "core/server/kerberos.h"

#include "absl/strings/str_cat.h"
#include "auth/kerberos_acceptor.h"

namespace sluice::server {

absl::StatusOr<std::unique_ptr<auth::GssAcceptor>> OpenKerberos(const Options& options) {
  if (!ConfiguredMechanisms(options).Has(auth::Mechanism::kGssapi)) return nullptr;
  return auth::KerberosAcceptor::Open(
      {.keytab = options.gssapi.keytab,
       .principal = options.gssapi.principal,
       .hostname = options.hostname,
       .replay_cache = absl::StrCat(options.state_dir, "/gssapi.replay")});
}

}  // namespace sluice::server
