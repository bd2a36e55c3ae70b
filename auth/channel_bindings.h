// ChannelBindings: what names the TLS channel that a client logs in over, as far as this end knows.
#ifndef SLUICE_AUTH_CHANNEL_BINDINGS_H_
#define SLUICE_AUTH_CHANNEL_BINDINGS_H_

#include <string>

namespace sluice::auth {

struct ChannelBindings {
  bool offered = false;              // -PLUS mechanisms stand in EHLO
  std::string tls_exporter;          // RFC 9266; empty: there is none (TLS 1.2 with an old client)
  std::string tls_server_end_point;  // RFC 5929: the certificate's hash; empty: not known
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_CHANNEL_BINDINGS_H_
