// Which login a Kerberos principal is.
#ifndef SLUICE_AUTH_PRINCIPAL_LOGIN_H_
#define SLUICE_AUTH_PRINCIPAL_LOGIN_H_

#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"

namespace sluice::auth {

struct PrincipalRule {
  enum class Login : uint8_t {
    kPrincipal,  // alice@EXAMPLE.NET is alice@example.net
    kLocal,      // alice@EXAMPLE.NET is alice
  };
  Login login = Login::kPrincipal;
  // Whose principals may log in, compared octet by octet; empty: those of the server's own realm.
  std::vector<std::string> realms;
};

// The canonical login of `principal`, as Kerberos displays it; nothing for a principal of another
// realm, or one that no login can be.
std::optional<std::string> LoginOfPrincipal(const PrincipalRule& rule, ByteView principal,
                                            ByteView own_realm);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_PRINCIPAL_LOGIN_H_
