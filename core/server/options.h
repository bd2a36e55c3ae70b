// Options: everything an operator can say in sluice.toml, as plain data.
//
// One struct a TOML table, one field a key, named alike ("relay.next_hop" is
// Options::relay.next_hop). A default is the field's initialiser and stands nowhere else.
// options_keys.cc is the table of keys: how each is written, its bounds and one line of what it
// means; LoadOptions, ShowOptions and the messages all read that table. To add a key: a field here,
// a line there.
//
// Not here: what the machine gives (cores, descriptors), and whether files can be opened (sluice
// check). Loaded options are immutable and shared by all threads.
#ifndef SLUICE_CORE_SERVER_OPTIONS_H_
#define SLUICE_CORE_SERVER_OPTIONS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "auth/guess_guard.h"
#include "auth/mechanism.h"
#include "auth/principal_login.h"
#include "auth/rate_limit.h"
#include "core/base/network.h"
#include "core/base/sock_addr.h"
#include "core/base/time.h"
#include "core/server/tuning.h"

namespace sluice::server {

inline constexpr uint64_t kKiB = 1024;
inline constexpr uint64_t kMiB = 1024 * kKiB;
inline constexpr uint64_t kGiB = 1024 * kMiB;

enum class ListenerMode : uint8_t {
  kStartTls,  // "starttls": begins in clear, offers STARTTLS (port 587)
  kImplicit,  // "implicit": TLS from the first octet (port 465)
  kPlain,     // "plain": no TLS at all (tests, a trusted network)
};

// Whom a listener takes mail from.
enum class ListenerPolicy : uint8_t {
  kAlways,  // "always": who has authenticated; 530 5.7.0 to others (ports 465 and 587)
  kRelay,   // "relay": others too, but only for [[local_domain]] (port 25)
};

// One [[listener]].
struct ListenerOptions {
  SockAddr address;  // required
  ListenerMode mode = ListenerMode::kStartTls;
  ListenerPolicy policy = ListenerPolicy::kAlways;
  // Default: those of [auth]. After LoadOptions these hold what is in force.
  std::vector<std::string> mechanisms;
  std::vector<std::string> mechanisms_clear;
  bool channel_binding = true;
  // PEM; with it clients are asked for a certificate, by which EXTERNAL logs in. Empty: not asked.
  std::string client_ca_file;
  std::string client_crl_file;  // PEM; empty: what was revoked is not looked at
};

// What EHLO shows of a listener's `mechanisms` under TLS: with channel binding each SCRAM has its
// -PLUS before it.
std::vector<std::string> MechanismsUnderTls(const ListenerOptions& listener);

struct Options;
// Those that some listener offers, under TLS or not; without -PLUS. What only a list names that no
// listener goes by, such as that in the clear of one with TLS from the first octet, is not among
// them: no key is stored for it. Where no listener offers any, those of [auth].
auth::MechanismSet ConfiguredMechanisms(const Options& options);
// Whether one of them is shown a token, so that [oauth] is needed.
bool TakesTokens(const Options& options);

enum class AuthBackend : uint8_t {
  kStore,    // "store": the records that `sluice user` keeps
  kDovecot,  // "dovecot": a Dovecot server, at dovecot_socket
};

struct AuthOptions {
  AuthBackend backend = AuthBackend::kStore;  // who proves logins
  // A UNIX socket's path, or a numeric address with port (SockAddr::Parse tells which).
  std::string dovecot_socket;
  // SASL mechanisms offered under TLS, best first; `user add` stores what those need that
  // a listener offers.
  std::vector<std::string> mechanisms = {"SCRAM-SHA-256", "PLAIN", "LOGIN"};
  // Mechanisms offered without TLS.
  std::vector<std::string> mechanisms_clear;
  // A user whose record has no key for the mechanism gets 432, to log in by PLAIN or LOGIN, which
  // adds it. It tells who asks that there is such a user: hence not by default.
  bool tell_transition = false;
  bool channel_binding = true;      // each SCRAM mechanism under TLS is offered with -PLUS too
  std::string digest_realm;         // of DIGEST-MD5's keys; default: hostname, after LoadOptions
  uint32_t iterations = 10'000;     // PBKDF2 rounds of a newly stored key (RFC 7677: at least 4096)
  uint32_t verifiers = 0;           // threads that verify passwords; 0: one for every four shards
  uint32_t verifier_queue = 1024;   // logins that may wait for them; beyond: 454 4.7.0
  auth::WaitingLimits waiting;      // ... of them those of one login and from one address
  Duration remember = minutes(10);  // how long a proven password's keyed digest is kept; 0s: never
  uint32_t remember_entries = 16'384;  // such digests a shard
  // A failed AUTH is answered this long after it was asked, whatever the cause, plus up to the
  // jitter.
  Duration failure_delay = seconds(2);
  Duration failure_jitter = milliseconds(500);
};

// Kerberos 5, for the mechanism GSSAPI (auth/kerberos_acceptor.h).
struct GssapiOptions {
  std::string keytab;     // file; needed where GSSAPI is offered
  std::string principal;  // whose key it is; empty: smtp/<hostname>, in any realm
  // Whose login a client's principal is, and which realms' principals may log in (none named: those
  // of the server's own).
  auth::PrincipalRule::Login login = auth::PrincipalRule::Login::kPrincipal;
  std::vector<std::string> realms;
};

// Whose tokens OAUTHBEARER and XOAUTH2 take (auth/jwt.h).
struct OauthOptions {
  std::string jwks_file;  // public keys of the issuer, a set of JSON Web Keys (RFC 7517)
  std::string issuer;     // what `iss` must be
  std::string audience;   // what `aud` must have in it
  std::string login_claim = "email";  // the claim that is the login
  Duration clock_skew = seconds(60);  // how far the issuer's clock may be from ours
  // For clients whose token is refused (RFC 7628 3.2.2): where tokens are to be had, and for what.
  std::string openid_configuration;
  std::string scope;
};

// One [[certificate]]. The first is the default, SNI selects among the others.
struct CertificateOptions {
  std::string chain;  // PEM, leaf first; required
  std::string key;    // PEM; required
};

// One [[client_certificate]]: whose it is. Without one its e-mail addresses say so.
struct ClientCertificateOptions {
  std::string fingerprint;  // either: SHA-256, in hexadecimal digits
  std::string subject;      // or: RFC 4514, as tls/distinguished_name.h writes it
  std::string login;        // required
};

struct TlsOptions {
  // Key exchange groups, best first. Those that the TLS library lacks are left out, with a line at
  // start.
  std::vector<std::string> groups = {"X25519MLKEM768", "X25519", "P-256"};
  // Of a session ticket (RFC 8446 4.6.1: at most 7 days), and the rotation of their keys; 0s: no
  // tickets.
  Duration ticket_lifetime = hours(12);
};

enum class RelayTls : uint8_t {
  kNone,           // "none": never asked for
  kOpportunistic,  // "opportunistic": used when offered, any certificate
  kRequired,       // "required": deferred without it, any certificate
  kVerify,         // "verify": deferred without a certificate that proves the name
};

struct RelayOptions {
  // Where mail goes, tried in turn when one fails. `next_hop = ["discard"]` leaves this empty and
  // sets `discard`: a message is made durable and then done (benchmarks).
  std::vector<SockAddr> next_hop;
  bool discard = false;
  RelayTls tls = RelayTls::kOpportunistic;
  std::string tls_name;  // name a next hop's certificate must carry; needed for "verify"
  std::string ca_file;  // PEM trust anchors for "verify"; empty: those of the system

  // Who we are to the next hops, under TLS alone; an empty user: nobody.
  std::string username;
  std::string password_file;  // its first line
  std::string mechanism = "PLAIN";

  std::vector<std::string> discard_ehlo_keywords;  // what a next hop offers and does not do well

  uint32_t connections = 8;                   // to one next hop, a shard
  uint32_t messages_per_connection = 1000;    // then a new one is made; 0: no end

  Duration idle_timeout = seconds(10);  // an unused connection is kept this long
  Duration connect_timeout = seconds(30);
  // RFC 5321 4.5.3.2: how long to wait for ...
  Duration greeting_timeout = minutes(5);  // ... the greeting, and each reply to EHLO and STARTTLS
  Duration mail_timeout = minutes(5);      // ... the reply to MAIL
  Duration rcpt_timeout = minutes(5);      // ... the reply to RCPT
  Duration data_timeout = minutes(2);      // ... 354
  Duration data_block_timeout = minutes(3);  // ... a part of the message to be taken
  Duration data_end_timeout = minutes(10);   // ... the reply to the final dot
};

// One [[local_domain]]: domains whose mail has next hops of its own, whoever it comes from. A
// listener of policy "relay" takes it from anybody.
struct LocalDomainOptions {
  std::vector<std::string> domains;  // required; core/server/local_domains.h
  std::vector<SockAddr> next_hop;    // required; tried in turn
  std::string tls_name;              // as [relay]'s
};

// One [[trusted_network]]: clients that submit without authenticating, as `login`, which has a
// record in the store.
struct TrustedNetworkOptions {
  enum class Tls : uint8_t {
    kRequired,  // "required": only under TLS, as everybody's password
    kOptional,  // "optional": in the clear too
  };
  std::vector<Network> networks;  // required
  std::string login;              // required
  Tls tls = Tls::kRequired;
};

struct QueueOptions {
  Duration retry_min = minutes(5);  // first wait after a deferral; doubles, with jitter, up to ...
  Duration retry_max = hours(4);    // ... this
  Duration expire = hours(24 * 5);  // age at which a message is given back to its sender
  uint64_t segment_bytes = 64 * kMiB;  // size of a journal segment; a multiple of 4 KiB
  uint64_t batch_bytes = kMiB;        // a batch closes at this size; at most a quarter of a segment
  Duration batch_wait = Duration(0);  // an idle journal waits this long for company; 0s: not at all
  uint64_t memory_bytes = 256 * kMiB;   // bodies kept in memory for relay after their 250, a shard
  uint64_t spool_reserve = 256 * kMiB;  // free space on the spool below which MAIL gets 452 4.3.1
};

struct LimitsOptions {
  uint64_t message_bytes = 52'428'800;  // SIZE
  uint32_t recipients = 1000;           // a message; 65,535 at most, as the queue counts them
  Duration idle_timeout = minutes(5);   // between commands, before AUTH (RFC 5321 4.5.3.2.7)
  Duration idle_timeout_authenticated = minutes(10);
  Duration shutdown_grace = seconds(10);  // from SIGTERM to the end

  uint32_t sessions = 65'536;  // a shard; beyond: 421 4.3.2
  uint32_t errors = 20;        // bad commands in a session; then 421 4.7.0
  uint32_t auth_failures = 5;  // failed AUTH in a session; then 421 4.7.0
  uint32_t hops = 100;         // Received lines in a message; beyond: 554 5.4.6 (RFC 5321 6.3)

  Duration handshake_timeout = seconds(20);
  uint32_t handshake_steps = 16;  // TLS handshake steps a loop turn, a shard
  uint64_t held_bytes = 256 * kMiB;  // a shard: half for what uploads sent ahead of the disk, 3/8 for handshakes, 1/8
                                     // for peers that stall. Beyond, the longest stalled goes (core/net/stream.h)

  // Bodies not yet durable, a shard; beyond: 452 4.3.1, and what came of the message is dropped.
  uint64_t body_bytes = 256 * kMiB;
  uint64_t body_bytes_login = 128 * kMiB;  // ... of them those of one login
  // Octets a second that a body must come at, over each minute; 0: any. Slower ones are closed.
  uint64_t body_rate = 256;

  // Places for what is counted against a rate: one for each rate of each login that sent in its
  // window.
  uint32_t meters = 1 << 20;
};

// What a rate or a connection limit counts for: all that a login, a tenant or the server does.
struct SharedLimits {
  std::vector<auth::RateLimit> rates;  // at most one of a kind
  auth::OverPolicy over_limit = auth::OverPolicy::kThrottle;
  uint32_t connections = 0;  // logged in at a time; 0: no limit
};

// One [[tenant]]: limits that the logins of a group share.
struct TenantOptions {
  std::string name;  // required; as in `sluice user --tenant`
  std::vector<auth::RateLimit> rates;
  auth::OverPolicy over_limit = auth::OverPolicy::kThrottle;
  uint32_t connections = 0;
  // Of each of its logins, beside its own; the stricter counts. 0, empty: none of the tenant's.
  uint32_t recipients = 0;  // of a message
  uint64_t message_bytes = 0;
  std::vector<Network> networks;  // where they may log in from
};

// When a login is suspended by itself, as if it were stolen; each 0: not for that. Of each login,
// in an hour.
struct ContainmentOptions {
  uint32_t over_limit = 0;  // commands and messages beyond a limit of the login itself
  // Of its recipients that were sent or refused for good, in percent those refused; once there are
  // `bounce_recipients`.
  uint32_t bounce_percent = 0;
  uint32_t bounce_recipients = 100;
  // Recipients' domains that it has not sent to in the last one to two weeks. Of a login that has
  // first sent within `learn` they are only learnt.
  uint32_t new_domains = 0;
  Duration learn = hours(24);
  uint32_t logins = 65'536;  // of how many domains are known; 192 octets each
};

enum class OriginatorCheck : uint8_t {
  kOff,      // "off": what stands in From and Sender is the client's affair
  kReject,   // "reject": 550 5.7.1 where an address is not the login's
  kRewrite,  // "rewrite": Sender then names who submitted (RFC 6409 8.1)
};

struct SubmissionOptions {
  std::string detail_delimiter;  // "+": alice+lists@ is alice@; empty: there is no detail
  OriginatorCheck originator = OriginatorCheck::kOff;
};

enum class BareLf : uint8_t {
  kNormalize,  // "normalize": becomes CR LF, never ends the message
  kReject,     // "reject": 550 5.6.0
};

struct SmtpOptions {
  BareLf bare_lf = BareLf::kNormalize;  // what a LF without CR in a message is taken for
};

struct IoOptions {
  std::vector<std::string>
      disable;                     // ring features to do without, as the start-up report names them
  uint32_t receive_buffers = 256;  // of a shard's ring; a power of two
  uint64_t receive_buffer_bytes = 32 * kKiB;
  // A connection that takes more in a loop turn, counted in whole receive buffers, waits for the next.
  uint64_t turn_bytes = 256 * kKiB;
  uint32_t submission_entries = 1024;  // of a ring; powers of two
  uint32_t completion_entries = 8192;
  uint32_t accept_weight = 100;  // share of new connections, beside that of other shards; 0: none
  int32_t core = kCoreAuto;      // of a shard's thread
};

// One [[shard]]: values of its own for one shard. After LoadOptions `tuning` holds what is in force.
struct ShardOptions {
  uint32_t index = 0;
  Tuning tuning;
};

struct AdminOptions {
  // TCP address for /metrics, /healthz and /readyz; !known(): none. The rest of the admin interface
  // is only on the UNIX socket <state_dir>/admin.sock.
  SockAddr address;
};

struct Options {
  std::string hostname;  // in greetings, Received and Message-ID; required, an FQDN
  std::string state_dir = "/var/lib/sluice";    // credentials, ticket keys, admin socket
  std::string spool_dir = "/var/spool/sluice";  // journals
  uint32_t shards = 0;                          // threads with a ring each; 0: one a usable core
  std::string pid_file;  // empty: none; emptied at the end where the account may not remove it
  std::string user;     // account to become when started as root; empty: none
  std::string log_dir;  // folder of the event log; empty: standard output

  std::vector<ListenerOptions> listener;  // at least one
  AuthOptions auth;
  GssapiOptions gssapi;
  OauthOptions oauth;
  std::vector<CertificateOptions> certificate;
  std::vector<ClientCertificateOptions> client_certificate;
  std::vector<ShardOptions> shard;  // at most one for each; none is needed
  TlsOptions tls;
  RelayOptions relay;
  std::vector<LocalDomainOptions> local_domain;
  std::vector<TrustedNetworkOptions> trusted_network;
  QueueOptions queue;
  LimitsOptions limits;
  SharedLimits login_limits;   // of each login, where its record has none of its own
  SharedLimits server_limits;  // of all together
  std::vector<TenantOptions> tenant;
  auth::GuessLimits guess_limits;  // failed logins
  ContainmentOptions containment;
  SubmissionOptions submission;
  SmtpOptions smtp;
  IoOptions io;
  AdminOptions admin;
};

// Reads and checks a configuration file. Relative paths in it become relative to its folder. On
// failure the status (InvalidArgument; NotFound or PermissionDenied when it cannot be read) holds
// every problem found, one a line: "file:line:column: key: what is wrong, what is expected".
absl::StatusOr<Options> LoadOptions(const std::string& path);

// The same for text already in memory; `path` names it in messages and gives the folder.
absl::StatusOr<Options> ParseOptions(std::string_view text, const std::string& path);

// All keys with the values in force, as TOML that LoadOptions accepts, each with its line of
// explanation.
std::string ShowOptions(const Options& options);

// The keys whose values differ, in the order of the file: "relay.tls"; a list of tables as a whole:
// "[[listener]]".
std::vector<std::string> ChangedKeys(const Options& from, const Options& to);

// What stops these options from being served by this process, beyond what the file itself shows:
// being root without `user`. One problem a line, empty when there is none.
std::string RefusalToServe(const Options& options, uint32_t effective_uid);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_OPTIONS_H_
