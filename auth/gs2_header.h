// The head of the messages of SCRAM and OAUTHBEARER (RFC 5801 section 4), and what SCRAM's
// attributes have in common with it.
#ifndef SLUICE_AUTH_GS2_HEADER_H_
#define SLUICE_AUTH_GS2_HEADER_H_

#include <string>

#include "core/base/bytes.h"

namespace sluice::auth {

// Cuts "x=value" and the comma behind it from the front of `message`. False: another attribute
// stands there, or none.
[[nodiscard]] bool TakeAttribute(ByteView& message, char name, ByteView& value);

// saslname: "," and "=" are written "=2C" and "=3D". False: "=" stands for something else.
[[nodiscard]] bool DecodeSaslName(ByteView text, std::string& name);
std::string EncodeSaslName(ByteView name);

struct Gs2Header {
  ByteView whole;             // with the comma at its end; of the message
  ByteView flag;              // "n", "y", "p=" and a name, or whatever stands there
  std::string authorization;  // decoded; empty: none
};

// Cuts gs2-header = flag "," ["a=" saslname] "," from the front of `message`. An empty name, which
// the grammar has not and GNU SASL sends, is none.
[[nodiscard]] bool TakeGs2Header(ByteView& message, Gs2Header& header);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_GS2_HEADER_H_
