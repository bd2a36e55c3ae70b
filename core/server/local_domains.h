// LocalDomains: the domains whose mail has a next hop of its own ([[local_domain]]), and who may be
// written to by anybody.
//
// A domain is an address's whole domain: "example.org" is that and no subdomain, ".example.org" is
// every subdomain and not itself; of several that fit the longest counts. Domains are compared
// without regard to case, by their A-labels, address literals in their shortest form. The bare
// "postmaster" (RFC 5321 4.5.1) is that of the domain added first. Immutable once made, so that
// threads share it.
#ifndef SLUICE_CORE_SERVER_LOCAL_DOMAINS_H_
#define SLUICE_CORE_SERVER_LOCAL_DOMAINS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "core/base/bytes.h"

namespace sluice::server {

class LocalDomains {
 public:
  enum class Added : uint8_t {
    kOk,
    kNoDomain,  // no domain that an address can have
    kTaken,     // there already
  };
  // `place`: what Find is to say of its addresses.
  Added Add(ByteView domain, uint32_t place);

  // The place of an address as RCPT has it ("local@domain", or "postmaster" alone); nullopt: it is
  // not local. REQUIRES: an address that smtp::ParseForwardPath takes.
  std::optional<uint32_t> Find(ByteView address) const;

  // Whether a client that nobody vouches for may write to it: it is local, and its local part is no
  // route to somewhere else. The next hop trusts us, and might follow "user%other.example@", or
  // "other.example!user@".
  bool TakesFromAnybody(ByteView address) const;

  bool empty() const { return places_.empty(); }

 private:
  std::optional<uint32_t> FindDomain(ByteView domain) const;

  absl::flat_hash_map<std::string, uint32_t> places_;  // canonical; those of subdomains with a dot
  uint32_t first_ = 0;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_LOCAL_DOMAINS_H_
