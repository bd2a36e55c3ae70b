#include "core/server/options_check.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "auth/certificate_logins.h"
#include "auth/prepare.h"
#include "core/base/bytes.h"
#include "core/base/sock_addr.h"
#include "core/server/local_domains.h"

namespace sluice::server {
namespace {

std::string Element(std::string_view list, size_t index, std::string_view key) {
  return absl::StrCat(list, "[", index, "].", key);
}

// Of RFC 5322 3.2.3, without letters and digits, which part nothing.
bool IsAtomCharacter(char c) {
  return std::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) != std::string_view::npos;
}

// A domain as RFC 5321 4.1.2 writes it: labels of letters, digits and inner hyphens.
bool IsDomain(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  while (true) {
    const size_t dot = std::min(name.find('.'), name.size());
    const std::string_view label = name.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-')
      return false;
    if (!std::all_of(label.begin(), label.end(),
                     [](char c) { return IsAsciiAlnum(c) || c == '-'; })) {
      return false;
    }
    if (dot == name.size()) return true;
    name.remove_prefix(dot + 1);
  }
}

void CheckHostname(const Options& options, const ReportFn& report) {
  if (options.hostname.empty()) {
    report("hostname", "is missing, expected this server's name such as \"submit.example.net\"");
  } else if (!IsDomain(options.hostname)) {
    report("hostname",
           absl::StrCat("\"", options.hostname,
                        "\" is not a domain name, expected one such as \"submit.example.net\""));
  }
}

void CheckListeners(const Options& options, const ReportFn& report) {
  if (options.listener.empty())
    report("listener", "there is none, expected at least one [[listener]]");

  std::map<std::string, std::string> taken;  // address to the key that has it
  const auto claim = [&](const SockAddr& address, const std::string& where) {
    if (!address.known() || address.port() == 0) return;
    const auto [other, is_new] = taken.emplace(address.ToString(), where);
    if (!is_new) report(where, absl::StrCat(address.ToString(), " is taken by ", other->second));
  };
  for (size_t i = 0; i < options.listener.size(); i++) {
    const ListenerOptions& listener = options.listener[i];
    const std::string where = Element("listener", i, "address");
    if (!listener.address.known()) {
      report(where, "is missing, expected a numeric address with port such as \"0.0.0.0:587\"");
    }
    claim(listener.address, where);
    if (listener.mode != ListenerMode::kPlain && options.certificate.empty()) {
      report(Element("listener", i, "mode"),
             "needs TLS and there is no [[certificate]]; add one, or use mode = \"plain\"");
    }
  }
  claim(options.admin.address, "admin.address");
}

void CheckAuth(const Options& options, const ReportFn& report) {
  if (ConfiguredMechanisms(options).Has(auth::Mechanism::kGssapi) &&
      options.gssapi.keytab.empty()) {
    report("gssapi.keytab",
           "is missing, and GSSAPI is offered; expected the file with the key of smtp/<hostname>");
  }
  const std::string& realm = options.auth.digest_realm;
  const bool sendable = std::all_of(realm.begin(), realm.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != '\\';
  });
  if (realm.size() > 255 || !sendable) {
    report("auth.digest_realm",
           "is over 255 octets or has others than printable ASCII without blanks, quotes and "
           "backslashes");
  }
}

void CheckClientCertificates(const Options& options, const ReportFn& report) {
  const auto lists = [](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), "EXTERNAL") != names.end();
  };
  for (size_t i = 0; i < options.listener.size(); i++) {
    const ListenerOptions& listener = options.listener[i];
    const bool tls = listener.mode != ListenerMode::kPlain;
    const bool asks = !listener.client_ca_file.empty();
    if (lists(listener.mechanisms_clear)) {
      report(Element("listener", i, "mechanisms_clear"),
             "lists EXTERNAL, which logs in by a TLS certificate: there is none without TLS; "
             "list it in mechanisms");
    }
    if (tls && !asks && lists(listener.mechanisms)) {
      report(Element("listener", i, "mechanisms"),
             "lists EXTERNAL, which logs in by a TLS certificate, and none is asked for; set "
             "client_ca_file, or list other mechanisms for this listener");
    }
    if (!tls && asks) {
      report(Element("listener", i, "client_ca_file"),
             "asks for certificates, and mode = \"plain\" has no TLS");
    }
    if (!asks && !listener.client_crl_file.empty()) {
      report(Element("listener", i, "client_crl_file"), "is of no use without client_ca_file");
    }
  }

  auth::CertificateLogins logins;
  for (size_t i = 0; i < options.client_certificate.size(); i++) {
    const ClientCertificateOptions& one = options.client_certificate[i];
    const auto wrong = [&](std::string_view key, std::string_view text) {
      report(Element("client_certificate", i, key), std::string(text));
    };
    const auto fingerprint = auth::ParseFingerprint(one.fingerprint);
    if (one.fingerprint.empty() == one.subject.empty()) {
      wrong("fingerprint", "expected either fingerprint or subject");
    } else if (!one.fingerprint.empty() && !fingerprint.has_value()) {
      wrong("fingerprint",
            "is no SHA-256 fingerprint, expected 64 hexadecimal digits, as `openssl x509 -noout "
            "-fingerprint -sha256` prints them");
    } else if (one.login.empty()) {
      wrong("login", "is missing, expected the user whose certificate it is");
    } else if (!(fingerprint.has_value() ? logins.AddFingerprint(*fingerprint, one.login)
                                         : logins.AddSubject(one.subject, one.login))) {
      wrong("login", "cannot be a login, or another [[client_certificate]] names this certificate");
    }
  }
}

void CheckCertificates(const Options& options, const ReportFn& report) {
  for (size_t i = 0; i < options.certificate.size(); i++) {
    const CertificateOptions& certificate = options.certificate[i];
    if (certificate.chain.empty())
      report(Element("certificate", i, "chain"), "is missing, expected a PEM file");
    if (certificate.key.empty())
      report(Element("certificate", i, "key"), "is missing, expected a PEM file");
  }
  if (options.tls.groups.empty()) report("tls.groups", "is empty, expected at least one group");
  if (options.tls.ticket_lifetime > Duration(0) && options.tls.ticket_lifetime < seconds(1)) {
    report("tls.ticket_lifetime",
           "is below a second, expected \"1s\" to \"7d\", or \"0s\" for no tickets");
  }
}

void CheckOauth(const Options& options, const ReportFn& report) {
  const OauthOptions& oauth = options.oauth;
  if (!TakesTokens(options)) return;
  constexpr std::string_view kWhy =
      "is missing, and a mechanism takes tokens (OAUTHBEARER, XOAUTH2); expected ";
  const auto need = [&](std::string_view key, const std::string& value, std::string_view expected) {
    if (value.empty()) report(absl::StrCat("oauth.", key), absl::StrCat(kWhy, expected));
  };
  need("jwks_file", oauth.jwks_file, "the file of the issuer's public keys (JWKS)");
  need("issuer", oauth.issuer, "the `iss` of its tokens, such as \"https://id.example.net/\"");
  need("audience", oauth.audience,
       "the `aud` of tokens for this server: what keeps those for others out");
}

// As it can stand in a certificate.
bool IsName(const std::string& name) {
  return IsDomain(name) && !SockAddr::Parse(name + ":25").has_value();
}

// The TLS library is built to compare names only, and a next hop's name is known from nowhere else.
void CheckRelayName(const RelayOptions& relay, const ReportFn& report) {
  if (relay.tls != RelayTls::kVerify) return;
  constexpr std::string_view kExample =
      " such as \"relay.example.net\"; addresses in certificates are not compared";
  if (relay.tls_name.empty()) {
    report("relay.tls",
           absl::StrCat("\"verify\" needs relay.tls_name, the name in the next hop's certificate",
                        kExample));
  } else if (!IsName(relay.tls_name)) {
    report("relay.tls_name",
           absl::StrCat("\"", relay.tls_name,
                        "\" is not a domain name, expected the name in the next hop's certificate",
                        kExample));
  }
}

void CheckBackend(const AuthOptions& auth, const ReportFn& report) {
  if (auth.backend == AuthBackend::kDovecot && auth.dovecot_socket.empty()) {
    report(
        "auth.dovecot_socket",
        "is missing, expected the socket of the Dovecot server that auth.backend asks for, such as "
        "\"/run/dovecot/auth-client\" or \"127.0.0.1:12345\"");
  }
}

// A password is nobody's business on the way.
void CheckRelayLogin(const RelayOptions& relay, const ReportFn& report) {
  if (relay.username.empty()) {
    if (!relay.password_file.empty())
      report("relay.username", "is missing, and relay.password_file is there");
    return;
  }
  if (relay.password_file.empty()) {
    report("relay.password_file",
           "is missing, expected the file with the password of relay.username");
  }
  if (relay.tls != RelayTls::kRequired && relay.tls != RelayTls::kVerify) {
    report("relay.tls", "must be \"required\" or \"verify\" where relay.username logs in");
  }
  const auto mechanism = auth::FindMechanism(relay.mechanism);
  const bool takes_password =
      mechanism.has_value() && !auth::Info(*mechanism).plus && !auth::Info(*mechanism).token &&
      *mechanism != auth::Mechanism::kGssapi && *mechanism != auth::Mechanism::kExternal;
  if (!takes_password) {
    report("relay.mechanism",
           absl::StrCat("\"", relay.mechanism,
                        "\" is no mechanism with a password, expected one such as \"PLAIN\" or "
                        "\"SCRAM-SHA-256\""));
  }
}

void CheckRelay(const Options& options, const ReportFn& report) {
  CheckRelayLogin(options.relay, report);
  if (options.relay.next_hop.empty() && !options.relay.discard) {
    report("relay.next_hop",
           "is empty, which will mean delivery by MX: that is not built yet; expected the address "
           "of a "
           "next hop such as [\"127.0.0.1:2525\"], or [\"discard\"]");
  }
  CheckRelayName(options.relay, report);
}

std::string_view Explain(LocalDomains::Added added) {
  switch (added) {
    case LocalDomains::Added::kOk:
      break;
    case LocalDomains::Added::kNoDomain:
      return "is no domain that an address can have, expected one such as \"example.org\", or "
             "\".example.org\" for its subdomains";
    case LocalDomains::Added::kTaken:
      return "is there already; a domain has one [[local_domain]]";
  }
  return "";
}

void CheckLocalDomains(const Options& options, const ReportFn& report) {
  LocalDomains domains;
  for (size_t i = 0; i < options.local_domain.size(); i++) {
    const LocalDomainOptions& one = options.local_domain[i];
    if (one.domains.empty()) {
      report(Element("local_domain", i, "domains"),
             "is missing, expected domains such as [\"example.org\"]");
    }
    for (const std::string& domain : one.domains) {
      const auto added = domains.Add(domain, static_cast<uint32_t>(i));
      if (added == LocalDomains::Added::kOk) continue;
      report(Element("local_domain", i, "domains"),
             absl::StrCat("\"", domain, "\" ", Explain(added)));
    }
    if (one.next_hop.empty()) {
      report(Element("local_domain", i, "next_hop"),
             "is missing, expected where the mail of these domains goes, such as "
             "[\"192.0.2.1:25\"]");
    }
    if (options.relay.tls == RelayTls::kVerify && !IsName(one.tls_name)) {
      report(Element("local_domain", i, "tls_name"),
             "is no domain name, and relay.tls = \"verify\" needs the name in the next hop's "
             "certificate, such as \"mail.example.org\"");
    }
  }
  for (size_t i = 0; i < options.listener.size(); i++) {
    if (options.listener[i].policy != ListenerPolicy::kRelay || !options.local_domain.empty())
      continue;
    report(Element("listener", i, "policy"),
           "\"relay\" takes mail of anybody for a [[local_domain]], and there is none; add one, or "
           "use \"always\"");
  }
}

// A slip here would make an open relay, so what cannot be meant is refused.
void CheckTrustedNetworks(const Options& options, const ReportFn& report) {
  constexpr unsigned kV4BitsMin = 8, kV6BitsMin = 16, kUniqueLocalBits = 7;  // RFC 4193: fc00::/7
  constexpr std::string_view kV4InV6("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  for (size_t i = 0; i < options.trusted_network.size(); i++) {
    const TrustedNetworkOptions& one = options.trusted_network[i];
    if (one.networks.empty()) {
      report(Element("trusted_network", i, "networks"),
             "is missing, expected blocks of addresses such as [\"10.1.0.0/16\"]");
    }
    for (const Network& network : one.networks) {
      const bool v6 = network.bytes().size() == 16;
      const bool unique_local = v6 && (network.bytes()[0] & 0xfe) == 0xfc;
      const unsigned bits_min = unique_local ? kUniqueLocalBits : v6 ? kV6BitsMin : kV4BitsMin;
      if (network.bits() < bits_min) {
        report(Element("trusted_network", i, "networks"),
               absl::StrCat(network.ToString(),
                            " is a large part of the Internet: this would be an open relay; "
                            "expected networks of your own, /8 or smaller (IPv6: /16)"));
      } else if (v6 && network.bytes().starts_with(kV4InV6)) {
        report(
            Element("trusted_network", i, "networks"),
            absl::StrCat(network.ToString(),
                         " are IPv4 addresses in IPv6's form, expected them as \"10.1.0.0/16\""));
      }
    }
    std::string canonical;
    const auto prepared = auth::PrepareLogin(one.login, auth::Purpose::kStore, canonical);
    if (one.login.empty()) {
      report(Element("trusted_network", i, "login"),
             "is missing, expected the user that these clients are: `sluice user add NAME "
             "--no-password` makes one");
    } else if (prepared != auth::Prepared::kOk) {
      report(Element("trusted_network", i, "login"), std::string(auth::Explain(prepared)));
    }
  }
}

void CheckQueue(const QueueOptions& queue, const ReportFn& report) {
  if (queue.retry_max < queue.retry_min) report("queue.retry_max", "is below queue.retry_min");
  if (queue.expire < queue.retry_min)
    report("queue.expire", "is below queue.retry_min: nothing would be tried twice");
  if (queue.segment_bytes % 4096 != 0) report("queue.segment_bytes", "is not a multiple of 4K");
}

bool PowerOfTwo(uint32_t number) { return (number & (number - 1)) == 0; }

void CheckIo(const IoOptions& io, const ReportFn& report) {
  if (!PowerOfTwo(io.receive_buffers)) report("io.receive_buffers", "is not a power of two");
  if (!PowerOfTwo(io.submission_entries)) report("io.submission_entries", "is not a power of two");
  if (!PowerOfTwo(io.completion_entries)) report("io.completion_entries", "is not a power of two");
  if (io.completion_entries < io.submission_entries) report("io.completion_entries", "is below io.submission_entries");
}

// What can be tuned: for all shards, and of those with values of their own.
void CheckShards(const Options& options, const ReportFn& report) {
  Tuning common;
  for (const Tunable& tunable : Tunables()) tunable.inherit(common, options);
  CheckTuning(common, options, [&](std::string_view name, const std::string& text) {
    const Tunable* tunable = FindTunable(name);
    report(absl::StrCat(tunable->table, ".", tunable->key), text);
  });
  bool somebody_accepts = options.io.accept_weight > 0;
  std::map<uint32_t, size_t> taken;  // index to its [[shard]]
  for (size_t i = 0; i < options.shard.size(); i++) {
    const ShardOptions& own = options.shard[i];
    const auto [other, is_new] = taken.emplace(own.index, i);
    if (!is_new) {
      report(Element("shard", i, "index"), absl::StrCat(own.index, " is that of shard[", other->second, "] too"));
    }
    if (options.shards > 0 && own.index >= options.shards) {
      report(Element("shard", i, "index"), absl::StrCat(own.index, " is not below shards, which is ", options.shards));
    }
    if (!PowerOfTwo(own.tuning.receive_buffers)) {
      report(Element("shard", i, "receive_buffers"), "is not a power of two");
    }
    CheckTuning(own.tuning, options, [&](std::string_view name, const std::string& text) {
      report(Element("shard", i, name), text);
    });
    somebody_accepts |= own.tuning.accept_weight > 0;
  }
  if (!somebody_accepts) report("io.accept_weight", "is 0 for every shard: nobody would take a connection");
}

void CheckLimits(const Options& options, const ReportFn& report) {
  if (options.limits.message_bytes > options.limits.body_bytes) {
    report("limits.body_bytes",
           "is below limits.message_bytes: such a message could never be taken");
  } else if (options.limits.message_bytes > options.limits.body_bytes_login) {
    report("limits.body_bytes_login",
           "is below limits.message_bytes: such a message could never be taken");
  }
}

void CheckTenants(const Options& options, const ReportFn& report) {
  std::map<std::string, size_t> taken;
  for (size_t i = 0; i < options.tenant.size(); i++) {
    const std::string& name = options.tenant[i].name;
    if (name.empty())
      report(Element("tenant", i, "name"), "is missing, expected the tenant's name");
    const auto [other, is_new] = taken.emplace(name, i);
    if (!is_new && !name.empty()) {
      report(Element("tenant", i, "name"),
             absl::StrCat("\"", name, "\" is that of tenant[", other->second, "] too"));
    }
  }
}

void CheckSubmission(const SubmissionOptions& submission, const ReportFn& report) {
  const std::string& delimiter = submission.detail_delimiter;
  if (delimiter.empty()) return;
  if (delimiter.size() > 1 || !IsAtomCharacter(delimiter[0])) {
    report("submission.detail_delimiter",
           absl::StrCat("\"", delimiter,
                        "\" is not one character of a local part, expected \"+\", \"-\" or \"\""));
  }
}

}  // namespace

void CheckOptions(const Options& options, const ReportFn& report) {
  CheckHostname(options, report);
  CheckListeners(options, report);
  CheckAuth(options, report);
  CheckCertificates(options, report);
  CheckOauth(options, report);
  CheckClientCertificates(options, report);
  CheckBackend(options.auth, report);
  CheckRelay(options, report);
  CheckLocalDomains(options, report);
  CheckTrustedNetworks(options, report);
  CheckQueue(options.queue, report);
  CheckLimits(options, report);
  CheckTenants(options, report);
  CheckSubmission(options.submission, report);
  CheckIo(options.io, report);
  CheckShards(options, report);
}

}  // namespace sluice::server
