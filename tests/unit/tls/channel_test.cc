// Whole connections in memory: handshakes, data, closing, failures.
#include "tls/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "core/base/prng.h"
#include "tests/unit/tls/pair.h"
#include "tls/hooks.h"

namespace sluice::tls {
namespace {

using ::testing::HasSubstr;

std::string Exporter(const HandshakeInfo& info) { return {info.exporter.data(), info.exporter.size()}; }

// --- Handshakes: each version with each kind of key, first in full and then resumed -----------------------------------

class HandshakeTest : public testing::TestWithParam<std::tuple<Versions, KeyKind>> {
 protected:
  Versions versions() const { return std::get<0>(GetParam()); }
  const IdentityPem& identity() const {
    return std::get<1>(GetParam()) == KeyKind::kRsa ? RsaIdentity() : EcdsaIdentity();
  }
  void ExpectOpen(Pair& pair) {
    const bool tls13 = versions() == Versions::kOnly13;
    for (const Channel* channel : {&pair.server, &pair.client}) {
      EXPECT_STREQ(channel->version(), tls13 ? "TLS1.3" : "TLS1.2");
      EXPECT_STREQ(channel->cipher(), tls13 ? "TLS_AES_128_GCM_SHA256"
                                      : std::get<1>(GetParam()) == KeyKind::kRsa
                                          ? "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
                                          : "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
      EXPECT_EQ(channel->pending_bytes(), 0u);
      EXPECT_EQ(channel->error_text(), "");
    }
    EXPECT_EQ(pair.ToServer("EHLO client\r\n"), "EHLO client\r\n");
    EXPECT_EQ(pair.ToClient("250 server\r\n"), "250 server\r\n");
  }
};

TEST_P(HandshakeTest, FullAndThenResumed) {
  auto server = MakeServer(identity());
  auto client = MakeClient({.parameters = {.versions = versions()}});
  Pair first(server, *client, {.server_name = "mail.example.net"});
  ASSERT_TRUE(first.Shake()) << first.server.error_text() << first.client.error_text();
  EXPECT_FALSE(first.server.resumed());
  EXPECT_EQ(first.server_info.server_name, "mail.example.net");
  EXPECT_EQ(first.server_work, std::get<1>(GetParam()) == KeyKind::kRsa ? Work::kSignRsa : Work::kSignEcdsa);
  ExpectOpen(first);

  const Session session = first.client.TakeSession();
  ASSERT_TRUE(session);
  for (int round = 0; round < 2; round++) {  // a session may be used again
    Pair second(server, *client, {.server_name = "mail.example.net", .session = &session});
    ASSERT_TRUE(second.Shake()) << second.server.error_text() << second.client.error_text();
    EXPECT_TRUE(second.server.resumed());
    EXPECT_TRUE(second.client.resumed());
    ExpectOpen(second);
  }
}

TEST_P(HandshakeTest, InPiecesOfAnySize) {
  auto server = MakeServer(identity());
  auto client = MakeClient({.parameters = {.versions = versions()}});
  for (const size_t piece : {1, 2, 3, 5, 7, 100, 1000}) {
    Pair pair(server, *client);
    ASSERT_TRUE(pair.Shake(piece)) << piece << pair.server.error_text() << pair.client.error_text();
    EXPECT_EQ(pair.server_info.server_name, "");
    ExpectOpen(pair);
  }
}

TEST_P(HandshakeTest, ExporterIsTheSameAtBothEndsAndNewEachTime) {
  auto server = MakeServer(identity());
  auto client = MakeClient({.parameters = {.versions = versions()}});
  Pair first(server, *client);
  Pair second(server, *client);
  ASSERT_TRUE(first.Shake());
  ASSERT_TRUE(second.Shake());
  EXPECT_TRUE(first.server_info.has_exporter);
  EXPECT_NE(Exporter(first.server_info), std::string(32, '\0'));
  EXPECT_NE(Exporter(first.server_info), Exporter(second.server_info));
  if (versions() == Versions::kOnly13) {
    EXPECT_EQ(Exporter(first.server_info), Exporter(first.client_info));
  } else {
    EXPECT_FALSE(first.client_info.has_exporter);  // the library does not tell whether it would be safe
  }
}

INSTANTIATE_TEST_SUITE_P(All, HandshakeTest,
                         testing::Combine(testing::Values(Versions::kOnly12, Versions::kOnly13),
                                          testing::Values(KeyKind::kEcdsaP256, KeyKind::kRsa)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param) == Versions::kOnly12 ? "Tls12" : "Tls13") +
                                  (std::get<1>(test.param) == KeyKind::kRsa ? "Rsa" : "Ecdsa");
                         });

}  // namespace
}  // namespace sluice::tls
