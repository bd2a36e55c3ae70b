// Grants: a set of names, each alone or as a whole domain, or all names. Whose address a login may
// write in MAIL FROM, and for whom it may act, is said by one.
//
// Pure; a value of a few dozen octets. Names and domains come in canonical form.
#ifndef SLUICE_AUTH_GRANTS_H_
#define SLUICE_AUTH_GRANTS_H_

#include <string>

#include "core/base/bytes.h"

namespace sluice::auth {

class Grants {
 public:
  // REQUIRES: at most 65,535 octets (a record's field is no longer). An entry that begins with '@'
  // is a domain: every name in it, but not in its subdomains. "*": every name.
  void Add(ByteView entry);

  // `name` is not empty. What stands behind its last '@' is its domain: a quoted local part may
  // have an '@' too, a domain may not.
  [[nodiscard]] bool Has(ByteView name) const;

  bool empty() const { return entries_.empty(); }

 private:
  std::string entries_;  // each behind its length (2 octets)
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_GRANTS_H_
