// Whole connections in memory: handshakes, data, closing, failures.
#include "tls/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>

#include "core/base/check.h"
#include "core/base/prng.h"
#include "core/base/random.h"
#include "tests/unit/tls/pair.h"
#include "tls/hooks.h"

namespace sluice::tls {
namespace {

using ::testing::HasSubstr;

std::string RandomText(size_t bytes) {
  Prng prng(bytes);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(prng.Next());
  return text;
}

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
      EXPECT_STREQ(channel->version(), tls13 ? "TLSv1.3" : "TLSv1.2");
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
    Pair pair(server, *client, {});
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

TEST_P(HandshakeTest, EachFlightCutAtEachOctet) {
  auto server = MakeServer(identity());
  auto client = MakeClient({.parameters = {.versions = versions()}});
  Pair whole(server, *client);
  ByteView nothing;
  ASSERT_EQ(whole.client.Handshake(nothing, whole.to_server), Step::kWantRead);
  const size_t hello_bytes = whole.to_server.size();
  for (size_t cut = 0; cut <= hello_bytes; cut++) {
    Channel channel = Channel::Accept(server);
    Buffer out;
    ByteView first = whole.to_server.view().substr(0, cut);
    const Step step = channel.Handshake(first, out);
    EXPECT_TRUE(first.empty());
    EXPECT_TRUE(out.empty());
    ASSERT_EQ(step, cut == hello_bytes ? Step::kReady : Step::kWantRead) << cut;
    if (cut == hello_bytes) break;
    EXPECT_EQ(channel.NextWork(), Work::kLight);
    ByteView rest = whole.to_server.view().substr(cut);
    ASSERT_EQ(channel.Handshake(rest, out), Step::kReady) << cut;
    if (cut % 16 != 0) continue;  // the same bytes from here on
    ASSERT_EQ(channel.Handshake(rest, out), Step::kWantRead) << cut << channel.error_text();
    EXPECT_FALSE(out.empty());
  }
}

// In TLS 1.3 a server may speak before the client has ended the handshake (0.5-RTT data, RFC 8446
// section 2).
TEST_P(HandshakeTest, WhatTheServerSaysFirstGoesWithItsFlight) {
  const bool tls13 = versions() == Versions::kOnly13;
  auto server = MakeServer(identity());
  auto client = MakeClient({.parameters = {.versions = versions()}});
  Session session;
  for (const bool resumed : {false, true}) {
    Pair pair(server, *client, {.session = &session});
    ByteView nothing;
    ASSERT_EQ(pair.client.Handshake(nothing, pair.to_server), Step::kWantRead);
    ByteView hello = pair.to_server.view();
    ASSERT_EQ(pair.server.Handshake(hello, pair.to_client), Step::kReady);
    EXPECT_FALSE(pair.server.writable());
    EXPECT_FALSE(pair.client.writable());
    ASSERT_EQ(pair.server.Handshake(hello, pair.to_client), Step::kWantRead);
    pair.to_server.Clear();
    EXPECT_EQ(pair.server.writable(), tls13);
    ASSERT_EQ(pair.server.Write("220 first\r\n", pair.to_client), tls13)
        << pair.server.error_text();
    EXPECT_FALSE(pair.server.handshake_done());

    if (tls13) {  // the client has it before the server hears from it again, and may answer with
                  // its own flight
      ByteView flight = pair.to_client.view();
      ASSERT_EQ(pair.client.Handshake(flight, pair.to_server), Step::kDone)
          << pair.client.error_text();
      pair.to_client.Consume(pair.to_client.size() - flight.size());
      EXPECT_EQ(ReadAll(pair.client, pair.to_client, pair.to_server), "220 first\r\n");
      ASSERT_TRUE(pair.client.Write("EHLO early\r\n", pair.to_server));
      ByteView answer = pair.to_server.view();
      ASSERT_EQ(pair.server.Handshake(answer, pair.to_client), Step::kDone)
          << pair.server.error_text();
      pair.to_server.Consume(pair.to_server.size() - answer.size());
      EXPECT_EQ(ReadAll(pair.server, pair.to_server, pair.to_client), "EHLO early\r\n");
    } else {
      ASSERT_TRUE(pair.Shake()) << pair.server.error_text() << pair.client.error_text();
    }
    EXPECT_TRUE(pair.server.writable());
    EXPECT_TRUE(pair.client.writable());
    EXPECT_EQ(pair.server.resumed(), resumed);
    ExpectOpen(pair);
    session = pair.client.TakeSession();
  }
}

INSTANTIATE_TEST_SUITE_P(All, HandshakeTest,
                         testing::Combine(testing::Values(Versions::kOnly12, Versions::kOnly13),
                                          testing::Values(KeyKind::kEcdsaP256, KeyKind::kRsa)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param) == Versions::kOnly12 ? "Tls12" : "Tls13") +
                                  (std::get<1>(test.param) == KeyKind::kRsa ? "Rsa" : "Ecdsa");
                         });

TEST(ChannelTest, BothVersionsOfferedEndsInTls13) {
  Pair pair(MakeServer(EcdsaIdentity()), *MakeClient());
  ASSERT_TRUE(pair.Shake());
  EXPECT_STREQ(pair.server.version(), "TLSv1.3");
}

TEST(ChannelTest, ChoosesTheCertificateByNameAndKind) {
  const IdentityPem first = MakeIdentity({"first.example"}), second = MakeIdentity({"*.second.example"});
  auto server = MakeServer(ServerOptions{.identities = {first, RsaIdentity(), second}});
  const auto reaches = [&](const IdentityPem& anchor, const char* name) {
    auto client = MakeClient({.trust = Trust::kGiven, .anchors = anchor.chain, .anchors_file = "anchors"});
    Pair pair(server, *client, {.server_name = name});
    const bool shaken = pair.Shake();
    EXPECT_TRUE(!shaken || pair.server_info.server_name == name);
    return shaken;
  };
  EXPECT_TRUE(reaches(first, "first.example"));
  EXPECT_TRUE(reaches(second, "mail.second.example"));
  EXPECT_TRUE(reaches(RsaIdentity(), "mail.example.net"));
  EXPECT_FALSE(reaches(second, "first.example"));
}

TEST(ChannelTest, AClientWithTrustChecksChainAndName) {
  auto server = MakeServer(EcdsaIdentity());
  auto trusting = MakeClient({.trust = Trust::kGiven, .anchors = EcdsaIdentity().chain});
  for (const char* name : {"mail.example.net", "a.wild.example.net", "localhost"}) {
    Pair pair(server, *trusting, {.server_name = name});
    EXPECT_TRUE(pair.Shake()) << name << pair.client.error_text();
  }
  for (const char* name : {"other.example.net", "127.0.0.2", ""}) {
    Pair pair(server, *trusting, {.server_name = name});
    EXPECT_FALSE(pair.Shake()) << name;
    EXPECT_TRUE(pair.client.failed());
    EXPECT_NE(pair.client.error_text(), "");
  }
  auto strangers = MakeClient({.trust = Trust::kGiven, .anchors = RsaIdentity().chain});
  Pair unknown(server, *strangers, {.server_name = "mail.example.net"});
  EXPECT_FALSE(unknown.Shake());
  auto anyone = MakeClient();
  Pair opportunistic(server, *anyone, {.server_name = "other.example.net"});
  EXPECT_TRUE(opportunistic.Shake());

  const auto bad = ClientContext::Create({.trust = Trust::kGiven, .anchors = "none", .anchors_file = "/etc/ca.pem"});
  EXPECT_THAT(std::string(bad.status().message()), HasSubstr("/etc/ca.pem: no usable certificates"));
}

TEST(ChannelTest, AgreesOnEachGroupWithoutASecondHello) {
  auto server = MakeServer(EcdsaIdentity(), {.groups = {"X25519MLKEM768", "X25519", "P-256", "P-384"}});
  for (const char* group : {"X25519MLKEM768", "X25519", "P-256", "P-384"}) {
    auto client = MakeClient({.parameters = {.versions = Versions::kOnly13, .groups = {group}}});
    Pair pair(server, *client);
    ASSERT_TRUE(pair.Shake()) << group << pair.server.error_text();
    // The ClientHello, and what ends the handshake: no HelloRetryRequest between them.
    EXPECT_EQ(pair.flights_to_server, 2) << group;
  }
  auto only_p256 = MakeServer(EcdsaIdentity(), {.groups = {"P-256"}});
  auto client = MakeClient({.parameters = {.versions = Versions::kOnly13, .groups = {"X25519", "P-256"}}});
  Pair retried(only_p256, *client);
  EXPECT_TRUE(retried.Shake()) << "by HelloRetryRequest" << retried.server.error_text();
  // A signature made for the second ClientHello is announced as one for the first would be.
  Pair again(only_p256, *client);
  ByteView nothing;
  EXPECT_EQ(again.client.Handshake(nothing, again.to_server), Step::kWantRead);
  ByteView hello = again.to_server.view();
  EXPECT_EQ(again.server.Handshake(hello, again.to_client), Step::kReady);
  EXPECT_EQ(again.server.Handshake(hello, again.to_client), Step::kWantRead);
  EXPECT_LT(again.to_client.size(), 160u);
  EXPECT_EQ(again.server.NextWork(), Work::kSignEcdsa);
  EXPECT_FALSE(again.server.writable());
  EXPECT_FALSE(again.server.Write("too early", again.to_client));
  auto stranger = MakeClient({.parameters = {.versions = Versions::kOnly13, .groups = {"X25519"}}});
  Pair none(only_p256, *stranger);
  EXPECT_FALSE(none.Shake());
}

// wolfSSL 5.9.2 unmended spoils half of the public keys that a thread makes right after checking an
// ECDSA signature, as a client and a relay to several next hops do.
TEST(ChannelTest, SharesMadeRightAfterAVerificationAreGood) {
  auto server = MakeServer(EcdsaIdentity(), {.versions = Versions::kOnly13, .groups = {"X25519"}});
  auto client = MakeClient({.parameters = {.versions = Versions::kOnly13, .groups = {"X25519"}}});
  for (int i = 0; i < 40; i++) {
    Pair pair(server, *client);
    ASSERT_TRUE(pair.Shake()) << i << pair.server.error_text() << pair.client.error_text();
  }
}

TEST(ChannelTest, NoSharedVersionFailsWithAnAlert) {
  auto server = MakeServer(EcdsaIdentity(), {.versions = Versions::kOnly13});
  Pair pair(server, *MakeClient({.parameters = {.versions = Versions::kOnly12}}));
  EXPECT_FALSE(pair.Shake());
  EXPECT_TRUE(pair.server.failed());
  EXPECT_NE(pair.server.error_text(), "");
  ASSERT_GE(pair.to_client.size(), 7u);
  EXPECT_EQ(pair.to_client.view()[0], '\x15');
  // Once failed it stays so, and takes nothing.
  ByteView more = "more";
  Buffer out;
  EXPECT_EQ(pair.server.Handshake(more, out), Step::kFailed);
  EXPECT_EQ(more, "more");
}

// --- Data -------------------------------------------------------------------------------------------------------------

class DataTest : public testing::TestWithParam<Versions> {
 protected:
  DataTest()
      : pair_(MakeServer(EcdsaIdentity(), {.versions = GetParam()}), *MakeClient({.parameters = {.versions = GetParam()}})) {
    CHECK(pair_.Shake());
    // In TLS 1.3 the client's first read takes the ticket.
    CHECK(ReadAll(pair_.client, pair_.to_client, pair_.to_server).empty());
  }
  Pair pair_;
};

TEST_P(DataTest, LargeTransfersWithAnyRoomAndAnyPiece) {
  const std::string text = RandomText(100'000);
  for (const size_t piece : {1000, 16'384, 1'000'000}) {
    for (const size_t room : {1, 100, 4096, 200'000}) {
      if (room == 1 && piece != 16'384) continue;
      ASSERT_TRUE(pair_.client.Write(text, pair_.to_server));
      EXPECT_EQ(ReadAll(pair_.server, pair_.to_server, pair_.to_client, piece, room), text);
      ASSERT_TRUE(pair_.server.Write(text, pair_.to_client));
      EXPECT_EQ(ReadAll(pair_.client, pair_.to_client, pair_.to_server, piece, room), text);
    }
  }
  EXPECT_EQ(pair_.server.pending_bytes(), 0u);
}

TEST_P(DataTest, RecordsCutAtEachOctetBothWays) {
  const std::string text = "MAIL FROM:<a@example.net>\r\n";
  const auto read_in_two = [](Channel& channel, Buffer& cipher, Buffer& out, size_t cut) {
    Buffer first;
    first.Append(cipher.view().substr(0, cut));
    cipher.Consume(first.size());
    const std::string plain = ReadAll(channel, first, out);
    return plain + ReadAll(channel, cipher, out);
  };
  size_t bytes = 1;
  for (size_t cut = 0; cut < bytes; cut++) {
    for (int records = 0; records < 2; records++) {
      ASSERT_TRUE(pair_.client.Write(text, pair_.to_server));
      ASSERT_TRUE(pair_.server.Write(text, pair_.to_client));
    }
    bytes = pair_.to_server.size();
    ASSERT_EQ(read_in_two(pair_.server, pair_.to_server, pair_.to_client, cut), text + text) << cut;
    ASSERT_EQ(read_in_two(pair_.client, pair_.to_client, pair_.to_server, cut), text + text) << cut;
  }
  EXPECT_GT(bytes, 2 * text.size());
}

TEST_P(DataTest, StopsWhenTheRoomIsFullAndLeavesTheRestToTheCaller) {
  ASSERT_TRUE(pair_.client.Write(std::string(100, 'a'), pair_.to_server));
  const size_t record_bytes = pair_.to_server.size();
  ASSERT_TRUE(pair_.client.Write(std::string(100, 'b'), pair_.to_server));
  char plain[60];
  ByteView cipher = pair_.to_server.view();
  ReadResult result = pair_.server.Read(cipher, plain, pair_.to_client);
  EXPECT_EQ(result.status, ReadStatus::kPlain);
  EXPECT_EQ(result.bytes, 60u);
  EXPECT_EQ(cipher.size(), pair_.to_server.size() - record_bytes) << "the second record is not taken";
  EXPECT_EQ(pair_.server.pending_bytes(), 40u);
  ByteView nothing;
  result = pair_.server.Read(nothing, plain, pair_.to_client);
  EXPECT_EQ(result.bytes, 40u);
  EXPECT_EQ(pair_.server.pending_bytes(), 0u);
  EXPECT_EQ(pair_.server.Read(nothing, plain, pair_.to_client).status, ReadStatus::kWantRead);
  result = pair_.server.Read(cipher, plain, pair_.to_client);
  EXPECT_EQ(std::string(plain, result.bytes), std::string(60, 'b'));
}

TEST_P(DataTest, CountsWhatAnIncompleteRecordHolds) {
  ASSERT_TRUE(pair_.client.Write(RandomText(16'384), pair_.to_server));
  char plain[100];
  ByteView header = pair_.to_server.view().substr(0, 3);
  EXPECT_EQ(pair_.server.Read(header, plain, pair_.to_client).status, ReadStatus::kWantRead);
  EXPECT_EQ(pair_.server.pending_bytes(), 0u) << "a header has its place in the library's object";
  ByteView part = pair_.to_server.view().substr(3, 997);
  EXPECT_EQ(pair_.server.Read(part, plain, pair_.to_client).status, ReadStatus::kWantRead);
  EXPECT_GE(pair_.server.pending_bytes(), 16'384u);
  EXPECT_LT(pair_.server.pending_bytes(), 17'000u);
  ByteView more = pair_.to_server.view().substr(1000, 8000);
  EXPECT_EQ(pair_.server.Read(more, plain, pair_.to_client).status, ReadStatus::kWantRead);
  EXPECT_GE(pair_.server.pending_bytes(), 16'384u);
  pair_.to_server.Consume(9000);
  EXPECT_EQ(ReadAll(pair_.server, pair_.to_server, pair_.to_client).size(), 16'384u);
  EXPECT_EQ(pair_.server.pending_bytes(), 0u);
}

TEST_P(DataTest, CloseNotifyIsToldFromTruncation) {
  ASSERT_TRUE(pair_.client.Write("QUIT\r\n", pair_.to_server));
  pair_.client.Shutdown(pair_.to_server);
  const size_t bytes = pair_.to_server.size();
  pair_.client.Shutdown(pair_.to_server);
  EXPECT_EQ(pair_.to_server.size(), bytes) << "once";
  EXPECT_FALSE(pair_.client.Write("more", pair_.to_server));
  EXPECT_FALSE(pair_.client.failed());

  char plain[100];
  ByteView cipher = pair_.to_server.view();
  ByteView cut = cipher.substr(0, cipher.size() - 1);
  cipher.remove_prefix(cut.size());
  ReadResult result = pair_.server.Read(cut, plain, pair_.to_client);
  EXPECT_EQ(std::string(plain, result.bytes), "QUIT\r\n");
  EXPECT_EQ(pair_.server.Read(cut, plain, pair_.to_client).status, ReadStatus::kWantRead) << "cut off: no close_notify";
  EXPECT_EQ(pair_.server.Read(cipher, plain, pair_.to_client).status, ReadStatus::kClosed);
  EXPECT_EQ(pair_.server.Read(cipher, plain, pair_.to_client).status, ReadStatus::kClosed) << "again";
  EXPECT_TRUE(pair_.server.Write("221 bye\r\n", pair_.to_client)) << "our half is open";
  pair_.server.Shutdown(pair_.to_client);
  EXPECT_EQ(ReadAll(pair_.client, pair_.to_client, pair_.to_server), "221 bye\r\n");
}

TEST_P(DataTest, AFlippedBitFailsAndGivesNothing) {
  ASSERT_TRUE(pair_.client.Write("good\r\n", pair_.to_server));
  const size_t good = pair_.to_server.size();
  ASSERT_TRUE(pair_.client.Write("evil\r\n", pair_.to_server));
  pair_.to_server.data()[good + 10] ^= 1;
  char plain[100];
  ByteView cipher = pair_.to_server.view();
  const ReadResult result = pair_.server.Read(cipher, plain, pair_.to_client);
  EXPECT_EQ(std::string(plain, result.bytes), "good\r\n");
  EXPECT_EQ(pair_.server.Read(cipher, plain, pair_.to_client).status, ReadStatus::kFailed);
  EXPECT_TRUE(pair_.server.failed());
  EXPECT_NE(pair_.server.error_text(), "");
  EXPECT_FALSE(pair_.server.Write("no", pair_.to_client));
  // The client learns it by an alert.
  EXPECT_EQ(ReadAll(pair_.client, pair_.to_client, pair_.to_server), "");
  EXPECT_TRUE(pair_.client.failed());
}

TEST_P(DataTest, MovesWhileOpen) {
  Channel moved = std::move(pair_.server);
  EXPECT_FALSE(pair_.server);
  pair_.server = std::move(moved);
  EXPECT_EQ(pair_.ToServer("after two moves"), "after two moves");
}

INSTANTIATE_TEST_SUITE_P(All, DataTest, testing::Values(Versions::kOnly12, Versions::kOnly13),
                         [](const auto& test) { return test.param == Versions::kOnly12 ? "Tls12" : "Tls13"; });

// --- Peers who mean harm ----------------------------------------------------------------------------------------------

TEST(HostilePeerTest, GarbageIsRefusedWithAnAlert) {
  auto server = MakeServer(EcdsaIdentity());
  for (const char* text : {"EHLO plain.example\r\nMAIL FROM:<>\r\n", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02garbage"}) {
    Channel channel = Channel::Accept(server);
    ByteView cipher = text;
    Buffer out;
    Step step = channel.Handshake(cipher, out);
    for (int i = 0; i < 3 && step == Step::kReady; i++) step = channel.Handshake(cipher, out);
    if (step == Step::kWantRead) continue;  // could still become something
    EXPECT_EQ(step, Step::kFailed) << text;
    EXPECT_FALSE(channel.error_text().empty());
  }
}

TEST(HostilePeerTest, RandomChangesOfTheHelloNeverHarm) {
  auto server = MakeServer(EcdsaIdentity());
  Pair pair(server, *MakeClient());
  ByteView nothing;
  ASSERT_EQ(pair.client.Handshake(nothing, pair.to_server), Step::kWantRead);
  Prng prng(1);
  for (int round = 0; round < 500; round++) {
    std::string hello(pair.to_server.view());
    for (uint64_t changes = 1 + prng.Below(3); changes > 0; changes--) {
      hello[prng.Below(hello.size())] = static_cast<char>(prng.Next());
    }
    Channel channel = Channel::Accept(server);
    ByteView cipher = hello;
    Buffer out;
    Step step = channel.Handshake(cipher, out);
    if (step == Step::kReady) step = channel.Handshake(cipher, out);
    EXPECT_NE(step, Step::kDone);
    EXPECT_NE(step, Step::kReady);
  }
}

TEST(HostilePeerTest, AnEndlessHelloIsCutOff) {
  Channel channel = Channel::Accept(MakeServer(EcdsaIdentity()));
  std::string records("\x16\x03\x01\x3f\xff\x01\x00\x3f\xfb", 9);
  records.append(kClientHelloBytesMax, 'x');
  Buffer out;
  ByteView cipher = records;
  EXPECT_EQ(channel.Handshake(cipher, out), Step::kFailed);
  EXPECT_EQ(out.view(), ByteView("\x15\x03\x03\x00\x02\x02\x32", 7));
  EXPECT_EQ(channel.error_text(), "ClientHello is too long");
  EXPECT_EQ(channel.pending_bytes(), 0u);
}

// --- Tickets, reload, hooks -------------------------------------------------------------------------------------------

class TicketTest : public testing::TestWithParam<Versions> {
 protected:
  TicketTest() : client_(MakeClient({.parameters = {.versions = GetParam()}})) {
    keys_ = std::make_shared<TicketKeys>(TicketKeys::Generate(FillRandom, WallTime()));
    server_ = MakeServer(ServerOptions{.identities = {EcdsaIdentity()}, .ticket_keys = keys_});
  }
  Session NewSession() {
    Pair pair(server_, *client_);
    CHECK(pair.Shake());
    CHECK(pair.ToClient("hello") == "hello");
    return pair.client.TakeSession();
  }
  bool Resumes(std::shared_ptr<ServerContext> server, const Session& session) {
    Pair pair(std::move(server), *client_, {.session = &session});
    CHECK(pair.Shake());
    CHECK(pair.ToServer("works") == "works");
    EXPECT_EQ(pair.server.resumed(), pair.client.resumed());
    return pair.server.resumed();
  }
  void Rotate(int times) {
    for (int i = 0; i < times; i++) {
      keys_ = std::make_shared<TicketKeys>(keys_->Rotated(FillRandom, keys_->current_since() + hours(12), hours(12)));
    }
    server_->set_ticket_keys(keys_);
  }

  std::shared_ptr<ClientContext> client_;
  std::shared_ptr<const TicketKeys> keys_;
  std::shared_ptr<ServerContext> server_;
};

// The library numbers the tickets of a chain in one octet, and a handshake fails when they are used up.
TEST_P(TicketTest, AChainOfResumptionsNeverFails) {
  Session session = NewSession();
  int resumed = 0;
  for (int i = 0; i < 600; i++) {
    Pair pair(server_, *client_, {.session = &session});
    ASSERT_TRUE(pair.Shake()) << i;
    ASSERT_EQ(pair.ToClient("hello"), "hello") << i;
    EXPECT_EQ(pair.server.resumed(), pair.client.resumed());
    resumed += pair.server.resumed();
    session = pair.client.TakeSession();
  }
  EXPECT_GE(resumed, 590);
}

TEST_P(TicketTest, AnOldKeyIsTakenForOnePeriodAndThenDeclined) {
  const Session session = NewSession();
  EXPECT_TRUE(Resumes(server_, session));
  Rotate(1);
  EXPECT_TRUE(Resumes(server_, session));
  Rotate(1);
  EXPECT_FALSE(Resumes(server_, session)) << "a full handshake instead";
}

TEST_P(TicketTest, AnotherShardWithTheSameKeysTakesIt) {
  const Session session = NewSession();
  EXPECT_TRUE(Resumes(MakeServer(ServerOptions{.identities = {EcdsaIdentity()}, .ticket_keys = keys_}), session));
  EXPECT_FALSE(Resumes(MakeServer(EcdsaIdentity()), session)) << "other keys";
  EXPECT_FALSE(Resumes(MakeServer(ServerOptions{.identities = {EcdsaIdentity()}}), session)) << "no keys";
}

TEST_P(TicketTest, NoneIsGivenWithoutKeysAndNoneTakenWhenTheClientWantsNone) {
  server_ = MakeServer(ServerOptions{.identities = {EcdsaIdentity()}});
  const Session session = NewSession();
  EXPECT_FALSE(Resumes(MakeServer(ServerOptions{.identities = {EcdsaIdentity()}, .ticket_keys = keys_}), session));
}

int64_t now_seconds = 0;
int64_t FakeClock() { return now_seconds; }

TEST_P(TicketTest, IsTooOldAfterItsLifetime) {
  now_seconds = 1'900'000'000;
  InstallClock(FakeClock);
  server_ = MakeServer(
      ServerOptions{.identities = {EcdsaIdentity()}, .ticket_keys = keys_, .ticket_lifetime = hours(1)});
  const Session session = NewSession();
  now_seconds += 3600 - 10;
  EXPECT_TRUE(Resumes(server_, session));
  now_seconds += 20;
  EXPECT_FALSE(Resumes(server_, session));
  InstallClock(nullptr);
}

INSTANTIATE_TEST_SUITE_P(All, TicketTest, testing::Values(Versions::kOnly12, Versions::kOnly13),
                         [](const auto& test) { return test.param == Versions::kOnly12 ? "Tls12" : "Tls13"; });

TEST(TicketLifetimeTest, IsBounded) {
  const auto keys = std::make_shared<TicketKeys>(TicketKeys::Generate(FillRandom, WallTime()));
  ASSERT_TRUE(Init().ok());
  for (const Duration lifetime : {Duration(seconds(0)), Duration(hours(24 * 7 + 1)), Duration(hours(24 * 365 * 90))}) {
    const auto context = ServerContext::Create(
        {.identities = {EcdsaIdentity()}, .ticket_keys = keys, .ticket_lifetime = lifetime});
    EXPECT_THAT(std::string(context.status().message()), HasSubstr("from 1 second to 7 days"));
  }
}

TEST(TicketLifetimeTest, DoesNotCountWhereNoTicketsAreGiven) {
  auto server = MakeServer(ServerOptions{.identities = {EcdsaIdentity()}, .ticket_lifetime = seconds(0)});
  Pair pair(server, *MakeClient());
  EXPECT_TRUE(pair.Shake());
}

TEST(ReloadTest, LiveConnectionsOutliveTheirContext) {
  auto old_server = MakeServer(EcdsaIdentity());
  auto client = MakeClient();
  Pair open(old_server, *client);
  ASSERT_TRUE(open.Shake());
  Pair begun(old_server, *client);  // the ClientHello is not even complete
  ByteView nothing;
  ASSERT_EQ(begun.client.Handshake(nothing, begun.to_server, &begun.client_info), Step::kWantRead);
  ByteView part = begun.to_server.view().substr(0, 50);
  ASSERT_EQ(begun.server.Handshake(part, begun.to_client, &begun.server_info), Step::kWantRead);
  begun.to_server.Consume(50);

  auto new_server = MakeServer(RsaIdentity());
  std::weak_ptr<ServerContext> watched = old_server;
  old_server.reset();
  client.reset();
  EXPECT_FALSE(watched.expired()) << "held by the handshake";
  Step step = Step::kWantRead;
  while (step != Step::kDone) {
    ByteView cipher = begun.to_server.view();
    step = begun.server.Handshake(cipher, begun.to_client, &begun.server_info);
    ASSERT_NE(step, Step::kFailed);
    begun.to_server.Consume(begun.to_server.size() - cipher.size());
    if (step == Step::kReady || begun.client.handshake_done()) continue;
    cipher = begun.to_client.view();
    ASSERT_NE(begun.client.Handshake(cipher, begun.to_server, &begun.client_info), Step::kFailed);
    begun.to_client.Consume(begun.to_client.size() - cipher.size());
  }
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(begun.ToServer("one"), "one");
  EXPECT_EQ(open.ToServer("two"), "two");
  EXPECT_EQ(open.ToClient("three"), "three");
}

uint64_t seed_state = 0;
void SeededFill(char* out, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) out[i] = static_cast<char>(Prng(seed_state++).Next());
}

TEST(HooksTest, TheSameSeedAndClockGiveTheSameBytes) {
  const IdentityPem identity = EcdsaIdentity();
  now_seconds = 1'800'000'000;
  const auto run = [&](uint64_t seed) {
    seed_state = seed;
    InstallRandom(SeededFill);
    InstallClock(FakeClock);
    auto server = MakeServer(identity);
    Pair pair(server, *MakeClient());
    std::string wire;
    ByteView nothing;
    CHECK(pair.client.Handshake(nothing, pair.to_server) == Step::kWantRead);
    wire += pair.to_server.view();
    ByteView cipher = pair.to_server.view();
    CHECK(pair.server.Handshake(cipher, pair.to_client) == Step::kReady);
    CHECK(pair.server.Handshake(cipher, pair.to_client) == Step::kWantRead);
    wire += pair.to_client.view();
    pair.to_server.Clear();
    CHECK(pair.Shake());  // has the rest to do
    CHECK(pair.server.Write("text", pair.to_client));
    wire += pair.to_client.view();
    InstallRandom(nullptr);
    InstallClock(nullptr);
    return wire;
  };
  const std::string first = run(1);
  EXPECT_TRUE(run(1) == first);  // not EXPECT_EQ, which would print kilobytes
  EXPECT_TRUE(run(2) != first);
}

TEST(HooksTest, InitTellsTheSameAgainAndTheReportNamesTheLibrary) {
  EXPECT_TRUE(Init().ok());
  EXPECT_TRUE(Init().ok());
  EXPECT_THAT(LibraryReport(), HasSubstr("wolfSSL 5."));
  EXPECT_THAT(LibraryReport(), HasSubstr("AES-NI"));
}

}  // namespace
}  // namespace sluice::tls
