// Self-signed certificates, for `sluice init` and for tests. A mail client will ask its user whether to trust one.
#ifndef SLUICE_TLS_SELF_SIGNED_H_
#define SLUICE_TLS_SELF_SIGNED_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/time.h"
#include "tls/identity.h"

namespace sluice::tls {

struct SelfSignedOptions {
  // DNS names, a wildcard allowed, the subject first; at least one. "localhost", 127.0.0.1 and ::1 are added.
  std::vector<std::string> names;
  KeyKind kind = KeyKind::kEcdsaP256;  // kRsa: 2048 bits, takes about a second to make
  int days = 825;                      // the longest that common clients accept
};

// Certificate and key as PEM, valid from a day before the present (clocks differ). REQUIRES: Init() succeeded.
absl::StatusOr<IdentityPem> MakeSelfSigned(const SelfSignedOptions& options);

}  // namespace sluice::tls

#endif  // SLUICE_TLS_SELF_SIGNED_H_
