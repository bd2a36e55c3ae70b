// The addresses in a From or Sender field (RFC 5322 3.4, 3.6.2; RFC 6854 for groups).
//
// All that the grammar and its obsolete forms allow is read: display names, quoted strings,
// comments within comments, folding, routes, groups. What cannot be read is an answer too: who
// checks whose address it is must refuse it.
#ifndef SLUICE_CORE_SMTP_MAILBOX_LIST_H_
#define SLUICE_CORE_SMTP_MAILBOX_LIST_H_

#include <string>
#include <vector>

#include "core/base/bytes.h"

namespace sluice::smtp {

inline constexpr size_t kMailboxesMax = 100;  // of a field

// `value`: what stands behind the field's colon, folded or not. Appends each address as
// local@domain, without comments and white space, quotes kept. False: it cannot be read, or there
// are more than kMailboxesMax; `addresses` is then unspecified. A field of empty groups has none.
[[nodiscard]] bool ParseMailboxList(ByteView value, std::vector<std::string>& addresses);

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_MAILBOX_LIST_H_
