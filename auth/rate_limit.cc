#include "auth/rate_limit.h"

#include <charconv>

#include "absl/strings/str_cat.h"

namespace sluice::auth {
namespace {

constexpr ByteView kCountedNames[kCounteds] = {"messages", "recipients", "bytes"};
constexpr ByteView kWindowNames[kWindows] = {"minute", "hour", "day"};
constexpr ByteView kPolicyNames[kOverPolicies] = {"throttle", "hold", "reject"};
constexpr ByteView kUnits = "KMG";

template <typename Enum, size_t kCount>
bool TakeName(ByteView text, const ByteView (&names)[kCount], Enum& value) {
  for (size_t i = 0; i < kCount; i++) {
    if (text != names[i]) continue;
    value = static_cast<Enum>(i);
    return true;
  }
  return false;
}

}  // namespace

ByteView NameOf(Counted counted) { return kCountedNames[static_cast<size_t>(counted)]; }
ByteView NameOf(Window window) { return kWindowNames[static_cast<size_t>(window)]; }

ByteView NameOf(OverPolicy policy) { return kPolicyNames[static_cast<size_t>(policy)]; }

std::optional<OverPolicy> ParseOverPolicy(ByteView name) {
  OverPolicy policy;
  if (!TakeName(name, kPolicyNames, policy)) return std::nullopt;
  return policy;
}

Duration LengthOf(Window window) {
  constexpr Duration kLengths[kWindows] = {minutes(1), hours(1), hours(24)};
  return kLengths[static_cast<size_t>(window)];
}

std::optional<RateLimit> ParseRateLimit(ByteView text) {
  const size_t blank = text.find(' ');
  const size_t slash = text.find('/');
  if (blank == ByteView::npos || slash == ByteView::npos || slash < blank) return std::nullopt;
  RateLimit limit;
  if (!TakeName(text.substr(blank + 1, slash - blank - 1), kCountedNames, limit.counted) ||
      !TakeName(text.substr(slash + 1), kWindowNames, limit.window)) {
    return std::nullopt;
  }
  const char* const end = text.data() + blank;
  const auto [at, error] = std::from_chars(text.data(), end, limit.max);
  if (error != std::errc() || limit.max > kRateMax) return std::nullopt;
  if (at != end) {
    const size_t unit = kUnits.find(*at);
    if (at + 1 != end || unit == ByteView::npos || limit.counted != Counted::kBytes) {
      return std::nullopt;
    }
    const size_t shift = 10 * (unit + 1);
    if (limit.max > kRateMax >> shift) return std::nullopt;
    limit.max <<= shift;
  }
  return limit;
}

std::string ToString(const RateLimit& limit) {
  uint64_t number = limit.max;
  size_t units = 0;
  if (limit.counted == Counted::kBytes) {
    while (number > 0 && number % 1024 == 0 && units < kUnits.size()) {
      number /= 1024;
      units++;
    }
  }
  return absl::StrCat(number, units == 0 ? ByteView() : kUnits.substr(units - 1, 1), " ",
                      NameOf(limit.counted), "/", NameOf(limit.window));
}

}  // namespace sluice::auth
