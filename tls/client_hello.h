// A reader of the ClientHello (RFC 8446 4.1.2, RFC 5246 7.4.1.2), just enough to choose a certificate before the
// TLS library sees a byte.
//
// Pure and tolerant: unknown extensions, suites and GREASE (RFC 8701) are passed over. It judges nothing: what it
// finds malformed goes to the library all the same, which answers with the right alert.
#ifndef SLUICE_TLS_CLIENT_HELLO_H_
#define SLUICE_TLS_CLIENT_HELLO_H_

#include <cstdint>
#include <string>

#include "core/base/bytes.h"

namespace sluice::tls {

// A ClientHello, with its record headers, must fit; today's are 200 to 2,000 octets.
inline constexpr size_t kClientHelloBytesMax = 16 * 1024;

struct ClientHello {
  std::string server_name;  // SNI host name in lower case, without a final dot; empty: none
  bool tls13 = false;       // offers TLS 1.3
  bool ecdsa_p256 = false;  // takes a certificate with an ECDSA P-256 key in a version that it offers ...
  bool ecdsa_p384 = false;  // ... with P-384
  bool rsa = false;         // ... with RSA
  bool extended_master_secret = false;  // RFC 7627
};

enum class HelloStatus : uint8_t {
  kComplete,   // `hello` is filled in
  kNeedMore,   // so far it is the beginning of a ClientHello
  kMalformed,  // it is none, or longer than kClientHelloBytesMax: let the TLS library answer
};

// Reads the ClientHello at the start of `received`: TLS records from the first octet of the connection on. The
// message may span records. Bytes after it are not looked at. `hello` is meaningful at kComplete only.
HelloStatus ParseClientHello(ByteView received, ClientHello& hello);

}  // namespace sluice::tls

#endif  // SLUICE_TLS_CLIENT_HELLO_H_
