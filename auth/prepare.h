// Preparation of names and passwords: what a user typed, in the one form that is stored and
// compared.
//
// A login is prepared by SASLprep (RFC 4013) with case folding (RFC 3454 table B.2), so that one
// person is one key of the store however the name is typed; a password by SASLprep alone. The
// domain of a login that is an address is not folded: its U-labels become A-labels, so that no two
// logins are one address. A password that fails is an ordinary failure of that login. Printable
// ASCII, the usual case, takes a short path without the libraries (libidn, libidn2, libunistring);
// its results are the same, and a test compares them.
//
// Local parts of addresses are folded less than logins: what SASLprep takes for the same name (a
// ligature and its letters, sharp s and ss) may be two mailboxes of two people.
//
// Pure; any thread. For other than ASCII libidn makes copies on the heap that it does not wipe.
#ifndef SLUICE_AUTH_PREPARE_H_
#define SLUICE_AUTH_PREPARE_H_

#include <optional>
#include <string>

#include "auth/secret.h"
#include "core/base/bytes.h"

namespace sluice::auth {

inline constexpr size_t kLoginBytesMax = 255;      // raw and prepared; LMDB keys end at 511
inline constexpr size_t kPasswordBytesMax = 1024;  // raw and prepared
inline constexpr size_t kUnicodeDomainBytesMax = 512;

// RFC 3454 section 7: what is stored may not have code points that Unicode 3.2 had not assigned;
// what is asked for may.
enum class Purpose : uint8_t { kQuery, kStore };

enum class Prepared : uint8_t {
  kOk,
  kEmpty,       // nothing left
  kTooLong,     // over the bound, before or after
  kNotUtf8,     // including a NUL octet
  kProhibited,  // control characters, private use, non-characters, tags (RFC 4013 section 2.3)
  kBidi,        // left-to-right and right-to-left mixed (RFC 3454 section 6)
  kUnassigned,  // kStore only
};

// `login` is set only by kOk.
[[nodiscard]] Prepared PrepareLogin(ByteView raw, Purpose purpose, std::string& login);
[[nodiscard]] Prepared PreparePassword(ByteView raw, Purpose purpose, Secret& password);

// A local part as it is compared: NFC, and letters in the case of Unicode's simple folding, unless
// one that is not ASCII would become ASCII. Nothing for what is not UTF-8, has a control character,
// is empty or longer than kLoginBytesMax.
std::optional<std::string> FoldLocalPart(ByteView local);
// A domain with its U-labels as A-labels (IDNA2008, RFC 5891, with the mappings of UTS 46). Nothing
// for what is no such domain, or longer than kUnicodeDomainBytesMax.
std::optional<std::string> DomainToAscii(ByteView domain);

// What is wrong and how to mend it, for the command line: "is not UTF-8; ...".
ByteView Explain(Prepared result);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_PREPARE_H_
