#include "core/server/usage.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"

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

std::string UtcText(WallTime when) {
  const auto second = static_cast<time_t>(WallMillis(when) / 1000);
  tm parts{};
  gmtime_r(&second, &parts);
  char text[32];
  const size_t bytes = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, bytes);
}

}  // namespace

std::string OverLimit::Describe() const {
  return absl::StrCat("Throttling failure: more than ", auth::ToString(limit), " of ",
                      kScopeNames[static_cast<size_t>(scope)], "; try again after ",
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
             .connections = options.server_limits.connections};
  for (const TenantOptions& tenant : options.tenant) {
    tenants_[tenant.name] = {.name = meters_.NameKey(kTenantSpace, tenant.name),
                             .rates = &tenant.rates,
                             .connections = tenant.connections};
  }
}

void Usage::AddMeters(Account& account, uint64_t name, Scope scope,
                      const std::vector<auth::RateLimit>& rates) const {
  for (const auth::RateLimit& rate : rates) {
    account.meters_.push_back(
        {.key = auth::Meters::Key(name, WhatOf(rate.counted), auth::KindOf(rate.window)),
         .limit = rate,
         .scope = scope});
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
    AddMeters(account, name, Scope::kLogin, rates);
    room &= Enter(account, name, connections, bound);
  }
  if (tenant != tenants_.end()) {
    AddMeters(account, tenant->second.name, Scope::kTenant, *tenant->second.rates);
    room &= Enter(account, tenant->second.name, tenant->second.connections, bound);
  }
  AddMeters(account, server_.name, Scope::kServer, *server_.rates);
  room &= Enter(account, server_.name, server_.connections, bound);
  if (!room) return std::nullopt;
  return account;
}

Account Usage::OfAnybody() {
  Account account;
  account.usage_ = this;
  AddMeters(account, server_.name, Scope::kServer, *server_.rates);
  return account;
}

std::optional<OverLimit> Usage::Find(const Account& account, const Amount& more,
                                     WallTime now) const {
  std::optional<OverLimit> over;
  for (const Account::Metered& metered : account.meters_) {
    const uint64_t part = Part(more, metered.limit.counted);
    if (part == 0) continue;
    const uint64_t max = metered.limit.max;
    if (part <= max && meters_.Sum(metered.key, now) <= max - part) continue;
    // What is more than the limit by itself never fits; it is told to come when all is free again.
    const uint64_t room_from = part <= max ? max - part : 0;
    const WallTime until = meters_.WhenAtMost(metered.key, room_from, now);
    if (over.has_value() && over->until >= until) continue;
    over = {.scope = metered.scope, .limit = metered.limit, .until = until};
  }
  return over;
}

std::optional<OverLimit> Usage::Charge(const Account& account, const Amount& more, WallTime now) {
  std::optional<OverLimit> over = Find(account, more, now);
  if (over.has_value()) return over;
  for (const Account::Metered& metered : account.meters_) {
    meters_.Add(metered.key, Part(more, metered.limit.counted), now);
  }
  return std::nullopt;
}

void Usage::Refund(const Account& account, const Amount& amount, WallTime then) {
  for (const Account::Metered& metered : account.meters_) {
    meters_.Subtract(metered.key, Part(amount, metered.limit.counted), then);
  }
}

}  // namespace sluice::server
