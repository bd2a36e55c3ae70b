#include "tls/client_trust.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include "absl/strings/escaping.h"
#include "core/base/check.h"
#include "core/base/random.h"
#include "tests/support/client_certificates.h"
#include "tests/unit/tls/pair.h"
#include "tls/distinguished_name.h"
#include "tls/hooks.h"

namespace sluice::tls {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ClientTrustPem Trust(const std::string& ca, const std::string& crl = "") {
  ClientTrustPem pem{.ca_file = ca, .ca = ClientCertificate(ca), .crl_file = crl, .crl = ""};
  if (!crl.empty()) pem.crl = ClientCertificate(crl);
  return pem;
}

std::shared_ptr<ServerContext> MakeAsking(const ClientTrustPem& trust,
                                          const IdentityPem& identity = EcdsaIdentity()) {
  ServerOptions options;
  options.identities = {identity};
  options.ticket_keys = std::make_shared<TicketKeys>(TicketKeys::Generate(FillRandom, WallTime()));
  options.client_trust = trust;
  return MakeServer(options);
}

std::shared_ptr<ClientContext> MakeUser(Versions versions, const std::string& chain,
                                        const std::string& key) {
  ClientOptions options;
  options.parameters.versions = versions;
  if (!chain.empty())
    options.identity = IdentityPem{chain, ClientCertificate(chain), key, ClientCertificate(key)};
  return MakeClient(options);
}

// The whole way: a handshake in each version, and what the server then thinks of the client.
struct Case {
  const char* chain;
  const char* key;
  const char* ca;
  const char* crl;      // "": none
  const char* problem;  // a part of it; "": none
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.chain << " " << c.ca << " " << c.crl;
}

class ClientTrustTest : public testing::TestWithParam<Versions> {
 protected:
  void Expect(const Case& c) {
    SCOPED_TRACE(testing::PrintToString(c));
    const auto server = MakeAsking(Trust(c.ca, c.crl));
    for (const size_t piece : {SIZE_MAX, size_t{61}}) {
      Pair pair(server, *MakeUser(GetParam(), c.chain, c.key));
      ASSERT_TRUE(pair.Shake(piece))
          << pair.server.error_text() << "; " << pair.client.error_text();
      ASSERT_NE(pair.server_info.peer_certificate, nullptr);
      const std::string& problem = pair.server_info.peer_certificate->problem;
      if (*c.problem == '\0') {
        EXPECT_EQ(problem, "");
      } else {
        EXPECT_THAT(problem, HasSubstr(c.problem));
      }
      EXPECT_EQ(pair.ToServer("hello"), "hello");
      EXPECT_EQ(pair.ToClient("there"), "there");
    }
  }
};

constexpr char kUnknown[] = "CA is not known";

TEST_P(ClientTrustTest, AGoodCertificateNamesItsOwner) {
  const Case cases[] = {
      {"alice.pem", "alice.key", "ca.pem", "", ""},
      {"alice.pem", "alice.key", "ca.pem", "ca_crl.pem", ""},
      {"rsa.pem", "rsa.key", "ca.pem", "", ""},
      {"under_chain.pem", "under.key", "ca.pem", "", ""},
      {"under.pem", "under.key", "both.pem", "", ""},
      {"under.pem", "under.key", "middle.pem", "", ""},
      {"under.pem", "under.key", "both.pem", "crl.pem", ""},
      {"under_chain.pem", "under.key", "both.pem", "crl.pem", ""},
  };
  for (const Case& c : cases) Expect(c);
}

TEST_P(ClientTrustTest, ABadOneGoesOnAndNamesNobody) {
  const Case cases[] = {
      {"alice.pem", "alice.key", "other.pem", "", kUnknown},
      {"other_alice.pem", "other_alice.key", "ca.pem", "", kUnknown},
      {"expired.pem", "expired.key", "ca.pem", "", "expired"},
      {"future.pem", "future.key", "ca.pem", "", "not valid yet"},
      {"revoked.pem", "revoked.key", "ca.pem", "ca_crl.pem", "revoked"},
      {"revoked.pem", "revoked.key", "both.pem", "crl.pem", "revoked"},
      {"alice.pem", "alice.key", "ca.pem", "stale.pem", "no CRL"},
      {"under.pem", "under.key", "both.pem", "ca_crl.pem", "no CRL"},
      {"under_chain.pem", "under.key", "ca.pem", "ca_crl.pem", "no CRL"},
      {"under.pem", "under.key", "ca.pem", "", kUnknown},
      {"server.pem", "server.key", "ca.pem", "", "Ext Key Use"},
      {"self.pem", "self.key", "ca.pem", "", kUnknown},
      {"by_user_chain.pem", "by_user.key", "ca.pem", "", "may not sign"},
      {"deep_chain.pem", "deep.key", "ca.pem", "", "more CAs below"},
  };
  for (const Case& c : cases) Expect(c);
}

TEST_P(ClientTrustTest, WhatOneClientSendsCountsForItAlone) {
  const auto server = MakeAsking(Trust("ca.pem"));
  const auto shake = [&](const std::string& chain, const std::string& key) {
    Pair pair(server, *MakeUser(GetParam(), chain, key));
    EXPECT_TRUE(pair.Shake());
    return pair.server_info.peer_certificate->problem;
  };
  EXPECT_EQ(shake("under_chain.pem", "under.key"), "");
  EXPECT_THAT(shake("under.pem", "under.key"), HasSubstr(kUnknown));
  EXPECT_THAT(shake("by_user_chain.pem", "by_user.key"), HasSubstr("may not sign"));
  EXPECT_THAT(shake("by_user.pem", "by_user.key"), HasSubstr(kUnknown));
}

TEST_P(ClientTrustTest, WithoutOneTheClientGoesOn) {
  Pair pair(MakeAsking(Trust("ca.pem", "ca_crl.pem")), *MakeUser(GetParam(), "", ""));
  ASSERT_TRUE(pair.Shake());
  EXPECT_EQ(pair.server_info.peer_certificate, nullptr);
}

TEST_P(ClientTrustTest, NobodyIsAskedWithoutACaFile) {
  Pair pair(MakeServer(EcdsaIdentity()), *MakeUser(GetParam(), "alice.pem", "alice.key"));
  ASSERT_TRUE(pair.Shake());
  EXPECT_EQ(pair.server_info.peer_certificate, nullptr);
}

TEST_P(ClientTrustTest, AnRsaServerAsksToo) {
  const auto server = MakeAsking(Trust("ca.pem"), RsaIdentity());
  for (const std::string name : {"alice", "rsa"}) {
    Pair pair(server, *MakeUser(GetParam(), name + ".pem", name + ".key"));
    ASSERT_TRUE(pair.Shake()) << name;
    ASSERT_NE(pair.server_info.peer_certificate, nullptr);
    EXPECT_EQ(pair.server_info.peer_certificate->problem, "");
  }
}

// What a certificate needs is given back with the handshake: a session with one is as small as
// another.
TEST_P(ClientTrustTest, ASessionKeepsNothingOfACertificate) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer has an allocator of its own";
#endif
  const auto server = MakeAsking(Trust("ca.pem", "ca_crl.pem"));
  const auto held = [&](const std::string& name) {
    std::vector<std::unique_ptr<Pair>> pairs;
    const auto user = name.empty() ? MakeUser(GetParam(), "", "")
                                   : MakeUser(GetParam(), name + ".pem", name + ".key");
    const auto shake = [&] {
      auto pair = std::make_unique<Pair>(server, *user);
      EXPECT_TRUE(pair->Shake());
      pair->client.Discard();
      pair->to_server.Reset();
      pair->to_client.Reset();
      pair->server_info = HandshakeInfo();
      pairs.push_back(std::move(pair));
    };
    shake();
    // What the allocator caches for the thread counts as used: a few KiB, to be spread thin.
    constexpr int kSessions = 200;
    const size_t before = mallinfo2().uordblks;
    for (int i = 0; i < kSessions; i++) shake();
    return static_cast<double>(mallinfo2().uordblks - before) / kSessions;
  };
  const double without = held("");
  EXPECT_GT(without, 2000);  // it is measured
  EXPECT_LE(held("alice"), without + 64);
  EXPECT_LE(held("rsa"), without + 64);
}

TEST_P(ClientTrustTest, SuchAListenerGivesNoTickets) {
  const auto server = MakeAsking(Trust("ca.pem"));
  const auto user = MakeUser(GetParam(), "alice.pem", "alice.key");
  Pair first(server, *user);
  ASSERT_TRUE(first.Shake());
  first.ToClient("there");
  const Session session = first.client.TakeSession();
  Pair second(server, *user, {.server_name = "", .session = &session});
  ASSERT_TRUE(second.Shake());
  EXPECT_FALSE(second.server.resumed());
  ASSERT_NE(second.server_info.peer_certificate, nullptr);
  EXPECT_EQ(second.server_info.peer_certificate->problem, "");
}

TEST_P(ClientTrustTest, ATicketOfAnotherListenerOpensNothing) {
  const auto keys = std::make_shared<TicketKeys>(TicketKeys::Generate(FillRandom, WallTime()));
  ServerOptions options;
  options.identities = {EcdsaIdentity()};
  options.ticket_keys = keys;
  const auto open = MakeServer(options);
  options.client_trust = Trust("ca.pem");
  const auto asking = MakeServer(options);
  const auto user = MakeUser(GetParam(), "alice.pem", "alice.key");
  Pair first(open, *user);
  ASSERT_TRUE(first.Shake());
  first.ToClient("there");
  const Session session = first.client.TakeSession();
  ASSERT_TRUE(session);
  Pair again(open, *user, {.server_name = "", .session = &session});
  ASSERT_TRUE(again.Shake());
  EXPECT_TRUE(again.server.resumed());
  Pair second(asking, *user, {.server_name = "", .session = &session});
  ASSERT_TRUE(second.Shake());
  EXPECT_FALSE(second.server.resumed());
  ASSERT_NE(second.server_info.peer_certificate, nullptr);
}

TEST_P(ClientTrustTest, TheKeyMustBeProved) {
  // alice's certificate in front of a key that is not hers cannot even be loaded; so a proof is
  // spoilt under way.
  const auto server = MakeAsking(Trust("ca.pem"));
  int failed = 0;
  for (size_t at = 0; at < 4000; at += 97) {
    Pair pair(server, *MakeUser(GetParam(), "alice.pem", "alice.key"));
    Buffer& wire = pair.to_server;
    ByteView nothing;
    ASSERT_EQ(pair.client.Handshake(nothing, wire), Step::kWantRead);
    ByteView hello = wire.view();
    Step step = pair.server.Handshake(hello, pair.to_client, &pair.server_info);
    if (step == Step::kReady)
      step = pair.server.Handshake(hello, pair.to_client, &pair.server_info);
    ASSERT_EQ(step, Step::kWantRead);
    wire.Clear();
    ByteView flight = pair.to_client.view();
    (void)pair.client.Handshake(flight, wire);
    if (at >= wire.size()) break;
    std::string spoilt(wire.view());
    spoilt[at] = static_cast<char>(spoilt[at] ^ 1);
    ByteView cipher = spoilt;
    step = pair.server.Handshake(cipher, pair.to_client, &pair.server_info);
    EXPECT_NE(step, Step::kDone) << at;
    EXPECT_EQ(pair.server_info.peer_certificate, nullptr) << at;
    failed++;
  }
  EXPECT_GT(failed, 5);
}

INSTANTIATE_TEST_SUITE_P(Versions, ClientTrustTest,
                         testing::Values(Versions::kOnly12, Versions::kOnly13),
                         [](const auto& test) {
                           return test.param == Versions::kOnly12 ? "Tls12" : "Tls13";
                         });

TEST(ClientTrustFilesTest, FactsOfACertificate) {
  Pair pair(MakeAsking(Trust("ca.pem")), *MakeUser(Versions::k12And13, "two.pem", "two.key"));
  ASSERT_TRUE(pair.Shake());
  const PeerCertificate& peer = *pair.server_info.peer_certificate;
  EXPECT_EQ(peer.subject, "O=Example,CN=Two");
  EXPECT_EQ(peer.fingerprint.size(), 64u);
  EXPECT_THAT(peer.emails, ElementsAre("alice@example.net", "bob@example.net"));
}

TEST(ClientTrustFilesTest, SubjectsAreEscaped) {
  Pair pair(MakeAsking(Trust("ca.pem")), *MakeUser(Versions::k12And13, "alice.pem", "alice.key"));
  ASSERT_TRUE(pair.Shake());
  EXPECT_EQ(pair.server_info.peer_certificate->subject, "O=Example\\, Inc.,CN=Alice");
}

TEST(ClientTrustFilesTest, WhatIsWrongWithFiles) {
  ASSERT_TRUE(Init().ok());
  const auto problem = [](const ClientTrustPem& pem) {
    return std::string(ClientTrust::Create(pem).status().message());
  };
  EXPECT_EQ(problem(Trust("ca.pem", "ca_crl.pem")), "");
  EXPECT_THAT(problem(Trust("alice.key")), HasSubstr("alice.key: no certificate in PEM form"));
  EXPECT_THAT(problem(Trust("alice.pem")), HasSubstr("is no CA's"));
  EXPECT_THAT(problem(Trust("ca.pem", "ca.pem")), HasSubstr("ca.pem: no CRL in PEM form"));
  EXPECT_THAT(problem(Trust("other.pem", "ca_crl.pem")), HasSubstr("ca_crl.pem: CRL 1"));
  EXPECT_THAT(problem(Trust("ca.pem", "crl.pem")),
              HasSubstr("is signed by no CA that stands in ca.pem"));
  ClientTrustPem cut = Trust("both.pem", "crl.pem");
  cut.ca.resize(cut.ca.size() - 100);
  EXPECT_THAT(problem(cut), HasSubstr("both.pem: certificate 2 is damaged"));
  ClientTrustPem cut_crl = Trust("both.pem", "crl.pem");
  cut_crl.crl.resize(cut_crl.crl.size() - 100);
  EXPECT_THAT(problem(cut_crl), HasSubstr("crl.pem: CRL 2 is damaged"));
}

TEST(ClientTrustFilesTest, WarnsOfWhatTakesCertificatesOut) {
  ASSERT_TRUE(Init().ok());
  const auto warnings = [](const ClientTrustPem& pem) {
    return (*ClientTrust::Create(pem))->warnings();
  };
  EXPECT_THAT(warnings(Trust("both.pem", "crl.pem")), IsEmpty());
  EXPECT_THAT(warnings(Trust("ca.pem", "stale.pem")),
              ElementsAre(HasSubstr("past its next update")));
  EXPECT_THAT(warnings(Trust("both.pem", "ca_crl.pem")),
              ElementsAre(HasSubstr("no CRL of the CA O=Example,CN=Middle")));
}

std::string Der(const std::string& name) {
  const std::string pem = ClientCertificate(name);
  const size_t begin = pem.find('\n') + 1;
  std::string der;
  CHECK(absl::Base64Unescape(pem.substr(begin, pem.find("-----END") - begin), &der));
  return der;
}

TEST(ClientTrustFilesTest, DamagedFilesTrustNobodyElse) {
  ASSERT_TRUE(Init().ok());
  const std::string good = Der("alice.pem"), revoked = Der("revoked.pem"),
                    other = Der("other_alice.pem");
  const ClientTrustPem whole = Trust("both.pem", "crl.pem");
  const auto judge = [](ClientTrust& trust, ByteView der) {
    return trust.Judge({&der, 1}).problem;
  };
  const auto trust = ClientTrust::Create(whole);
  EXPECT_EQ(judge(**trust, good), "");
  EXPECT_NE(judge(**trust, revoked), "");
  int loaded = 0;
  const auto damage = [&](std::string ClientTrustPem::*file) {
    for (size_t at = 0; at < (whole.*file).size(); at += 5) {
      ClientTrustPem pem = whole;
      (pem.*file)[at] = static_cast<char>((pem.*file)[at] ^ 1);
      const auto damaged = ClientTrust::Create(pem);
      if (!damaged.ok()) continue;
      loaded++;
      EXPECT_NE(judge(**damaged, revoked), "") << at;
      EXPECT_NE(judge(**damaged, other), "") << at;
    }
  };
  damage(&ClientTrustPem::ca);
  damage(&ClientTrustPem::crl);
  EXPECT_GT(loaded, 0);
}

TEST(ClientTrustFilesTest, ADamagedCertificateNamesNobody) {
  ASSERT_TRUE(Init().ok());
  const auto trust = ClientTrust::Create(Trust("ca.pem", "ca_crl.pem"));
  const std::string whole = Der("alice.pem");
  const ByteView good = whole;
  int unsigned_octets = 0;
  for (size_t at = 0; at < whole.size(); at++) {
    for (const std::string& bad :
         {whole.substr(0, at),
          whole.substr(0, at) + static_cast<char>(whole[at] ^ 1) + whole.substr(at + 1)}) {
      if (bad.empty()) continue;
      const ByteView view = bad;
      const PeerCertificate peer = (*trust)->Judge({&view, 1});
      if (!peer.problem.empty()) continue;
      unsigned_octets++;  // beside what is signed: it says what it said before
      EXPECT_EQ(peer.subject, (*trust)->Judge({&good, 1}).subject) << at;
      EXPECT_THAT(peer.emails, ElementsAre("alice@example.net")) << at;
    }
  }
  EXPECT_LT(unsigned_octets, 3);
}

TEST(NameTextTest, TellsWhatIsSafeToTell) {
  using namespace std::string_literals;
  const std::string cn = "\x06\x03\x55\x04\x03"s;
  const auto name = [&](const std::string& id, char tag, const std::string& value) {
    const auto wrapped = [](char t, const std::string& content) {
      return std::string{t, static_cast<char>(content.size())} + content;
    };
    return NameText(wrapped(0x31, wrapped(0x30, id + wrapped(tag, value))));
  };
  EXPECT_EQ(name(cn, 0x0c, "ann"), "CN=ann");
  EXPECT_EQ(name(cn, 0x13, " a,b+c\"d\\e<f>g;h "), "CN=\\ a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h\\ ");
  EXPECT_EQ(name(cn, 0x0c, "#a#"), "CN=\\#a#");
  EXPECT_EQ(name(cn, 0x0c, "\xc3\xa4"), "CN=\xc3\xa4");
  EXPECT_EQ(name(cn, 0x13, "\xc3\xa4"), "");  // no PrintableString
  EXPECT_EQ(name(cn, 0x1e, "ann"), "");       // a BMPString
  EXPECT_EQ(name(cn, 0x0c, "an\0n"s), "");    // would end early where C reads it
  EXPECT_EQ(name(cn, 0x0c, "ann\n"), "");
  EXPECT_EQ(name("\x06\x03\x55\x04\x05"s, 0x13, "1"), "");  // a serialNumber
  EXPECT_EQ(NameText(""), "");
  const std::string good = "\x31\x0c\x30\x0a"s + cn + "\x0c\x03" + "ann";
  ASSERT_EQ(NameText(good), "CN=ann");
  for (size_t i = 0; i < good.size(); i++) EXPECT_EQ(NameText(good.substr(0, i)), "") << i;
}

}  // namespace
}  // namespace sluice::tls
