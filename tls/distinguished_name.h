// A certificate's subject as text (RFC 4514), for comparing with a name that an operator has
// written down.
#ifndef SLUICE_TLS_DISTINGUISHED_NAME_H_
#define SLUICE_TLS_DISTINGUISHED_NAME_H_

#include <string>

#include "core/base/bytes.h"

namespace sluice::tls {

inline constexpr size_t kNameTextBytesMax = 1024;

// The text of a name: the octets inside its outer SEQUENCE (RFC 5280 4.1.2.4). "CN=ann,O=Example\,
// Inc.,C=DE", as `openssl x509 -noout -subject -nameopt RFC2253,-esc_msb` prints it. Two names with
// one text are the same name. Empty for a name that is empty, malformed, too long, or has what
// cannot be told safely in text: an attribute other than CN, C, L, ST, O, OU, DC, UID and
// emailAddress, a string that is neither ASCII nor UTF-8, a control character.
std::string NameText(ByteView rdn_sequence);

}  // namespace sluice::tls

#endif  // SLUICE_TLS_DISTINGUISHED_NAME_H_
