#include "core/server/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/server/access_rules.h"
#include "core/server/options_values.h"

namespace sluice::server {
namespace {

using testing::HasSubstr;

// The least that can be served.
constexpr std::string_view kMinimal = R"(hostname = "submit.example.net"
[[listener]]
address = "127.0.0.1:1587"
[[certificate]]
chain = "cert.pem"
key = "key.pem"
[relay]
next_hop = ["127.0.0.1:2525"]
)";

std::string Minimal(std::string_view more) { return std::string(kMinimal) + std::string(more); }

std::string ProblemsOf(std::string_view text) {
  const auto options = ParseOptions(text, "f");
  return options.ok() ? "" : std::string(options.status().message());
}

TEST(OptionsTest, MinimalFileGetsDefaults) {
  const auto options = ParseOptions(kMinimal, "/etc/sluice/sluice.toml");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->hostname, "submit.example.net");
  EXPECT_EQ(options->state_dir, "/var/lib/sluice");
  EXPECT_EQ(options->limits.message_bytes, 52'428'800u);
  EXPECT_EQ(options->queue.retry_min, minutes(5));
  ASSERT_EQ(options->listener.size(), 1u);
  EXPECT_EQ(options->listener[0].mode, ListenerMode::kStartTls);
  EXPECT_EQ(options->relay.next_hop[0].ToString(), "127.0.0.1:2525");
  EXPECT_EQ(options->relay.tls, RelayTls::kOpportunistic);
  EXPECT_FALSE(options->admin.address.known());
}

TEST(OptionsTest, ReadsEveryFixedKey) {
  const auto options = ParseOptions(R"(
hostname  = "submit.example.net"
state_dir = "state"
spool_dir = "/spool"
shards    = 3
pid_file  = "../run/sluice.pid"
user      = "sluice"

[[listener]]
address = "127.0.0.1:1587"
mode    = "starttls"
[[listener]]
address = "[::1]:1465"
mode    = "implicit"
mechanisms = ["LOGIN"]
mechanisms_clear = []

[auth]
mechanisms       = ["PLAIN", "LOGIN"]
mechanisms_clear = ["PLAIN"]

[[certificate]]
chain = "cert.pem"
key   = "/keys/key.pem"
[[certificate]]
chain = "b.pem"
key   = "b.key"

[relay]
next_hop = ["127.0.0.1:2525", "[::1]:2526"]
tls      = "required"

[queue]
retry_min = "1s"
retry_max = "1h30m"
expire    = "5d"

[limits]
message_bytes = 1048576
recipients    = 10
idle_timeout  = "500ms"
idle_timeout_authenticated = "10m"
shutdown_grace = "10s"
)",
                                    "/etc/sluice/sluice.toml");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->state_dir, "/etc/sluice/state");
  EXPECT_EQ(options->spool_dir, "/spool");
  EXPECT_EQ(options->shards, 3u);
  EXPECT_EQ(options->pid_file, "/etc/run/sluice.pid");
  EXPECT_EQ(options->user, "sluice");
  ASSERT_EQ(options->listener.size(), 2u);
  EXPECT_EQ(options->listener[0].mechanisms, (std::vector<std::string>{"PLAIN", "LOGIN"}));
  EXPECT_EQ(options->listener[0].mechanisms_clear, (std::vector<std::string>{"PLAIN"}));
  EXPECT_EQ(options->listener[1].mode, ListenerMode::kImplicit);
  EXPECT_EQ(options->listener[1].address.ToString(), "[::1]:1465");
  EXPECT_EQ(options->listener[1].mechanisms, (std::vector<std::string>{"LOGIN"}));
  EXPECT_TRUE(options->listener[1].mechanisms_clear.empty());
  ASSERT_EQ(options->certificate.size(), 2u);
  EXPECT_EQ(options->certificate[0].chain, "/etc/sluice/cert.pem");
  EXPECT_EQ(options->certificate[0].key, "/keys/key.pem");
  ASSERT_EQ(options->relay.next_hop.size(), 2u);
  EXPECT_EQ(options->relay.tls, RelayTls::kRequired);
  EXPECT_EQ(options->queue.retry_max, minutes(90));
  EXPECT_EQ(options->queue.expire, hours(120));
  EXPECT_EQ(options->limits.message_bytes, kMiB);
  EXPECT_EQ(options->limits.recipients, 10u);
  EXPECT_EQ(options->limits.idle_timeout, milliseconds(500));
}

TEST(OptionsTest, VerifyTakesAName) {
  EXPECT_EQ(ProblemsOf(Minimal("tls = \"verify\"\ntls_name = \"relay.example.net\"")), "");
}

TEST(OptionsTest, DiscardIsANextHopByItself) {
  const auto options = ParseOptions(R"(hostname = "a"
listener = [{address = "127.0.0.1:25", mode = "plain"}]
relay = {next_hop = ["discard"]})",
                                    "f");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_TRUE(options->relay.discard);
  EXPECT_TRUE(options->relay.next_hop.empty());
}

TEST(OptionsTest, ScramIsOfferedWithChannelBindingUnlessTheListenerSaysNo) {
  const auto options =
      ParseOptions(std::string(kMinimal) + "[auth]\nchannel_binding = false\n", "f");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(MechanismsUnderTls(options->listener[0]),
            (std::vector<std::string>{"SCRAM-SHA-256", "PLAIN", "LOGIN"}));
  const auto by_default = ParseOptions(kMinimal, "f");
  ASSERT_TRUE(by_default.ok());
  EXPECT_EQ(MechanismsUnderTls(by_default->listener[0]),
            (std::vector<std::string>{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"}));
}

// Keys as good as a password are stored for what is offered, not for what a list names in vain.
TEST(OptionsTest, MechanismsThatNoListenerOffersAreNotConfigured) {
  const struct {
    const char* text;
    bool configured;
  } kCases[] = {
      {"[auth]\nmechanisms = [\"CRAM-MD5\"]\n", true},
      {"mechanisms = [\"CRAM-MD5\"]\n", true},
      {"mechanisms_clear = [\"CRAM-MD5\"]\n", true},
      {"mechanisms = [\"PLAIN\"]\n[auth]\nmechanisms = [\"CRAM-MD5\"]\n", false},
      {"mode = \"implicit\"\nmechanisms_clear = [\"CRAM-MD5\"]\n", false},
      {"mode = \"implicit\"\n[auth]\nmechanisms_clear = [\"CRAM-MD5\"]\n", false},
      {"mode = \"plain\"\nmechanisms = [\"CRAM-MD5\"]\n", false},
      {"mode = \"plain\"\n[auth]\nmechanisms = [\"CRAM-MD5\"]\n", true},  // nothing is offered yet
  };
  for (const auto& test : kCases) {
    const auto options =
        ParseOptions(std::string("hostname = \"a\"\nrelay = {next_hop = [\"discard\"]}\n"
                                 "[[certificate]]\nchain = \"c\"\nkey = \"k\"\n"
                                 "[[listener]]\naddress = \"127.0.0.1:25\"\n") +
                         test.text,
                     "f");
    ASSERT_TRUE(options.ok()) << options.status();
    EXPECT_EQ(ConfiguredMechanisms(*options).Has(auth::Mechanism::kCramMd5), test.configured)
        << test.text;
  }
}

TEST(OptionsTest, ADovecotServerIsNamedByPathOrAddress) {
  const auto socket_of = [](const std::string& value) {
    const auto options =
        ParseOptions(std::string(kMinimal) + "[auth]\nbackend = \"dovecot\"\ndovecot_socket = \"" +
                         value + "\"\n",
                     "/etc/f");
    return options.ok() ? options->auth.dovecot_socket : std::string(options.status().message());
  };
  EXPECT_EQ(socket_of("/run/dovecot/auth-client"), "/run/dovecot/auth-client");
  EXPECT_EQ(socket_of("auth.sock"), "/etc/auth.sock");
  EXPECT_EQ(socket_of("./odd:12345"), "/etc/odd:12345");
  EXPECT_EQ(socket_of("127.0.0.1:12345"), "127.0.0.1:12345");
  EXPECT_EQ(socket_of("[::1]:12345"), "[::1]:12345");
  EXPECT_EQ(socket_of("/" + std::string(106, 'x')), "/" + std::string(106, 'x'));
  EXPECT_NE(socket_of("/" + std::string(107, 'x')).find("is 108 octets long"), std::string::npos);
  EXPECT_NE(socket_of("localhost:12345").find("numeric address with port"), std::string::npos);
}

struct BadCase {
  std::string_view more;  // after kMinimal, whose 8 lines it follows
  std::string_view expected;
};

TEST(OptionsTest, TellsPlaceProblemAndExpectation) {
  const BadCase kCases[] = {
      {"tsl = \"none\"", "f:9:1: relay.tsl: is not a key, did you mean \"tls\"?"},
      {"tls = \"maybe\"",
       "f:9:7: relay.tls: \"maybe\" is not understood, expected \"none\", \"opportunistic\", "
       "\"required\" or "
       "\"verify\""},
      {"tls = 1",
       "f:9:7: relay.tls: is an integer, expected \"none\", \"opportunistic\", \"required\" or "
       "\"verify\""},
      {"connections = 0",
       "f:9:15: relay.connections: 0 is out of range, expected a number from 1 to 10000"},
      {"connections = \"8\"",
       "f:9:15: relay.connections: is text, expected a number from 1 to 10000"},
      {"tls = \"verify\"",
       "f:9:7: relay.tls: \"verify\" needs relay.tls_name, the name in the next hop's certificate "
       "such as "
       "\"relay.example.net\"; addresses in certificates are not compared"},
      {"tls = \"verify\"\ntls_name = \"192.0.2.1\"",
       "f:10:12: relay.tls_name: \"192.0.2.1\" is not a domain name, expected the name in the next "
       "hop's "
       "certificate such as \"relay.example.net\"; addresses in certificates are not compared"},
      {"recipients = 5",
       "f:9:1: relay.recipients: is not a key here, did you mean \"limits.recipients\"?"},
      {"shards = 2",
       "f:9:1: relay.shards: is not a key of this table, did you mean \"shards\" before the first "
       "[table]?"},
      {"[limit]\nrecipients = 5", "f:9:2: limit: is not a key, did you mean \"limits\"?"},
      {"[smtp]\nxyzzy = 5", "f:10:1: smtp.xyzzy: is not a key, expected \"bare_lf\""},
      {"[limits]\nrecipients = 5.5",
       "f:10:14: limits.recipients: is a fraction, expected a number from 1 to 65535"},
      {"[limits]\nrecipients = 65536",
       "f:10:14: limits.recipients: 65536 is out of range, expected a number from 1 to 65535"},
      {"[limits]\nidle_timeout = 300",
       "f:10:16: limits.idle_timeout: is an integer, expected a duration such as \"500ms\", \"5m\" "
       "or \"1h30m\""},
      {"[limits]\nidle_timeout = \"5 minutes\"",
       "f:10:16: limits.idle_timeout: \"5 minutes\" is not understood, expected a duration such as "
       "\"500ms\", "
       "\"5m\" or \"1h30m\""},
      {"[limits]\nidle_timeout = \"2h\"",
       "f:10:16: limits.idle_timeout: \"2h\" is out of range, expected \"100ms\" to \"1h\""},
      {"[limits]\nmessage_bytes = \"50MB\"",
       "f:10:17: limits.message_bytes: \"50MB\" is not understood, expected a number of octets "
       "such as 65536 or "
       "\"64K\" (K, M, G)"},
      {"[limits]\nmessage_bytes = -1",
       "f:10:17: limits.message_bytes: -1 is negative, expected a number of octets such as 65536 "
       "or \"64K\" (K, "
       "M, G)"},
      {"[limits]\nmessage_bytes = 1",
       "f:10:17: limits.message_bytes: 1 is out of range, expected 1K to 1G"},
      {"[limits]\nmessage_bytes = \"200M\"",
       "f:9:1: limits.body_bytes_login: is below limits.message_bytes: such a message could never "
       "be taken"},
      {"[limits]\nmessage_bytes = \"300M\"",
       "f:9:1: limits.body_bytes: is below limits.message_bytes: such a message could never be "
       "taken"},
      {"[auth]\nmechanisms = [\"PLAIN\", \"CRAM\"]",
       "f:10:24: auth.mechanisms: \"CRAM\" is not a known mechanism, expected \"SCRAM-SHA-512\", "
       "\"SCRAM-SHA-256\", \"SCRAM-SHA-1\", \"CRAM-MD5\", \"DIGEST-MD5\", \"PLAIN\", \"LOGIN\", "
       "\"GSSAPI\", \"OAUTHBEARER\", \"XOAUTH2\" or \"EXTERNAL\""},
      {"[auth]\nmechanisms_clear = [\"GSSAPI\"]",
       "f:1:1: gssapi.keytab: is missing, and GSSAPI is offered; expected the file with the key of "
       "smtp/<hostname>"},
      {"[gssapi]\nrealms = \"R\"", "f:10:10: gssapi.realms: is text, expected a list of names"},
      {"[gssapi]\nrealms = [1]", "f:10:11: gssapi.realms: is an integer, expected a name"},
      {"[gssapi]\nrealms = [\"R\", \"\"]", "f:10:16: gssapi.realms: is empty, expected a name"},
      {"[auth]\ndigest_realm = \"a realm\"",
       "f:10:16: auth.digest_realm: is over 255 octets or has others than printable ASCII without "
       "blanks, quotes and backslashes"},
      {"[auth]\nmechanisms = [\"XOAUTH2\"]\n[oauth]\nissuer = \"i\"\naudience = \"a\"",
       "f:11:1: oauth.jwks_file: is missing, and a mechanism takes tokens (OAUTHBEARER, XOAUTH2); "
       "expected the file of the issuer's public keys (JWKS)"},
      {"[auth]\nmechanisms = [\"OAUTHBEARER\"]\n[oauth]\njwks_file = \"a\"\naudience = \"a\"",
       "f:11:1: oauth.issuer: is missing, and a mechanism takes tokens (OAUTHBEARER, XOAUTH2); "
       "expected the `iss` of its tokens, such as \"https://id.example.net/\""},
      {"[oauth]\nissuer = \"i\"\njwks_file = \"a\"\n[auth]\nmechanisms_clear = [\"OAUTHBEARER\"]",
       "f:9:1: oauth.audience: is missing, and a mechanism takes tokens (OAUTHBEARER, XOAUTH2); "
       "expected the `aud` of tokens for this server: what keeps those for others out"},
      {"[oauth]\nclock_skew = \"2h\"",
       "f:10:14: oauth.clock_skew: \"2h\" is out of range, expected \"0s\" to \"1h\""},
      {"[auth]\nmechanisms = [\"PLAIN\", \"PLAIN\"]",
       "f:10:24: auth.mechanisms: \"PLAIN\" stands there twice, expected once"},
      {"[auth]\nmechanisms = \"PLAIN\"",
       "f:10:14: auth.mechanisms: is text, expected a list of mechanism names"},
      {"[auth]\nbackend = \"dovecot\"",
       "f:9:1: auth.dovecot_socket: is missing, expected the socket of the Dovecot server that "
       "auth.backend asks for, such as \"/run/dovecot/auth-client\" or \"127.0.0.1:12345\""},
      {"[auth]\ndovecot_socket = \"dovecot:12345\"",
       "f:10:18: auth.dovecot_socket: \"dovecot:12345\" is not understood, expected the path of a "
       "UNIX socket such as \"/run/dovecot/auth-client\", or a numeric address with port"},
      {"[[auth]]\nmechanisms = []", "f:9:1: auth: is no table, expected [auth]"},
      {"[[listener]]\naddress = \"localhost:25\"",
       "f:10:11: listener.address: \"localhost:25\" is not understood, expected a numeric address "
       "with port such "
       "as \"127.0.0.1:1587\" or \"[::1]:1587\""},
      {"[[listener]]\naddress = \"127.0.0.1:1587\"",
       "f:10:11: listener.address: 127.0.0.1:1587 is taken by listener[0].address"},
      {"[admin]\naddress = \"127.0.0.1:1587\"",
       "f:10:11: admin.address: 127.0.0.1:1587 is taken by listener[0].address"},
      {"[[listener]]\nmode = \"plain\"",
       "f:9:1: listener.address: is missing, expected a numeric address with port such as "
       "\"0.0.0.0:587\""},
      {"[[certificate]]\nchain = \"c\"", "f:9:1: certificate.key: is missing, expected a PEM file"},
      {"[[certificate]]\nchain = \"\"\nkey = \"k\"",
       "f:10:9: certificate.chain: is empty, expected text (or leave the key out)"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\nmode = \"plain\"\npolicy = \"relay\"",
       "f:12:10: listener.policy: \"relay\" takes mail of anybody for a [[local_domain]], and "
       "there "
       "is none; add one, or use \"always\""},
      {"[[listener]]\npolicy = \"open\"",
       "f:10:10: listener.policy: \"open\" is not understood, expected \"always\" or \"relay\""},
      {"[[local_domain]]\ndomains = [\"example.org\"]",
       "f:9:1: local_domain.next_hop: is missing, expected where the mail of these domains goes, "
       "such as [\"192.0.2.1:25\"]"},
      {"[[local_domain]]\nnext_hop = [\"127.0.0.1:1\"]",
       "f:9:1: local_domain.domains: is missing, expected domains such as [\"example.org\"]"},
      {"[[local_domain]]\ndomains = [\"example.org\"]\nnext_hop = [\"discard\"]",
       "f:11:13: local_domain.next_hop: \"discard\" is not understood, expected a numeric address "
       "with port such as \"127.0.0.1:1587\" or \"[::1]:1587\""},
      {"[[local_domain]]\ndomains = [\"localhost\"]\nnext_hop = [\"127.0.0.1:1\"]",
       "f:10:11: local_domain.domains: \"localhost\" is no domain that an address can have, "
       "expected "
       "one such as \"example.org\", or \".example.org\" for its subdomains"},
      {"[[local_domain]]\ndomains = [\"xn--bcher-kva.example\", \"b\u00fccher.example\"]\n"
       "next_hop = [\"127.0.0.1:1\"]",
       "f:10:11: local_domain.domains: \"b\u00fccher.example\" is there already; a domain has one "
       "[[local_domain]]"},
      {"[[local_domain]]\ndomains = [\"a.example\", \"A.example\"]\nnext_hop = [\"127.0.0.1:1\"]",
       "f:10:11: local_domain.domains: \"A.example\" is there already; a domain has one "
       "[[local_domain]]"},
      {"tls = \"verify\"\ntls_name = \"a.example\"\n[[local_domain]]\ndomains = [\"a.example\"]\n"
       "next_hop = [\"127.0.0.1:1\"]",
       "f:11:1: local_domain.tls_name: is no domain name, and relay.tls = \"verify\" needs the "
       "name "
       "in the next hop's certificate, such as \"mail.example.org\""},
      {"[[trusted_network]]\nnetworks = [\"10.0.0.1/8\"]\nlogin = \"a\"",
       "f:10:13: trusted_network.networks: \"10.0.0.1/8\" is not understood, expected a block of "
       "addresses without bits beyond its prefix, such as \"10.1.0.0/16\" or \"2001:db8::/32\""},
      {"[[trusted_network]]\nnetworks = [\"0.0.0.0/0\"]\nlogin = \"a\"",
       "f:10:12: trusted_network.networks: 0.0.0.0/0 is a large part of the Internet: this would "
       "be "
       "an open relay; expected networks of your own, /8 or smaller (IPv6: /16)"},
      {"[[trusted_network]]\nnetworks = [\"2000::/3\"]\nlogin = \"a\"",
       "f:10:12: trusted_network.networks: 2000::/3 is a large part of the Internet: this would be "
       "an open relay; expected networks of your own, /8 or smaller (IPv6: /16)"},
      {"[[trusted_network]]\nnetworks = [\"::ffff:0:0/96\"]\nlogin = \"a\"",
       "f:10:12: trusted_network.networks: ::ffff:0.0.0.0/96 are IPv4 addresses in IPv6's form, "
       "expected them as \"10.1.0.0/16\""},
      {"[[trusted_network]]\nnetworks = []",
       "f:9:1: trusted_network.login: is missing, expected the user that these clients are: "
       "`sluice "
       "user add NAME --no-password` makes one\n"
       "f:10:12: trusted_network.networks: is missing, expected blocks of addresses such as "
       "[\"10.1.0.0/16\"]"},
      {"[queue]\nretry_min = \"5h\"", "f:9:1: queue.retry_max: is below queue.retry_min"},
      {"[queue]\nbatch_bytes = \"32M\"",
       "f:10:15: queue.batch_bytes: is above a quarter of queue.segment_bytes"},
      {"[queue]\nsegment_bytes = 5000001", "f:10:17: queue.segment_bytes: is not a multiple of 4K"},
      {"[io]\nreceive_buffers = 1000", "f:10:19: io.receive_buffers: is not a power of two"},
      {"[io]\nreceive_buffers = 2024-11-12",
       "f:10:19: io.receive_buffers: is a date, expected a number from 16 to 32768"},
      {"[tls]\nticket_lifetime = \"500ms\"",
       "f:10:19: tls.ticket_lifetime: is below a second, expected \"1s\" to \"7d\", or \"0s\" for "
       "no tickets"},
      {"[tls]\ngroups = []", "f:10:10: tls.groups: is empty, expected at least one group"},
  };
  for (const BadCase& test : kCases) {
    EXPECT_EQ(ProblemsOf(Minimal(test.more)), test.expected) << test.more;
  }
}

TEST(OptionsTest, TellsWhatIsMissingAltogether) {
  EXPECT_EQ(
      ProblemsOf(""),
      "f:1:1: hostname: is missing, expected this server's name such as \"submit.example.net\"\n"
      "f:1:1: listener: there is none, expected at least one [[listener]]\n"
      "f:1:1: relay.next_hop: is empty, which will mean delivery by MX: that is not built yet; "
      "expected the "
      "address of a next hop such as [\"127.0.0.1:2525\"], or [\"discard\"]");
}

TEST(OptionsTest, TellsAllProblemsInTheOrderOfTheFile) {
  EXPECT_EQ(ProblemsOf(R"(hostname = "not a name"
shards = true
[[listener]]
address = "127.0.0.1:1587"
mode = "tls"
[relay]
next_hop = ["discard", "127.0.0.1:25"]
bogus = 1
[listener2]
)"),
            "f:1:12: hostname: \"not a name\" is not a domain name, expected one such as "
            "\"submit.example.net\"\n"
            "f:2:10: shards: is true or false, expected a number from 0 to 1024\n"
            "f:5:8: listener.mode: \"tls\" is not understood, expected \"starttls\", \"implicit\" "
            "or \"plain\"\n"
            "f:7:13: relay.next_hop: \"discard\" stands with others, expected alone\n"
            "f:8:1: relay.bogus: is not a key, expected \"next_hop\", \"tls\", \"tls_name\", "
            "\"ca_file\", \"username\", \"password_file\", \"mechanism\", \"discard_ehlo_keywords\", "
            "\"connections\", \"messages_per_connection\", "
            "\"idle_timeout\", "
            "\"connect_timeout\", \"greeting_timeout\", \"mail_timeout\", \"rcpt_timeout\", "
            "\"data_timeout\", "
            "\"data_block_timeout\" or \"data_end_timeout\"\n"
            "f:9:2: listener2: is not a key, did you mean \"listener\"?");
}

TEST(OptionsTest, LocalDomainsAndTrustedNetworks) {
  const auto options = ParseOptions(Minimal(R"([[listener]]
address = "127.0.0.1:25"
mode = "plain"
policy = "relay"
[[local_domain]]
domains = ["example.org", ".example.org"]
next_hop = ["127.0.0.1:1025", "[::1]:1025"]
tls_name = "mail.example.org"
[[trusted_network]]
networks = ["10.1.0.0/16", "fc00::/7", "2001:db8::/32"]
login = "printers@example.net"
[[trusted_network]]
networks = ["10.0.0.0/8"]
login = "others@example.net"
tls = "optional")"),
                                    "f");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->listener[0].policy, ListenerPolicy::kAlways);
  EXPECT_EQ(options->listener[1].policy, ListenerPolicy::kRelay);
  EXPECT_EQ(options->local_domain[0].next_hop[1].ToString(), "[::1]:1025");
  EXPECT_EQ(options->trusted_network[0].tls, TrustedNetworkOptions::Tls::kRequired);
  const auto again = ParseOptions(ShowOptions(*options), "f");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(ChangedKeys(*options, *again).empty());

  const auto rules = MakeAccessRules(*again);
  const auto login_of = [&](const char* address) -> std::string {
    const TrustedNetworkOptions* found = rules->FindTrusted(*SockAddr::Parse(address));
    return found == nullptr ? "" : found->login;
  };
  EXPECT_EQ(login_of("10.1.2.3:4"), "printers@example.net");  // the first that fits
  EXPECT_EQ(login_of("[::ffff:10.1.2.3]:4"), "printers@example.net");
  EXPECT_EQ(login_of("10.2.0.1:4"), "others@example.net");
  EXPECT_EQ(login_of("[fd00::1]:4"), "printers@example.net");
  EXPECT_EQ(login_of("11.0.0.1:4"), "");
  EXPECT_EQ(login_of("[2001:db9::1]:4"), "");
  EXPECT_EQ(rules->domains.Find("a@x.example.org"), 0u);
}

TEST(OptionsTest, TlsListenersNeedACertificate) {
  EXPECT_EQ(ProblemsOf(R"(hostname = "a.example"
relay = {next_hop = ["discard"]}
[[listener]]
address = "127.0.0.1:1"
mode = "implicit"
[[listener]]
address = "127.0.0.1:2"
)"),
            "f:5:8: listener.mode: needs TLS and there is no [[certificate]]; add one, or use mode "
            "= \"plain\"\n"
            "f:6:1: listener.mode: needs TLS and there is no [[certificate]]; add one, or use mode "
            "= \"plain\"");
}

TEST(OptionsTest, ExternalNeedsACertificateThatIsAskedFor) {
  const auto problems = [](std::string_view listener, std::string_view more = "") {
    std::string text = absl::StrCat(
        "hostname = \"a.example\"\n[[listener]]\naddress = \"127.0.0.1:587\"\n", listener,
        "\n[[certificate]]\nchain = \"c\"\nkey = \"k\"\n[relay]\nnext_hop = [\"discard\"]\n", more);
    return ProblemsOf(text);
  };
  constexpr std::string_view kExternal = "mechanisms = [\"EXTERNAL\"]\nclient_ca_file = \"ca\"\n";
  const std::string print(64, 'a');
  const auto entry = [](std::string_view lines) {
    return absl::StrCat("[[client_certificate]]\n", lines, "\n");
  };
  EXPECT_EQ(problems(kExternal), "");
  EXPECT_EQ(
      problems(kExternal, entry(absl::StrCat("fingerprint = \"", print, "\"\nlogin = \"a\""))), "");
  EXPECT_EQ(problems(kExternal, entry("subject = \"CN=a\"\nlogin = \"a\"")), "");

  EXPECT_THAT(problems("mechanisms = [\"EXTERNAL\"]"), HasSubstr("set client_ca_file"));
  EXPECT_THAT(problems("", "[auth]\nmechanisms = [\"EXTERNAL\"]"), HasSubstr("set client_ca_file"));
  EXPECT_THAT(problems("mechanisms_clear = [\"EXTERNAL\"]"),
              HasSubstr("listener.mechanisms_clear: lists EXTERNAL"));
  EXPECT_THAT(problems("client_crl_file = \"crl\""), HasSubstr("no use without client_ca_file"));
  EXPECT_THAT(problems("mode = \"plain\"\nclient_ca_file = \"ca\""), HasSubstr("has no TLS"));
  EXPECT_THAT(problems(kExternal, entry("login = \"a\"")),
              HasSubstr("either fingerprint or subject"));
  EXPECT_THAT(problems(kExternal, entry("fingerprint = \"00\"\nsubject = \"CN=a\"\nlogin = \"a\"")),
              HasSubstr("either fingerprint or subject"));
  EXPECT_THAT(problems(kExternal, entry("fingerprint = \"00\"\nlogin = \"a\"")),
              HasSubstr("no SHA-256"));
  EXPECT_THAT(problems(kExternal, entry("subject = \"CN=a\"")), HasSubstr("login: is missing"));
  EXPECT_THAT(problems(kExternal, entry("subject = \"CN=a\"\nlogin = \"a\"") +
                                      entry("subject = \"CN=a\"\nlogin = \"b\"")),
              HasSubstr("another [[client_certificate]]"));
}

TEST(OptionsTest, BrokenTomlHasAPlace) {
  const std::string problems = ProblemsOf("hostname = \"a\nshards = 1\n");
  EXPECT_EQ(problems.substr(0, 28), "f:1:14: this is not TOML: Er") << problems;
}

// Whatever part of a file arrives, the answer is options or a problem with a place, never a crash.
TEST(OptionsTest, CutAnywhereItIsReadOrRefusedWithAPlace) {
  for (size_t cut = 0; cut <= kMinimal.size(); cut++) {
    const auto options = ParseOptions(kMinimal.substr(0, cut), "f");
    if (options.ok()) continue;
    EXPECT_EQ(options.status().message().substr(0, 2), "f:") << cut;
  }
}

TEST(OptionsTest, WhatThereIsNoneOfIsShownAsAComment) {
  const auto options = ParseOptions(kMinimal, "/d/f");
  ASSERT_TRUE(options.ok()) << options.status();
  const std::string shown = ShowOptions(*options);
  for (const char* line :
       {"\n# [[tenant]]\n# name is not given ", "\n# [[client_certificate]]\n# fingerprint is not given ",
        "\n# [[shard]]\n# index = 0 ", "\n# [[local_domain]]\n# domains = [] ",
        "\n# [[trusted_network]]\n# networks = [] "}) {
    EXPECT_NE(shown.find(line), std::string::npos) << line << shown;
  }
  const auto again = ParseOptions(shown, "/d/f");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->tenant.empty());
  // Those of a shard are what it has without them.
  std::string of_a_shard = shown.substr(shown.find("# [[shard]]"));
  of_a_shard = absl::StrReplaceAll(of_a_shard.substr(0, of_a_shard.find("\n\n")), {{"\n# ", "\n"}});
  EXPECT_EQ(ProblemsOf(std::string(kMinimal) + of_a_shard.substr(2) + "\n"), "");
}

TEST(OptionsTest, ShownOptionsReadBackTheSame) {
  auto options = ParseOptions(
      Minimal("tls_name = \"a \\\"b\\\\\"\nca_file = \"ca.pem\"\nidle_timeout = \"1h30m\"\n"
              "[[listener]]\naddress=\"[::]:25\"\nmechanisms_clear=[\"PLAIN\"]\n"
              "[smtp]\nbare_lf = \"reject\"\n[limits]\nmessage_bytes = 12345\n"),
      "/d/f");
  EXPECT_FALSE(options.ok());  // relay.idle_timeout goes to 5m
  options = ParseOptions(
      Minimal("tls_name = \"a \\\"b\\\\\"\nca_file = \"ca.pem\"\nidle_timeout = \"1m30s\"\n"
              "[[listener]]\naddress=\"[::]:25\"\nmechanisms_clear=[\"PLAIN\"]\n"
              "[smtp]\nbare_lf = \"reject\"\n[limits]\nmessage_bytes = 12345\n"
              "[[shard]]\nindex = 3\ncore = \"any\"\nbatch_wait = \"2ms\"\n"),
      "/d/f");
  ASSERT_TRUE(options.ok()) << options.status();
  const std::string shown = ShowOptions(*options);
  const auto again = ParseOptions(shown, "/elsewhere/g");
  ASSERT_TRUE(again.ok()) << again.status() << "\n" << shown;
  EXPECT_EQ(ShowOptions(*again), shown);
  EXPECT_EQ(again->relay.tls_name, "a \"b\\");
  EXPECT_EQ(again->relay.ca_file, "/d/ca.pem");
  EXPECT_EQ(again->relay.idle_timeout, seconds(90));
  EXPECT_EQ(again->limits.message_bytes, 12345u);
  EXPECT_EQ(again->smtp.bare_lf, BareLf::kReject);
  ASSERT_EQ(again->shard.size(), 1u);
  EXPECT_EQ(again->shard[0].index, 3u);
  EXPECT_EQ(again->shard[0].tuning, options->shard[0].tuning);
  EXPECT_EQ(again->listener[1].mechanisms_clear, (std::vector<std::string>{"PLAIN"}));
}

TEST(OptionsTest, ATenantBoundsEachOfItsUsers) {
  const std::string tenant = "[[tenant]]\nname = \"acme\"\n";
  auto options =
      ParseOptions(Minimal(tenant + "recipients = 50\nmessage_bytes = \"2M\"\n"
                                    "networks = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n"),
                   "/d/f");
  ASSERT_TRUE(options.ok()) << options.status();
  options = ParseOptions(ShowOptions(*options), "/d/f");
  ASSERT_TRUE(options.ok()) << options.status();
  ASSERT_EQ(options->tenant.size(), 1u);
  EXPECT_EQ(options->tenant[0].recipients, 50u);
  EXPECT_EQ(options->tenant[0].message_bytes, 2 * kMiB);
  ASSERT_EQ(options->tenant[0].networks.size(), 2u);
  EXPECT_EQ(options->tenant[0].networks[1].ToString(), "2001:db8::/32");
  for (const char* wrong :
       {"recipients = 65536\n", "message_bytes = \"2G\"\n", "networks = [\"x\"]\n"})
    EXPECT_FALSE(ParseOptions(Minimal(tenant + wrong), "/d/f").ok()) << wrong;
}

TEST(OptionsTest, ChangedKeysAreNamed) {
  const auto from = ParseOptions(Minimal(""), "/d/f");
  ASSERT_TRUE(from.ok());
  EXPECT_EQ(ChangedKeys(*from, *from), std::vector<std::string>{});
  const auto to = ParseOptions(Minimal("tls = \"required\"\nconnections = 8\n"  // 8 is the default
                                       "[[listener]]\naddress = \"127.0.0.1:25\"\n"
                                       "[[listener]]\naddress = \"127.0.0.1:26\"\n"
                                       "[limits]\nrecipients = 7\n"),
                               "/d/f");
  ASSERT_TRUE(to.ok()) << to.status();
  const std::vector<std::string> changed = {"[[listener]]", "relay.tls", "limits.recipients"};
  EXPECT_EQ(ChangedKeys(*from, *to), changed);
  EXPECT_EQ(ChangedKeys(*to, *from), changed);
}

TEST(OptionsTest, RootNeedsAUser) {
  Options options;
  EXPECT_EQ(RefusalToServe(options, 1000), "");
  EXPECT_NE(RefusalToServe(options, 0), "");
  options.user = "root";
  EXPECT_EQ(RefusalToServe(options, 0), "");
}

TEST(OptionsTest, MissingFileIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(LoadOptions("/nonexistent/sluice.toml").status()));
}

TEST(OptionsValuesTest, Durations) {
  EXPECT_EQ(ParseDuration("0s"), Duration(0));
  EXPECT_EQ(ParseDuration("1h30m"), minutes(90));
  EXPECT_EQ(ParseDuration("1d2h3m4s5ms6us"),
            hours(26) + minutes(3) + seconds(4) + milliseconds(5) + microseconds(6));
  for (const char* bad : {"", "5", "m", "5x", "-5m", "5m ", " 5m", "1.5h", "5m5", "36501d",
                          "99999999999999999999s", "1h-1m"}) {
    EXPECT_EQ(ParseDuration(bad), std::nullopt) << bad;
  }
  for (const char* same : {"0s", "5m", "1h30m", "500ms", "1d", "1d2h3m4s5ms6us"}) {
    EXPECT_EQ(FormatDuration(*ParseDuration(same)), same);
  }
}

TEST(OptionsValuesTest, Bytes) {
  EXPECT_EQ(ParseBytes("0"), 0u);
  EXPECT_EQ(ParseBytes("50M"), 50 * kMiB);
  EXPECT_EQ(ParseBytes("7G"), 7 * kGiB);
  for (const char* bad :
       {"", "M", "5m", "5MB", "-5", "5 M", "9223372036854775807K", "18446744073709551616"}) {
    EXPECT_EQ(ParseBytes(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(FormatBytes(52'428'800), "50M");
  EXPECT_EQ(FormatBytes(1025), "1025");
  EXPECT_EQ(FormatBytes(0), "0");
}

TEST(OptionsValuesTest, NearestNeedsToBeNear) {
  const std::string_view known[] = {"chain", "key", "next_hop"};
  EXPECT_EQ(Nearest("chian", known), "chain");
  EXPECT_EQ(Nearest("KEY", known), "key");
  EXPECT_EQ(Nearest("nexthop", known), "next_hop");
  EXPECT_EQ(Nearest("xyz", known), "");
}

}  // namespace
}  // namespace sluice::server
