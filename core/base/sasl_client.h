// SaslClient: one run of a SASL mechanism as the client (RFC 4422), as a machine that never waits.
// Protocols carry its messages, in base64 or otherwise; here they are octets. One thread.
#ifndef SLUICE_CORE_BASE_SASL_CLIENT_H_
#define SLUICE_CORE_BASE_SASL_CLIENT_H_

#include <string>

#include "core/base/bytes.h"

namespace sluice {

class SaslClient {
 public:
  virtual ~SaslClient() = default;

  virtual ByteView mechanism() const = 0;  // its name, as a server offers it

  // Before anything else; begins anew when it is called again. True: `response` is the first message, to be sent with the command; false:
  // the server speaks first.
  virtual bool Begin(std::string& response) = 0;

  // The answer to a challenge. False: the server says what it may not, or is not the one that knows
  // the user: break off.
  [[nodiscard]] virtual bool Answer(ByteView challenge, std::string& response) = 0;

  // The server says that it is over and well. False: it has not proved itself, though the mechanism
  // makes it.
  [[nodiscard]] virtual bool Done() = 0;
};

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_SASL_CLIENT_H_
