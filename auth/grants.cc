#include "auth/grants.h"

#include "core/base/endian.h"

namespace sluice::auth {

constexpr size_t kLengthBytes = 2;

void Grants::Add(ByteView entry) {
  char length[kLengthBytes];
  StoreLe<uint16_t>(length, static_cast<uint16_t>(entry.size()));
  entries_.append(length, sizeof length);
  entries_.append(entry);
}

bool Grants::Has(ByteView name) const {
  const size_t at = name.rfind('@');
  // A local part is never empty, so no address looks like a domain's entry.
  const ByteView at_domain = at == ByteView::npos || at == 0 ? ByteView("*") : name.substr(at);
  for (ByteView rest = entries_; !rest.empty();) {
    const ByteView entry = rest.substr(kLengthBytes, LoadLe<uint16_t>(rest.data()));
    if (entry == name || entry == at_domain || entry == "*") return true;
    rest.remove_prefix(kLengthBytes + entry.size());
  }
  return false;
}

}  // namespace sluice::auth
