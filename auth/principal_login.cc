#include "auth/principal_login.h"

#include <algorithm>

#include "auth/prepare.h"

namespace sluice::auth {

std::optional<std::string> LoginOfPrincipal(const PrincipalRule& rule, ByteView principal,
                                            ByteView own_realm) {
  // A backslash escapes what would be read as something else: an "@" of the name, a NUL. Who has
  // such a name cannot log in.
  const size_t at = principal.find('@');
  if (at == ByteView::npos || principal.find('\\') != ByteView::npos) return std::nullopt;
  const ByteView realm = principal.substr(at + 1);
  const bool trusted = rule.realms.empty() ? realm == own_realm
                                           : std::find(rule.realms.begin(), rule.realms.end(),
                                                       realm) != rule.realms.end();
  if (at == 0 || realm.empty() || !trusted) return std::nullopt;
  const bool local = rule.login == PrincipalRule::Login::kLocal;
  std::string login;
  if (PrepareLogin(local ? principal.substr(0, at) : principal, Purpose::kQuery, login) !=
      Prepared::kOk) {
    return std::nullopt;
  }
  return login;
}

}  // namespace sluice::auth
