#include "core/server/counters.h"

#include <algorithm>

namespace sluice::server {

std::string_view SessionStateName(size_t state) {
  static constexpr std::string_view kNames[] = {"connected",      "handshaking",   "greeted",
                                                "authenticating", "authenticated", "transaction",
                                                "data",           "committing",    "closing"};
  static_assert(std::size(kNames) == kSessionStates);
  return kNames[state];
}

std::string_view LoginResultName(size_t result) {
  static constexpr std::string_view kNames[] = {"success",   "rejected",  "malformed",
                                                "temporary", "abandoned", "throttled"};
  static_assert(std::size(kNames) == kLoginResults);
  return kNames[result];
}

std::string_view DovecotResultName(size_t result) {
  static constexpr std::string_view kNames[] = {"ok",        "rejected", "temporary",
                                                "cancelled", "lost",     "refused"};
  static_assert(std::size(kNames) == kDovecotResults);
  return kNames[result];
}

std::string_view HandshakeResultName(size_t result) {
  static constexpr std::string_view kNames[] = {"full", "resumed", "failed"};
  static_assert(std::size(kNames) == kHandshakeResults);
  return kNames[result];
}

std::string_view MemoryUseName(size_t use) {
  static constexpr std::string_view kNames[] = {"connections", "streams", "bodies",
                                                "queued_messages", "receive_buffers"};
  static_assert(std::size(kNames) == kMemoryUses);
  return kNames[use];
}

std::string_view MechanismName(size_t mechanism) {
  return auth::Info(static_cast<auth::Mechanism>(mechanism)).name;
}

std::string_view ReplyClassName(size_t index) {
  static constexpr std::string_view kNames[] = {"2xx", "3xx", "4xx", "5xx"};
  return kNames[index];
}

const MetricInfo* FindMetric(std::string_view name) {
  const auto it = std::find_if(kShardMetrics.begin(), kShardMetrics.end(),
                               [&](const MetricInfo& info) { return info.name == name; });
  return it == kShardMetrics.end() ? nullptr : &*it;
}

}  // namespace sluice::server
