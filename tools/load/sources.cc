#include "tools/load/sources.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"

namespace sluice::load {
namespace {

constexpr uint64_t kRangeMax = uint64_t{1} << 32;
using Number = unsigned __int128;

std::optional<SockAddr> ParseIp(ByteView text) {
  SockAddr address;
  const std::string host(text);
  if (inet_pton(AF_INET, host.c_str(), &address.v4.sin_addr) == 1) {
    address.v4.sin_family = AF_INET;
  } else if (inet_pton(AF_INET6, host.c_str(), &address.v6.sin6_addr) == 1) {
    address.v6.sin6_family = AF_INET6;
  } else {
    return std::nullopt;
  }
  return address;
}

int Bits(const SockAddr& address) { return address.family() == AF_INET ? 32 : 128; }

Number ToNumber(const SockAddr& address) {
  if (address.family() == AF_INET) return ntohl(address.v4.sin_addr.s_addr);
  Number number = 0;
  for (const uint8_t octet : address.v6.sin6_addr.s6_addr) number = number << 8 | octet;
  return number;
}

void SetNumber(SockAddr& address, Number number) {
  if (address.family() == AF_INET) {
    address.v4.sin_addr.s_addr = htonl(static_cast<uint32_t>(number));
    return;
  }
  for (int i = 15; i >= 0; i--, number >>= 8) {
    address.v6.sin6_addr.s6_addr[i] = static_cast<uint8_t>(number);
  }
}

absl::Status Refusal(ByteView text) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is no source: 127.0.0.2, 127.0.0.2-127.0.0.9 or 127.0.0.0/24"));
}

}  // namespace

absl::Status Sources::Add(ByteView text) {
  const size_t cut = text.find_first_of("-/");
  const auto first = ParseIp(text.substr(0, cut));
  if (!first.has_value()) return Refusal(text);
  Range range{.first = *first, .count = 1};
  if (cut != ByteView::npos && text[cut] == '-') {
    const auto last = ParseIp(text.substr(cut + 1));
    if (!last.has_value() || last->family() != first->family()) return Refusal(text);
    if (ToNumber(*last) < ToNumber(*first)) return Refusal(text);
    const Number behind = ToNumber(*last) - ToNumber(*first);
    range.count = behind >= kRangeMax ? kRangeMax : static_cast<uint64_t>(behind) + 1;
  } else if (cut != ByteView::npos) {
    int prefix = -1;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + cut + 1, end, prefix);
    if (error != std::errc() || stop != end || prefix < 0 || prefix > Bits(*first)) {
      return Refusal(text);
    }
    const int host_bits = Bits(*first) - prefix;
    range.count = host_bits >= 32 ? kRangeMax : uint64_t{1} << host_bits;
    if (host_bits > 0) {
      const Number number = ToNumber(*first);
      SetNumber(range.first, host_bits == 128 ? 0 : number >> host_bits << host_bits);
    }
  }
  ranges_.push_back(range);
  return absl::OkStatus();
}

uint64_t Sources::count(sa_family_t family) const {
  uint64_t sum = 0;
  for (const Range& range : ranges_) sum += range.first.family() == family ? range.count : 0;
  return sum;
}

SockAddr Sources::At(sa_family_t family, uint64_t turn) const {
  CHECK(Has(family));
  turn %= count(family);
  for (const Range& range : ranges_) {
    if (range.first.family() != family) continue;
    if (turn < range.count) {
      SockAddr address = range.first;
      SetNumber(address, ToNumber(address) + turn);
      return address;
    }
    turn -= range.count;
  }
  CHECK(!"a turn is below the count");
  return SockAddr();
}

}  // namespace sluice::load
