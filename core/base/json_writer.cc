#include "core/base/json_writer.h"

#include <array>
#include <charconv>
#include <cstring>

namespace sluice {
namespace {

constexpr uint64_t kEach = 0x0101010101010101;
constexpr uint64_t kHighBits = 0x8080808080808080;

constexpr uint64_t HasZeroByte(uint64_t word) { return (word - kEach) & ~word & kHighBits; }

// Whether all eight bytes are printable ASCII other than " and \. May say no by mistake, never yes.
bool AllPlain(uint64_t word) {
  const uint64_t below_space = (word - kEach * 0x20) & ~word;
  const uint64_t quote = HasZeroByte(word ^ kEach * '"');
  const uint64_t backslash = HasZeroByte(word ^ kEach * '\\');
  const uint64_t del_or_high = (word + kEach) | word;  // DEL + 1 has the high bit
  return ((below_space | quote | backslash | del_or_high) & kHighBits) == 0;
}

constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t c = 0x20; c < 0x7f; c++) plain[c] = c != '"' && c != '\\';
  return plain;
}();

// Octets at the front of `text` that need no escape.
size_t PlainPrefix(ByteView text) {
  size_t at = 0;
  while (at + 8 <= text.size()) {
    uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    if (!AllPlain(word)) break;
    at += 8;
  }
  while (at < text.size() && kPlain[static_cast<unsigned char>(text[at])]) at++;
  return at;
}

// Octets of the UTF-8 sequence at the front (RFC 3629 section 4), or 0: none, or a C1 control.
size_t Utf8Sequence(ByteView text) {
  const auto at = [&](size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto is_tail = [&](size_t i) { return (at(i) & 0xc0) == 0x80; };
  const unsigned first = at(0);
  if (first < 0xc2 || first > 0xf4 || !is_tail(1)) return 0;
  if (first == 0xc2 && at(1) < 0xa0) return 0;  // U+0080 to U+009F
  if (first < 0xe0) return 2;
  if (!is_tail(2)) return 0;
  if (first == 0xe0 && at(1) < 0xa0) return 0;   // overlong
  if (first == 0xed && at(1) >= 0xa0) return 0;  // surrogates
  if (first < 0xf0) return 3;
  if (!is_tail(3)) return 0;
  if (first == 0xf0 && at(1) < 0x90) return 0;   // overlong
  if (first == 0xf4 && at(1) >= 0x90) return 0;  // above U+10FFFF
  return 4;
}

void AppendEscaped(unsigned char c, Buffer& out) {
  switch (c) {
    case '"':
      return out.Append("\\\"");
    case '\\':
      return out.Append("\\\\");
    case '\n':
      return out.Append("\\n");
    case '\r':
      return out.Append("\\r");
    case '\t':
      return out.Append("\\t");
    default:
      break;
  }
  static constexpr char kHex[] = "0123456789abcdef";
  out.Append("\\u00");
  out.Append(kHex[c >> 4]);
  out.Append(kHex[c & 15]);
}

}  // namespace

void JsonWriter::Key(ByteView name) {
  Comma();
  char* at = out_.Extend(name.size() + 3);
  *at++ = '"';
  std::memcpy(at, name.data(), name.size());
  at += name.size();
  *at++ = '"';
  *at = ':';
  need_comma_ = false;
}

void JsonWriter::String(ByteView text) {
  Comma();
  out_.Reserve(text.size() + 2);
  out_.Append('"');
  while (true) {
    const size_t plain = PlainPrefix(text);
    out_.Append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const size_t sequence = Utf8Sequence(text);
    if (sequence > 0) {
      out_.Append(text.substr(0, sequence));
    } else {
      AppendEscaped(static_cast<unsigned char>(text.front()), out_);
    }
    text.remove_prefix(sequence > 0 ? sequence : 1);
  }
  out_.Append('"');
}

void JsonWriter::Number(uint64_t number) {
  Comma();
  char digits[20];
  const char* end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out_.Append(ByteView(digits, static_cast<size_t>(end - digits)));
}

void JsonWriter::Raw(ByteView json) {
  Comma();
  out_.Append(json);
}

}  // namespace sluice
