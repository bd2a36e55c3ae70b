#include "core/smtp/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "core/smtp/limits.h"

namespace sluice::smtp {
namespace {

// Classes of octets, as bits.
enum : uint8_t { kAtext = 1, kDomainText = 2, kValueText = 4, kKeywordText = 8 };

constexpr std::array<uint8_t, 256> MakeClasses() {
  std::array<uint8_t, 256> classes{};
  auto set = [&](ByteView octets, uint8_t bits) {
    for (char c : octets) classes[static_cast<unsigned char>(c)] |= bits;
  };
  for (int c = '!'; c <= '~'; c++) {
    if (c != '=') classes[static_cast<size_t>(c)] |= kValueText;  // esmtp-value
    if (IsAsciiAlnum(static_cast<char>(c))) {
      classes[static_cast<size_t>(c)] |= kAtext | kDomainText | kKeywordText;
    }
  }
  set("!#$%&'*+-/=?^_`{|}~", kAtext);  // RFC 5322 3.2.3
  set("-_", kDomainText);              // the underscore is no host name's, but many domains have it
  set("-", kKeywordText);
  return classes;
}
constexpr std::array<uint8_t, 256> kClasses = MakeClasses();

bool Is(char c, uint8_t octet_class) {
  return (kClasses[static_cast<unsigned char>(c)] & octet_class) != 0;
}
bool IsAscii(ByteView text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 128; });
}

// Octets of the local part at the front of `text`, or 0.
size_t ScanLocalPart(ByteView text) {
  if (text.empty()) return 0;
  if (text[0] == '"') {  // Quoted-string
    for (size_t i = 1; i < text.size(); i++) {
      if (text[i] == '"') return i + 1;
      if (text[i] == '\\') i++;
      if (i >= text.size() || text[i] < ' ' || text[i] > '~') return 0;
    }
    return 0;
  }
  size_t bytes = 0;  // Dot-string
  while (true) {
    const size_t atom = bytes;
    while (bytes < text.size() && Is(text[bytes], kAtext)) bytes++;
    if (bytes == atom) return 0;
    if (bytes == text.size() || text[bytes] != '.') return bytes;
    bytes++;
  }
}

bool IsIpv6(ByteView text) {
  char terminated[INET6_ADDRSTRLEN];
  in6_addr address;
  if (text.size() >= sizeof terminated || text.find('\0') != ByteView::npos) return false;
  terminated[text.copy(terminated, sizeof terminated)] = '\0';
  return inet_pton(AF_INET6, terminated, &address) == 1;
}

bool IsIpv4(ByteView text) {
  for (int part = 0; part < 4; part++) {
    unsigned value = 0;
    size_t digits = 0;
    while (digits < text.size() && digits < 3 && IsAsciiDigit(text[digits])) {
      value = value * 10 + static_cast<unsigned>(text[digits++] - '0');
    }
    if (digits == 0 || value > 255) return false;
    text.remove_prefix(digits);
    if (part == 3) return text.empty();
    if (text.empty() || text[0] != '.') return false;
    text.remove_prefix(1);
  }
  return false;
}

// Drops "@one,@two:" in front of a mailbox (RFC 5321 appendix C: accepted and ignored).
bool SkipSourceRoute(ByteView& text) {
  if (text.empty() || text[0] != '@') return true;
  const size_t colon = text.find(':');
  if (colon == ByteView::npos) return false;
  ByteView route = text.substr(0, colon);
  while (true) {
    if (route.empty() || route[0] != '@') return false;
    const size_t comma = std::min(route.find(','), route.size());
    const AddressError error = CheckDomain(route.substr(1, comma - 1));
    if (error != AddressError::kNone && error != AddressError::kNotFqdn) return false;
    if (comma == route.size()) break;
    route.remove_prefix(comma + 1);
  }
  text.remove_prefix(colon + 1);
  return true;
}

// What is between "<" and the ">" that closes it; a quoted string may hold both. False without one.
bool TakeAngles(ByteView& text, ByteView& inside) {
  if (text.empty() || text[0] != '<') return false;
  bool quoted = false;
  for (size_t i = 1; i < text.size(); i++) {
    if (quoted && text[i] == '\\') {
      i++;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '>' && !quoted) {
      inside = text.substr(1, i - 1);
      text.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

AddressError ParsePath(ByteView& text, ByteView& inside, Mailbox& mailbox) {
  ByteView rest = text;
  if (!TakeAngles(rest, inside)) return AddressError::kSyntax;
  // Source routes are dropped before the bound is applied: what counts is what we keep.
  ByteView address = inside;
  if (!SkipSourceRoute(address)) return AddressError::kSyntax;
  const AddressError error = ParseMailbox(address, mailbox);
  if (error == AddressError::kNone) text = rest;
  return error;
}

}  // namespace

AddressError CheckDomain(ByteView domain) {
  if (domain.empty()) return AddressError::kSyntax;
  if (domain.size() > kDomainBytesMax) return AddressError::kTooLong;
  size_t label_bytes = 0;
  int labels = 1;
  bool digits_only = true;  // the label at hand
  for (size_t i = 0; i < domain.size(); i++) {
    const char c = domain[i];
    if (c == '.') {
      if (label_bytes == 0 || domain[i - 1] == '-') return AddressError::kSyntax;
      labels++;
      label_bytes = 0;
      digits_only = true;
      continue;
    }
    if (!Is(c, kDomainText) || (label_bytes == 0 && c == '-')) return AddressError::kSyntax;
    if (++label_bytes > 63) return AddressError::kTooLong;
    digits_only = digits_only && IsAsciiDigit(c);
  }
  if (label_bytes == 0 || domain.back() == '-') return AddressError::kSyntax;
  return labels == 1 || digits_only ? AddressError::kNotFqdn : AddressError::kNone;
}

bool IsAddressLiteral(ByteView text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return false;
  const ByteView inside = text.substr(1, text.size() - 2);
  if (StartsWithIgnoreCase(inside, "IPv6:")) return IsIpv6(inside.substr(5));
  return IsIpv4(inside);
}

AddressError ParseMailbox(ByteView text, Mailbox& mailbox) {
  if (!IsAscii(text)) return AddressError::kNotAscii;
  const size_t local_bytes = ScanLocalPart(text);
  if (local_bytes == 0) return AddressError::kSyntax;
  if (local_bytes > kLocalPartBytesMax) return AddressError::kTooLong;
  if (local_bytes == text.size()) return AddressError::kUnqualified;
  if (text[local_bytes] != '@') return AddressError::kSyntax;
  if (text.size() > kMailboxBytesMax) return AddressError::kTooLong;
  const ByteView domain = text.substr(local_bytes + 1);
  if (domain.starts_with('[')) {
    if (!IsAddressLiteral(domain)) return AddressError::kSyntax;
  } else if (const AddressError error = CheckDomain(domain); error != AddressError::kNone) {
    return error;
  }
  mailbox = Mailbox{text, text.substr(0, local_bytes), domain};
  return AddressError::kNone;
}

AddressError ParseReversePath(ByteView& text, Mailbox& mailbox) {
  if (text.starts_with("<>")) {
    text.remove_prefix(2);
    mailbox = Mailbox{};
    return AddressError::kNone;
  }
  ByteView inside;
  return ParsePath(text, inside, mailbox);
}

AddressError ParseForwardPath(ByteView& text, Mailbox& mailbox) {
  ByteView inside;
  const AddressError error = ParsePath(text, inside, mailbox);
  if (error == AddressError::kUnqualified && EqualsIgnoreCase(inside, "postmaster")) {
    text.remove_prefix(inside.size() + 2);  // RFC 5321 4.5.1
    mailbox = Mailbox{inside, inside, {}};
    return AddressError::kNone;
  }
  return error;
}

namespace {

// Takes " KEYWORD" or " KEYWORD=value" from the front. False: malformed. An absent value is empty.
bool TakeParameter(ByteView& text, ByteView& keyword, ByteView& value) {
  if (text.empty() || text[0] != ' ') return false;
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  size_t keyword_bytes = 0;
  while (keyword_bytes < text.size() && Is(text[keyword_bytes], kKeywordText)) keyword_bytes++;
  if (keyword_bytes == 0 || text[0] == '-') return false;
  keyword = text.substr(0, keyword_bytes);
  text.remove_prefix(keyword_bytes);
  value = {};
  if (!text.starts_with('=')) return text.empty() || text[0] == ' ';
  text.remove_prefix(1);
  // An AUTH value is "<>" or xtext, which may not hold "=": the general rule of esmtp-value.
  size_t value_bytes = 0;
  while (value_bytes < text.size() && Is(text[value_bytes], kValueText)) value_bytes++;
  value = text.substr(0, value_bytes);
  text.remove_prefix(value_bytes);
  return value_bytes > 0 && (text.empty() || text[0] == ' ');
}

ByteView WithoutBlanksAtEnd(ByteView text) {
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// RFC 1870: 1 to 20 digits. More than 64 bits hold is as good as the largest number.
bool ParseSize(ByteView value, uint64_t& size) {
  if (value.empty() || value.size() > 20 || !std::all_of(value.begin(), value.end(), IsAsciiDigit))
    return false;
  if (std::from_chars(value.data(), value.data() + value.size(), size).ec != std::errc())
    size = UINT64_MAX;
  return true;
}

}  // namespace

ParameterError ParseMailParameters(ByteView text, MailParameters& parameters) {
  text = WithoutBlanksAtEnd(text);
  while (!text.empty()) {
    ByteView keyword, value;
    if (!TakeParameter(text, keyword, value)) return ParameterError::kMalformed;
    if (EqualsIgnoreCase(keyword, "SIZE")) {
      if (parameters.has_size || !ParseSize(value, parameters.size))
        return ParameterError::kMalformed;
      parameters.has_size = true;
    } else if (EqualsIgnoreCase(keyword, "BODY")) {
      parameters.eight_bit = EqualsIgnoreCase(value, "8BITMIME");
      if (parameters.has_body) return ParameterError::kMalformed;
      if (!parameters.eight_bit && !EqualsIgnoreCase(value, "7BIT"))
        return ParameterError::kMalformed;
      parameters.has_body = true;
    } else if (EqualsIgnoreCase(keyword, "AUTH")) {
      if (parameters.has_auth || value.empty()) return ParameterError::kMalformed;
      parameters.has_auth = true;
      parameters.auth = value;
    } else {
      return ParameterError::kUnknown;
    }
  }
  return ParameterError::kNone;
}

ParameterError ParseRcptParameters(ByteView text) {
  text = WithoutBlanksAtEnd(text);
  if (text.empty()) return ParameterError::kNone;
  ByteView keyword, value;
  return TakeParameter(text, keyword, value) ? ParameterError::kUnknown
                                             : ParameterError::kMalformed;
}

bool DecodeXtext(ByteView text, Buffer& out) {
  const size_t before = out.size();
  auto hex = [](char c) -> int {  // upper case only (RFC 3461 section 4)
    if (IsAsciiDigit(c)) return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  for (size_t i = 0; i < text.size(); i++) {
    int octet = static_cast<unsigned char>(text[i]);
    if (octet == '+') {
      octet = i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0
                  ? hex(text[i + 1]) * 16 + hex(text[i + 2])
                  : -1;
      i += 2;
    } else if (octet == '=') {
      octet = -1;
    }
    if (octet < ' ' || octet > '~') {
      out.Truncate(before);
      return false;
    }
    out.Append(static_cast<char>(octet));
  }
  return true;
}

void EncodeXtext(ByteView text, Buffer& out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet > ' ' && octet < 0x7f && c != '+' && c != '=') {
      out.Append(c);
    } else {
      const char coded[] = {'+', kHex[octet >> 4], kHex[octet & 15]};
      out.Append(ByteView(coded, sizeof coded));
    }
  }
}

}  // namespace sluice::smtp
