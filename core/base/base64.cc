#include "core/base/base64.h"

#include <algorithm>
#include <array>

namespace sluice {
namespace {

using Values = std::array<int8_t, 256>;

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kUrlAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr Values MakeValues(const char* alphabet) {
  Values values{};
  for (auto& value : values) value = -1;
  for (int i = 0; i < 64; i++)
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<int8_t>(i);
  return values;
}
constexpr Values kValues = MakeValues(kAlphabet);
constexpr Values kUrlValues = MakeValues(kUrlAlphabet);

void EncodeTo(ByteView bytes, char* out) {
  size_t i = 0;
  auto at = [&](size_t k) { return static_cast<uint32_t>(static_cast<unsigned char>(bytes[k])); };
  for (; i + 3 <= bytes.size(); i += 3) {
    const uint32_t group = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    for (int shift = 18; shift >= 0; shift -= 6) *out++ = kAlphabet[(group >> shift) & 63];
  }
  const size_t left = bytes.size() - i;
  if (left == 0) return;
  const uint32_t group = at(i) << 16 | (left == 2 ? at(i + 1) << 8 : 0);
  *out++ = kAlphabet[group >> 18];
  *out++ = kAlphabet[(group >> 12) & 63];
  *out++ = left == 2 ? kAlphabet[(group >> 6) & 63] : '=';
  *out++ = '=';
}

// `digits` without padding.
ptrdiff_t DecodeDigits(const Values& values, ByteView digits, MutableBytes out) {
  if (digits.size() % 4 == 1) return -1;
  size_t written = 0;
  for (size_t i = 0; i < digits.size(); i += 4) {
    const size_t count = std::min<size_t>(4, digits.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 4; k++) {
      const int value = k < count ? values[static_cast<unsigned char>(digits[i + k])] : 0;
      if (value < 0) return -1;
      group = group << 6 | static_cast<uint32_t>(value);
    }
    const uint32_t dropped = count == 4 ? 0 : (count == 3 ? 0xff : 0xffff);
    if (group & dropped) return -1;  // not canonical: two texts must not mean one secret
    for (size_t k = 0; k + 1 < count; k++) {
      out[written++] = static_cast<char>(group >> (16 - 8 * k));
    }
  }
  return static_cast<ptrdiff_t>(written);
}

}  // namespace

void Base64Encode(ByteView bytes, Buffer& out) { EncodeTo(bytes, out.Extend(Base64EncodedBytes(bytes.size()))); }

std::string Base64Encode(ByteView bytes) {
  std::string text(Base64EncodedBytes(bytes.size()), '\0');
  EncodeTo(bytes, text.data());
  return text;
}

ptrdiff_t Base64Decode(ByteView text, MutableBytes out) {
  if (text.size() % 4 != 0) return -1;
  if (text.empty()) return 0;
  CHECK(out.size() >= Base64DecodedBytesMax(text.size()));
  size_t padding = 0;
  if (text.back() == '=') padding = text[text.size() - 2] == '=' ? 2 : 1;
  return DecodeDigits(kValues, text.substr(0, text.size() - padding), out);
}

ptrdiff_t Base64UrlDecode(ByteView text, MutableBytes out) {
  CHECK(out.size() >= Base64UrlDecodedBytesMax(text.size()));
  return DecodeDigits(kUrlValues, text, out);
}

}  // namespace sluice
