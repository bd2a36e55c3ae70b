// JwsKey: a public key that verifies signatures of JSON Web Signatures (RFC 7515).
//
// The key is of one algorithm and of no other, whatever a token says of itself. RS256 is
// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3), ES256 is ECDSA with P-256 and SHA-256
// (section 3.4), EdDSA is Ed25519 (RFC 8037). Verified by wolfCrypt, which keeps working state in
// its key objects: one thread at a time.
#ifndef SLUICE_AUTH_JWS_KEY_H_
#define SLUICE_AUTH_JWS_KEY_H_

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"

namespace sluice::auth {

enum class JwsAlgorithm : uint8_t { kRs256, kEs256, kEdDsa };

ByteView NameOf(JwsAlgorithm algorithm);  // as `alg` has it
// Nothing for every other name, "none" and those of MACs among them. Case counts.
std::optional<JwsAlgorithm> FindJwsAlgorithm(ByteView name);

inline constexpr size_t kRsaBitsMin = 2048;
inline constexpr size_t kRsaBitsMax = 4096;
inline constexpr size_t kSignatureBytesMax = kRsaBitsMax / 8;

class JwsKey {
 public:
  // Numbers as JWK has them, big-endian. InvalidArgument says what is wrong with the key.
  static absl::StatusOr<std::unique_ptr<JwsKey>> Rsa(ByteView modulus, ByteView exponent);
  static absl::StatusOr<std::unique_ptr<JwsKey>> P256(ByteView x, ByteView y);
  static absl::StatusOr<std::unique_ptr<JwsKey>> Ed25519(ByteView key);

  virtual ~JwsKey() = default;
  JwsKey(const JwsKey&) = delete;
  JwsKey& operator=(const JwsKey&) = delete;

  JwsAlgorithm algorithm() const { return algorithm_; }

  // `signature` as RFC 7518 has it: of the modulus' length; r and s of 32 octets each; 64 octets.
  [[nodiscard]] virtual bool Verify(ByteView message, ByteView signature) = 0;

 protected:
  explicit JwsKey(JwsAlgorithm algorithm) : algorithm_(algorithm) {}

 private:
  const JwsAlgorithm algorithm_;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_JWS_KEY_H_
