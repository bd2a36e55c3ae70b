#include "tools/sluice/user_policy.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "auth/prepare.h"
#include "auth/sender_policy.h"
#include "core/server/options_values.h"

namespace sluice::users {
namespace {

using auth::CredentialRecord;
using Values = std::span<const std::string>;

absl::Status Wrong(ByteView value, ByteView expected) {
  return absl::InvalidArgumentError(absl::StrCat("'", value, "' is ", expected));
}

// Fills a list with what `parse` makes of each value; an empty value adds nothing.
template <typename T, typename Parse>
absl::Status SetList(Values values, std::vector<T>& list, ByteView wrong, Parse parse) {
  list.clear();
  for (const std::string& value : values) {
    if (value.empty()) continue;
    std::optional<T> item = parse(value);
    if (!item.has_value()) return Wrong(value, wrong);
    list.push_back(*std::move(item));
  }
  return absl::OkStatus();
}

ByteView Last(Values values) { return values.empty() ? ByteView() : ByteView(values.back()); }

template <typename Number>
absl::Status SetCount(Values values, Number& number) {
  const ByteView text = Last(values);
  number = 0;
  if (text.empty()) return absl::OkStatus();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    number = 0;
    return Wrong(text, "no number; 0: as configured");
  }
  return absl::OkStatus();
}

template <typename Number>
std::vector<std::string> GetCount(Number number) {
  if (number == 0) return {};
  return {absl::StrCat(number)};
}

// For whom one may act: a login, "@example.net", or "*".
std::optional<std::string> ActsFor(const std::string& value) {
  if (value == "*") return value;
  if (value.starts_with('@')) {
    std::optional<std::string> domain = auth::CanonicalDomain(value.substr(1));
    if (domain.has_value()) domain->insert(0, "@");
    return domain;
  }
  std::string login;
  if (auth::PrepareLogin(value, auth::Purpose::kQuery, login) != auth::Prepared::kOk)
    return std::nullopt;
  return login;
}

absl::Status SetRates(Values values, CredentialRecord& record) {
  std::vector<auth::RateLimit>& rates = record.limits.rates;
  absl::Status status =
      SetList(values, rates, "no rate, expected one such as '100 messages/minute'",
              [](const std::string& value) { return auth::ParseRateLimit(value); });
  if (!status.ok()) return status;
  for (size_t i = 0; i < rates.size(); i++) {
    for (size_t j = 0; j < i; j++) {
      if (rates[i].SameKind(rates[j])) {
        return Wrong(auth::ToString(rates[i]),
                     absl::StrCat("of the kind of '", auth::ToString(rates[j]), "'"));
      }
    }
  }
  return absl::OkStatus();
}

constexpr PolicySetting kSettings[] = {
    {"address", "addresses", "Address to send as (default: the name)", ' ',
     [](Values values, CredentialRecord& record) {
       return SetList(values, record.addresses, "no mail address: local@domain",
                      [](const std::string& value) { return auth::CanonicalAddress(value); });
     },
     [](const CredentialRecord& record) {
       std::vector<std::string> addresses;
       for (const std::string& address : record.addresses)
         addresses.push_back(auth::PrintAddress(address));
       return addresses;
     }},
    {"domain", "domains", "Domain to send as any address of", ' ',
     [](Values values, CredentialRecord& record) {
       return SetList(values, record.domains, "no domain: example.net",
                      [](const std::string& value) { return auth::CanonicalDomain(value); });
     },
     [](const CredentialRecord& record) { return record.domains; }},
    {"tenant", "tenant", "Group that the user belongs to", 0,
     [](Values values, CredentialRecord& record) {
       record.tenant = Last(values);
       return absl::OkStatus();
     },
     [](const CredentialRecord& record) {
       return record.tenant.empty() ? std::vector<std::string>()
                                    : std::vector<std::string>{record.tenant};
     }},
    {"null-sender", "null_sender", "Whether MAIL FROM:<> is allowed: yes or no", 0,
     [](Values values, CredentialRecord& record) {
       const ByteView value = Last(values);
       if (!value.empty() && value != "yes" && value != "no")
         return Wrong(value, "neither yes nor no");
       record.null_sender_forbidden = value == "no";
       return absl::OkStatus();
     },
     [](const CredentialRecord& record) {
       return std::vector<std::string>{record.null_sender_forbidden ? "no" : "yes"};
     }},
    {"acts-for", "acts_for",
     "Login it may act for, by AUTH= of MAIL or as authorization identity; @DOMAIN or *", ' ',
     [](Values values, CredentialRecord& record) {
       return SetList(values, record.acts_for, "no login, @domain or *", ActsFor);
     },
     [](const CredentialRecord& record) { return record.acts_for; }},
    {"rate", "rates",
     "Limit such as '100 messages/minute': messages, recipients, bytes; minute, hour, day", ';',
     SetRates,
     [](const CredentialRecord& record) {
       std::vector<std::string> rates;
       for (const auth::RateLimit& rate : record.limits.rates)
         rates.push_back(auth::ToString(rate));
       return rates;
     }},
    {"mechanism", "mechanisms", "Mechanism it may log in by (default: any); others get 534", ' ',
     [](Values values, CredentialRecord& record) {
       record.mechanisms = {};
       for (const std::string& value : values) {
         if (value.empty()) continue;
         const auto mechanism = auth::FindMechanism(value);
         if (!mechanism.has_value()) return Wrong(value, "no mechanism");
         record.mechanisms.Add(*mechanism);
         if (const auto plus = auth::PlusOf(*mechanism)) record.mechanisms.Add(*plus);
       }
       return absl::OkStatus();
     },
     [](const CredentialRecord& record) {
       std::vector<std::string> names;
       for (const auth::MechanismInfo& info : auth::Mechanisms()) {
         if (record.mechanisms.Has(info.mechanism)) names.emplace_back(info.name);
       }
       return names;
     }},
    {"over-limit", "over_limit",
     "Beyond a rate: throttle, hold (until `sluice queue release`) or reject; '': as configured", 0,
     [](Values values, CredentialRecord& record) {
       const ByteView value = Last(values);
       record.limits.over_limit = auth::ParseOverPolicy(value);
       if (!value.empty() && !record.limits.over_limit.has_value())
         return Wrong(value, "neither throttle nor hold nor reject");
       return absl::OkStatus();
     },
     [](const CredentialRecord& record) {
       return record.limits.over_limit.has_value()
                  ? std::vector<std::string>{std::string(NameOf(*record.limits.over_limit))}
                  : std::vector<std::string>();
     }},
    {"connections", "connections", "Logged in at a time; 0: as configured", 0,
     [](Values values, CredentialRecord& record) {
       return SetCount(values, record.limits.connections);
     },
     [](const CredentialRecord& record) { return GetCount(record.limits.connections); }},
    {"recipients", "recipients", "Recipients of a message; 0: as configured", 0,
     [](Values values, CredentialRecord& record) {
       return SetCount(values, record.limits.recipients);
     },
     [](const CredentialRecord& record) { return GetCount(record.limits.recipients); }},
    {"message-bytes", "message_bytes", "Size of a message, such as 10M; 0: as configured", 0,
     [](Values values, CredentialRecord& record) {
       const ByteView text = Last(values);
       const auto bytes = server::ParseBytes(text.empty() ? "0" : text);
       if (!bytes.has_value()) return Wrong(text, "no size, expected one such as 10M");
       record.limits.message_bytes = *bytes;
       return absl::OkStatus();
     },
     [](const CredentialRecord& record) {
       const uint64_t bytes = record.limits.message_bytes;
       return bytes == 0 ? std::vector<std::string>()
                         : std::vector<std::string>{server::FormatBytes(bytes)};
     }},
    {"network", "networks", "Network it may log in from, such as 192.0.2.0/24 (default: any)", ' ',
     [](Values values, CredentialRecord& record) {
       return SetList(values, record.limits.networks,
                      "no network, expected one such as 192.0.2.0/24",
                      [](const std::string& value) { return Network::Parse(value); });
     },
     [](const CredentialRecord& record) {
       std::vector<std::string> networks;
       for (const Network& network : record.limits.networks) networks.push_back(network.ToString());
       return networks;
     }},
};

}  // namespace

std::span<const PolicySetting> PolicySettings() { return kSettings; }

const PolicySetting* FindPolicySetting(ByteView name) {
  for (const PolicySetting& setting : kSettings) {
    if (setting.name == name) return &setting;
  }
  return nullptr;
}

}  // namespace sluice::users
