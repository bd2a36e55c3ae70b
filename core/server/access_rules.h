// AccessRules: who may send what without logging in: [[local_domain]] and [[trusted_network]].
//
// Made of the options at start and at reload, immutable then; shards share it.
#ifndef SLUICE_CORE_SERVER_ACCESS_RULES_H_
#define SLUICE_CORE_SERVER_ACCESS_RULES_H_

#include <memory>
#include <string>
#include <vector>

#include "auth/lmdb_store.h"
#include "core/base/network.h"
#include "core/base/sock_addr.h"
#include "core/server/local_domains.h"
#include "core/server/options.h"

namespace sluice::server {

struct AccessRules {
  LocalDomains domains;  // places: indexes into options.local_domain
  std::vector<TrustedNetworkOptions> trusted;

  // The first one that has the client's address; nullptr: none.
  const TrustedNetworkOptions* FindTrusted(const SockAddr& client) const;
};

// REQUIRES: options that CheckOptions has nothing against.
std::shared_ptr<const AccessRules> MakeAccessRules(const Options& options);

// A line for each [[trusted_network]] whose login cannot let anybody in as the store is now.
std::vector<std::string> DescribeTrustedLogins(const Options& options, auth::LmdbStore& store);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_ACCESS_RULES_H_
