// GSSAPI (RFC 4752) as the client, by Kerberos 5 and MIT's library; without a security layer.
//
// Whose ticket it is the environment says (KRB5CCNAME, kinit); as whom it logs in, the
// authorization identity. For the load generator: each login reads the credential cache, and one
// that has no ticket for the service yet asks the KDC, so it may block.
#ifndef SLUICE_AUTH_GSSAPI_CLIENT_H_
#define SLUICE_AUTH_GSSAPI_CLIENT_H_

#include <memory>
#include <string>

#include "core/base/sasl_client.h"

namespace sluice::auth {

// `host`: the server's name; its principal is smtp/host.
std::unique_ptr<SaslClient> MakeGssapiClient(std::string authorization, const std::string& host);

// Why there is no ticket for the server, and how to mend it; empty: there is one. Blocks.
std::string ProblemOfTicket(const std::string& host);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_GSSAPI_CLIENT_H_
