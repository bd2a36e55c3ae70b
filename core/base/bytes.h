// Words for ranges of octets, and the ASCII helpers that mail protocols need (locale-free).
//
// A ByteView borrows: it is valid until the function it was given to returns, unless the declaration
// says otherwise. Protocol text and binary data are both char: SMTP is octets.
#ifndef SLUICE_CORE_BASE_BYTES_H_
#define SLUICE_CORE_BASE_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace sluice {

using ByteView = std::string_view;
using MutableBytes = std::span<char>;

constexpr char AsciiLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr char AsciiUpper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
constexpr bool IsAsciiDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsAsciiAlpha(char c) { return AsciiLower(c) >= 'a' && AsciiLower(c) <= 'z'; }
constexpr bool IsAsciiAlnum(char c) { return IsAsciiDigit(c) || IsAsciiAlpha(c); }

constexpr bool EqualsIgnoreCase(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); i++) {
    if (AsciiLower(a[i]) != AsciiLower(b[i])) return false;
  }
  return true;
}

constexpr bool StartsWithIgnoreCase(ByteView text, ByteView prefix) {
  return text.size() >= prefix.size() && EqualsIgnoreCase(text.substr(0, prefix.size()), prefix);
}

// Equal or not in a time that depends on the lengths alone: for digests, proofs and keys.
inline bool ConstantTimeEquals(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  volatile unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); i++) {
    difference = difference | static_cast<unsigned char>(a[i] ^ b[i]);
  }
  return difference == 0;
}

// Overwrites a secret so that the compiler cannot leave it out.
inline void Wipe(void* data, size_t bytes) {
  std::memset(data, 0, bytes);
  __asm__ __volatile__("" : : "r"(data) : "memory");
}
inline void Wipe(MutableBytes bytes) { Wipe(bytes.data(), bytes.size()); }

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_BYTES_H_
