#include "auth/jws_key.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include <array>
#include <bit>
#include <string>

#include "absl/strings/str_cat.h"
#include "auth/hash.h"
#include "core/base/check.h"

namespace sluice::auth {
namespace {

constexpr std::array<ByteView, 3> kNames = {"RS256", "ES256", "EdDSA"};

constexpr size_t kP256Bytes = 32;
constexpr size_t kExponentBytesMax = 4;  // a larger one only makes a verification dear

const byte* Bytes(ByteView view) { return reinterpret_cast<const byte*>(view.data()); }
word32 Size(ByteView view) { return static_cast<word32>(view.size()); }

class RsaPublicKey final : public JwsKey {
 public:
  explicit RsaPublicKey(ByteView modulus) : JwsKey(JwsAlgorithm::kRs256), modulus_(modulus) {
    CHECK(wc_InitRsaKey(&key_, nullptr) == 0);
  }
  ~RsaPublicKey() override { wc_FreeRsaKey(&key_); }

  bool Import(ByteView exponent) {
    return wc_RsaPublicKeyDecodeRaw(Bytes(modulus_), Size(modulus_), Bytes(exponent),
                                    Size(exponent), &key_) == 0;
  }

  // What the signature holds must be this one encoding to the last octet, with wolfCrypt's check of
  // the padding before it: nothing is parsed, so nothing can be hidden in it.
  bool Verify(ByteView message, ByteView signature) override {
    // Below the modulus by RFC 8017 section 5.2.2; not left to the library, which refuses it too.
    if (signature.size() != modulus_.size() || signature >= modulus_) return false;
    std::array<byte, kSignatureBytesMax> found;
    const int bytes = wc_RsaSSL_Verify(Bytes(signature), Size(signature), found.data(),
                                       static_cast<word32>(found.size()), &key_);
    if (bytes < 0) return false;
    constexpr ByteView kDigestInfo(  // DER of SHA-256 and the digest's head (RFC 8017 section 9.2)
        "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20", 19);
    std::string wanted(kDigestInfo);
    wanted += View(HashSha256(message));
    return ByteView(reinterpret_cast<const char*>(found.data()), static_cast<size_t>(bytes)) ==
           wanted;
  }

 private:
  RsaKey key_;
  const std::string modulus_;
};

class P256PublicKey final : public JwsKey {
 public:
  P256PublicKey() : JwsKey(JwsAlgorithm::kEs256) { CHECK(wc_ecc_init(&key_) == 0); }
  ~P256PublicKey() override { wc_ecc_free(&key_); }

  bool Import(ByteView x, ByteView y) {
    return wc_ecc_import_unsigned(&key_, Bytes(x), Bytes(y), nullptr, ECC_SECP256R1) == 0 &&
           wc_ecc_check_key(&key_) == 0;
  }

  bool Verify(ByteView message, ByteView signature) override {
    if (signature.size() != 2 * kP256Bytes) return false;
    std::array<byte, 2 * kP256Bytes + 16> der;
    auto der_bytes = static_cast<word32>(der.size());
    if (wc_ecc_rs_raw_to_sig(Bytes(signature), kP256Bytes, Bytes(signature.substr(kP256Bytes)),
                             kP256Bytes, der.data(), &der_bytes) != 0) {
      return false;
    }
    const Sha256Digest digest = HashSha256(message);
    int right = 0;
    return wc_ecc_verify_hash(der.data(), der_bytes, Bytes(View(digest)), Size(View(digest)),
                              &right, &key_) == 0 &&
           right == 1;
  }

 private:
  ecc_key key_;
};

class Ed25519PublicKey final : public JwsKey {
 public:
  Ed25519PublicKey() : JwsKey(JwsAlgorithm::kEdDsa) { CHECK(wc_ed25519_init(&key_) == 0); }
  ~Ed25519PublicKey() override { wc_ed25519_free(&key_); }

  bool Import(ByteView key) {
    return wc_ed25519_import_public(Bytes(key), Size(key), &key_) == 0 &&
           wc_ed25519_check_key(&key_) == 0;
  }

  bool Verify(ByteView message, ByteView signature) override {
    if (signature.size() != ED25519_SIG_SIZE) return false;
    int right = 0;
    return wc_ed25519_verify_msg(Bytes(signature), Size(signature), Bytes(message), Size(message),
                                 &right, &key_) == 0 &&
           right == 1;
  }

 private:
  ed25519_key key_;
};

ByteView WithoutLeadingZeros(ByteView number) {
  return number.substr(std::min(number.find_first_not_of('\0'), number.size()));
}

size_t BitsOf(ByteView number) {  // REQUIRES: without leading zeros
  if (number.empty()) return 0;
  return 8 * (number.size() - 1) +
         static_cast<size_t>(std::bit_width(static_cast<unsigned char>(number[0])));
}

bool IsOdd(ByteView number) { return !number.empty() && (number.back() & 1) != 0; }

}  // namespace

ByteView NameOf(JwsAlgorithm algorithm) { return kNames[static_cast<size_t>(algorithm)]; }

std::optional<JwsAlgorithm> FindJwsAlgorithm(ByteView name) {
  for (size_t i = 0; i < kNames.size(); i++) {
    if (kNames[i] == name) return static_cast<JwsAlgorithm>(i);
  }
  return std::nullopt;
}

absl::StatusOr<std::unique_ptr<JwsKey>> JwsKey::Rsa(ByteView modulus, ByteView exponent) {
  modulus = WithoutLeadingZeros(modulus);  // none is allowed, and some write one
  exponent = WithoutLeadingZeros(exponent);
  const size_t bits = BitsOf(modulus);
  if (bits < kRsaBitsMin || bits > kRsaBitsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("RSA with ", bits, " bits; expected ", kRsaBitsMin, " to ", kRsaBitsMax));
  }
  if (exponent.size() > kExponentBytesMax || !IsOdd(exponent) || BitsOf(exponent) < 2) {
    return absl::InvalidArgumentError(
        "e is no exponent that RSA is used with; expected an odd number from 3 to 2^32");
  }
  auto key = std::make_unique<RsaPublicKey>(modulus);
  if (!IsOdd(modulus) || !key->Import(exponent)) {
    return absl::InvalidArgumentError("n and e are no RSA key");
  }
  return key;
}

absl::StatusOr<std::unique_ptr<JwsKey>> JwsKey::P256(ByteView x, ByteView y) {
  for (const auto& [name, number] : {std::pair("x", x), std::pair("y", y)}) {
    if (number.size() == kP256Bytes) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(name, " has ", number.size(), " octets; expected ", kP256Bytes, " for P-256"));
  }
  auto key = std::make_unique<P256PublicKey>();
  if (!key->Import(x, y)) return absl::InvalidArgumentError("x and y are no point of P-256");
  return key;
}

absl::StatusOr<std::unique_ptr<JwsKey>> JwsKey::Ed25519(ByteView key_bytes) {
  if (key_bytes.size() != ED25519_PUB_KEY_SIZE) {
    return absl::InvalidArgumentError(absl::StrCat("x has ", key_bytes.size(), " octets; expected ",
                                                   ED25519_PUB_KEY_SIZE, " for Ed25519"));
  }
  auto key = std::make_unique<Ed25519PublicKey>();
  if (!key->Import(key_bytes)) return absl::InvalidArgumentError("x is no point of Ed25519");
  return key;
}

}  // namespace sluice::auth
