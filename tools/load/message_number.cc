#include "tools/load/message_number.h"

#include <charconv>

#include "core/base/check.h"

namespace sluice::load {
namespace {

constexpr size_t kRunDigits = 8;

template <typename T>
bool ParseWhole(ByteView text, int base, T& value) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value, base);
  return error == std::errc() && at == end;
}

}  // namespace

void MessageNumber::Write(char* text) const {
  uint32_t high = run;
  for (size_t i = kRunDigits; i-- > 0; high >>= 4) text[i] = "0123456789abcdef"[high & 15];
  text[kRunDigits] = '-';
  uint64_t low = n;
  for (size_t i = kTextBytes; i-- > kRunDigits + 1; low /= 10) {
    text[i] = static_cast<char>('0' + low % 10);
  }
  DCHECK(low == 0);
}

std::optional<MessageNumber> MessageNumber::Parse(ByteView text) {
  MessageNumber number;
  if (text.size() != kTextBytes || text[kRunDigits] != '-') return std::nullopt;
  if (!ParseWhole(text.substr(0, kRunDigits), 16, number.run)) return std::nullopt;
  if (!ParseWhole(text.substr(kRunDigits + 1), 10, number.n)) return std::nullopt;
  return number;
}

std::optional<MessageNumber> MessageNumber::Find(ByteView message) {
  while (!message.empty() && !message.starts_with("\r\n")) {
    const size_t end = message.find("\r\n");
    if (end == ByteView::npos) return std::nullopt;
    ByteView line = message.substr(0, end);
    message.remove_prefix(end + 2);
    if (!StartsWithIgnoreCase(line, kNumberField)) continue;
    line.remove_prefix(kNumberField.size());
    if (line.starts_with(": ")) return Parse(line.substr(2));
  }
  return std::nullopt;
}

}  // namespace sluice::load
