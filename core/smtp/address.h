// Addresses in MAIL and RCPT (RFC 5321 4.1.2) and the parameters behind them (4.1.2, RFC 1870,
// 6152, 4954).
//
// The parsers take text and give views of it: no copy, no case folding, no unquoting, because an
// address belongs to its domain and ours is to pass it on as it came. Octets above 127 are refused
// until SMTPUTF8 is built.
#ifndef SLUICE_CORE_SMTP_ADDRESS_H_
#define SLUICE_CORE_SMTP_ADDRESS_H_

#include <cstdint>

#include "core/base/buffer.h"
#include "core/base/bytes.h"

namespace sluice::smtp {

enum class AddressError : uint8_t {
  kNone,
  kSyntax,
  kTooLong,      // local part over 64, domain over 255, path over 256
  kUnqualified,  // a local part alone
  kNotFqdn,      // one label alone, or digits where a top-level domain should be
  kNotAscii,
};

struct Mailbox {
  ByteView address;  // local@domain as given, without source route and angle brackets
  ByteView local;    // with its quotes
  ByteView domain;   // a literal with its brackets; empty for the postmaster of this server

  bool is_literal() const { return domain.starts_with('['); }
};

// A mailbox alone: "local@domain", all of `text`.
[[nodiscard]] AddressError ParseMailbox(ByteView text, Mailbox& mailbox);

// "<" path ">" at the front of `text`, which is then advanced behind it. A reverse path may be
// "<>": the address is then empty. A forward path may be "<postmaster>" in any case. A source route
// is dropped.
[[nodiscard]] AddressError ParseReversePath(ByteView& text, Mailbox& mailbox);
[[nodiscard]] AddressError ParseForwardPath(ByteView& text, Mailbox& mailbox);

// Letters, digits, hyphens and underscores in labels of at most 63, the last of them not only
// digits. One label is syntactically a domain, but kNotFqdn.
[[nodiscard]] AddressError CheckDomain(ByteView domain);
// "[192.0.2.1]" or "[IPv6:2001:db8::1]".
bool IsAddressLiteral(ByteView text);

// Parameters of MAIL, what follows the path.
struct MailParameters {
  uint64_t size = 0;  // SIZE=
  bool has_size = false;
  bool has_body = false;
  bool eight_bit = false;  // BODY=8BITMIME
  bool has_auth = false;
  ByteView auth;  // AUTH=, still xtext (RFC 3461 section 4): see DecodeXtext
};

enum class ParameterError : uint8_t {
  kNone,
  kMalformed,  // bad syntax or value, or the same keyword twice
  kUnknown,    // a keyword that we did not offer
};

// `text` is empty or begins with a blank.
[[nodiscard]] ParameterError ParseMailParameters(ByteView text, MailParameters& parameters);
[[nodiscard]] ParameterError ParseRcptParameters(ByteView text);  // none is known yet

// Appends the decoded octets, printable ASCII only; false (nothing appended) when `text` is not
// xtext.
[[nodiscard]] bool DecodeXtext(ByteView text, Buffer& out);

// Appends `text`, printable ASCII, as xtext (RFC 3461 section 4).
void EncodeXtext(ByteView text, Buffer& out);

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_ADDRESS_H_
