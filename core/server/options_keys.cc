// Every key of sluice.toml: its name, how it is written and bounded, and what it means in one line.
// Defaults are in options.h. Some bounds are the sense of a value, others only keep arithmetic
// safe.
#include "core/server/options_keys.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "auth/mechanism.h"
#include "core/base/check.h"
#include "core/io/ring_features.h"
#include "queue/limits.h"

namespace sluice::server {
namespace {

constexpr std::string_view kModeWords[] = {"starttls", "implicit", "plain"};
constexpr std::string_view kAuthBackendWords[] = {"store", "dovecot"};
constexpr std::string_view kPolicyWords[] = {"always", "relay"};
constexpr std::string_view kTrustedTlsWords[] = {"required", "optional"};
constexpr std::string_view kRelayTlsWords[] = {"none", "opportunistic", "required", "verify"};
constexpr std::string_view kPrincipalLoginWords[] = {"principal", "local"};
constexpr std::string_view kOriginatorWords[] = {"off", "reject", "rewrite"};
constexpr std::string_view kBareLfWords[] = {"normalize", "reject"};

constexpr uint32_t kMany = 1'000'000;
constexpr Duration kNever{0};
constexpr Duration kMoment = milliseconds(100);  // one tick of the timer wheel
constexpr Duration kDay = hours(24);

std::vector<std::string_view> MechanismNames() {
  std::vector<std::string_view> names;
  for (const auth::MechanismInfo& info : auth::Mechanisms()) {
    if (!info.plus) names.push_back(info.name);
  }
  return names;
}

std::vector<std::string_view> GroupNames() {
  return {"X25519MLKEM768", "X25519", "P-256", "P-384"};
}

std::vector<std::string_view> FeatureNames() {
  const auto names = io::RingFeatureNames();
  return {names.begin(), names.end()};
}

// Of EHLO's reply, those that the relay makes use of.
std::vector<std::string_view> EhloKeywords() { return {"8bitmime", "chunking", "pipelining", "size", "starttls"}; }

// A key whose bounds and words are in the table of tuning.h.
void TunableKey(Options& o, std::string_view table, std::string_view key, KeyVisitor& v) {
  for (const Tunable& tunable : Tunables()) {
    if (tunable.table == table && tunable.key == key) return v.Key(key, std::move(*tunable.common(o)), tunable.help);
  }
  CHECK(!"not in the table");
}

Words Mechanisms(std::vector<std::string>* field) { return {field, MechanismNames(), "mechanism"}; }

void ListenerKeys(ListenerOptions& o, KeyVisitor& v) {
  v.Key("address", Address(&o.address), "numeric address and port; \"[::]:587\" is IPv6 only");
  v.Key("mode", Word(&o.mode, kModeWords),
        "\"starttls\", \"implicit\" (TLS from the start) or \"plain\" (none)");
  v.Key("policy", Word(&o.policy, kPolicyWords),
        "who may send: \"always\" after AUTH, or \"relay\": anybody, to a [[local_domain]]");
  v.Key("mechanisms", Mechanisms(&o.mechanisms), "instead of auth.mechanisms");
  v.Key("mechanisms_clear", Mechanisms(&o.mechanisms_clear), "instead of auth.mechanisms_clear");
  v.Key("channel_binding", Flag(&o.channel_binding), "instead of auth.channel_binding");
  v.Key("client_ca_file", Path(&o.client_ca_file),
        "PEM; clients are asked for a certificate by these CAs, for EXTERNAL");
  v.Key("client_crl_file", Path(&o.client_crl_file), "PEM; what those CAs have revoked");
}

void AuthKeys(AuthOptions& o, KeyVisitor& v) {
  v.Key("backend", Word(&o.backend, kAuthBackendWords),
        "who proves logins: \"store\" (`sluice user`) or \"dovecot\" (its auth server)");
  v.Key("dovecot_socket", Socket(&o.dovecot_socket),
        "of that server: path of a UNIX socket, or numeric address and port");
  v.Key("mechanisms", Mechanisms(&o.mechanisms),
        "offered under TLS, best first; `user add` stores what a listener's need");
  v.Key("mechanisms_clear", Mechanisms(&o.mechanisms_clear),
        "offered without TLS (tests, trusted networks)");
  v.Key("tell_transition", Flag(&o.tell_transition),
        "432 where a user lacks the mechanism's key; tells that there is such a user");
  v.Key("channel_binding", Flag(&o.channel_binding),
        "SCRAM under TLS 1.3 is offered with -PLUS too: bound to the TLS channel");
  v.Key("digest_realm", Text(&o.digest_realm),
        "of DIGEST-MD5; keys are made for it, and made anew for another; default: hostname");
  v.Key("iterations", Count(&o.iterations, 4096, 10'000'000), "PBKDF2 rounds of newly stored keys");
  v.Key("verifiers", Count(&o.verifiers, 0, 256),
        "threads that verify passwords; 0: by the shards");
  v.Key("verifier_queue", Count(&o.verifier_queue, 1, kMany),
        "logins that may wait for them, rounded up to a power of two; beyond: 454");
  v.Key("verifier_queue_login", Count(&o.waiting.login, 0, kMany),
        "... of one login; 0: any number");
  v.Key("verifier_queue_address", Count(&o.waiting.address, 0, kMany),
        "... from one address (IPv6: a /64)");
  v.Key("remember", Span(&o.remember, kNever, kDay),
        "a proven password is remembered (as a keyed digest)");
  v.Key("remember_entries", Count(&o.remember_entries, 0, kMany), "how many, a shard");
  v.Key("failure_delay", Span(&o.failure_delay, kNever, minutes(1)),
        "a failed login is answered after this");
  v.Key("failure_jitter", Span(&o.failure_jitter, kNever, minutes(1)), "and up to this more");
}

void GssapiKeys(GssapiOptions& o, KeyVisitor& v) {
  v.Key("keytab", Path(&o.keytab), "Kerberos keys of this server; GSSAPI needs it");
  v.Key("principal", Text(&o.principal), "whose key; default: smtp/<hostname>");
  v.Key("login", Word(&o.login, kPrincipalLoginWords),
        "alice@EXAMPLE.NET is alice@example.net (\"principal\") or alice (\"local\")");
  v.Key("realms", Names(&o.realms), "whose principals may log in; default: those of its own realm");
}

void OauthKeys(OauthOptions& o, KeyVisitor& v) {
  v.Key("jwks_file", Path(&o.jwks_file), "the issuer's public keys (JWKS); read anew by SIGHUP");
  v.Key("issuer", Text(&o.issuer), "what a token's `iss` must be");
  v.Key("audience", Text(&o.audience), "what its `aud` must be, or have among others");
  v.Key("login_claim", Text(&o.login_claim), "the claim that is the login");
  v.Key("clock_skew", Span(&o.clock_skew, kNever, hours(1)),
        "how far the issuer's clock may be from ours");
  v.Key("openid_configuration", Text(&o.openid_configuration),
        "URL told to clients whose token is refused");
  v.Key("scope", Text(&o.scope), "told likewise");
}

void CertificateKeys(CertificateOptions& o, KeyVisitor& v) {
  v.Key("chain", Path(&o.chain), "PEM file, leaf first");
  v.Key("key", Path(&o.key), "PEM file");
}

void ClientCertificateKeys(ClientCertificateOptions& o, KeyVisitor& v) {
  v.Key("fingerprint", Text(&o.fingerprint), "SHA-256 of the certificate, 64 hexadecimal digits");
  v.Key("subject", Text(&o.subject), "or its subject (RFC 4514): \"CN=ann,O=Example\"");
  v.Key("login", Text(&o.login), "whose it is, instead of its e-mail addresses");
}

void ShardKeys(ShardOptions& o, KeyVisitor& v) {
  v.Key("index", Count(&o.index, 0, 1023), "which shard has the values below for itself; the first is 0");
  for (const Tunable& tunable : Tunables()) {
    v.Key(tunable.name, std::move(*tunable.own(o.tuning)), absl::StrCat("instead of ", tunable.table, ".", tunable.key));
  }
}

void TlsKeys(TlsOptions& o, KeyVisitor& v) {
  v.Key("groups", Words(&o.groups, GroupNames(), "group"), "key exchange groups, best first");
  v.Key("ticket_lifetime", Span(&o.ticket_lifetime, kNever, 7 * kDay),
        "of session tickets; \"0s\": none are given");
}

void RelayKeys(Options& all, KeyVisitor& v) {
  RelayOptions& o = all.relay;
  v.Key("next_hop", NextHops(&o.next_hop, &o.discard),
        "tried in turn; [\"discard\"]: journal it, then done");
  v.Key("tls", Word(&o.tls, kRelayTlsWords),
        "\"none\", \"opportunistic\", \"required\" or \"verify\"");
  v.Key("tls_name", Text(&o.tls_name), "name in the next hop's certificate; \"verify\" needs it");
  v.Key("ca_file", Path(&o.ca_file), "PEM trust anchors, for \"verify\"; else the system's");
  v.Key("username", Text(&o.username), "who we are to a next hop, under TLS alone; empty: nobody");
  v.Key("password_file", Path(&o.password_file), "its first line is that user's password");
  v.Key("mechanism", Text(&o.mechanism),
        "by which we log in there: PLAIN, LOGIN, CRAM-MD5, SCRAM-...");
  v.Key("discard_ehlo_keywords", Words(&o.discard_ehlo_keywords, EhloKeywords(), "keyword"),
        "what a next hop offers and does not do well: \"chunking\", say");
  TunableKey(all, "relay", "connections", v);
  v.Key("messages_per_connection", Count(&o.messages_per_connection, 0, kMany), "0: no end");
  v.Key("idle_timeout", Span(&o.idle_timeout, kNever, minutes(5)),
        "an unused connection is kept this long");
  v.Key("connect_timeout", Span(&o.connect_timeout, kMoment, minutes(10)),
        "for the connection itself");
  v.Key("greeting_timeout", Span(&o.greeting_timeout, kMoment, hours(1)),
        "for the greeting, EHLO and STARTTLS");
  v.Key("mail_timeout", Span(&o.mail_timeout, kMoment, hours(1)), "for the reply to MAIL");
  v.Key("rcpt_timeout", Span(&o.rcpt_timeout, kMoment, hours(1)), "for the reply to RCPT");
  v.Key("data_timeout", Span(&o.data_timeout, kMoment, hours(1)), "for 354");
  v.Key("data_block_timeout", Span(&o.data_block_timeout, kMoment, hours(1)),
        "for a part of the message to be taken");
  v.Key("data_end_timeout", Span(&o.data_end_timeout, kMoment, hours(1)),
        "for the reply to the final dot");
}

void LocalDomainKeys(LocalDomainOptions& o, KeyVisitor& v) {
  v.Key("domains", Names(&o.domains), "[\"example.org\"]; \".example.org\": its subdomains");
  v.Key("next_hop", NextHops(&o.next_hop, nullptr), "where their mail goes, tried in turn");
  v.Key("tls_name", Text(&o.tls_name), "as relay.tls_name, for these next hops");
}

void TrustedNetworkKeys(TrustedNetworkOptions& o, KeyVisitor& v) {
  v.Key("networks", Networks(&o.networks), "who sends without AUTH: [\"10.1.0.0/16\"]");
  v.Key("login", Text(&o.login), "the user that they are");
  v.Key("tls", Word(&o.tls, kTrustedTlsWords), "\"required\", or \"optional\": in the clear too");
}

void QueueKeys(Options& all, KeyVisitor& v) {
  QueueOptions& o = all.queue;
  v.Key("retry_min", Span(&o.retry_min, kMoment, 7 * kDay),
        "first wait after a deferral; doubles, with jitter");
  v.Key("retry_max", Span(&o.retry_max, kMoment, 7 * kDay), "longest wait");
  v.Key("expire", Span(&o.expire, seconds(1), 365 * kDay), "age at which a message is returned");
  v.Key("segment_bytes", Bytes(&o.segment_bytes, kMiB, kGiB), "size of a journal segment");
  TunableKey(all, "queue", "batch_bytes", v);
  TunableKey(all, "queue", "batch_wait", v);
  v.Key("memory_bytes", Bytes(&o.memory_bytes, 0, 1024 * kGiB),
        "bodies kept in memory for relay, a shard");
  v.Key("spool_reserve", Bytes(&o.spool_reserve, 0, 1024 * kGiB),
        "free space below which MAIL gets 452");
}

void LimitsKeys(Options& all, KeyVisitor& v) {
  LimitsOptions& o = all.limits;
  v.Key("message_bytes", Bytes(&o.message_bytes, kKiB, kGiB), "largest message");
  v.Key("recipients", Count(&o.recipients, 1, queue::kRecipientsMax), "of a message");
  v.Key("idle_timeout", Span(&o.idle_timeout, kMoment, hours(1)), "between commands, before AUTH");
  v.Key("idle_timeout_authenticated", Span(&o.idle_timeout_authenticated, kMoment, kDay),
        "and after it");
  v.Key("shutdown_grace", Span(&o.shutdown_grace, kMoment, hours(1)), "from SIGTERM to the end");
  TunableKey(all, "limits", "sessions", v);
  v.Key("errors", Count(&o.errors, 1, 10'000), "bad commands of a session; then 421");
  v.Key("auth_failures", Count(&o.auth_failures, 1, 10'000),
        "failed logins of a session; then 421");
  v.Key("hops", Count(&o.hops, 1, 10'000), "Received lines of a message");
  v.Key("handshake_timeout", Span(&o.handshake_timeout, kMoment, minutes(10)),
        "for a TLS handshake");
  TunableKey(all, "limits", "handshake_steps", v);
  v.Key("held_bytes", Bytes(&o.held_bytes, 16 * kMiB, 1024 * kGiB),
        "memory held for slow or stalled peers, a shard");
  v.Key("body_bytes", Bytes(&o.body_bytes, kMiB, 1024 * kGiB), "bodies not yet durable, a shard; beyond: 452");
  v.Key("body_bytes_login", Bytes(&o.body_bytes_login, kMiB, 1024 * kGiB), "... of one login");
  v.Key("meters", Count(&o.meters, 1024, 1u << 28), "places for what is counted against rates");
  v.Key("body_rate", Bytes(&o.body_rate, 0, kGiB), "octets a second a body must come at; 0: any");
}

constexpr std::string_view kRatesHelp =
    "[\"100 messages/minute\", \"2G bytes/day\"]; messages, recipients or bytes";

constexpr std::string_view kOverLimitWords[] = {"throttle", "hold", "reject"};
constexpr std::string_view kOverLimitHelp =
    "beyond a rate: \"throttle\" (450), \"hold\" (taken, waits for `sluice queue release`) or "
    "\"reject\" (550)";

void SharedLimitsKeys(SharedLimits& o, KeyVisitor& v) {
  v.Key("rates", Rates(&o.rates), kRatesHelp);
  v.Key("over_limit", Word(&o.over_limit, kOverLimitWords), kOverLimitHelp);
  v.Key("connections", Count(&o.connections, 0, kMany), "logged in at a time; 0: no limit");
}

void TenantKeys(TenantOptions& o, KeyVisitor& v) {
  v.Key("name", Text(&o.name), "as in `sluice user set --tenant`");
  v.Key("rates", Rates(&o.rates), kRatesHelp);
  v.Key("over_limit", Word(&o.over_limit, kOverLimitWords), kOverLimitHelp);
  v.Key("connections", Count(&o.connections, 0, kMany), "logged in at a time; 0: no limit");
  v.Key("recipients", Count(&o.recipients, 0, queue::kRecipientsMax),
        "of a message of each of its users; theirs, if fewer; 0: no limit");
  v.Key("message_bytes", Bytes(&o.message_bytes, 0, kGiB),
        "largest message of each of its users; theirs, if less; 0: no limit");
  v.Key("networks", Networks(&o.networks),
        "where its users may log in from: in these and in their own; []: anywhere");
}

void GuessLimitsKeys(auth::GuessLimits& o, KeyVisitor& v) {
  v.Key("login_from_address", Count(&o.login_from_address, 0, kMany),
        "failed logins an hour of a login from an address; 0: any number");
  v.Key("logins_from_address", Count(&o.logins_from_address, 0, kMany / 16),
        "different logins an hour that fail from an address (IPv6: a /64)");
  v.Key("login", Count(&o.login, 0, kMany), "failed logins an hour of a login, from wherever");
  v.Key("server", Count(&o.server, 0, kMany), "failed logins a minute of all clients");
  v.Key("slowest", Span(&o.slowest, kNever, minutes(2)),
        "added to a failure's delay, little by little from half of a limit on");
  v.Key("counters", Count(&o.counters, 1024, 1u << 26), "places for what is counted");
  v.Key("known_logins", Count(&o.known_logins, 1024, 1u << 28),
        "logins whose known clients are kept in mind");
}

void ContainmentKeys(ContainmentOptions& o, KeyVisitor& v) {
  v.Key("over_limit", Count(&o.over_limit, 0, kMany),
        "a login that is more often over a limit in an hour is suspended; 0: never for that");
  v.Key("bounce_percent", Count(&o.bounce_percent, 0, 100),
        "... or has more of its recipients refused for good; 0: never for that");
  v.Key("bounce_recipients", Count(&o.bounce_recipients, 1, kMany), "... of at least so many");
  v.Key("new_domains", Count(&o.new_domains, 0, kMany),
        "... or sends to more domains that it did not send to before; 0: never for that");
  v.Key("learn", Span(&o.learn, kNever, 30 * kDay),
        "for this long from its first message a login's domains are only learnt");
  v.Key("logins", Count(&o.logins, 64, 1u << 24), "of how many logins domains are known");
}

void SubmissionKeys(SubmissionOptions& o, KeyVisitor& v) {
  v.Key("detail_delimiter", Text(&o.detail_delimiter),
        "\"+\": alice+lists@ is alice@; empty: it is not");
  v.Key("originator", Word(&o.originator, kOriginatorWords),
        "From and Sender that are not the login's: \"off\", \"reject\" or \"rewrite\" (Sender is "
        "set)");
}

void SmtpKeys(SmtpOptions& o, KeyVisitor& v) {
  v.Key("bare_lf", Word(&o.bare_lf, kBareLfWords),
        "LF without CR in a message: \"normalize\" or \"reject\"");
}

void IoKeys(Options& all, KeyVisitor& v) {
  IoOptions& o = all.io;
  v.Key("disable", Words(&o.disable, FeatureNames(), "ring feature"),
        "io_uring features to do without");
  TunableKey(all, "io", "receive_buffers", v);
  v.Key("receive_buffer_bytes", Bytes(&o.receive_buffer_bytes, kKiB, 64 * kKiB), "size of one");
  TunableKey(all, "io", "turn_bytes", v);
  v.Key("submission_entries", Count(&o.submission_entries, 64, 32'768), "of a ring; a power of two");
  v.Key("completion_entries", Count(&o.completion_entries, 256, 262'144), "of a ring; a power of two");
  TunableKey(all, "io", "accept_weight", v);
  TunableKey(all, "io", "core", v);
}

void AdminKeys(AdminOptions& o, KeyVisitor& v) {
  v.Key("address", Address(&o.address), "TCP, for /metrics, /healthz and /readyz only");
}

template <typename T>
class ListOf : public TableList {
 public:
  using Keys = void (*)(T&, KeyVisitor&);
  using Prepare = std::function<void(T&)>;  // what a new one has before its own keys
  ListOf(std::vector<T>* list, Keys keys, Prepare prepare = nullptr)
      : list_(list), keys_(keys), prepare_(std::move(prepare)) {}
  size_t size() const override { return list_->size(); }
  void Add() override {
    list_->emplace_back();
    if (prepare_ != nullptr) prepare_(list_->back());
  }
  void Visit(size_t index, KeyVisitor& visitor) override { keys_((*list_)[index], visitor); }

 private:
  std::vector<T>* list_;
  Keys keys_;
  Prepare prepare_;
};

}  // namespace

void VisitKeys(Options& o, KeyVisitor& v) {
  v.Key("hostname", Text(&o.hostname), "this server's name, in greetings and Received lines");
  v.Key("state_dir", Path(&o.state_dir), "credentials, ticket keys, admin socket");
  v.Key("spool_dir", Path(&o.spool_dir), "the queue");
  v.Key("shards", Count(&o.shards, 0, 1024), "threads that serve; 0: one a usable core");
  v.Key("pid_file", Path(&o.pid_file), "optional");
  v.Key("user", Text(&o.user), "account to become; needed when started as root");
  v.Key("log_dir", Path(&o.log_dir), "folder of the event log; without it: standard output");

  v.Tables("listener", ListOf(&o.listener, ListenerKeys));
  v.Table("auth", [&](KeyVisitor& in) { AuthKeys(o.auth, in); });
  v.Table("gssapi", [&](KeyVisitor& in) { GssapiKeys(o.gssapi, in); });
  v.Table("oauth", [&](KeyVisitor& in) { OauthKeys(o.oauth, in); });
  v.Tables("certificate", ListOf(&o.certificate, CertificateKeys));
  v.Tables("client_certificate", ListOf(&o.client_certificate, ClientCertificateKeys));
  v.Tables("shard", ListOf<ShardOptions>(&o.shard, ShardKeys, [&o](ShardOptions& one) {
             for (const Tunable& tunable : Tunables()) tunable.inherit(one.tuning, o);
           }));
  v.Table("tls", [&](KeyVisitor& in) { TlsKeys(o.tls, in); });
  v.Table("relay", [&](KeyVisitor& in) { RelayKeys(o, in); });
  v.Tables("local_domain", ListOf(&o.local_domain, LocalDomainKeys));
  v.Tables("trusted_network", ListOf(&o.trusted_network, TrustedNetworkKeys));
  v.Table("queue", [&](KeyVisitor& in) { QueueKeys(o, in); });
  v.Table("limits", [&](KeyVisitor& in) { LimitsKeys(o, in); });
  v.Table("login_limits", [&](KeyVisitor& in) { SharedLimitsKeys(o.login_limits, in); });
  v.Table("server_limits", [&](KeyVisitor& in) { SharedLimitsKeys(o.server_limits, in); });
  v.Tables("tenant", ListOf(&o.tenant, TenantKeys));
  v.Table("guess_limits", [&](KeyVisitor& in) { GuessLimitsKeys(o.guess_limits, in); });
  v.Table("containment", [&](KeyVisitor& in) { ContainmentKeys(o.containment, in); });
  v.Table("submission", [&](KeyVisitor& in) { SubmissionKeys(o.submission, in); });
  v.Table("smtp", [&](KeyVisitor& in) { SmtpKeys(o.smtp, in); });
  v.Table("io", [&](KeyVisitor& in) { IoKeys(o, in); });
  v.Table("admin", [&](KeyVisitor& in) { AdminKeys(o.admin, in); });
}

}  // namespace sluice::server
