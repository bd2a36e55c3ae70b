// A shard whose logins a Dovecot server decides: what sessions are shown and answered while it is
// there, slow, wrong, away and back. On a simulated network, with the real log.
#include "core/server/dovecot_client.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/base64.h"
#include "core/server/shard.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_dovecot.h"
#include "tests/sim/sim_io.h"
#include "tests/sim/sim_mail.h"
#include "tests/unit/server/shard_fixture.h"

namespace sluice::server {
namespace {

using std::string_literals::operator""s;
using nlohmann::json;

constexpr uint16_t kPort = 12345;
const std::string kRight = "\0"s + sim::kUser + "\0"s + sim::kPassword;

class NoVerifier final : public auth::PasswordVerifier {
 public:
  bool Submit(auth::VerifyJob&&) override {
    ADD_FAILURE() << "a password was proved here";
    return false;
  }
};

using Client = HearingClient;

class DovecotClientTest : public ShardFixture {
 protected:
  DovecotClientTest() {
    char name[] = "/tmp/dovecot_client_test.XXXXXX";
    dir_ = mkdtemp(name);
    ListenerOptions& listener = Listen("192.0.2.1:1587");
    listener.mechanisms = {"PLAIN"};
    listener.mechanisms_clear = {"SCRAM-SHA-256", "PLAIN", "LOGIN"};
    options_.auth.backend = AuthBackend::kDovecot;
    options_.auth.dovecot_socket = "127.0.0.1:12345";
    options_.auth.failure_delay = seconds(2);
    options_.limits.sessions = 4000;
    MakeShard(store_, verifier_, *EventLog::Open(dir_, [] { return WallTime(); }));
  }

  ~DovecotClientTest() override {
    Kill();
    std::filesystem::remove_all(dir_);
  }

  void StartWithServer() {
    io_->Serve(kPort, dovecot_);
    shard_->Start();
    RunUntil([&] { return connected(); });
  }

  void RunFor(Duration time) {
    const MonoTime end = io_->now() + time;
    RunUntil([&] { return io_->now() >= end; });
  }

  Client& Connect() {
    clients_.push_back(std::make_unique<Client>());
    Client& client = *clients_.back();
    client.peer = io_->ConnectTo(kListener, client, *SockAddr::Parse("192.0.2.7:50001"));
    io_->PeerSend(client.peer, "EHLO client.example\r\n");
    RunUntil([&] { return client.said("250 ENHANCED"); });
    return client;
  }
  void Send(Client& client, const std::string& line) { io_->PeerSend(client.peer, line + "\r\n"); }
  static std::string Plain(const std::string& response = kRight) {
    return "AUTH PLAIN " + Base64Encode(response);
  }
  // A client whose AUTH the server has heard.
  Client& Ask(const std::string& line = Plain()) {
    const size_t before = dovecot_.heard.size();
    Client& client = Connect();
    Send(client, line);
    RunUntil([&] { return dovecot_.heard.size() > before; });
    return client;
  }
  void RunUntilSaid(Client& client, const std::string& text) {
    RunUntil([&] { return client.said(text) || client.closed; });
    EXPECT_TRUE(client.said(text)) << client.heard;
  }

  bool connected() { return shard_->counters().dovecot_connected.Get() == 1; }
  uint64_t open() { return shard_->counters().dovecot_requests_open.Get(); }
  uint64_t Requests(DovecotResult result) {
    return shard_->counters().dovecot_requests_total[result].Get();
  }
  uint64_t Logins(LoginResult result) {
    return shard_->counters()
        .logins_total
        .cells[static_cast<size_t>(auth::Mechanism::kPlain) * kLoginResults +
               static_cast<size_t>(result)]
        .Get();
  }

  // Ends the shard and gives the details of all Admin events, a line each.
  std::string AdminLines() {
    Kill();
    std::string lines;
    std::ifstream file(dir_ + "/events-19700101.jsonl");
    for (std::string line; std::getline(file, line);) {
      const json event = json::parse(line);
      if (event["type"] == "Admin") lines += event["detail"].get<std::string>() + "\n";
    }
    return lines;
  }

  std::string dir_;
  sim::OneUserStore store_;
  NoVerifier verifier_;
  sim::SimDovecot dovecot_{*io_};
  std::vector<std::unique_ptr<Client>> clients_;
};

TEST_F(DovecotClientTest, OffersWhatIsConfiguredAndThereInTheConfiguredOrder) {
  shard_->Start();
  Client& early = Connect();
  EXPECT_TRUE(early.said("250-AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n")) << early.heard;
  dovecot_.hello = "VERSION\t1\t1\nMECH\tLOGIN\nMECH\tNTLM\nMECH\tPLAIN\nMECH\tCRAM-MD5\nDONE\n";
  io_->Serve(kPort, dovecot_);
  RunUntil([&] { return connected(); });
  Client& now = Connect();
  EXPECT_TRUE(now.said("250-AUTH PLAIN LOGIN\r\n")) << now.heard;

  // Who began before is asked by what he was shown, and told to come again for what is not there.
  Send(early, "AUTH SCRAM-SHA-256 bixhPXksbj1hLHI9Yg==");
  RunUntilSaid(early, "454 4.7.0");
  Send(early, Plain());
  RunUntilSaid(early, "235 2.7.0");
}

TEST_F(DovecotClientTest, AServerThatChangesWhatItOffersLeavesSessionsAlone) {
  StartWithServer();
  std::vector<Client*> all;
  for (const char* mech : {"LOGIN", "PLAIN", "SCRAM-SHA-256", "LOGIN"}) {
    dovecot_.hello = "VERSION\t1\t1\nMECH\t"s + mech + "\nDONE\n";
    dovecot_.DropAll();
    RunUntil([&] { return !connected(); });
    RunUntil([&] { return connected(); });
    all.push_back(&Connect());
    EXPECT_TRUE(all.back()->said("250-AUTH "s + mech + "\r\n")) << all.back()->heard;
  }
  for (Client* client : all) {
    Send(*client, "NOOP");
    RunUntilSaid(*client, "250 2.0.0");
  }
}

TEST_F(DovecotClientTest, TellsTheServerWhoAsks) {
  StartWithServer();
  RunUntilSaid(Ask(), "235 2.7.0");
  EXPECT_EQ(dovecot_.heard.back(),
            "AUTH\t1\tPLAIN\tservice=smtp\tsession=0000000000000001\tlip=192.0.2.1\trip=192.0.2.7\t"
            "lport=1587\trport=50001\tresp=" +
                Base64Encode(kRight));
}

TEST_F(DovecotClientTest, RunsWhatTheServerAndTheClientSayToEachOther) {
  StartWithServer();
  dovecot_.answers = false;
  Client& client = Ask("AUTH LOGIN");
  dovecot_.Say("CONT\t1\tVXNlcm5hbWU6\n");
  RunUntilSaid(client, "334 VXNlcm5hbWU6\r\n");
  EXPECT_EQ(open(), 0u) << "it is the client's turn";
  Send(client, "YW5u");
  RunUntil([&] { return dovecot_.heard.back() == "CONT\t1\tYW5u"; });
  dovecot_.Say("CONT\t1\tUGFzc3dvcmQ6\n");
  RunUntilSaid(client, "334 UGFzc3dvcmQ6\r\n");
  Send(client, "c2VjcmV0");
  RunUntil([&] { return dovecot_.heard.back() == "CONT\t1\tc2VjcmV0"; });
  EXPECT_EQ(open(), 1u);
  dovecot_.Say("OK\t1\tuser=ann\n");
  RunUntilSaid(client, "235 2.7.0");
  EXPECT_EQ(open(), 0u);
  EXPECT_EQ(Requests(DovecotResult::kOk), 1u);
}

TEST_F(DovecotClientTest, WhatTheUserMayDoComesWithTheAnswer) {
  StartWithServer();
  dovecot_.answers = false;
  const struct {
    const char* fields;
    const char* sender;
    const char* reply;
  } cases[] = {
      {"user=Bob@Example.NET", "bob@example.net", "250 2.1.0"},
      {"user=bob@example.net", "rob@example.net", "553 5.7.1"},
      {"user=bob@example.net\tsluice_address=Rob@example.net,x@y.example", "rob@example.net",
       "250 2.1.0"},
      {"user=bob@example.net\tsluice_address=Rob@example.net", "bob@example.net", "553 5.7.1"},
      {"user=bob@example.net\tsluice_domain=a.example,B.example", "any@b.example", "250 2.1.0"},
      // The store has a record of ann, which says what she may.
      {"user=ann@example.net\tsluice_domain=b.example", "any@b.example", "553 5.7.1"},
      {"user=ann@example.net\tsluice_domain=b.example", "ann@example.net", "250 2.1.0"},
  };
  uint32_t id = 0;
  for (const auto& c : cases) {
    Client& client = Ask();
    dovecot_.Say("OK\t" + std::to_string(++id) + "\t" + c.fields + "\n");
    RunUntilSaid(client, "235 2.7.0");
    Send(client, "MAIL FROM:<"s + c.sender + ">");
    RunUntilSaid(client, c.reply);
  }
}

TEST_F(DovecotClientTest, FailuresAboutAUserLookAlikeAndLeaveAtTheirTime) {
  StartWithServer();
  dovecot_.answers = false;
  uint32_t id = 0;
  for (const char* fields :
       {"", "\tuser=ann@example.net", "\tcode=user_disabled", "\tuser_disabled", "\tauthz",
        "\tcode=pass_expired", "\tnodelay", "\tcode=invalid_base64\treason=told to nobody"}) {
    const MonoTime began = io_->now();
    Client& client = Ask();
    dovecot_.Say("FAIL\t" + std::to_string(++id) + fields + "\n");
    RunUntilSaid(client, "535 5.7.8 Authentication credentials invalid\r\n");
    EXPECT_GE(io_->now() - began, options_.auth.failure_delay) << fields;
    EXPECT_FALSE(client.said("told")) << client.heard;
  }
  EXPECT_EQ(Requests(DovecotResult::kRejected), id);
}

TEST_F(DovecotClientTest, WhatTheServerCannotSayIsTemporary) {
  StartWithServer();
  dovecot_.answers = false;
  uint32_t id = 0;
  const std::vector<std::string> answers = {"FAIL\t#\ttemp\n",
                                            "FAIL\t#\tcode=temp_fail\n",
                                            "OK\t#\tuser=bob\tnologin\n",
                                            "OK\t#\tuser=bob\tproxy=y\thost=h\n",
                                            "OK\t#\tuser=bob\tsluice_address=no address\n",
                                            "OK\t#\tuser=bob\tsluice_domain=good.example,@\n",
                                            "OK\t#\n"};
  for (std::string answer : answers) {
    Client& client = Ask();
    answer.replace(answer.find('#'), 1, std::to_string(++id));
    dovecot_.Say(answer);
    RunUntilSaid(client, "454 4.7.0");
  }
  EXPECT_EQ(Requests(DovecotResult::kTemporary), 2u);
  // A name that cannot be a login is nobody's.
  Client& client = Ask();
  dovecot_.Say("OK\t" + std::to_string(++id) + "\tuser=a\1n\n");
  RunUntilSaid(client, "535 5.7.8");
  const std::string lines = AdminLines();
  EXPECT_NE(lines.find("of bob it says `nologin`"), std::string::npos) << lines;
  EXPECT_EQ(lines.find("sluice_domain"), std::string::npos)
      << "more than one a connection: " << lines;
}

TEST_F(DovecotClientTest, AnswersFindTheirClientsWhateverTheirOrder) {
  StartWithServer();
  dovecot_.answers = false;
  Client& first = Ask();
  Client& second = Ask();
  dovecot_.Say("OK\t77\tuser=mallory\nCONT\t78\t\nOK\t2\tuser=bob@example.net\n");
  RunUntilSaid(second, "235 2.7.0");
  EXPECT_FALSE(first.said("235"));
  dovecot_.Say("FAIL\t2\tuser=bob\nOK\t2\tuser=bob\nOK\t1\tuser=ann@example.net\n");
  RunUntilSaid(first, "235 2.7.0");
  RunFor(seconds(5));
  EXPECT_FALSE(second.said("535"));
}

TEST_F(DovecotClientTest, WhoLeavesOrGivesUpCancels) {
  StartWithServer();
  dovecot_.answers = false;
  Client& leaves = Ask();
  io_->PeerReset(leaves.peer);
  RunUntil([&] { return dovecot_.heard.back() == "CANCEL\t1"; });
  EXPECT_EQ(open(), 0u);
  EXPECT_EQ(Logins(LoginResult::kAbandoned), 1u);
  dovecot_.Say("OK\t1\tuser=ann@example.net\n");  // it had that on its way

  Client& gives_up = Ask("AUTH PLAIN");
  dovecot_.Say("CONT\t2\t\n");
  RunUntilSaid(gives_up, "334 ");
  Send(gives_up, "*");
  RunUntil([&] { return dovecot_.heard.back() == "CANCEL\t2"; });
  RunUntilSaid(gives_up, "501 ");
  Send(gives_up, Plain());
  RunUntil([&] { return dovecot_.heard.back().starts_with("AUTH\t3"); });
  dovecot_.Say("CONT\t2\t\nOK\t3\tuser=ann@example.net\n");
  RunUntilSaid(gives_up, "235 ");
  EXPECT_EQ(Requests(DovecotResult::kCancelled), 2u);
}

TEST_F(DovecotClientTest, ALostServerIsTemporaryForAllAndBackByItself) {
  StartWithServer();
  dovecot_.answers = false;
  Client& waits = Ask();
  Client& answers_a_challenge = Ask("AUTH PLAIN");
  dovecot_.Say("CONT\t2\t\n");
  RunUntilSaid(answers_a_challenge, "334 ");
  io_->Unserve(kPort);
  dovecot_.DropAll();
  RunUntilSaid(waits, "454 4.7.0");
  EXPECT_FALSE(connected());
  Send(answers_a_challenge, Base64Encode(kRight));
  RunUntilSaid(answers_a_challenge, "454 4.7.0");
  Client& while_away = Connect();
  Send(while_away, Plain());
  RunUntilSaid(while_away, "454 4.7.0");
  EXPECT_EQ(Requests(DovecotResult::kLost), 2u);
  EXPECT_EQ(Requests(DovecotResult::kRefused), 1u);
  RunFor(minutes(1));

  dovecot_.answers = true;
  io_->Serve(kPort, dovecot_);
  const MonoTime since = io_->now();
  RunUntil([&] { return connected(); });
  EXPECT_LE(io_->now() - since, seconds(6));
  for (Client* client : {&waits, &answers_a_challenge, &while_away}) {
    Send(*client, Plain());
    RunUntilSaid(*client, "235 2.7.0");
  }
  EXPECT_EQ(
      AdminLines(),
      "shard 0: the authentication server 127.0.0.1:12345 is connected, and offers PLAIN LOGIN\n"
      "shard 0: the authentication server 127.0.0.1:12345 is not to be had (the connection was "
      "lost): AUTH is "
      "answered 454 until it is\n"
      "shard 0: the authentication server 127.0.0.1:12345 is connected, and offers PLAIN LOGIN\n");
}

TEST_F(DovecotClientTest, WhatIsNoSuchServerIsLeftAndTriedAgain) {
  dovecot_.hello = "220 mail.example.net ESMTP\r\n";
  io_->Serve(kPort, dovecot_);
  shard_->Start();
  RunFor(minutes(1));
  EXPECT_FALSE(connected());
  dovecot_.hello = "VERSION\t1\t2\nMECH\tPLAIN\nDONE\n";
  RunUntil([&] { return connected(); });
  dovecot_.answers = false;
  Client& client = Ask();
  dovecot_.Say("OK\tuser=ann@example.net\n");
  RunUntilSaid(client, "454 4.7.0");
  RunUntil([&] { return connected(); });
  const std::string lines = AdminLines();
  EXPECT_NE(lines.find("(it does not speak Dovecot's authentication protocol)"), std::string::npos)
      << lines;
  EXPECT_NE(lines.find("(it answered without a request's number)"), std::string::npos) << lines;
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 4) << "one line a change: " << lines;
}

TEST_F(DovecotClientTest, AServerThatIsSilentFromTheStartIsLeft) {
  dovecot_.hello = "";
  io_->Serve(kPort, dovecot_);
  shard_->Start();
  RunUntil([&] { return dovecot_.open() == 1; });
  RunUntil([&] { return dovecot_.open() == 0; });
  RunUntil([&] { return dovecot_.open() == 1; });
}

TEST_F(DovecotClientTest, AnAnswerThatDoesNotComeIsWaitedForAMinute) {
  StartWithServer();
  dovecot_.answers = false;
  const MonoTime began = io_->now();
  Client& late = Ask();
  RunFor(seconds(30));
  Client& later = Ask();
  dovecot_.Say("FAIL\t99\n");  // it lives
  RunUntilSaid(late, "454 4.7.0");
  EXPECT_GE(io_->now() - began, seconds(60));
  EXPECT_LE(io_->now() - began, seconds(62));
  EXPECT_TRUE(connected());
  RunUntil([&] { return dovecot_.heard.back() == "CANCEL\t1"; });
  // Nothing comes for a minute: it is dead, whatever the network says.
  RunUntilSaid(later, "454 4.7.0");
  Client& last = Ask();
  RunUntil([&] { return last.said("454 4.7.0"); });
  EXPECT_NE(AdminLines().find("(it did not answer in time)"), std::string::npos);
}

TEST_F(DovecotClientTest, RequestsUnderWayAreBounded) {
  StartWithServer();
  dovecot_.answers = false;
  std::vector<Client*> clients;
  for (uint32_t i = 0; i < DovecotClient::kRequestsMax; i++) {
    clients.push_back(&Connect());
    Send(*clients.back(), Plain());
  }
  RunUntil([&] { return open() == DovecotClient::kRequestsMax; });
  Client& beyond = Connect();
  Send(beyond, Plain());
  RunUntilSaid(beyond, "454 4.7.0");
  EXPECT_EQ(Requests(DovecotResult::kRefused), 1u);
  dovecot_.Say("OK\t1\tuser=ann@example.net\n");
  RunUntilSaid(*clients[0], "235 ");
  Send(beyond, Plain());
  RunUntil([&] { return open() == DovecotClient::kRequestsMax; });
}

TEST_F(DovecotClientTest, AResponseThatWouldCostTheConnectionIsNotSent) {
  StartWithServer();
  Client& client = Connect();
  Send(client, Plain(std::string(8000, 'x')));
  RunUntilSaid(client, "501 5.5.2");
  EXPECT_TRUE(dovecot_.heard.empty());
  Send(client, Plain());
  RunUntilSaid(client, "235 ");
}

TEST_F(DovecotClientTest, TheServerStopsWithItsConnection) {
  StartWithServer();
  dovecot_.answers = false;
  Client& client = Ask();
  shard_->BeginStop(seconds(4));
  RunUntil([&] { return shard_->finished(); });
  EXPECT_TRUE(client.closed);
  EXPECT_EQ(dovecot_.open(), 0u);
}

}  // namespace
}  // namespace sluice::server
