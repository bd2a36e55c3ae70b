// Identity: a certificate chain and its private key, and what of them decides when it is used.
//
// Files are not read here: the caller gives their bytes and names, and messages use the names.
#ifndef SLUICE_TLS_IDENTITY_H_
#define SLUICE_TLS_IDENTITY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/base/time.h"

namespace sluice::tls {

struct IdentityPem {
  std::string chain_file;  // for messages
  std::string chain;       // PEM, the leaf first
  std::string key_file;    // for messages
  std::string key;         // PEM: PKCS#8, SEC 1 or PKCS#1; not encrypted

  ~IdentityPem() { Wipe(key.data(), key.size()); }  // and so is every copy
};

enum class KeyKind : uint8_t { kEcdsaP256, kEcdsaP384, kRsa };

// What a chain's leaf says.
struct CertificateFacts {
  std::vector<std::string> names;  // SAN dNSName in lower case; the CN where there is no SAN
  KeyKind kind = KeyKind::kEcdsaP256;
  uint32_t key_bits = 0;  // above 2048 with RSA is slow: `sluice check` warns
  std::string end_point;  // its hash as the channel binding "tls-server-end-point" (RFC 5929 section 4.1)
  WallTime not_before;
  WallTime not_after;
};

// Reads the first certificate of a PEM chain. InvalidArgument names `file` and says what is wrong. A key that is
// neither ECDSA on P-256 or P-384 nor RSA is refused.
absl::StatusOr<CertificateFacts> ReadCertificate(ByteView pem, const std::string& file);

// How well `pattern`, a name of a certificate, covers `host`, both in lower case.
enum class NameMatch : uint8_t { kNone, kWildcard, kExact };
// A wildcard stands for exactly one whole left-most label (RFC 6125 6.4.3): *.example.net.
NameMatch MatchName(ByteView pattern, ByteView host);

}  // namespace sluice::tls

#endif  // SLUICE_TLS_IDENTITY_H_
