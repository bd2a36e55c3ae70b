#include "core/server/containment.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

// The login's name among the meters, and what is counted of it: apart from what Usage counts.
// Saved: never renumber.
constexpr char kSpace = 'c';
constexpr char kDomainSpace = 'd';
enum What : unsigned { kOverLimit = 0, kSent = 1, kRefused = 2, kNewDomains = 3 };

uint64_t KeyOf(uint64_t name, What what) {
  return auth::Meters::Key(name, what, auth::MeterKind::kHour);
}

// What follows the last @, in lower case; an address literal is a domain too.
std::string DomainOf(ByteView address) {
  std::string domain(address.substr(std::min(address.rfind('@') + 1, address.size())));
  for (char& c : domain) c = AsciiLower(c);
  return domain;
}

}  // namespace

uint64_t Containment::Count(uint64_t key, uint64_t more, WallTime now) {
  meters_.Add(key, more, now);
  return meters_.Sum(key, now);
}

void Containment::Contain(ByteView login, uint64_t name, const std::string& why) {
  for (const What what : {kOverLimit, kSent, kRefused, kNewDomains})
    meters_.Clear(KeyOf(name, what));
  suspend_(login, why);
}

void Containment::OnOverLimit(ByteView login, WallTime now) {
  if (options_.over_limit == 0 || login.empty()) return;
  const uint64_t name = meters_.NameKey(kSpace, login);
  if (Count(KeyOf(name, kOverLimit), 1, now) <= options_.over_limit) return;
  Contain(login, name,
          absl::StrCat("more than ", options_.over_limit, " times over a limit in an hour"));
}

void Containment::OnMessage(ByteView login, const smtp::AddressList& recipients, WallTime now) {
  if (options_.new_domains == 0 || login.empty()) return;
  const uint64_t name = meters_.NameKey(kSpace, login);
  uint64_t fresh = 0;
  for (const ByteView recipient : recipients) {
    const uint64_t domain = meters_.NameKey(kDomainSpace, DomainOf(recipient));
    fresh += domains_->Note(name, domain, options_.learn, now);
  }
  if (fresh == 0 || Count(KeyOf(name, kNewDomains), fresh, now) <= options_.new_domains) return;
  Contain(login, name,
          absl::StrCat("recipients of more than ", options_.new_domains,
                       " domains in an hour that it did not send to before"));
}

void Containment::OnRecipients(ByteView login, uint64_t sent, uint64_t refused, WallTime now) {
  if (options_.bounce_percent == 0 || login.empty() || sent + refused == 0) return;
  const uint64_t name = meters_.NameKey(kSpace, login);
  const uint64_t all_sent = Count(KeyOf(name, kSent), sent, now);
  const uint64_t all_refused = Count(KeyOf(name, kRefused), refused, now);
  const uint64_t all = all_sent + all_refused;
  if (refused == 0 || all < options_.bounce_recipients ||
      all_refused * 100 <= all * options_.bounce_percent)
    return;
  Contain(
      login, name,
      absl::StrCat(all_refused, " of ", all, " recipients in an hour refused for good, more than ",
                   options_.bounce_percent, " percent"));
}

}  // namespace sluice::server
