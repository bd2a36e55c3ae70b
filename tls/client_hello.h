// A reader of the ClientHello (RFC 8446 4.1.2, RFC 5246 7.4.1.2), just enough to choose a certificate before the
// TLS library sees a byte.
//
// Pure and tolerant: unknown extensions, suites and GREASE (RFC 8701) are passed over. It judges nothing: what it
// finds malformed goes to the library all the same, which answers with the right alert. The only thing that it
// decides is which certificate is shown, so a ClientHello that deceives it gains nothing.
#ifndef SLUICE_TLS_CLIENT_HELLO_H_
#define SLUICE_TLS_CLIENT_HELLO_H_

#include <cstdint>
#include <string>

#include "core/base/bytes.h"

namespace sluice::tls {

// A ClientHello, with its record headers, must fit; today's are 200 to 2,000 octets.
inline constexpr size_t kClientHelloBytesMax = 16 * 1024;

// Whose signatures, by the server's certificate, a client can check.
struct KeysTaken {
  bool ecdsa_p256 = false;
  bool ecdsa_p384 = false;
  bool rsa = false;

  bool operator==(const KeysTaken&) const = default;
};

struct ClientHello {
  std::string server_name;  // SNI host name in lower case, without a final dot; empty: none that is usable
  bool tls13 = false;       // offers TLS 1.3
  KeysTaken keys13;         // if TLS 1.3 is chosen
  KeysTaken keys12;         // if TLS 1.2 is: one of our suites for that kind of key is offered too
  bool extended_master_secret = false;  // RFC 7627

  bool operator==(const ClientHello&) const = default;
};

enum class HelloStatus : uint8_t {
  kComplete,   // `hello` is filled in
  kNeedMore,   // so far it is the beginning of a ClientHello
  kMalformed,  // it is none: let the TLS library answer
  kTooLong,    // not complete after kClientHelloBytesMax octets, or says that it will not be
};

// Reads the ClientHello at the start of `received`: TLS records from the first octet of the connection on. The
// message may span records. Bytes after it are not looked at. `hello` is meaningful at kComplete only.
HelloStatus ParseClientHello(ByteView received, ClientHello& hello);

}  // namespace sluice::tls

#endif  // SLUICE_TLS_CLIENT_HELLO_H_
