#include "tls/identity.h"

#include <ctime>

#include "core/base/check.h"
#include "tls/decoded_certificate.h"

namespace sluice::tls {
namespace {

std::string Lower(ByteView text) {
  std::string lower(text);
  for (char& c : lower) c = AsciiLower(c);
  return lower;
}

std::vector<std::string> Names(const DecodedCertificate& cert) {
  std::vector<std::string> names;
  for (const DNS_entry* entry = cert->altNames; entry != nullptr; entry = entry->next) {
    if (entry->type == ASN_DNS_TYPE) names.push_back(Lower(ByteView(entry->name, static_cast<size_t>(entry->len))));
  }
  if (names.empty() && cert->subjectCN != nullptr) {
    names.push_back(Lower(ByteView(cert->subjectCN, static_cast<size_t>(cert->subjectCNLen))));
  }
  return names;
}

// Kind and bits of the public key; false when it is of no kind that we serve.
bool ReadKey(const DecodedCertificate& cert, CertificateFacts& facts) {
  if (cert->keyOID == ECDSAk) {
    if (cert->pkCurveOID == ECC_SECP256R1_OID) {
      facts.kind = KeyKind::kEcdsaP256;
      facts.key_bits = 256;
      return true;
    }
    facts.kind = KeyKind::kEcdsaP384;
    facts.key_bits = 384;
    return cert->pkCurveOID == ECC_SECP384R1_OID;
  }
  if (cert->keyOID != RSAk) return false;
  facts.kind = KeyKind::kRsa;
  RsaKey key;
  if (wc_InitRsaKey(&key, nullptr) != 0) return false;
  word32 index = 0;
  const int result = wc_RsaPublicKeyDecode(cert->publicKey, &index, &key, cert->pubKeySize);
  if (result == 0) facts.key_bits = static_cast<uint32_t>(8 * wc_RsaEncryptSize(&key));
  wc_FreeRsaKey(&key);
  return result == 0;
}

// The certificate's hash by the function of its signature; MD5 and SHA-1 are replaced by SHA-256, and so is
// what has none (Ed25519).
std::string EndPoint(const DerBuffer& der, const DecodedCertificate& cert) {
  wc_HashType type = WC_HASH_TYPE_SHA256;
  switch (cert->signatureOID) {
    case CTC_SHA384wRSA:
    case CTC_SHA384wECDSA: type = WC_HASH_TYPE_SHA384; break;
    case CTC_SHA512wRSA:
    case CTC_SHA512wECDSA: type = WC_HASH_TYPE_SHA512; break;
    default: break;
  }
  std::string digest(static_cast<size_t>(wc_HashGetDigestSize(type)), '\0');
  CHECK(wc_Hash(type, der.buffer, der.length, Octets(digest.data()), static_cast<word32>(digest.size())) == 0);
  return digest;
}

// A date as it stands in the certificate, with its ASN.1 header.
WallTime Date(const byte* encoded, int bytes) {
  const byte* date;
  byte format;
  int length;
  tm calendar{};
  if (encoded == nullptr || wc_GetDateInfo(encoded, bytes, &date, &format, &length) != 0 ||
      wc_GetDateAsCalendarTime(date, length, format, &calendar) != 0) {
    return WallTime();
  }
  return WallFromMillis(1000 * static_cast<int64_t>(timegm(&calendar)));
}

}  // namespace

absl::StatusOr<CertificateFacts> ReadCertificate(ByteView pem, const std::string& file) {
  DerBuffer* der = nullptr;
  int result = wc_PemToDer(Octets(pem), static_cast<long>(pem.size()), CERT_TYPE, &der, nullptr, nullptr, nullptr);
  if (result < 0 || der == nullptr) {
    wc_FreeDer(&der);
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": no certificate in PEM form (-----BEGIN CERTIFICATE-----): ", ErrorText(result)));
  }
  const auto facts = [&]() -> absl::StatusOr<CertificateFacts> {
    DecodedCertificate cert(ByteView(reinterpret_cast<const char*>(der->buffer), der->length));
    // A server shows its certificate whatever signed it, and an expired one is reported, not
    // refused.
    if (result = cert.Parse(); result != 0) {
      return absl::InvalidArgumentError(absl::StrCat(file, ": not a valid certificate: ", ErrorText(result)));
    }
    CertificateFacts read;
    if (!ReadKey(cert, read)) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ": the certificate's key is neither ECDSA on P-256 or P-384 nor RSA"));
    }
    read.names = Names(cert);
    read.end_point = EndPoint(*der, cert);
    read.not_before = Date(cert->beforeDate, cert->beforeDateLen);
    read.not_after = Date(cert->afterDate, cert->afterDateLen);
    return read;
  }();
  wc_FreeDer(&der);
  return facts;
}

absl::Status LoadIdentity(const IdentityPem& pem, WOLFSSL_CTX* context) {
  int result = wolfSSL_CTX_use_certificate_chain_buffer(context, Octets(pem.chain),
                                                        static_cast<long>(pem.chain.size()));
  if (result != WOLFSSL_SUCCESS) {
    return absl::InvalidArgumentError(
        absl::StrCat(pem.chain_file, ": not a chain of certificates: ", ErrorText(result)));
  }
  result = wolfSSL_CTX_use_PrivateKey_buffer(
      context, Octets(pem.key), static_cast<long>(pem.key.size()), WOLFSSL_FILETYPE_PEM);
  if (result != WOLFSSL_SUCCESS) {
    return absl::InvalidArgumentError(absl::StrCat(
        pem.key_file, ": no usable private key in PEM form, unencrypted: ", ErrorText(result)));
  }
  if (wolfSSL_CTX_check_private_key(context) != WOLFSSL_SUCCESS) {
    return absl::InvalidArgumentError(absl::StrCat(
        pem.key_file, ": this key does not belong to the certificate in ", pem.chain_file));
  }
  return absl::OkStatus();
}

NameMatch MatchName(ByteView pattern, ByteView host) {
  if (host.empty()) return NameMatch::kNone;
  if (pattern == host) return NameMatch::kExact;
  const size_t dot = host.find('.');
  if (dot == 0 || dot == ByteView::npos || pattern.size() < 3 || pattern.substr(0, 2) != "*.") return NameMatch::kNone;
  return pattern.substr(1) == host.substr(dot) ? NameMatch::kWildcard : NameMatch::kNone;
}

}  // namespace sluice::tls
