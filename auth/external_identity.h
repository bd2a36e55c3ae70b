// ExternalIdentity: who a client is by what lies below SASL: its TLS certificate.
#ifndef SLUICE_AUTH_EXTERNAL_IDENTITY_H_
#define SLUICE_AUTH_EXTERNAL_IDENTITY_H_

#include <string>
#include <vector>

namespace sluice::auth {

struct ExternalIdentity {
  std::vector<std::string> logins;  // canonical; the first where the client asks for none
  std::string problem;              // without a login: why, for the event log
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_EXTERNAL_IDENTITY_H_
