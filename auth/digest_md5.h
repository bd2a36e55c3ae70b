// What both sides of DIGEST-MD5 (RFC 2831) are made of: directives, and the digests over them.
//
// A challenge and a response are lists of directives, name=value, where a value is a token or a
// quoted string. Names and passwords are hashed in ISO 8859-1 where all of their characters are in
// it (section 2.1.2.1: as HTTP does), else in UTF-8. Pure; any thread.
#ifndef SLUICE_AUTH_DIGEST_MD5_H_
#define SLUICE_AUTH_DIGEST_MD5_H_

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "auth/hash.h"
#include "auth/record.h"
#include "core/base/bytes.h"

namespace sluice::auth {

struct DigestDirective {
  std::string name;   // in lower case
  std::string value;  // without quotes and escapes
};

inline constexpr size_t kDigestMessageBytesMax = 4095;  // RFC 2831 section 2.1.2: "less than 4096"

// The directives in their order; nothing for what is not of the syntax (section 7.1) or too long.
std::optional<std::vector<DigestDirective>> ParseDigest(ByteView message);

// The value of the first directive of this name; nullptr: there is none.
const std::string* FindDirective(std::span<const DigestDirective> directives, ByteView name);

// `text` in quotes, with what needs a backslash escaped.
std::string QuoteDigest(ByteView text);

// UTF-8 as ISO 8859-1; as it is when it has other characters, or is not UTF-8.
std::string Latin1WherePossible(ByteView utf8);
std::string Utf8OfLatin1(ByteView latin1);

// H(user:realm:password), all three in UTF-8; the password is prepared.
DigestMd5Key DeriveDigestMd5Key(ByteView user, ByteView realm, ByteView password);

// What a response is computed over, beside the key.
struct DigestMd5Context {
  ByteView nonce;
  ByteView cnonce;
  ByteView nc;
  ByteView qop;
  ByteView uri;
  ByteView authorization;  // empty: none
};

// 32 hexadecimal digits each, in lower case.
struct DigestMd5Proofs {
  std::string response;       // what the client must say (section 2.1.2.1) ...
  std::string response_auth;  // ... and what the server answers (section 2.1.3)
};
DigestMd5Proofs ProofsOf(const DigestMd5Key& key, const DigestMd5Context& context);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_DIGEST_MD5_H_
