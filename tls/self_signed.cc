#include "tls/self_signed.h"

#include <utility>

#include "tls/library.h"

namespace sluice::tls {
namespace {

// The value of the subjectAltName extension (RFC 5280 4.2.1.6): a SEQUENCE of dNSName [2] and iPAddress [7].
std::string AltNames(const std::vector<std::string>& names) {
  std::string entries;
  const auto add = [&](char tag, ByteView value) {
    entries += tag;
    entries += static_cast<char>(value.size());
    entries += value;
  };
  for (const std::string& name : names) add('\x82', name);
  add('\x82', "localhost");
  add('\x87', ByteView("\x7f\0\0\x01", 4));
  add('\x87', ByteView("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16));

  const size_t bytes = entries.size();
  std::string sequence = "\x30";
  if (bytes >= 0x100) {
    sequence += '\x82';
    sequence += static_cast<char>(bytes >> 8);
  } else if (bytes >= 0x80) {
    sequence += '\x81';
  }
  sequence += static_cast<char>(bytes);
  return sequence + entries;
}

// An ECDSA or RSA private key under way from making to PEM.
class PrivateKey {
 public:
  explicit PrivateKey(KeyKind kind) : rsa_kind_(kind == KeyKind::kRsa) {
    if (rsa_kind_) {
      wc_InitRsaKey(&rsa_, nullptr);
    } else {
      wc_ecc_init(&ecc_);
    }
  }
  ~PrivateKey() {
    if (rsa_kind_) {
      wc_FreeRsaKey(&rsa_);
    } else {
      wc_ecc_free(&ecc_);
    }
  }
  PrivateKey(const PrivateKey&) = delete;
  PrivateKey& operator=(const PrivateKey&) = delete;

  int Make(KeyKind kind, WC_RNG* random) {
    if (rsa_kind_) return wc_MakeRsaKey(&rsa_, 2048, WC_RSA_EXPONENT, random);
    const bool p256 = kind == KeyKind::kEcdsaP256;
    return wc_ecc_make_key_ex(random, p256 ? 32 : 48, &ecc_, p256 ? ECC_SECP256R1 : ECC_SECP384R1);
  }
  int ToDer(byte* out, word32 bytes) {
    return rsa_kind_ ? wc_RsaKeyToDer(&rsa_, out, bytes) : wc_EccKeyToDer(&ecc_, out, bytes);
  }
  RsaKey* rsa() { return rsa_kind_ ? &rsa_ : nullptr; }
  ecc_key* ecc() { return rsa_kind_ ? nullptr : &ecc_; }

 private:
  bool rsa_kind_;
  union {
    RsaKey rsa_;
    ecc_key ecc_;
  };
};

absl::Status Problem(const char* what, int code) {
  return absl::InternalError(absl::StrCat("self-signed certificate: ", what, ": ", ErrorText(code)));
}

// Empty when it fails, which only a lack of memory can cause.
std::string ToPem(ByteView der, int type) {
  const int bytes = wc_DerToPem(Octets(der), static_cast<word32>(der.size()), nullptr, 0, type);
  if (bytes <= 0) return {};
  std::string pem(static_cast<size_t>(bytes), '\0');
  const int written = wc_DerToPem(Octets(der), static_cast<word32>(der.size()), Octets(pem.data()),
                                  static_cast<word32>(pem.size()), type);
  pem.resize(static_cast<size_t>(std::max(written, 0)));
  return pem;
}

absl::Status CheckNames(const std::vector<std::string>& names) {
  if (names.empty()) return absl::InvalidArgumentError("self-signed certificate: no name");
  for (const std::string& name : names) {
    // A common name has at most 64 characters (RFC 5280 appendix A.1); one octet of length is written above.
    const size_t bytes_max = &name == &names[0] ? 64 : 127;
    if (name.empty() || name.size() > bytes_max) {
      return absl::InvalidArgumentError(absl::StrCat("self-signed certificate: bad name \"", name, "\""));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<IdentityPem> MakeSelfSigned(const SelfSignedOptions& options) {
  if (absl::Status status = CheckNames(options.names); !status.ok()) return status;
  const std::string alt_names = AltNames(options.names);
  auto cert = std::make_unique<Cert>();
  if (int result = wc_InitCert(cert.get()); result != 0) return Problem("start", result);
  if (alt_names.size() > sizeof cert->altNames) {
    return absl::InvalidArgumentError("self-signed certificate: too many names");
  }
  std::copy(alt_names.begin(), alt_names.end(), cert->altNames);
  cert->altNamesSz = static_cast<int>(alt_names.size());
  options.names[0].copy(cert->subject.commonName, sizeof cert->subject.commonName - 1);
  cert->daysValid = options.days;
  cert->selfSigned = 1;
  cert->sigType = options.kind == KeyKind::kRsa ? CTC_SHA256wRSA : CTC_SHA256wECDSA;

  LibraryRandom random;
  PrivateKey key(options.kind);
  if (!random.usable()) return OutOfMemory();
  if (int result = key.Make(options.kind, random.get()); result != 0) return Problem("making the key", result);

  std::string der(4096, '\0');
  const word32 room = static_cast<word32>(der.size());
  int bytes = wc_MakeCert(cert.get(), Octets(der.data()), room, key.rsa(), key.ecc(), random.get());
  if (bytes <= 0) return Problem("making it", bytes);
  bytes = wc_SignCert(cert->bodySz, cert->sigType, Octets(der.data()), room, key.rsa(), key.ecc(), random.get());
  if (bytes <= 0) return Problem("signing it", bytes);
  IdentityPem pem;
  pem.chain_file = "cert.pem";
  pem.key_file = "key.pem";
  pem.chain = ToPem(ByteView(der).substr(0, static_cast<size_t>(bytes)), CERT_TYPE);

  bytes = key.ToDer(Octets(der.data()), room);
  if (bytes <= 0) return Problem("writing the key", bytes);
  pem.key = ToPem(ByteView(der).substr(0, static_cast<size_t>(bytes)),
                  options.kind == KeyKind::kRsa ? PRIVATEKEY_TYPE : ECC_PRIVATEKEY_TYPE);
  Wipe(der.data(), der.size());
  if (pem.chain.empty() || pem.key.empty()) return OutOfMemory();
  return pem;
}

}  // namespace sluice::tls
