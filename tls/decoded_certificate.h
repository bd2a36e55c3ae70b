// DecodedCertificate: the library's reader of a certificate, given back at the end of its scope.
// Internal to tls/.
#ifndef SLUICE_TLS_DECODED_CERTIFICATE_H_
#define SLUICE_TLS_DECODED_CERTIFICATE_H_

#include "tls/library.h"

namespace sluice::tls {

class DecodedCertificate {
 public:
  // `der` outlives it.
  explicit DecodedCertificate(ByteView der) {
    wc_InitDecodedCert(&cert_, Octets(der), static_cast<word32>(der.size()), nullptr);
  }
  ~DecodedCertificate() { wc_FreeDecodedCert(&cert_); }
  DecodedCertificate(const DecodedCertificate&) = delete;
  DecodedCertificate& operator=(const DecodedCertificate&) = delete;

  // Once, one of the two; 0 or the library's code. NO_VERIFY: whatever signed it, and whatever its
  // dates.
  int Parse() { return wc_ParseCert(&cert_, CERT_TYPE, NO_VERIFY, nullptr); }
  // Its dates, and that a CA of `manager` has signed it.
  int Verify(int type, WOLFSSL_CERT_MANAGER* manager) {
    return wc_ParseCert(&cert_, type, VERIFY, manager);
  }

  const DecodedCert* operator->() const { return &cert_; }

 private:
  DecodedCert cert_;
};

}  // namespace sluice::tls

#endif  // SLUICE_TLS_DECODED_CERTIFICATE_H_
