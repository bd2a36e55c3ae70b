// Which envelope senders a login may use (RFC 6409 section 6.1).
//
// A grant is an address, or a domain of which every address may be used (its subdomains may not).
// Without any grant a login may use the address that it is itself. Addresses are compared in
// canonical form, so that a quoted local part, letter case and the ways to write an IPv6 literal
// make no difference: MAIL FROM:<"J.Doe"@Example.NET> is the address j.doe@example.net. Where the
// operator names a delimiter, what follows it in a local part is detail (RFC 5233): alice+lists@ is
// alice@.
//
// Pure; a value of a few dozen octets that lives as long as the session.
#ifndef SLUICE_AUTH_SENDER_POLICY_H_
#define SLUICE_AUTH_SENDER_POLICY_H_

#include <optional>
#include <string>

#include "auth/grants.h"
#include "auth/record.h"
#include "core/base/bytes.h"

namespace sluice::auth {

// RFC 5321 section 4.5.3.1 allows 64 + 1 + 255; quoting may double the local part on the wire.
inline constexpr size_t kAddressBytesMax = 512;

// The form in which addresses are stored and compared: local part unquoted, letters lower-cased in
// both parts, a local part of other than ASCII as FoldLocalPart() has it, U-labels as A-labels, an
// address literal in brackets and in its shortest form. Nothing for what is no mailbox: no '@', an
// empty part, a bad quoted string, literal or label, not UTF-8, too long.
std::optional<std::string> CanonicalAddress(ByteView address);
std::optional<std::string> CanonicalDomain(ByteView domain);

// A canonical address as RFC 5321 writes it, with its local part quoted where that is needed:
// CanonicalAddress() makes the same of it.
std::string PrintAddress(ByteView canonical);

class SenderPolicy {
 public:
  SenderPolicy() = default;  // allows nothing
  // `detail_delimiter`: '+', say; 0: there is no detail.
  SenderPolicy(ByteView login, const CredentialRecord& record, char detail_delimiter = 0);

  // `sender` as in MAIL FROM, between its angle brackets; empty for the null sender, which every
  // login may use unless its record forbids it (a client may return a bounce or a receipt).
  [[nodiscard]] bool Allows(ByteView sender) const;

 private:
  Grants grants_;
  char detail_delimiter_ = 0;
  bool null_sender_ = false;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_SENDER_POLICY_H_
