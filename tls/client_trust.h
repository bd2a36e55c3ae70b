// ClientTrust: which client certificates name somebody: their CAs and revocation lists, and the
// judgement.
//
// The judgement is ours and not the library's: in the handshake the library knows no CA, takes any
// certificate whose key the client proves, and asks here (tls/channel.cc). So a certificate that is
// not good ends in a session without an identity, where a password still counts, and nothing that a
// client sends stays among the CAs.
//
// A certificate is good when a chain of at most kChainMax certificates leads from it to a root of
// `ca`, each within its dates, signed by the next, which may sign (basicConstraints, its path
// length, keyUsage), and, with a CRL file, not revoked: for each CA of the chain there must be a
// CRL that is not past its next update. Intermediate CAs may come from the client or stand in the
// CA file.
//
// One thread: judging changes what the library holds meanwhile.
#ifndef SLUICE_TLS_CLIENT_TRUST_H_
#define SLUICE_TLS_CLIENT_TRUST_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"

struct WOLFSSL_CERT_MANAGER;

namespace sluice::tls {

struct ClientTrustPem {
  std::string ca_file;   // for messages
  std::string ca;        // PEM: roots, and intermediate CAs if their clients do not send them
  std::string crl_file;  // for messages; empty: nobody is asked what was revoked
  std::string crl;       // PEM: one or more
};

// What a client has shown and holds the key of.
struct PeerCertificate {
  std::string problem;      // why it names nobody, for the log; empty: it is good
  std::string subject;      // tls/distinguished_name.h
  std::string fingerprint;  // SHA-256 of it, 64 hexadecimal digits in lower case
  std::vector<std::string>
      emails;  // its subjectAltName rfc822Name, as they stand: at most kEmailsMax
};

inline constexpr size_t kEmailsMax = 8;
inline constexpr size_t kEmailBytesMax = 254;
inline constexpr size_t kChainMax = 5;  // with the client's own, without the root

class ClientTrust {
 public:
  // REQUIRES: Init() succeeded. InvalidArgument names the file and says what is wrong: no PEM, no
  // CA's certificate, a CRL that no CA of the file has signed. What only takes its own certificates
  // out of the trust is no error but a warning.
  static absl::StatusOr<std::unique_ptr<ClientTrust>> Create(const ClientTrustPem& pem);
  ~ClientTrust();
  ClientTrust(const ClientTrust&) = delete;
  ClientTrust& operator=(const ClientTrust&) = delete;

  // Judges what a client has sent: DER, its own certificate first. REQUIRES: not empty.
  PeerCertificate Judge(std::span<const ByteView> chain);

  // For `sluice check` and the log: a CA or CRL that has expired, a CA without a CRL.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  ClientTrust() = default;

  absl::Status LoadAuthorities(const ClientTrustPem& pem);
  absl::Status LoadCrls(const ClientTrustPem& pem);
  int FindChain(std::span<const ByteView> sent);
  int Verify(ByteView der, size_t depth);
  int TrustMeanwhile(ByteView der);
  void ForgetMeanwhile();

  WOLFSSL_CERT_MANAGER* manager_ = nullptr;  // holds the roots and the CRLs
  std::vector<std::string> intermediates_;   // DER, of the file
  std::vector<std::string> root_key_ids_;
  std::vector<std::string> subjects_;  // of all CAs in the file, as they are encoded
  std::vector<std::string> warnings_;
};

}  // namespace sluice::tls

#endif  // SLUICE_TLS_CLIENT_TRUST_H_
