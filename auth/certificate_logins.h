// CertificateLogins: whose a client certificate is: what EXTERNAL may log in as (RFC 4422 appendix
// A).
//
// Who is configured by the certificate's fingerprint, else by its subject, is that login and no
// other. Without either the certificate itself says it: each e-mail address in its subjectAltName
// is a login. Immutable; any thread.
#ifndef SLUICE_AUTH_CERTIFICATE_LOGINS_H_
#define SLUICE_AUTH_CERTIFICATE_LOGINS_H_

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/base/bytes.h"

namespace sluice::auth {

// As an operator writes a SHA-256 fingerprint: 64 hexadecimal digits in any case, with or without
// colons between pairs. As it is compared: lower case, no colons. Nothing for any other text.
std::optional<std::string> ParseFingerprint(ByteView text);

class CertificateLogins {
 public:
  // `login`: as an operator writes it. False: no login, or there is another for this fingerprint or
  // subject.
  [[nodiscard]] bool AddFingerprint(ByteView fingerprint,
                                    ByteView login);  // REQUIRES: as ParseFingerprint gives it
  [[nodiscard]] bool AddSubject(ByteView subject, ByteView login);

  // The canonical logins of a certificate that is known to be good. The first is its owner where no
  // other is asked for; none: nobody.
  std::vector<std::string> Of(ByteView fingerprint, ByteView subject,
                              std::span<const std::string> emails) const;

 private:
  using Logins = absl::flat_hash_map<std::string, std::string>;
  static bool Add(Logins& logins, ByteView key, ByteView login);

  Logins by_fingerprint_;
  Logins by_subject_;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_CERTIFICATE_LOGINS_H_
