#include "core/server/access_rules.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "auth/prepare.h"
#include "core/base/check.h"

namespace sluice::server {

const TrustedNetworkOptions* AccessRules::FindTrusted(const SockAddr& client) const {
  for (const TrustedNetworkOptions& one : trusted) {
    const bool inside =
        std::any_of(one.networks.begin(), one.networks.end(),
                    [&client](const Network& network) { return network.Contains(client); });
    if (inside) return &one;
  }
  return nullptr;
}

std::shared_ptr<const AccessRules> MakeAccessRules(const Options& options) {
  auto rules = std::make_shared<AccessRules>();
  rules->trusted = options.trusted_network;
  for (size_t i = 0; i < options.local_domain.size(); i++) {
    for (const std::string& domain : options.local_domain[i].domains) {
      CHECK(rules->domains.Add(domain, static_cast<uint32_t>(i)) == LocalDomains::Added::kOk);
    }
  }
  return rules;
}

std::vector<std::string> DescribeTrustedLogins(const Options& options, auth::LmdbStore& store) {
  std::vector<std::string> lines;
  for (const TrustedNetworkOptions& one : options.trusted_network) {
    std::string login;
    if (auth::PrepareLogin(one.login, auth::Purpose::kQuery, login) != auth::Prepared::kOk)
      continue;
    const auto record = store.Get(login);
    if (record.ok() && record->may_log_in()) continue;
    lines.push_back(absl::StrCat(
        "trusted_network: ", one.login,
        record.ok() ? " is disabled or suspended: its networks are taken for anybody"
                    : absl::StrCat(" has no record: its networks are taken for anybody until "
                                   "`sluice user add ",
                                   one.login, " --no-password`")));
  }
  return lines;
}

}  // namespace sluice::server
