// Base64 as SASL over SMTP uses it (RFC 4648 section 4): no line breaks, padding required,
// canonical. And as JSON Web Tokens do.
#ifndef SLUICE_CORE_BASE_BASE64_H_
#define SLUICE_CORE_BASE_BASE64_H_

#include <string>

#include "core/base/buffer.h"
#include "core/base/bytes.h"

namespace sluice {

constexpr size_t Base64EncodedBytes(size_t bytes) { return (bytes + 2) / 3 * 4; }
constexpr size_t Base64DecodedBytesMax(size_t text) { return text / 4 * 3; }

void Base64Encode(ByteView bytes, Buffer& out);  // appends
std::string Base64Encode(ByteView bytes);

// Decodes into `out` (REQUIRES: out.size() >= Base64DecodedBytesMax(text.size())) and returns the octets
// written, or -1: a foreign character, a wrong length, padding inside, or bits set that padding drops.
[[nodiscard]] ptrdiff_t Base64Decode(ByteView text, MutableBytes out);

// base64url without padding (RFC 4648 section 5), as JOSE writes it (RFC 7515 section 2), with the
// same strictness. REQUIRES: out.size() >= Base64UrlDecodedBytesMax(text.size()).
constexpr size_t Base64UrlDecodedBytesMax(size_t text) { return text / 4 * 3 + text % 4 * 3 / 4; }
[[nodiscard]] ptrdiff_t Base64UrlDecode(ByteView text, MutableBytes out);

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_BASE64_H_
