// RateLimit: how much of something a login, a tenant or the server may send in a time.
//
//   "100 messages/minute"   "5000 recipients/day"   "2G bytes/hour"
//
// Windows slide: at no instant was more accepted in the last minute, hour or day. They are made of
// buckets of a sixth of their length, so what was sent may count for up to a sixth longer
// (auth/meters.h).
#ifndef SLUICE_AUTH_RATE_LIMIT_H_
#define SLUICE_AUTH_RATE_LIMIT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/bytes.h"
#include "core/base/time.h"

namespace sluice::auth {

enum class Counted : uint8_t { kMessages, kRecipients, kBytes };
enum class Window : uint8_t { kMinute, kHour, kDay };
inline constexpr size_t kCounteds = 3;
inline constexpr size_t kWindows = 3;
inline constexpr uint64_t kRateMax = uint64_t{1} << 40;  // what a meter can count to

// What becomes of mail that would pass a limit. Values are saved: never renumber.
enum class OverPolicy : uint8_t {
  kThrottle,  // 450 4.7.1, with until when
  kHold,      // taken, and not sent until an operator releases it; up to as much again as the limit
  kReject,    // 550 5.7.1
};
inline constexpr size_t kOverPolicies = 3;

struct RateLimit {
  Counted counted = Counted::kMessages;
  Window window = Window::kMinute;
  uint64_t max = 0;  // 0: nothing is allowed; at most kRateMax

  bool SameKind(const RateLimit& other) const {
    return counted == other.counted && window == other.window;
  }
  bool operator==(const RateLimit&) const = default;
};

ByteView NameOf(Counted counted);  // "messages"
ByteView NameOf(Window window);    // "minute"
ByteView NameOf(OverPolicy policy);  // "throttle"
std::optional<OverPolicy> ParseOverPolicy(ByteView name);
Duration LengthOf(Window window);

// nullopt: not of the form above. K, M and G are powers of 1024, and only for bytes.
std::optional<RateLimit> ParseRateLimit(ByteView text);
std::string ToString(const RateLimit& limit);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_RATE_LIMIT_H_
