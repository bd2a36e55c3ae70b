// The files of tests/support/client_certificates.sh, made once a process.
#ifndef SLUICE_TESTS_SUPPORT_CLIENT_CERTIFICATES_H_
#define SLUICE_TESTS_SUPPORT_CLIENT_CERTIFICATES_H_

#include <string>

namespace sluice {

// Where they are. The folder goes away with the process.
const std::string& ClientCertificates();

// The octets of one of them: "alice.pem".
std::string ClientCertificate(const std::string& name);

}  // namespace sluice

#endif  // SLUICE_TESTS_SUPPORT_CLIENT_CERTIFICATES_H_
