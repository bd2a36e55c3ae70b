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
  connections_ = std::move(other.connections_);
  return *this;
}

void Account::Leave() {
  if (usage_ == nullptr) return;
  for (const uint64_t key : connections_) usage_->connections_.Leave(key);
  connections_.clear();
}

Usage::Usage(const Options& options, ByteView secret)
    : options_(options),
      meters_(secret, options.limits.meters),
      connections_(options.limits.meters) {
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

// A table without room lets in: that a limit holds is less than that a customer is served.
bool Usage::Enter(Account& account, uint64_t name, uint32_t max, bool bound) {
  if (max == 0) return true;
  const uint64_t level = connections_.Enter(name);
  if (level == 0) return true;
  account.connections_.push_back(name);
  return !bound || level <= max;
}

std::optional<Account> Usage::Open(const auth::Identity& identity, bool bound) {
  Account account;
  account.usage_ = this;
  const auto& own = identity.limits.rates;
  std::vector<auth::RateLimit> rates = own;
  for (const auth::RateLimit& common : options_.login_limits.rates) {
    const bool has_own = std::any_of(
        own.begin(), own.end(), [&](const auth::RateLimit& rate) { return rate.SameKind(common); });
    if (!has_own) rates.push_back(common);
  }
  const uint32_t connections = identity.limits.connections != 0 ? identity.limits.connections
                                                                : options_.login_limits.connections;
  const auto tenant = identity.tenant.empty() ? tenants_.end() : tenants_.find(identity.tenant);
  bool room = true;
  if (!rates.empty() || connections != 0) {
    const uint64_t name = meters_.NameKey(kLoginSpace, identity.login);
    AddMeters(account, name, Scope::kLogin,
              identity.limits.over_limit.value_or(options_.login_limits.over_limit), rates);
    room &= Enter(account, name, connections, bound);
  }
  if (tenant != tenants_.end()) {
    AddMeters(account, tenant->second.name, Scope::kTenant, tenant->second.policy,
              *tenant->second.rates);
    room &= Enter(account, tenant->second.name, tenant->second.connections, bound);
  }
  AddMeters(account, server_.name, Scope::kServer, server_.policy, *server_.rates);
  room &= Enter(account, server_.name, server_.connections, bound);
  if (!room) return std::nullopt;
  return account;
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
