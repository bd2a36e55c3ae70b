// BodyBudget: how many octets of bodies a shard holds before they are durable, in memory or in journal parts that
// no message names yet; bounded a shard and a login, so that one customer's stalled uploads cannot take
// what all others need. One thread.
#ifndef SLUICE_CORE_SERVER_BODY_BUDGET_H_
#define SLUICE_CORE_SERVER_BODY_BUDGET_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "core/base/bytes.h"
#include "core/base/check.h"

namespace sluice::server {

class BodyBudget {
 public:
  // One body's part of the sums; a field of whoever receives it. Release it before it goes.
  struct Charge {
    uint64_t bytes = 0;
    bool of_login = false;  // counted for its login too
  };

  BodyBudget(uint64_t bytes_max, uint64_t login_bytes_max)
      : bytes_max_(bytes_max), login_bytes_max_(login_bytes_max) {}

  // A body that is still coming takes `bytes` now. False: a bound is passed; let go of it, and Release.
  [[nodiscard]] bool Hold(Charge& charge, ByteView login, uint64_t bytes) {
    if (bytes == 0) return true;
    uint64_t& of_login = logins_[login];
    of_login += charge.of_login ? bytes - charge.bytes : bytes;
    charge.of_login = true;
    bytes_ += bytes - std::exchange(charge.bytes, bytes);
    return bytes_ <= bytes_max_ && of_login <= login_bytes_max_;
  }

  // A body is complete and waits for its commit. Most come whole in one turn: those are not looked up by login,
  // for which one at a time a connection is no way to stall.
  [[nodiscard]] bool Complete(Charge& charge, uint64_t bytes) {
    if (charge.of_login) return true;
    bytes_ += bytes - std::exchange(charge.bytes, bytes);
    return bytes_ <= bytes_max_;
  }

  void Release(Charge& charge, ByteView login) {
    bytes_ -= charge.bytes;
    if (charge.of_login) {
      const auto it = logins_.find(login);
      CHECK(it != logins_.end() && it->second >= charge.bytes);
      it->second -= charge.bytes;
      if (it->second == 0) logins_.erase(it);
    }
    charge = Charge();
  }

  uint64_t bytes() const { return bytes_; }

 private:
  const uint64_t bytes_max_;
  const uint64_t login_bytes_max_;
  uint64_t bytes_ = 0;
  absl::flat_hash_map<std::string, uint64_t> logins_;  // those with a body that is still coming
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_BODY_BUDGET_H_
