// Certificates: what is read from them, which one serves whom, and what is said of bad files.
#include "tls/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tls/pair.h"
#include "tls/hooks.h"
#include "tls/server_context.h"

namespace sluice::tls {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

int64_t fixed_clock = 0;
int64_t FixedClock() { return fixed_clock; }

TEST(MatchNameTest, AWildcardStandsForOneLabel) {
  EXPECT_EQ(MatchName("mail.example.net", "mail.example.net"), NameMatch::kExact);
  EXPECT_EQ(MatchName("*.example.net", "mail.example.net"), NameMatch::kWildcard);
  EXPECT_EQ(MatchName("*.example.net", "a.mail.example.net"), NameMatch::kNone);
  EXPECT_EQ(MatchName("*.example.net", "example.net"), NameMatch::kNone);
  EXPECT_EQ(MatchName("*.example.net", ".example.net"), NameMatch::kNone);
  EXPECT_EQ(MatchName("m*.example.net", "mail.example.net"), NameMatch::kNone);
  EXPECT_EQ(MatchName("*", "localhost"), NameMatch::kNone);
  EXPECT_EQ(MatchName("example.net", ""), NameMatch::kNone);
  EXPECT_EQ(MatchName("", ""), NameMatch::kNone);
}

TEST(ReadCertificateTest, TellsNamesKeyAndDates) {
  ASSERT_TRUE(Init().ok());
  fixed_clock = 1'800'000'000;
  InstallClock(FixedClock);
  const IdentityPem made = MakeIdentity({"Mail.Example.net", "*.example.net"});
  InstallClock(nullptr);
  const auto facts = ReadCertificate(made.chain, "cert.pem");
  ASSERT_TRUE(facts.ok()) << facts.status();
  std::vector<std::string> names = facts->names;
  EXPECT_THAT(names, testing::UnorderedElementsAre("mail.example.net", "*.example.net", "localhost"));
  EXPECT_EQ(facts->kind, KeyKind::kEcdsaP256);
  EXPECT_EQ(facts->key_bits, 256u);
  EXPECT_LE(WallMillis(facts->not_before), 1000 * fixed_clock);
  EXPECT_GE(WallMillis(facts->not_before), 1000 * (fixed_clock - 86'400));
  EXPECT_NEAR(static_cast<double>(WallMillis(facts->not_after) / 1000 - fixed_clock), 825 * 86'400.0, 2 * 86'400.0);
}

TEST(ReadCertificateTest, KnowsTheKindsOfKeys) {
  const auto rsa = ReadCertificate(RsaIdentity().chain, "cert.pem");
  ASSERT_TRUE(rsa.ok()) << rsa.status();
  EXPECT_EQ(rsa->kind, KeyKind::kRsa);
  EXPECT_EQ(rsa->key_bits, 2048u);
  const auto p384 = ReadCertificate(MakeIdentity({"a.example"}, KeyKind::kEcdsaP384).chain, "cert.pem");
  ASSERT_TRUE(p384.ok()) << p384.status();
  EXPECT_EQ(p384->kind, KeyKind::kEcdsaP384);
}

std::string Complaint(const IdentityPem& identity, Parameters parameters = {}) {
  EXPECT_TRUE(Init().ok());
  const auto context = ServerContext::Create({.identities = {identity}, .parameters = std::move(parameters)});
  EXPECT_FALSE(context.ok());
  return std::string(context.status().message());
}

TEST(ServerContextTest, SaysWhichFileIsBadAndWhy) {
  IdentityPem identity = EcdsaIdentity();
  identity.chain_file = "/etc/sluice/chain.pem";
  identity.key_file = "/etc/sluice/key.pem";
  IdentityPem bad = identity;

  bad.key = RsaIdentity().key;
  EXPECT_THAT(Complaint(bad), AllOf(HasSubstr("/etc/sluice/key.pem"), HasSubstr("does not belong to"),
                                    HasSubstr("/etc/sluice/chain.pem")));
  bad.key = MakeIdentity({"mail.example.net"}).key;
  EXPECT_THAT(Complaint(bad), HasSubstr("does not belong to"));
  for (const char* key : {"", "not PEM", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}) {
    bad.key = key;
    EXPECT_THAT(Complaint(bad), HasSubstr("/etc/sluice/key.pem: no usable private key")) << key;
  }
  bad.key = identity.chain;
  EXPECT_THAT(Complaint(bad), HasSubstr("/etc/sluice/key.pem: no usable private key"));

  bad = identity;
  for (const std::string& chain : {std::string(), std::string("not PEM"), identity.key}) {
    bad.chain = chain;
    EXPECT_THAT(Complaint(bad), HasSubstr("/etc/sluice/chain.pem: no certificate in PEM form")) << chain;
  }
  bad.chain = "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_THAT(Complaint(bad), HasSubstr("/etc/sluice/chain.pem: not a valid certificate"));
  bad.chain = identity.chain.substr(0, identity.chain.size() / 2);
  EXPECT_THAT(Complaint(bad), HasSubstr("/etc/sluice/chain.pem"));

  EXPECT_THAT(Complaint(identity, {.groups = {"X25519", "P-257"}}), HasSubstr("unknown key exchange group \"P-257\""));
  EXPECT_THAT(std::string(ServerContext::Create({}).status().message()), HasSubstr("no certificate"));
}

TEST(ServerContextTest, ChoosesByKeyThenNameThenKind) {
  const auto server = MakeServer(ServerOptions{.identities = {
                                                   MakeIdentity({"first.example"}, KeyKind::kRsa),   // 0, the default
                                                   MakeIdentity({"first.example"}),                  // 1
                                                   MakeIdentity({"*.example"}),                      // 2
                                                   MakeIdentity({"second.example"}, KeyKind::kRsa),  // 3
                                               }});
  const KeysTaken both{.ecdsa_p256 = true, .rsa = true};
  const KeysTaken only_rsa{.rsa = true};
  const KeysTaken only_p384{.ecdsa_p384 = true};
  struct Case {
    const char* name;
    KeysTaken keys;
    size_t identity;
  };
  for (const Case& test : std::initializer_list<Case>{
           {"first.example", both, 1},
           {"first.example", only_rsa, 0},
           {"second.example", both, 3},  // an exact name before the better key
           {"third.example", both, 2},
           {"third.example", only_rsa, 0},  // a key that the client takes before the name
           {"a.third.example", both, 1},    // unknown: the default's names
           {"", both, 1},
           {"", only_rsa, 0},
           {"elsewhere.test", only_rsa, 0},
           {"second.example", only_p384, 3},  // takes none: the library will say so
       }) {
    ClientHello hello;
    hello.server_name = test.name;
    hello.tls13 = true;
    hello.keys13 = test.keys;
    EXPECT_EQ(server->Choose(hello), test.identity) << test.name;
    hello.tls13 = false;
    std::swap(hello.keys13, hello.keys12);
    EXPECT_EQ(server->Choose(hello), test.identity) << test.name << " in TLS 1.2";
  }
}

TEST(SelfSignedTest, RefusesBadNames) {
  ASSERT_TRUE(Init().ok());
  EXPECT_FALSE(MakeSelfSigned({}).ok());
  EXPECT_FALSE(MakeSelfSigned({.names = {""}}).ok());
  EXPECT_FALSE(MakeSelfSigned({.names = {std::string(65, 'a')}}).ok());
  EXPECT_FALSE(MakeSelfSigned({.names = std::vector<std::string>(100, std::string(60, 'a'))}).ok());
  EXPECT_TRUE(MakeSelfSigned({.names = {"mail.example", std::string(127, 'a'), std::string(127, 'b')}}).ok());
}

}  // namespace
}  // namespace sluice::tls
