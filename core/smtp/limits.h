// Every bound of the SMTP protocol code, with its reason. Bounds an operator may set are options of
// SessionConfig; these are fixed.
#ifndef SLUICE_CORE_SMTP_LIMITS_H_
#define SLUICE_CORE_SMTP_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace sluice::smtp {

// RFC 5321 4.5.3.1.4 asks for 512 octets, and each extension adds to it (RFC 4954: 500 for AUTH=,
// RFC 3461: 600 for ORCPT and ENVID). One generous bound serves them all. CR LF included.
inline constexpr size_t kCommandLineBytesMax = 2048;
// RFC 4954 section 4: an AUTH command with an initial response, and each response line.
inline constexpr size_t kAuthLineBytesMax = 12288;
// RFC 5321 4.5.3.1.5 (512): what we send. What we read of a peer's reply line is cut, not refused.
inline constexpr size_t kReplyLineBytesMax = 512;

inline constexpr size_t kLocalPartBytesMax = 64;  // RFC 5321 4.5.3.1.1
inline constexpr size_t kDomainBytesMax = 255;    // RFC 5321 4.5.3.1.2
inline constexpr size_t kPathBytesMax = 256;      // RFC 5321 4.5.3.1.3, with < and >
inline constexpr size_t kMailboxBytesMax = kPathBytesMax - 2;
inline constexpr size_t kHeloBytesMax = kDomainBytesMax;

// A peer's reply as a client reads it: more lines than any server's EHLO has, and enough text for a
// log.
inline constexpr uint32_t kPeerReplyLinesMax = 128;
inline constexpr size_t kPeerReplyTextBytesMax = 1024;
inline constexpr size_t kPeerReplyLineBytesMax = 2048;  // of one line; the rest is skipped

static_assert(kPathBytesMax + 64 < kCommandLineBytesMax,
              "a path and its parameters fit in a command");
static_assert(kLocalPartBytesMax < kMailboxBytesMax);

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_LIMITS_H_
