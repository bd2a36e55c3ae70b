#include "auth/digest_md5.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace sluice::auth {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// RFC 2831 section 7.1: any character but control characters, blanks and separators.
bool IsTokenChar(char c) {
  return c > 0x20 && c < 0x7f && ByteView("()<>@,;:\\\"/[]?={}").find(c) == ByteView::npos;
}

void SkipBlanks(ByteView& rest) {
  while (!rest.empty() && IsBlank(rest[0])) rest.remove_prefix(1);
}

ByteView TakeToken(ByteView& rest) {
  size_t end = 0;
  while (end < rest.size() && IsTokenChar(rest[end])) end++;
  const ByteView token = rest.substr(0, end);
  rest.remove_prefix(end);
  return token;
}

// REQUIRES: a quote stands in front.
bool TakeQuoted(ByteView& rest, std::string& value) {
  for (size_t i = 1; i < rest.size(); i++) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return true;
    }
    if (rest[i] == '\\' && ++i == rest.size()) return false;
    if (rest[i] == '\0') return false;
    value += rest[i];
  }
  return false;
}

std::string Hex(ByteView text) { return absl::BytesToHexString(View(HashOf<Md5>(text))); }

}  // namespace

std::optional<std::vector<DigestDirective>> ParseDigest(ByteView message) {
  if (message.size() > kDigestMessageBytesMax) return std::nullopt;
  std::vector<DigestDirective> directives;
  ByteView rest = message;
  for (;;) {
    SkipBlanks(rest);
    if (rest.empty()) return directives;
    if (rest[0] == ',') {  // elements of a list may be empty
      rest.remove_prefix(1);
      continue;
    }
    DigestDirective& directive = directives.emplace_back();
    for (const char c : TakeToken(rest)) directive.name += AsciiLower(c);
    SkipBlanks(rest);
    if (directive.name.empty() || !rest.starts_with('=')) return std::nullopt;
    rest.remove_prefix(1);
    SkipBlanks(rest);
    if (rest.starts_with('"')) {
      if (!TakeQuoted(rest, directive.value)) return std::nullopt;
    } else {
      directive.value = TakeToken(rest);
      if (directive.value.empty()) return std::nullopt;
    }
    SkipBlanks(rest);
    if (!rest.empty() && rest[0] != ',') return std::nullopt;
  }
}

const std::string* FindDirective(std::span<const DigestDirective> directives, ByteView name) {
  for (const DigestDirective& directive : directives) {
    if (directive.name == name) return &directive.value;
  }
  return nullptr;
}

std::string QuoteDigest(ByteView text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted += '"';
}

std::string Latin1WherePossible(ByteView utf8) {
  std::string latin1;
  latin1.reserve(utf8.size());
  for (size_t i = 0; i < utf8.size(); i++) {
    const auto octet = static_cast<unsigned char>(utf8[i]);
    if (octet < 0x80) {
      latin1 += utf8[i];
      continue;
    }
    // U+0080 to U+00FF are C2 or C3 and one octet more.
    const auto next = i + 1 < utf8.size() ? static_cast<unsigned char>(utf8[i + 1]) : 0u;
    if ((octet != 0xc2 && octet != 0xc3) || (next & 0xc0) != 0x80) {
      Wipe(latin1);
      return std::string(utf8);
    }
    latin1 += static_cast<char>((octet & 3) << 6 | (next & 0x3f));
    i++;
  }
  return latin1;
}

std::string Utf8OfLatin1(ByteView latin1) {
  std::string utf8;
  for (const char c : latin1) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x80) {
      utf8 += c;
    } else {
      utf8 += static_cast<char>(0xc0 | octet >> 6);
      utf8 += static_cast<char>(0x80 | (octet & 0x3f));
    }
  }
  return utf8;
}

DigestMd5Key DeriveDigestMd5Key(ByteView user, ByteView realm, ByteView password) {
  std::string secret = Latin1WherePossible(password);
  std::string text = absl::StrCat(Latin1WherePossible(user), ":", realm, ":", secret);
  DigestMd5Key key{.hash = HashOf<Md5>(text), .realm = std::string(realm)};
  Wipe(text);
  Wipe(secret);
  return key;
}

DigestMd5Proofs ProofsOf(const DigestMd5Key& key, const DigestMd5Context& context) {
  std::string a1 = absl::StrCat(View(key.hash), ":", context.nonce, ":", context.cnonce);
  if (!context.authorization.empty()) absl::StrAppend(&a1, ":", context.authorization);
  std::string session_key = Hex(a1);
  const auto prove = [&](ByteView a2) {
    std::string text = absl::StrCat(session_key, ":", context.nonce, ":", context.nc, ":",
                                    context.cnonce, ":", context.qop, ":", Hex(a2));
    std::string proof = Hex(text);
    Wipe(text);
    return proof;
  };
  DigestMd5Proofs proofs{.response = prove(absl::StrCat("AUTHENTICATE:", context.uri)),
                         .response_auth = prove(absl::StrCat(":", context.uri))};
  Wipe(session_key);
  Wipe(a1);
  return proofs;
}

}  // namespace sluice::auth
