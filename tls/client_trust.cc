#include "tls/client_trust.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "core/base/check.h"
#include "tls/decoded_certificate.h"
#include "tls/der_reader.h"
#include "tls/distinguished_name.h"

namespace sluice::tls {
namespace {

// The blocks of a PEM file with this label, decoded. False: one of them is not to be decoded.
bool PemBlocks(ByteView pem, const std::string& label, int type, std::vector<std::string>& blocks) {
  const std::string begin = absl::StrCat("-----BEGIN ", label, "-----");
  const std::string end = absl::StrCat("-----END ", label, "-----");
  for (size_t at = pem.find(begin); at != ByteView::npos; at = pem.find(begin, at)) {
    const size_t stop = pem.find(end, at);
    if (stop == ByteView::npos) return false;
    const ByteView block = pem.substr(at, stop + end.size() - at);
    DerBuffer* der = nullptr;
    const int result = wc_PemToDer(Octets(block), static_cast<long>(block.size()), type, &der,
                                   nullptr, nullptr, nullptr);
    const bool decoded = result == 0 && der != nullptr;
    if (decoded) blocks.emplace_back(reinterpret_cast<const char*>(der->buffer), der->length);
    wc_FreeDer(&der);
    if (!decoded) return false;
    at = stop;
  }
  return true;
}

ByteView SubjectOf(const DecodedCertificate& cert) {
  return {reinterpret_cast<const char*>(cert->subjectRaw),
          static_cast<size_t>(std::max(cert->subjectRawLen, 0))};
}

ByteView KeyIdOf(const DecodedCertificate& cert) {
  return {reinterpret_cast<const char*>(cert->extSubjKeyId), sizeof cert->extSubjKeyId};
}

bool IsIssuedBy(const DecodedCertificate& cert, const DecodedCertificate& issuer) {
  if (!std::equal(std::begin(cert->issuerHash), std::end(cert->issuerHash), issuer->subjectHash))
    return false;
  return !cert->extAuthKeyIdSet || !issuer->extSubjKeyIdSet ||
         std::equal(std::begin(cert->extAuthKeyId), std::end(cert->extAuthKeyId),
                    issuer->extSubjKeyId);
}

bool MaySign(const DecodedCertificate& cert) {
  return cert->isCA && (!cert->extKeyUsageSet || (cert->extKeyUsage & KEYUSE_KEY_CERT_SIGN) != 0);
}

// CertificateList ::= { tbsCertList { [version], signature, issuer, ... }, ... } (RFC 5280 5.1)
ByteView IssuerOfCrl(ByteView crl) {
  ByteView list, signed_part, ignored, issuer;
  DerReader reader(crl);
  if (!reader.Take(0x30, list)) return {};
  reader = DerReader(list);
  if (!reader.Take(0x30, signed_part)) return {};
  reader = DerReader(signed_part);
  if (reader.next_tag() == 0x02 && !reader.Take(0x02, ignored)) return {};
  return reader.Take(0x30, ignored) && reader.Take(0x30, issuer) ? issuer : ByteView();
}

std::string Words(int code) {
  switch (code) {
    case ASN_NO_SIGNER_E:
      return "its CA is not known here";
    case ASN_SELF_SIGNED_E:
      return "it is signed by itself, and by no CA that is known here";
    case ASN_AFTER_DATE_E:
      return "it, or a CA between it and the root, has expired";
    case ASN_BEFORE_DATE_E:
      return "it, or a CA between it and the root, is not valid yet";
    case CRL_CERT_REVOKED:
      return "it, or a CA between it and the root, is revoked";
    case CRL_MISSING:
      return "there is no CRL of its CA, or of a CA above";
    case CRL_CERT_DATE_ERR:
      return "the CRL of its CA, or of a CA above, is past its next update";
    case ASN_PATHLEN_INV_E:
      return "there are more CAs below one of its CAs than that one allows";
    case NOT_CA_ERROR:
      return "it is signed by a certificate that may not sign others";
    default:
      return ErrorText(code);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ClientTrust>> ClientTrust::Create(const ClientTrustPem& pem) {
  std::unique_ptr<ClientTrust> trust(new ClientTrust);
  trust->manager_ = wolfSSL_CertManagerNew();
  if (trust->manager_ == nullptr) return OutOfMemory();
  if (absl::Status status = trust->LoadAuthorities(pem); !status.ok()) return status;
  if (!pem.crl_file.empty()) {
    if (absl::Status status = trust->LoadCrls(pem); !status.ok()) return status;
  }
  return trust;
}

ClientTrust::~ClientTrust() { wolfSSL_CertManagerFree(manager_); }

// A CA whose issuer stands in the file too is no root, so that its own dates and revocation count.
absl::Status ClientTrust::LoadAuthorities(const ClientTrustPem& pem) {
  const auto wrong = [&](auto... what) {
    return absl::InvalidArgumentError(absl::StrCat(pem.ca_file, ": ", what...));
  };
  std::vector<std::string> all;
  if (!PemBlocks(pem.ca, "CERTIFICATE", CERT_TYPE, all))
    return wrong("certificate ", all.size() + 1, " is damaged");
  if (all.empty()) return wrong("no certificate in PEM form (-----BEGIN CERTIFICATE-----)");
  std::vector<std::unique_ptr<DecodedCertificate>> decoded;
  for (const std::string& der : all) {
    decoded.push_back(std::make_unique<DecodedCertificate>(der));
    const DecodedCertificate& cert = *decoded.back();
    if (const int result = decoded.back()->Parse(); result != 0) {
      return wrong("certificate ", decoded.size(), " is not valid: ", ErrorText(result));
    }
    if (!MaySign(cert)) {
      return wrong("certificate ", decoded.size(), " (", NameText(SubjectOf(cert)),
                   ") is no CA's: it may not sign others");
    }
    subjects_.emplace_back(SubjectOf(cert));
  }
  for (size_t i = 0; i < all.size(); i++) {
    const DecodedCertificate& cert = *decoded[i];
    const bool has_issuer = !IsIssuedBy(cert, cert) &&
                            std::any_of(decoded.begin(), decoded.end(), [&](const auto& other) {
                              return &cert != other.get() && IsIssuedBy(cert, *other);
                            });
    if (has_issuer) {
      intermediates_.push_back(all[i]);
      continue;
    }
    const int result = wolfSSL_CertManagerLoadCABuffer(
        manager_, Octets(all[i]), static_cast<long>(all[i].size()), WOLFSSL_FILETYPE_ASN1);
    if (result == ASN_AFTER_DATE_E || result == ASN_BEFORE_DATE_E) {
      warnings_.push_back(absl::StrCat(pem.ca_file, ": the CA ", NameText(SubjectOf(cert)),
                                       " has expired or is not valid yet; "
                                       "certificates under it do not count"));
    } else if (result != WOLFSSL_SUCCESS) {
      return wrong("certificate ", i + 1, ": ", ErrorText(result));
    }
    root_key_ids_.emplace_back(KeyIdOf(cert));
  }
  return absl::OkStatus();
}

absl::Status ClientTrust::LoadCrls(const ClientTrustPem& pem) {
  const auto wrong = [&](auto... what) {
    return absl::InvalidArgumentError(absl::StrCat(pem.crl_file, ": ", what...));
  };
  std::vector<std::string> all;
  if (!PemBlocks(pem.crl, "X509 CRL", CRL_TYPE, all))
    return wrong("CRL ", all.size() + 1, " is damaged");
  if (all.empty()) return wrong("no CRL in PEM form (-----BEGIN X509 CRL-----)");
  if (wolfSSL_CertManagerEnableCRL(manager_, WOLFSSL_CRL_CHECKALL) != WOLFSSL_SUCCESS)
    return OutOfMemory();

  absl::Status status;
  for (const std::string& der : intermediates_) (void)TrustMeanwhile(der);  // they sign CRLs too
  for (size_t i = 0; i < all.size() && status.ok(); i++) {
    const int result = wolfSSL_CertManagerLoadCRLBuffer(
        manager_, Octets(all[i]), static_cast<long>(all[i].size()), WOLFSSL_FILETYPE_ASN1);
    const std::string name = absl::StrCat("CRL ", i + 1, " (", NameText(IssuerOfCrl(all[i])), ")");
    if (result == CRL_CERT_DATE_ERR) {
      warnings_.push_back(
          absl::StrCat(pem.crl_file, ": ", name,
                       " is past its next update; certificates of that CA do not count"));
    } else if (result == ASN_CRL_NO_SIGNER_E) {
      status = wrong(name, " is signed by no CA that stands in ", pem.ca_file);
    } else if (result != WOLFSSL_SUCCESS) {
      status = wrong(name, ": ", ErrorText(result));
    }
  }
  ForgetMeanwhile();
  for (const std::string& subject : subjects_) {
    const bool has_crl = std::any_of(all.begin(), all.end(), [&](const std::string& crl) {
      return IssuerOfCrl(crl) == subject;
    });
    if (has_crl) continue;
    warnings_.push_back(absl::StrCat(pem.crl_file, ": there is no CRL of the CA ",
                                     NameText(subject),
                                     "; certificates that it signs do not count"));
  }
  return status;
}

PeerCertificate ClientTrust::Judge(std::span<const ByteView> chain) {
  CHECK(!chain.empty());
  PeerCertificate peer;
  DecodedCertificate cert(chain[0]);
  if (const int result = cert.Parse(); result != 0) {
    peer.problem = ErrorText(result);
    return peer;
  }
  std::string digest(WC_SHA256_DIGEST_SIZE, '\0');
  CHECK(wc_Sha256Hash(Octets(chain[0]), static_cast<word32>(chain[0].size()),
                      Octets(digest.data())) == 0);
  peer.fingerprint = absl::BytesToHexString(digest);
  peer.subject = NameText(SubjectOf(cert));
  for (const DNS_entry* entry = cert->altEmailNames; entry != nullptr;
       entry = entry->next) {  // the last one first
    const ByteView email(entry->name, static_cast<size_t>(std::max(entry->len, 0)));
    if (email.size() <= kEmailBytesMax) peer.emails.emplace(peer.emails.begin(), email);
  }
  if (peer.emails.size() > kEmailsMax) peer.emails.resize(kEmailsMax);
  const int result = FindChain(chain);
  ForgetMeanwhile();
  if (result != 0) peer.problem = Words(result);
  return peer;
}

// 0, or the library's code of what is wrong. Up from the client's certificate until one is signed
// by a root, then down again, each being trusted by then to have signed the one below. There is one
// way up only, whatever a client sends.
int ClientTrust::FindChain(std::span<const ByteView> sent) {
  std::vector<ByteView> others(sent.begin() + 1, sent.end());
  others.insert(others.end(), intermediates_.begin(), intermediates_.end());
  std::vector<ByteView> path = {sent[0]};
  int result;
  while ((result = Verify(path.back(), path.size() - 1)) == ASN_NO_SIGNER_E &&
         path.size() < kChainMax) {
    DecodedCertificate cert(path.back());
    if (const int wrong = cert.Parse(); wrong != 0) return wrong;
    const auto issuer = std::find_if(others.begin(), others.end(), [&](ByteView der) {
      DecodedCertificate other(der);
      return der != path.back() && other.Parse() == 0 && IsIssuedBy(cert, other);
    });
    if (issuer == others.end()) return ASN_NO_SIGNER_E;
    path.push_back(*issuer);
  }
  while (result == 0 && path.size() > 1) {
    result = TrustMeanwhile(path.back());
    path.pop_back();
    if (result == 0) result = Verify(path.back(), path.size() - 1);
  }
  return result;
}

// Whether a certificate is signed by a CA that is trusted now, within its dates and not revoked.
// `depth`: 0 is the client's own; from 1 on it must be a CA's, with depth - 1 others below it.
int ClientTrust::Verify(ByteView der, size_t depth) {
  DecodedCertificate cert(der);
  int result = cert.Verify(depth == 0 ? CERT_TYPE : CHAIN_CERT_TYPE, manager_);
  if (result != 0) return result;
  if (depth > 0 && !MaySign(cert)) return NOT_CA_ERROR;
  // The library compares a CA with the one above it only (RFC 5280 6.1.4 counts all that are
  // below).
  if (depth > 1 && depth - 1 > cert->maxPathLen) return ASN_PATHLEN_INV_E;
  result = wolfSSL_CertManagerCheckCRL(manager_, Octets(der), static_cast<int>(der.size()));
  return result == WOLFSSL_SUCCESS ? 0 : result;
}

// REQUIRES: it is verified. The library finds CAs by the identifier of their key, so one that
// claims a root's would take the root away with it when it is forgotten.
int ClientTrust::TrustMeanwhile(ByteView der) {
  DecodedCertificate cert(der);
  if (const int wrong = cert.Parse(); wrong != 0) return wrong;
  if (std::find(root_key_ids_.begin(), root_key_ids_.end(), KeyIdOf(cert)) != root_key_ids_.end())
    return ASN_NO_SIGNER_E;
  const int result = wolfSSL_CertManagerLoadCABufferType(
      manager_, Octets(der), static_cast<long>(der.size()), WOLFSSL_FILETYPE_ASN1, 0,
      WOLFSSL_LOAD_FLAG_NONE, WOLFSSL_TEMP_CA);
  return result == WOLFSSL_SUCCESS ? 0 : result == 0 ? ASN_NO_SIGNER_E : result;
}

void ClientTrust::ForgetMeanwhile() {
  CHECK(wolfSSL_CertManagerUnloadTypeCerts(manager_, WOLFSSL_TEMP_CA) == WOLFSSL_SUCCESS);
}

}  // namespace sluice::tls
