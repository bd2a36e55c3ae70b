// Parameters: versions and key exchange groups, shared by the server's and the client's context.
#ifndef SLUICE_TLS_PARAMETERS_H_
#define SLUICE_TLS_PARAMETERS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::tls {

enum class Versions : uint8_t { k12And13, kOnly12, kOnly13 };

struct Parameters {
  Versions versions = Versions::k12And13;
  // Key exchange groups, best first: "X25519MLKEM768", "X25519", "P-256", "P-384". Empty: the first three.
  // A known group that the library lacks is left out; at least one must remain.
  std::vector<std::string> groups;
};

}  // namespace sluice::tls

#endif  // SLUICE_TLS_PARAMETERS_H_
