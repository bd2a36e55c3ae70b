// What the .cc files of this folder share: the TLS library's headers, owners for its objects, words for its errors.
// Internal to tls/: no other folder includes it, nor the library's TLS headers.
#ifndef SLUICE_TLS_LIBRARY_H_
#define SLUICE_TLS_LIBRARY_H_

#include <wolfssl/options.h>
//
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "tls/identity.h"
#include "tls/parameters.h"

namespace sluice::tls {

inline const unsigned char* Octets(ByteView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
inline unsigned char* Octets(char* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

struct ContextFree {
  void operator()(WOLFSSL_CTX* context) const { wolfSSL_CTX_free(context); }
};
using ContextOwner = std::unique_ptr<WOLFSSL_CTX, ContextFree>;

// What the library's functions want for random octets; they come from core/base/random.h.
class LibraryRandom {
 public:
  LibraryRandom() : usable_(wc_InitRng(&generator_) == 0) {}
  ~LibraryRandom() {
    if (usable_) wc_FreeRng(&generator_);
  }
  LibraryRandom(const LibraryRandom&) = delete;
  LibraryRandom& operator=(const LibraryRandom&) = delete;

  bool usable() const { return usable_; }
  WC_RNG* get() { return &generator_; }

 private:
  WC_RNG generator_;
  bool usable_;
};

// The library's words for one of its (negative) codes, with the code.
inline std::string ErrorText(int code) {
  const char* words = wolfSSL_ERR_reason_error_string(static_cast<unsigned long>(code));
  return absl::StrCat(words == nullptr ? "unknown error" : words, " (", code, ")");
}

inline absl::Status OutOfMemory() { return absl::ResourceExhaustedError("TLS: out of memory"); }

// Gives a context its certificate and key. InvalidArgument names the file and says what is wrong.
absl::Status LoadIdentity(const IdentityPem& pem, WOLFSSL_CTX* context);

// Makes a context with these versions, suites and groups and no session cache: what both roles have in common.
absl::Status NewContext(bool client, const Parameters& parameters, ContextOwner& context);

}  // namespace sluice::tls

#endif  // SLUICE_TLS_LIBRARY_H_
