// What a shard writes to the event log when nobody waits for an answer: a guesser who hangs up, a
// clock that jumps, damage found at start. A shard on a simulated world, with the real log.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/base/base64.h"
#include "core/server/admin.h"
#include "tests/sim/sim_mail.h"
#include "tests/unit/server/shard_fixture.h"

namespace sluice::server {
namespace {

using nlohmann::json;

// Answers when it is told to, or never.
class SlowVerifier final : public auth::PasswordVerifier {
 public:
  bool Submit(auth::VerifyJob&& job) override {
    jobs.push_back(job.token);
    return true;
  }
  std::vector<auth::VerifyToken> jobs;
};

class ShardReportsTest : public ShardFixture {
 protected:
  ShardReportsTest() {
    char name[] = "/tmp/shard_reports_test.XXXXXX";
    dir_ = mkdtemp(name);
    Listen("127.0.0.1:1587").mechanisms_clear = {"PLAIN"};
    options_.limits.sessions = 8;
    Start();
  }

  ~ShardReportsTest() override {
    Kill();
    std::filesystem::remove_all(dir_);
  }

  void Start() {
    MakeShard(store_, verifier_, *EventLog::Open(dir_, [] { return WallTime(); }));
    shard_->Start();
  }

  // A client that has sent `text` and what it may need before.
  sim::PeerId Say(const std::string& text) {
    const sim::PeerId peer =
        io_->ConnectTo(kListener, client_, *SockAddr::Parse("192.0.2.7:50001"));
    io_->PeerSend(peer, "EHLO client.example\r\n" + text);
    return peer;
  }

  static std::string AuthPlain(const std::string& user, const std::string& password) {
    Buffer out;
    out.Append("AUTH PLAIN ");
    Base64Encode(std::string(1, '\0') + user + std::string(1, '\0') + password, out);
    out.Append("\r\n");
    return std::string(out.view());
  }

  uint64_t Logins(LoginResult result) {
    return shard_->stats().logins_total.At(auth::Mechanism::kPlain, result).Get();
  }

  // Ends the shard and gives all that it wrote.
  std::vector<json> Events() {
    Kill();
    std::vector<json> events;
    std::ifstream file(dir_ + "/events-19700101.jsonl");
    for (std::string line; std::getline(file, line);) events.push_back(json::parse(line));
    return events;
  }

  std::string dir_;
  sim::OneUserStore store_;
  SlowVerifier verifier_;
  HearingClient client_;
};

TEST_F(ShardReportsTest, AGuesserWhoHangsUpBeforeTheVerdictIsLogged) {
  const sim::PeerId peer = Say(AuthPlain("ann@example.net", "guess"));
  RunUntil([&] { return verifier_.jobs.size() == 1; });
  io_->PeerReset(peer);
  RunUntil([&] { return shard_->counters().connections_open.Get() == 0; });
  EXPECT_EQ(Logins(LoginResult::kAbandoned), 1u);
  const std::vector<json> events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["type"], "Auth");
  EXPECT_EQ(events[0]["login"], "ann@example.net");
  EXPECT_EQ(events[0]["mechanism"], "PLAIN");
  EXPECT_EQ(events[0]["peer_address"]["addr"], "192.0.2.7");
  EXPECT_EQ(events[0]["detail"], "the connection ended before the verdict");
  EXPECT_FALSE(events[0].contains("response"));
}

TEST_F(ShardReportsTest, AGuesserWhoHangsUpDuringTheDelayIsLoggedOnce) {
  options_.auth.failure_delay = minutes(1);
  const sim::PeerId peer = Say(AuthPlain("ann@example.net", "guess"));
  RunUntil([&] { return verifier_.jobs.size() == 1; });
  shard_->PostVerdict(verifier_.jobs[0], auth::Verdict::kMismatch);
  RunUntil([&] { return Logins(LoginResult::kRejected) == 1; });
  io_->PeerReset(peer);
  RunUntil([&] { return shard_->counters().connections_open.Get() == 0; });
  EXPECT_EQ(client_.heard.find("535"), std::string::npos);
  EXPECT_EQ(Logins(LoginResult::kRejected), 1u);
  EXPECT_EQ(Logins(LoginResult::kAbandoned), 0u);
  const std::vector<json> events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["response"]["code"], 535);
}

TEST_F(ShardReportsTest, AnExchangeWithoutCredentialsIsNoGuess) {
  const sim::PeerId peer = Say("AUTH PLAIN\r\n");
  RunUntil([&] { return client_.heard.ends_with("334 \r\n"); });
  io_->PeerReset(peer);
  RunUntil([&] { return shard_->counters().connections_open.Get() == 0; });
  EXPECT_EQ(Logins(LoginResult::kAbandoned), 1u);
  EXPECT_EQ(Events().size(), 0u);
}

TEST_F(ShardReportsTest, EachSessionIsCountedWhereItIs) {
  const auto at = [&](SessionState state) { return shard_->counters().sessions[state].Get(); };
  const sim::PeerId peer = Say(AuthPlain(sim::kUser, sim::kPassword));
  RunUntil([&] { return verifier_.jobs.size() == 1; });
  EXPECT_EQ(at(SessionState::kAuthenticating), 1u);
  shard_->PostVerdict(verifier_.jobs[0], auth::Verdict::kMatch);
  RunUntil([&] { return at(SessionState::kAuthenticated) == 1; });
  io_->PeerSend(peer, std::string("MAIL FROM:<") + sim::kUser + ">\r\n");
  RunUntil([&] { return at(SessionState::kTransaction) == 1; });
  io_->PeerSend(peer, "RCPT TO:<bob@example.org>\r\nDATA\r\n");
  RunUntil([&] { return at(SessionState::kData) == 1; });
  io_->PeerSend(peer, "Subject: x\r\n\r\ntext\r\n.\r\n");
  RunUntil([&] { return shard_->counters().messages_received_total.Get() == 1; });
  EXPECT_EQ(at(SessionState::kAuthenticated), 1u);
  io_->PeerReset(peer);
  RunUntil([&] { return shard_->counters().connections_open.Get() == 0; });
  for (size_t state = 0; state < kSessionStates; state++) {
    EXPECT_EQ(shard_->counters().sessions[state].Get(), 0u) << SessionStateName(state);
  }

  Snapshot snapshot;
  snapshot.AddShard(shard_->counters());
  const auto sum = [&](const char* name, size_t last) {
    const MetricInfo& info = *FindMetric(name);
    uint64_t all = 0;
    for (size_t i = 0; i < info.cells - last; i++) all += snapshot.shards[0].Get(info, i);
    return all;
  };
  EXPECT_EQ(sum("commands_total", 0), 5u);  // EHLO, AUTH, MAIL, RCPT, DATA
  EXPECT_EQ(sum("replies_total", 0), 7u);   // and the greeting, and of the message
  const uint64_t batches = sum("commit_records", 1);
  EXPECT_GE(batches, 1u);
  for (const char* name : {"commit_bytes", "commit_wait_seconds", "commit_sync_seconds"}) {
    EXPECT_EQ(sum(name, 1), batches) << name;
  }
}

TEST_F(ShardReportsTest, SessionsAreLookedAtInSlices) {
  Kill();
  constexpr uint32_t kSessions = 2500;
  options_.limits.sessions = kSessions;
  Start();
  for (uint16_t i = 0; i < kSessions; i++) {
    SockAddr from = *SockAddr::Parse("192.0.2.7:1");
    from.set_port(static_cast<uint16_t>(1000 + i));
    io_->ConnectTo(kListener, client_, from);
  }
  RunUntil([&] { return shard_->counters().connections_open.Get() == kSessions; });

  // However few match, a task looks at no more than a slice.
  SessionFilter rare;
  rare.peer = *SockAddr::Parse("192.0.2.7:3000");
  const SessionSlice first = shard_->LookAtSessions(rare, 0, 100, false);
  EXPECT_TRUE(first.found.size() <= 1);
  EXPECT_EQ(first.next_slot, kSlotsASlice);
  EXPECT_FALSE(first.end);

  std::set<uint16_t> ports;
  uint32_t slot = 0;
  for (SessionSlice slice; !slice.end; slot = slice.next_slot) {
    slice = shard_->LookAtSessions({}, slot, 700, false);
    EXPECT_LE(slice.found.size(), 700u);
    for (const ListedSession& session : slice.found) {
      EXPECT_TRUE(ports.insert(session.peer.port()).second) << "told twice";
    }
  }
  EXPECT_EQ(ports.size(), kSessions);

  const SessionSlice ended = shard_->LookAtSessions({}, 0, 1000, true);
  EXPECT_EQ(ended.found.size(), kEndedASlice);
  RunUntil([&] { return shard_->counters().connections_open.Get() == kSessions - kEndedASlice; });
  EXPECT_NE(client_.heard.find("421 4.3.2 Session ended by the operator"), std::string::npos);
}

TEST_F(ShardReportsTest, AClockThatJumpsIsTold) {
  shard_->Turn(seconds(1));
  io_->set_wall_offset(hours(2));
  for (int i = 0; i < 3; i++) shard_->Turn(seconds(1));
  io_->set_wall_offset(Duration(0));
  for (int i = 0; i < 3; i++) shard_->Turn(seconds(1));
  const std::vector<json> events = Events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["type"], "Admin");
  EXPECT_NE(events[0]["detail"].get<std::string>().find("clock has jumped"), std::string::npos);
  EXPECT_NE(events[1]["detail"].get<std::string>().find("right again"), std::string::npos);
}

TEST_F(ShardReportsTest, DamageAndAStartInThePastAreTold) {
  const sim::PeerId peer = Say(AuthPlain(sim::kUser, sim::kPassword));
  RunUntil([&] { return verifier_.jobs.size() == 1; });
  shard_->PostVerdict(verifier_.jobs[0], auth::Verdict::kMatch);
  RunUntil([&] { return client_.heard.find("\r\n235") != std::string::npos; });
  for (int i = 1; i <= 3; i++) {
    io_->PeerSend(peer, std::string("MAIL FROM:<") + sim::kUser +
                            ">\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n");
    io_->PeerSend(peer, "Subject: x\r\n\r\ntext\r\n.\r\n");
    const auto count = static_cast<uint64_t>(i);
    RunUntil([&] { return shard_->counters().messages_received_total.Get() == count; });
  }
  RunUntil([&] { return shard_->queue().stats().messages == 0; });
  Kill();
  for (auto& [number, bytes] : disk_.segments()) disk_.FlipBit(number, 4096 + 100, 0);
  Start();
  const std::vector<json> events = Events();
  std::vector<std::string> admin;
  for (const json& event : events) {
    if (event["type"] == "Admin") admin.push_back(event["detail"].get<std::string>());
  }
  ASSERT_EQ(admin.size(), 3u) << json(events).dump(1);
  EXPECT_NE(admin[0].find("no clean end"), std::string::npos);
  EXPECT_NE(admin[1].find("DAMAGE in segment"), std::string::npos);
  EXPECT_NE(admin[2].find("behind the newest record"), std::string::npos);
}

}  // namespace
}  // namespace sluice::server
