// Whether From and Sender of a message name addresses that its submitter may use (RFC 6409 section
// 6.1 for envelopes, 8.1 for these), on a header section that is whole.
#ifndef SLUICE_CORE_SMTP_ORIGINATORS_H_
#define SLUICE_CORE_SMTP_ORIGINATORS_H_

#include "absl/functional/function_ref.h"
#include "core/base/buffer.h"
#include "core/base/bytes.h"

namespace sluice::smtp {

enum class Originators : uint8_t {
  kOwned,          // each address in them is
  kForeignFrom,    // From has one that is not
  kForeignSender,  // From has none, Sender has
  kUnreadable,     // one of them cannot be read or has no address, or they have over kMailboxesMax
  kNone,           // there is no From
};

// `header`: the fields, without the empty line. A field that stands twice counts as a whole.
Originators CheckOriginators(ByteView header, absl::FunctionRef<bool(ByteView address)> owned);

// Takes all fields of that name out of the header section, the first `header_bytes` of `body`.
void RemoveFields(Buffer& body, size_t header_bytes, ByteView name);

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_ORIGINATORS_H_
