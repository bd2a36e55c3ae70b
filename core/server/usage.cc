#include "core/server/usage.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/time_text.h"

namespace sluice::server {
namespace {

// Apart in the table, whatever their names.
constexpr char kLoginSpace = 'l', kTenantSpace = 't', kServerSpace = 's';
constexpr ByteView kScopeNames[] = {"this login", "this tenant", "this server"};

unsigned WhatOf(auth::Counted counted) { return static_cast<unsigned>(counted); }

uint64_t Part(const Amount& amount, auth::Counted counted) {
  switch (counted) {
    case auth::Counted::kMessages:
      return amount.messages;
    case auth::Counted::kRecipients:
      return amount.recipients;
    case auth::Counted::kBytes:
      break;
  }
  return amount.bytes;
}

bool IsWorse(const OverLimit& a, const OverLimit& b) {
  if (a.never != b.never) return a.never;
  constexpr int kRank[auth::kOverPolicies] = {1, 0, 2};  // throttle, hold, reject
  const int rank_a = kRank[static_cast<size_t>(a.policy)];
  const int rank_b = kRank[static_cast<size_t>(b.policy)];
  return rank_a != rank_b ? rank_a > rank_b : a.until > b.until;
}

// Four places for each session that there may be: should each be of another login, hardly any key
// finds its neighbourhood taken.
uint32_t LevelsFor(const Options& options) {
  constexpr uint64_t kWordsMax = 1u << 28;
  uint64_t sessions = uint64_t{std::max(options.shards, 1u)} * options.limits.sessions;
  for (const ShardOptions& own : options.shard) sessions += own.tuning.sessions;
  return static_cast<uint32_t>(std::min(4 * sessions, kWordsMax));
}

}  // namespace

std::string OverLimit::Name() const {
  return absl::StrCat(auth::ToString(limit), " of ", kScopeNames[static_cast<size_t>(scope)]);
}

std::string OverLimit::Describe() const {
  if (never) return absl::StrCat("By itself more than ", Name());
  return absl::StrCat("Throttling failure: more than ", Name(), "; try again after ",
                      UtcText(until));
}

Account& Account::operator=(Account&& other) noexcept {
  if (this == &other) return *this;
  Leave();
  usage_ = std::exchange(other.usage_, nullptr);
  meters_ = std::move(other.meters_);
  connections_ = std::exchange(other.connections_, {});
  return *this;
}

void Account::Leave() {
  if (usage_ == nullptr) return;
  for (uint64_t& key : connections_) {
    if (key != 0) usage_->connections_.Leave(std::exchange(key, 0));
  }
}

Usage::Usage(const Options& options, ByteView secret)
    : options_(options), meters_(secret, options.limits.meters), connections_(LevelsFor(options)) {
  server_ = {.name = meters_.NameKey(kServerSpace, ""),
             .rates = &options.server_limits.rates,
             .policy = options.server_limits.over_limit,
             .connections = options.server_limits.connections};
  for (const TenantOptions& tenant : options.tenant) {
    tenants_[tenant.name] = {.name = meters_.NameKey(kTenantSpace, tenant.name),
                             .rates = &tenant.rates,
                             .policy = tenant.over_limit,
                             .connections = tenant.connections};
  }
}

void Usage::AddMeters(Account& account, uint64_t name, Scope scope, auth::OverPolicy policy,
                      const std::vector<auth::RateLimit>& rates) const {
  for (const auth::RateLimit& rate : rates) {
    account.meters_.push_back(
        {.key = auth::Meters::Key(name, WhatOf(rate.counted), auth::KindOf(rate.window)),
         .limit = rate,
         .scope = scope,
         .policy = policy});
  }
}

// A table without room lets in: that a limit holds is less than that a customer is served. `max` 0:
// any number.
bool Usage::Enter(Account& account, Scope scope, uint64_t name, uint32_t max) {
  const uint64_t level = connections_.Enter(name);
  if (level == 0) return true;
  account.connections_[static_cast<size_t>(scope)] = name;
  return max == 0 || level <= max;
}

const Usage::Shared* Usage::TenantOf(const auth::Identity& identity) const {
  const auto found = tenants_.find(identity.tenant);
  return found == tenants_.end() ? nullptr : &found->second;
}

uint64_t Usage::NameOf(const auth::Identity& identity) const {
  return meters_.NameKey(kLoginSpace, identity.login);
}

// `name`: NameOf(identity), which takes longer than the rest.
Account Usage::MakeAccount(const auth::Identity& identity, uint64_t name) {
  Account account;
  account.usage_ = this;
  const auto& own = identity.limits.rates;
  std::vector<auth::RateLimit> rates = own;
  for (const auth::RateLimit& common : options_.login_limits.rates) {
    const bool has_own = std::any_of(
        own.begin(), own.end(), [&](const auth::RateLimit& rate) { return rate.SameKind(common); });
    if (!has_own) rates.push_back(common);
  }
  AddMeters(account, name, Scope::kLogin,
            identity.limits.over_limit.value_or(options_.login_limits.over_limit), rates);
  if (const Shared* tenant = TenantOf(identity)) {
    AddMeters(account, tenant->name, Scope::kTenant, tenant->policy, *tenant->rates);
  }
  AddMeters(account, server_.name, Scope::kServer, server_.policy, *server_.rates);
  return account;
}

std::optional<Account> Usage::Open(const auth::Identity& identity) {
  const uint64_t name = NameOf(identity);
  Account account = MakeAccount(identity, name);
  const uint32_t own_max = identity.limits.connections;
  bool room = Enter(account, Scope::kLogin, name,
                    own_max != 0 ? own_max : options_.login_limits.connections);
  const Shared* tenant = TenantOf(identity);
  if (tenant != nullptr && tenant->connections != 0)
    room &= Enter(account, Scope::kTenant, tenant->name, tenant->connections);
  if (server_.connections != 0)
    room &= Enter(account, Scope::kServer, server_.name, server_.connections);
  if (!room) return std::nullopt;
  return account;
}

// The levels that it has entered are kept, not left and entered anew: others that log in meanwhile
// find neither one too many nor one too few.
void Usage::Renew(Account& account, const auth::Identity& identity) {
  account.meters_ = Of(identity).meters_;
  uint64_t& entered = account.connections_[static_cast<size_t>(Scope::kTenant)];
  const Shared* tenant = TenantOf(identity);
  const uint64_t name = tenant != nullptr && tenant->connections != 0 ? tenant->name : 0;
  if (name == entered) return;
  if (entered != 0) connections_.Leave(std::exchange(entered, 0));
  if (name != 0) (void)Enter(account, Scope::kTenant, name, 0);
}

Account Usage::OfAnybody() {
  Account account;
  account.usage_ = this;
  AddMeters(account, server_.name, Scope::kServer, server_.policy, *server_.rates);
  return account;
}

std::optional<OverLimit> Usage::Find(const Account& account, const Amount& more,
                                     WallTime now) const {
  using auth::OverPolicy;
  std::optional<OverLimit> over;
  for (const Account::Metered& metered : account.meters_) {
    const uint64_t part = Part(more, metered.limit.counted);
    if (part == 0) continue;
    const uint64_t max = metered.limit.max;
    const uint64_t sum = meters_.Sum(metered.key, now);
    if (part <= max && sum <= max - part) continue;
    OverLimit found{.scope = metered.scope, .limit = metered.limit, .policy = metered.policy};
    const uint64_t bound = metered.bound();
    if (part > bound) {
      found.never = true;
      found.policy = OverPolicy::kReject;
    } else {
      found.until = meters_.WhenAtMost(metered.key, bound - part, now);
      const bool full = sum > bound - part;
      if (found.policy == OverPolicy::kHold && full) found.policy = OverPolicy::kThrottle;
    }
    if (!over.has_value() || IsWorse(found, *over)) over = found;
  }
  return over;
}

std::optional<OverLimit> Usage::Charge(const Account& account, const Amount& more, WallTime now) {
  const std::optional<OverLimit> over = Find(account, more, now);
  if (over.has_value() && over->policy != auth::OverPolicy::kHold) return over;
  for (const Account::Metered& metered : account.meters_) {
    meters_.Add(metered.key, Part(more, metered.limit.counted), now);
  }
  return over;
}

uint64_t Usage::MessageBytesMax(const Account& account) {
  uint64_t bytes = UINT64_MAX;
  for (const Account::Metered& metered : account.meters_) {
    if (metered.limit.counted == auth::Counted::kBytes) bytes = std::min(bytes, metered.bound());
  }
  return bytes;
}

void Usage::Refund(const Account& account, const Amount& amount, WallTime then) {
  for (const Account::Metered& metered : account.meters_) {
    meters_.Subtract(metered.key, Part(amount, metered.limit.counted), then);
  }
}

}  // namespace sluice::server
