// The text of a non-delivery report (RFC 3464 in a multipart/report of RFC 6522): one for all
// recipients of a message that failed together. It is sent with a null sender to the original
// sender; whoever sends it makes sure that a null sender's message is never bounced.
#ifndef SLUICE_CORE_SMTP_BOUNCE_H_
#define SLUICE_CORE_SMTP_BOUNCE_H_

#include <span>

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/base/time.h"

namespace sluice::smtp {

struct BounceRecipient {
  ByteView address;
  ByteView status;      // "5.1.1"; empty: 5.0.0
  ByteView diagnostic;  // the remote reply "550 5.1.1 no such user", or our own words
  ByteView remote_mta;  // who said it; empty: we did, and the diagnostic is no SMTP reply
};

struct BounceInfo {
  ByteView hostname;     // reporting MTA, also the domain of From and Message-ID
  ByteView bounce_id;    // queue id of this report
  ByteView date;         // DateText::At of now
  ByteView sender;       // to whom it goes. REQUIRES: not empty
  ByteView original_id;  // queue id of the message that failed
  WallTime arrived;      // when it came
  std::span<const BounceRecipient> recipients;
  // The message from its start, trace fields included; only its header section is used.
  ByteView original;
};

// Of the original's header section, whole lines up to this many octets are returned.
inline constexpr size_t kBounceHeaderBytesMax = size_t{16} << 10;

// A report is never larger. Where recipients are many their diagnostics are cut first, and then those that
// do not fit are counted instead of named.
inline constexpr size_t kBounceBytesMax = size_t{60} << 10;

// Appends the report: 7-bit, except where the original's header is not. CR LF everywhere, not
// dot-stuffed. What came from peers (diagnostics) is made printable and cannot add fields or end a
// part.
void AppendBounce(const BounceInfo& info, Buffer& out);

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_BOUNCE_H_
