#include "core/server/local_domains.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "auth/sender_policy.h"
#include "core/smtp/address.h"
#include "core/smtp/limits.h"

namespace sluice::server {

LocalDomains::Added LocalDomains::Add(ByteView domain, uint32_t place) {
  const bool subdomains = domain.starts_with('.');
  const std::optional<std::string> canonical =
      auth::CanonicalDomain(subdomains ? domain.substr(1) : domain);
  if (!canonical.has_value()) return Added::kNoDomain;
  const bool literal = smtp::IsAddressLiteral(*canonical);
  if (literal ? subdomains : smtp::CheckDomain(*canonical) != smtp::AddressError::kNone)
    return Added::kNoDomain;
  if (places_.empty()) first_ = place;
  return places_.try_emplace(absl::StrCat(subdomains ? "." : "", *canonical), place).second
             ? Added::kOk
             : Added::kTaken;
}

std::optional<uint32_t> LocalDomains::Find(ByteView address) const {
  if (places_.empty()) return std::nullopt;
  // A quoted local part may have an '@', a domain may not.
  const size_t at = address.rfind('@');
  if (at == ByteView::npos) return first_;
  const ByteView domain = address.substr(at + 1);
  if (domain.starts_with('[')) {
    const std::optional<std::string> canonical = auth::CanonicalDomain(domain);
    return canonical.has_value() ? FindDomain(*canonical) : std::nullopt;
  }
  std::array<char, smtp::kDomainBytesMax> lower;
  if (domain.size() > lower.size()) return std::nullopt;
  std::transform(domain.begin(), domain.end(), lower.begin(), AsciiLower);
  return FindDomain(ByteView(lower.data(), domain.size()));
}

std::optional<uint32_t> LocalDomains::FindDomain(ByteView domain) const {
  if (const auto it = places_.find(domain); it != places_.end()) return it->second;
  if (domain.starts_with('[')) return std::nullopt;
  for (size_t dot = domain.find('.'); dot != ByteView::npos; dot = domain.find('.', dot + 1)) {
    if (dot == 0) continue;
    if (const auto it = places_.find(domain.substr(dot)); it != places_.end()) return it->second;
  }
  return std::nullopt;
}

bool LocalDomains::TakesFromAnybody(ByteView address) const {
  if (!Find(address).has_value()) return false;
  const ByteView local = address.substr(0, address.rfind('@'));
  return local.find_first_of("@%!") == ByteView::npos;
}

}  // namespace sluice::server
