// Containment: stops a login that behaves as if it were stolen: that is over its limits again and
// again, whose recipients are refused, or that sends to many domains to which it never did. Each is
// counted over an hour, of each login, in the table of Usage's meters; the login is then suspended
// in the credential store, as by `sluice user suspend`.
//
// One for the process. Any thread, each call; no locks. With nothing configured a call is a
// comparison.
#ifndef SLUICE_CORE_SERVER_CONTAINMENT_H_
#define SLUICE_CORE_SERVER_CONTAINMENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "auth/meters.h"
#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/server/known_domains.h"
#include "core/server/options.h"
#include "core/smtp/address_list.h"

namespace sluice::server {

class Containment {
 public:
  // Suspends a login; called on whatever thread has found out, so it only asks another to do so.
  // Once each time that a login has done too much: what was counted of it is then forgotten.
  using Suspend = std::function<void(ByteView login, const std::string& why)>;

  // All of them outlive the object. `domains`: where new_domains is not 0.
  Containment(const ContainmentOptions& options, auth::Meters& meters, KnownDomains* domains,
              Suspend suspend)
      : options_(options), meters_(meters), domains_(domains), suspend_(std::move(suspend)) {}

  // A command or a message of the login was beyond a limit of its own.
  void OnOverLimit(ByteView login, WallTime now);
  // A message was accepted of it.
  void OnMessage(ByteView login, const smtp::AddressList& recipients, WallTime now);
  // So many recipients of its have got their message, or were refused for good.
  void OnRecipients(ByteView login, uint64_t sent, uint64_t refused, WallTime now);

 private:
  uint64_t Count(uint64_t key, uint64_t more, WallTime now);
  void Contain(ByteView login, uint64_t name, const std::string& why);

  const ContainmentOptions& options_;
  auth::Meters& meters_;
  KnownDomains* const domains_;
  const Suspend suspend_;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_CONTAINMENT_H_
