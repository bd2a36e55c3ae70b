// The generator against the sink, over loopback, on one ring and one thread.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/io/listen.h"
#include "core/io/ring.h"
#include "tls/hooks.h"
#include "tls/self_signed.h"
#include "tools/load/generator.h"
#include "tools/load/html_report.h"
#include "tools/load/report.h"
#include "tools/load/sink.h"

namespace sluice::load {
namespace {

using Mechanism = std::optional<auth::Mechanism>;
constexpr Mechanism kNobody;
constexpr Mechanism kPlain = auth::Mechanism::kPlain;
constexpr Mechanism kLogin = auth::Mechanism::kLogin;
using Pipelining = RunOptions::Pipelining;

SockAddr BoundAddress(int fd) {
  sockaddr_storage storage{};
  socklen_t bytes = sizeof storage;
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &bytes);
  return SockAddr(reinterpret_cast<sockaddr*>(&storage));
}

std::string ReadFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string Joined(const WireParts& parts) {
  return absl::StrCat(parts.head, parts.body, parts.tail);
}

class RunTest : public testing::Test {
 protected:
  RunTest() {
    options_.connections = 3;
    options_.messages = 30;
    options_.timeout = seconds(10);
    options_.run = 0x0badcafe;
    folder_ = testing::TempDir() + "/load." + std::to_string(getpid());
    std::filesystem::create_directory(folder_);
    auto features = io::ProbeRingFeatures({});
    EXPECT_TRUE(features.ok()) << features.status();
    auto ring = io::Ring::Create({.sockets_max = 4096, .features = *features});
    EXPECT_TRUE(ring.ok()) << ring.status();
    ring_ = *std::move(ring);
    EXPECT_TRUE(ring_->Enable().ok());
  }
  ~RunTest() override {
    StopSink();
    if (listener_ >= 0) close(listener_);
    std::filesystem::remove_all(folder_);
  }

  void StartSink() {
    EXPECT_TRUE(tls::Init().ok());
    std::shared_ptr<tls::ServerContext> tls;
    if (sink_options_.tls != SinkOptions::Tls::kNone) {
      auto identity = tls::MakeSelfSigned({.names = {"sink.example"}});
      ASSERT_TRUE(identity.ok()) << identity.status();
      auto made =
          tls::ServerContext::Create({.identities = {*identity}, .ticket_keys = ticket_keys_});
      ASSERT_TRUE(made.ok()) << made.status();
      tls = *std::move(made);
    }
    if (!sink_options_.store.empty()) store_ = *MessageStore::Open(sink_options_.store);
    if (!sink_options_.ledger.empty()) sink_ledger_ = *Ledger::Open(sink_options_.ledger);
    faults_.emplace(sink_options_.faults.messages);
    Listen();
    sink_.emplace(
        *ring_, sink_options_,
        SinkShared{.faults = *faults_, .ledger = sink_ledger_.get(), .store = store_.get()}, tls);
    sink_->Listen(listener_);
  }

  void Listen() {
    auto listener = io::Listen(*SockAddr::Parse("127.0.0.1:0"));
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *listener;
    options_.to = {BoundAddress(listener_)};
  }

  void StopSink() {
    if (!sink_.has_value()) return;
    sink_->Stop();
    for (bool busy = false; !sink_->done(); busy = sink_->RunTurn()) {
      ring_->Poll(busy ? ring_->now() : ring_->now() + milliseconds(20));
    }
    sink_stats_ = sink_->stats();
    sink_.reset();
  }

  // Runs generator `index` of options_.threads to its end; `each_turn` may interfere.
  template <typename F>
  Results Run(uint32_t index, F each_turn) {
    std::shared_ptr<tls::ClientContext> tls;
    if (options_.tls != RunOptions::Tls::kNone) {
      auto made = tls::ClientContext::Create(
          {.parameters = options_.tls_parameters, .resumption = options_.resume});
      EXPECT_TRUE(made.ok()) << made.status();
      tls = *std::move(made);
    }
    std::unique_ptr<Ledger> ledger;
    if (!options_.ledger.empty()) ledger = *Ledger::Open(options_.ledger);
    Generator generator(*ring_, options_, index, tls.get(), ledger.get());
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    generator.Start();
    for (bool busy = false; !generator.done();) {
      ring_->Poll(busy ? ring_->now() : ring_->now() + milliseconds(5));
      busy = generator.RunTurn();
      if (sink_.has_value()) busy = sink_->RunTurn() || busy;
      each_turn(generator);
      if (std::chrono::steady_clock::now() > deadline) {
        ADD_FAILURE() << "did not end";
        generator.Abort();
      }
    }
    EXPECT_TRUE(generator.ledger_status().ok());
    return generator.results();
  }
  Results Run() {
    return Run(0, [](Generator&) {});
  }

  // A run in which nothing fails.
  void ExpectAllArrive() {
    StartSink();
    const Results results = Run();
    EXPECT_EQ(results.accepted, options_.messages);
    EXPECT_EQ(results.failed(), 0u) << Told(results);
    EXPECT_EQ(results.answer.count(), results.accepted);
    uint64_t in_series = 0;
    for (const SeriesSlot& slot : results.series.slots()) in_series += slot.latency.count();
    EXPECT_EQ(in_series, results.accepted);
    EXPECT_EQ(results.login.count(), results.logins);
    StopSink();
    EXPECT_EQ(sink_stats_.messages, options_.messages);
    EXPECT_EQ(sink_stats_.bytes, results.bytes);
    EXPECT_EQ(sink_stats_.connections, results.connections);
  }

  static SinkFaults Faults(const char* fault, uint64_t messages = 0) {
    SinkFaults faults;
    EXPECT_TRUE(faults.Add(fault).ok()) << fault;
    faults.messages = messages;
    return faults;
  }
  std::string Told(const Results& results) {
    return ToText(RunReport{.options = options_, .results = results});
  }
  static uint64_t Count(const Results& results, Phase phase, int code) {
    const auto found = results.failures.find({phase, code});
    return found == results.failures.end() ? 0 : found->second.count;
  }

  RunOptions options_;
  SinkOptions sink_options_;
  std::string folder_;
  std::unique_ptr<io::Ring> ring_;
  std::unique_ptr<MessageStore> store_;
  std::unique_ptr<Ledger> sink_ledger_;
  std::optional<FaultSwitch> faults_;
  std::optional<Sink> sink_;
  SinkStats sink_stats_;
  std::shared_ptr<const tls::TicketKeys> ticket_keys_;
  int listener_ = -1;
};

// Every way of TLS, logging in and pipelining that both sides know.
class EveryWay
    : public RunTest,
      public testing::WithParamInterface<std::tuple<RunOptions::Tls, Mechanism, Pipelining>> {};

TEST_P(EveryWay, AllMessagesArrive) {
  options_.tls = std::get<0>(GetParam());
  options_.mechanism = std::get<1>(GetParam());
  options_.pipelining = std::get<2>(GetParam());
  options_.users = Users::FromPattern("user%d@load.example", "secret", 2);
  options_.recipients = 2;
  sink_options_.tls = static_cast<SinkOptions::Tls>(options_.tls);
  sink_options_.auth = true;
  ExpectAllArrive();
}

std::string WayName(const testing::TestParamInfo<EveryWay::ParamType>& info) {
  const char* tls[] = {"Plain", "StartTls", "ImplicitTls"};
  const Mechanism mechanism = std::get<1>(info.param);
  const char* pipelining[] = {"Off", "Auto", "Deep"};
  return std::string(tls[static_cast<int>(std::get<0>(info.param))]) +
         (mechanism.has_value() ? "Auth" + std::string(auth::Info(*mechanism).name) : "NoAuth") +
         pipelining[static_cast<int>(std::get<2>(info.param))];
}
INSTANTIATE_TEST_SUITE_P(
    RunTest, EveryWay,
    testing::Combine(testing::Values(RunOptions::Tls::kNone, RunOptions::Tls::kStartTls,
                                     RunOptions::Tls::kImplicit),
                     testing::Values(kNobody, kPlain, kLogin),
                     testing::Values(Pipelining::kOff, Pipelining::kAuto, Pipelining::kDeep)),
    WayName);

TEST_F(RunTest, Tls12And13AloneBothWork) {
  sink_options_.tls = SinkOptions::Tls::kStartTls;
  options_.tls = RunOptions::Tls::kStartTls;
  options_.tls_parameters.groups = {"X25519"};
  StartSink();
  for (tls::Versions versions : {tls::Versions::kOnly12, tls::Versions::kOnly13}) {
    options_.tls_parameters.versions = versions;
    const Results results = Run();
    EXPECT_EQ(results.accepted, options_.messages);
    EXPECT_EQ(results.failed(), 0u) << Told(results);
  }
}

TEST_F(RunTest, EachConnectionResumesItsLastSession) {
  ticket_keys_ = std::make_shared<tls::TicketKeys>(
      tls::TicketKeys::Generate(FillRandom, ring_->wall_now()));
  options_.mode = RunOptions::Mode::kLogin;
  options_.connections = 2;
  for (auto tls : {RunOptions::Tls::kStartTls, RunOptions::Tls::kImplicit}) {
    options_.tls = tls;
    sink_options_.tls = static_cast<SinkOptions::Tls>(tls);
    StartSink();
    for (tls::Versions versions : {tls::Versions::kOnly12, tls::Versions::kOnly13}) {
      options_.tls_parameters.versions = versions;
      for (const bool resume : {false, true}) {
        options_.resume = resume;
        const Results results = Run();
        EXPECT_EQ(results.failed(), 0u) << Told(results);
        EXPECT_EQ(results.logins, 30u);
        EXPECT_EQ(results.handshakes, 30u);
        EXPECT_EQ(results.resumed, resume ? 28u : 0u);
      }
    }
    StopSink();
    close(std::exchange(listener_, -1));
  }
}

TEST_F(RunTest, MessagesPerConnectionAreCounted) {
  options_.per_connection = 2;
  options_.messages = 31;
  options_.connections = 1;
  ExpectAllArrive();
  EXPECT_EQ(sink_stats_.connections, 16u);
}

TEST_F(RunTest, NoMoreConnectionsAreMadeThanMessagesAreLeft) {
  options_.connections = 50;
  options_.messages = 3;
  ExpectAllArrive();
  EXPECT_LE(sink_stats_.connections, 3u);
}

TEST_F(RunTest, BigMessagesArriveInOnePiece) {
  for (auto tls : {RunOptions::Tls::kNone, RunOptions::Tls::kImplicit}) {
    options_.tls = tls;
    sink_options_.tls = static_cast<SinkOptions::Tls>(tls);
    sink_options_.store = folder_ + "/store" + std::to_string(static_cast<int>(tls));
    options_.pipelining = Pipelining::kDeep;
    options_.sizes = Sizes(1'000'003);
    options_.messages = 4;
    options_.connections = 2;
    ExpectAllArrive();
    std::set<uint64_t> numbers;
    for (int i = 1; i <= 4; i++) {
      const std::string content = ReadFile(sink_options_.store + "/" + std::to_string(i) + ".eml");
      const auto number = MessageNumber::Find(content);
      ASSERT_TRUE(number.has_value());
      MessageTemplate expected({.run = options_.run,
                                .bytes_max = options_.sizes.max(),
                                .from = SenderOf(options_, Login{}),
                                .to = "r1@sink.example",
                                .date = ring_->wall_now()});
      const std::string wire = Joined(expected.Wire(number->n, options_.sizes.max()));
      // All but the Date field, which is as long.
      EXPECT_EQ(content.size() + 3, wire.size());
      const size_t date = wire.find("\r\n");
      EXPECT_TRUE(wire.substr(date) == content.substr(date) + ".\r\n") << "message " << number->n;
      numbers.insert(number->n);
    }
    EXPECT_EQ(numbers.size(), 4u);
    close(listener_);
  }
  listener_ = -1;
}

TEST_F(RunTest, FilesOfAFolderArriveAsTheyAreMeant) {
  std::filesystem::create_directory(folder_ + "/eml");
  std::ofstream(folder_ + "/eml/1.eml") << "Subject: one\n\n.\n..two\nlast, without an end";
  std::ofstream(folder_ + "/eml/2.eml")
      << "Subject: two\r\n\r\n" + std::string(100'000, 'x') + "\r\n";
  std::ofstream(folder_ + "/eml/none.txt") << "is not sent";
  auto files = MessageFiles::Load(folder_ + "/eml");
  ASSERT_TRUE(files.ok()) << files.status();
  options_.files = std::make_shared<const MessageFiles>(*std::move(files));
  options_.messages = 4;
  options_.pipelining = Pipelining::kDeep;
  sink_options_.store = folder_ + "/store";
  StartSink();
  EXPECT_EQ(Run().accepted, 4u);
  StopSink();
  std::multiset<std::string> got;
  for (int i = 1; i <= 4; i++) {
    std::string content = ReadFile(sink_options_.store + "/" + std::to_string(i) + ".eml");
    EXPECT_TRUE(MessageNumber::Find(content).has_value());
    got.insert(content.substr(content.find("\r\n") + 2));
  }
  const std::string one = "Subject: one\r\n\r\n.\r\n..two\r\nlast, without an end\r\n";
  const std::string two = "Subject: two\r\n\r\n" + std::string(100'000, 'x') + "\r\n";
  EXPECT_EQ(got, (std::multiset<std::string>{one, one, two, two}));
}

TEST_F(RunTest, SizesAndRecipientsVary) {
  options_.sizes = *Sizes::Parse("1k:1,100k-200k:1");
  options_.recipients = 5;
  options_.messages = 60;
  sink_options_.store = folder_ + "/store";
  ExpectAllArrive();
  std::set<size_t> recipients;
  int small = 0;
  for (int i = 1; i <= 60; i++) {
    const std::string name = sink_options_.store + "/" + std::to_string(i);
    const std::string envelope = ReadFile(name + ".env");
    recipients.insert(static_cast<size_t>(std::count(envelope.begin(), envelope.end(), '\n')) - 1);
    const size_t bytes = ReadFile(name + ".eml").size();
    small += bytes == 1024;
    EXPECT_TRUE(bytes == 1024 || (bytes >= 100 * 1024 && bytes <= 200 * 1024)) << bytes;
  }
  EXPECT_EQ(recipients, (std::set<size_t>{1, 2, 3, 4, 5}));
  EXPECT_GT(small, 10);
  EXPECT_LT(small, 50);
}

TEST_F(RunTest, LedgersOfBothSidesHaveTheSameNumbers) {
  options_.ledger = folder_ + "/sent";
  sink_options_.ledger = folder_ + "/got";
  options_.pipelining = Pipelining::kDeep;
  options_.threads = 2;
  options_.messages = 31;
  StartSink();
  uint64_t accepted = 0;
  for (uint32_t index : {0u, 1u}) accepted += Run(index, [](Generator&) {}).accepted;
  EXPECT_EQ(accepted, 31u);
  EXPECT_EQ(sink_->numbers().size(), 31u);
  StopSink();
  const auto lines = [](const std::string& file) {
    std::ifstream in(file);
    std::multiset<std::string> all;
    for (std::string line; std::getline(in, line);) all.insert(line);
    return all;
  };
  const auto sent = lines(options_.ledger);
  EXPECT_EQ(sent, lines(sink_options_.ledger));
  EXPECT_EQ(std::set<std::string>(sent.begin(), sent.end()).size(), 31u);  // no number twice
  EXPECT_EQ(*sent.begin(), "0badcafe-000000000001");
  EXPECT_EQ(sink_stats_.unnumbered, 0u);
}

TEST_F(RunTest, TheQueueIdIsInTheLedger) {
  options_.ledger = folder_ + "/sent";
  options_.messages = 1;
  sink_options_.faults = Faults("end=250 2.0.0 Ok: queued as 0ABC123 here");
  StartSink();
  EXPECT_EQ(Run().accepted, 1u);
  EXPECT_EQ(ReadFile(options_.ledger), "0badcafe-000000000001 0ABC123\n");
}

TEST_F(RunTest, RefusalsAreCountedByPhaseAndCode) {
  const struct {
    SinkFaults faults;
    Phase phase;
    int code;
    uint64_t refused;
  } cases[] = {
      {Faults("mail=450 4.7.1 Slow"), Phase::kEnvelope, 450, 10},
      {Faults("rcpt=550 5.1.1 Nobody"), Phase::kRecipient, 550, 10},
      {Faults("data=451 4.3.0 No"), Phase::kEnvelope, 451, 10},
      {Faults("end=452 4.3.1 Full"), Phase::kMessage, 452, 10},
      {Faults("end=452 4.3.1 Full", 4), Phase::kMessage, 452, 4},
  };
  for (auto pipelining : {Pipelining::kOff, Pipelining::kAuto, Pipelining::kDeep}) {
    for (const auto& c : cases) {
      options_.pipelining = pipelining;
      options_.messages = 10;
      options_.connections = 2;
      sink_options_.faults = c.faults;
      StartSink();
      const Results results = Run();
      EXPECT_EQ(results.refused, c.refused) << c.code;
      EXPECT_EQ(results.accepted, 10 - c.refused) << c.code;
      EXPECT_EQ(Count(results, c.phase, c.code), c.refused) << Told(results);
      EXPECT_EQ(results.failed(), c.refused) << Told(results);
      EXPECT_EQ(results.unanswered, 0u);
      StopSink();
      close(listener_);
    }
  }
  listener_ = -1;
}

TEST_F(RunTest, ConnectionsThatFailAreCountedAndEndTheRun) {
  options_.connections = 2;
  sink_options_.faults = Faults("greeting=554 5.7.1 Go away");
  StartSink();
  Results results = Run();
  EXPECT_EQ(Count(results, Phase::kGreeting, 554), 2u) << Told(results);
  StopSink();
  close(listener_);

  sink_options_.faults = Faults("end=drop");
  StartSink();
  results = Run();
  EXPECT_EQ(Count(results, Phase::kLost, 0), 2u) << Told(results);
  EXPECT_EQ(results.unanswered, 2u);
  EXPECT_EQ(results.logins_lost, 2u);
  StopSink();
  close(std::exchange(listener_, -1));

  results = Run();
  EXPECT_EQ(Count(results, Phase::kConnect, ECONNREFUSED), 2u) << Told(results);
  EXPECT_EQ(results.accepted, 0u);
}

TEST_F(RunTest, WhatIsNotOfferedIsAFailure) {
  options_.connections = 1;
  StartSink();
  options_.tls = RunOptions::Tls::kStartTls;
  Results results = Run();
  EXPECT_EQ(Count(results, Phase::kTls, 0), 1u) << Told(results);
  options_.tls = RunOptions::Tls::kNone;
  options_.mechanism = kPlain;
  options_.users = Users::FromPattern("user", "password", 1);
  results = Run();
  EXPECT_EQ(Count(results, Phase::kAuth, 0), 1u) << Told(results);
  options_.mechanism = kNobody;
  options_.tls = RunOptions::Tls::kImplicit;  // the sink greets in the clear: no TLS record
  results = Run();
  EXPECT_EQ(Count(results, Phase::kTls, 0), 1u) << Told(results);
}

TEST_F(RunTest, KeepsGoingWhenAsked) {
  options_.connections = 1;  // of two, one might do the other's work while that one backs off
  options_.messages = 10;
  options_.keep_going = true;
  sink_options_.faults = Faults("end=drop", 3);
  StartSink();
  const Results results = Run();
  EXPECT_EQ(results.accepted, 7u);
  EXPECT_EQ(results.unanswered, 3u);
  EXPECT_EQ(results.connections, 4u);
}

TEST_F(RunTest, ASilentServerTimesOut) {
  options_.connections = 2;
  options_.timeout = milliseconds(300);
  Listen();  // the kernel accepts, nobody speaks
  const Results results = Run();
  EXPECT_EQ(Count(results, Phase::kTimeout, 0), 2u) << Told(results);
}

TEST_F(RunTest, AServerThatAnswersBeforeItIsAskedIsSurvived) {
  options_.connections = 1;
  options_.tls = RunOptions::Tls::kStartTls;
  Listen();
  int client = -1;
  const Results results = Run(0, [&](Generator&) {
    if (client >= 0) return;
    pollfd arrival{.fd = listener_, .events = POLLIN, .revents = 0};
    if (poll(&arrival, 1, 0) != 1) return;  // its connect goes out only when this turn ends
    client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::string all = "220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\nthis is no TLS record\r\n";
    ASSERT_EQ(write(client, all.data(), all.size()), static_cast<ssize_t>(all.size()));
    shutdown(client, SHUT_WR);
  });
  close(client);
  EXPECT_EQ(results.failed(), 1u) << Told(results);
  EXPECT_EQ(results.accepted, 0u);
}

TEST_F(RunTest, ADelayedAnswerIsInItsLatencyAndInNoOther) {
  options_.connections = 1;
  options_.messages = 3;
  options_.pipelining = Pipelining::kDeep;
  sink_options_.faults = Faults("end=30ms");
  ExpectAllArrive();
  StartSink();
  const Results results = Run();
  EXPECT_GE(results.answer.Quantile(0), milliseconds(30));
  EXPECT_LT(results.login.max(), milliseconds(30));
}

TEST_F(RunTest, WhatIsReadSlowlyArrivesWhole) {
  options_.messages = 3;
  options_.sizes = Sizes(60'000);
  for (auto tls : {RunOptions::Tls::kNone, RunOptions::Tls::kStartTls}) {
    options_.tls = tls;
    sink_options_.tls = static_cast<SinkOptions::Tls>(tls);
    sink_options_.faults = Faults("body=1MiB/s");
    EXPECT_TRUE(sink_options_.faults.Add("body=20ms").ok());
    ExpectAllArrive();
    close(std::exchange(listener_, -1));
  }
}

TEST_F(RunTest, DropsAndBrokenHandshakesAreSeenAsWhatTheyAre) {
  const struct {
    const char* fault;
    RunOptions::Tls tls;
    Phase phase;
    uint64_t unanswered;
  } cases[] = {
      {"connect=drop", RunOptions::Tls::kNone, Phase::kLost, 0},
      {"ehlo=drop", RunOptions::Tls::kStartTls, Phase::kLost, 0},
      {"starttls=drop", RunOptions::Tls::kStartTls, Phase::kLost, 0},
      {"starttls=454 4.7.0 Not now", RunOptions::Tls::kStartTls, Phase::kTls, 0},
      {"tls=garbage", RunOptions::Tls::kStartTls, Phase::kTls, 0},
      {"tls=garbage", RunOptions::Tls::kImplicit, Phase::kTls, 0},
      {"body=drop", RunOptions::Tls::kImplicit, Phase::kLost, 1},
  };
  options_.connections = 1;
  options_.messages = 1;
  for (const auto& c : cases) {
    options_.tls = c.tls;
    sink_options_.tls = static_cast<SinkOptions::Tls>(c.tls);
    sink_options_.faults = Faults(c.fault);
    StartSink();
    const Results results = Run();
    uint64_t seen = 0;
    for (const auto& [where, failure] : results.failures) {
      if (where.first == c.phase) seen += failure.count;
      if (std::string_view(c.fault) == "tls=garbage") {
        EXPECT_THAT(failure.text, testing::HasSubstr("record layer")) << "the library's words";
      }
    }
    EXPECT_EQ(seen, 1u) << c.fault << "\n" << Told(results);
    EXPECT_EQ(results.unanswered, c.unanswered) << c.fault;
    StopSink();
    close(std::exchange(listener_, -1));
  }
}

TEST_F(RunTest, StopsAfterItsTime) {
  options_.messages = 0;
  options_.time = milliseconds(200);
  StartSink();
  const Results results = Run();
  EXPECT_GT(results.accepted, 0u);
  EXPECT_EQ(results.failed(), 0u) << Told(results);
  const Duration took = results.last_answer - results.first_connect;
  EXPECT_GE(took, milliseconds(150));
}

TEST_F(RunTest, IdleHoldsSessionsUntilStopped) {
  options_.mode = RunOptions::Mode::kIdle;
  options_.messages = 0;
  options_.connections = 200;
  options_.logins_at_once = 7;
  options_.tls = RunOptions::Tls::kImplicit;
  sink_options_.tls = SinkOptions::Tls::kImplicit;
  StartSink();
  int held_turns = 0;
  const Results results = Run(0, [&](Generator& generator) {
    if (generator.open() < 200) return;
    EXPECT_TRUE(generator.settled());
    if (held_turns++ == 20) generator.Stop();
  });
  EXPECT_GT(held_turns, 20);
  EXPECT_EQ(results.logins, 200u);
  uint64_t in_series = 0;
  for (const SeriesSlot& slot : results.series.slots()) in_series += slot.latency.count();
  EXPECT_EQ(in_series, 200u);
  EXPECT_EQ(results.logins_lost, 0u);
  EXPECT_EQ(results.failed(), 0u) << Told(results);
}

TEST_F(RunTest, SessionsLostWhileHeldAreCounted) {
  options_.mode = RunOptions::Mode::kIdle;
  options_.messages = 0;
  options_.connections = 20;
  StartSink();
  bool stopped = false;
  const Results results = Run(0, [&](Generator& generator) {
    if (!generator.settled() || std::exchange(stopped, true)) return;
    sink_->Stop();
  });
  EXPECT_EQ(results.logins_lost, 20u);
  EXPECT_EQ(Count(results, Phase::kLost, 0), 20u) << Told(results);
}

TEST_F(RunTest, TheReportTellsWhatHappened) {
  options_.messages = 10;
  options_.connections = 1;
  sink_options_.faults = Faults("end=452 4.3.1 Full", 4);
  StartSink();
  const RunReport report{.options = options_, .results = Run(), .content_bytes = 4096};
  const std::string text = ToText(report);
  EXPECT_NE(text.find("accepted     6 in "), std::string::npos) << text;
  EXPECT_NE(text.find("message 452"), std::string::npos) << text;
  const std::string json = ToJson(report);
  EXPECT_NE(json.find("\"accepted\": 6"), std::string::npos) << json;
  EXPECT_NE(json.find("\"phase\": \"message\""), std::string::npos) << json;
  EXPECT_NE(json.find("\"p99.99\""), std::string::npos) << json;
}

TEST_F(RunTest, LoginsThatFailAreCountedByCode) {
  options_.mode = RunOptions::Mode::kLogin;
  options_.messages = 5;
  options_.connections = 1;
  options_.mechanism = kPlain;
  options_.users = Users::FromPattern("user", "password", 1);
  options_.keep_going = true;
  sink_options_.auth = true;
  sink_options_.faults = Faults("auth=535 5.7.8 No@99%");
  EXPECT_TRUE(sink_options_.faults.Add("ehlo=450 4.3.2 Later@50%").ok());
  StartSink();
  const Results results = Run();
  EXPECT_EQ(
      results.logins + Count(results, Phase::kAuth, 535) + Count(results, Phase::kGreeting, 450),
      5u)
      << Told(results);
  EXPECT_EQ(results.failed(), 5 - results.logins);
  EXPECT_GT(results.failed(), 0u);
}

TEST_F(RunTest, SeriesInJsonAndCsvSayTheSame) {
  options_.messages = 10;
  options_.connections = 1;
  sink_options_.faults = Faults("end=452 4.3.1 Full", 4);
  StartSink();
  RunReport report{.options = options_, .results = Run(), .content_bytes = 4096};
  report.server = ServerUsage{.user = seconds(1), .wall = seconds(2), .rss_bytes_max = 1 << 20};
  report.missed = {"rate: 1 a second, wanted at least 2"};
  const std::string csv = ToCsv(report);
  EXPECT_EQ(csv.find("second,started,accepted,failed,p50_ms,p99_ms,max_ms,generator_cores,"), 0u);
  EXPECT_NE(csv.find("\n0,10,6,4,"), std::string::npos) << csv;
  const auto json = nlohmann::json::parse(ToJson(report));
  EXPECT_EQ(json["series"]["started"][0], 10);
  EXPECT_EQ(json["series"]["accepted"][0], 6);
  EXPECT_EQ(json["series"]["failed"][0], 4);
  EXPECT_EQ(json["server"]["cores"], 0.5);
  EXPECT_EQ(json["server"]["accepted_per_cpu_second"], 6.0);
  EXPECT_EQ(json["bounds_missed"][0], report.missed[0]);
  const std::string text = ToText(report);
  EXPECT_NE(text.find("MISSED       rate: 1 a second"), std::string::npos) << text;
  EXPECT_NE(text.find("6 messages a CPU second"), std::string::npos) << text;
}

TEST(ReportTest, RepliesOfServersCannotBreakOutOfAReport) {
  const RunOptions options;
  RunReport report{.options = options};
  report.results.Fail(Phase::kMessage, 550, "\xff</script><script>alert('@TEXT@')</script>&");
  const auto json = nlohmann::json::parse(ToJson(report));  // throws for what is no JSON
  EXPECT_EQ(json["failures"][0]["code"], 550);

  const std::string page = FillPage("<h1>@TITLE@</h1><pre>@TEXT@</pre><script>@DATA@</script>",
                                    "a<b", ToText(report), ToJson(report));
  EXPECT_EQ(page.find("<h1>a&lt;b</h1>"), 0u);
  EXPECT_EQ(page.find("<script"), page.rfind("<script")) << page;
  EXPECT_EQ(page.find("</script"), page.rfind("</script")) << page;
  const size_t data = page.find("<script>") + 8;
  const auto embedded = nlohmann::json::parse(page.substr(data, page.rfind("</script>") - data));
  EXPECT_EQ(embedded, json);
}

TEST(ReportTest, ThePageIsWhole) {
  const RunOptions options;
  const std::string page = ToHtml(RunReport{.options = options}, "what was told");
  EXPECT_EQ(page.find("<!doctype html>"), 0u);
  for (const char* marker : {"@TITLE@", "@TEXT@", "@DATA@", "@UPLOT"}) {
    EXPECT_EQ(page.find(marker), page.npos) << marker;
  }
  EXPECT_EQ(page.find("src="), page.npos);  // nothing is fetched
  EXPECT_EQ(page.find("<link"), page.npos);
}

TEST(ReportTest, AnOpenLoopThatIsLateIsTheGeneratorsFault) {
  RunOptions options;
  options.rate = 100;
  RunReport report{.options = options};
  for (int i = 0; i < 100; i++) {
    report.results.scheduled.Add(milliseconds(40));
    report.results.lag.Add(milliseconds(5));  // an eighth of it
  }
  EXPECT_EQ(ToText(report).find("WARNING"), std::string::npos);
  for (int i = 0; i < 10; i++) report.results.lag.Add(milliseconds(30));
  EXPECT_NE(ToText(report).find("WARNING      the generator itself was late"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(ToJson(report))["generator"]["bottleneck"], true);
}

TEST(ReportTest, AThreadThatWaitedForACoreIsTold) {
  const RunOptions options;
  RunReport report{.options = options, .busiest = 0.6, .hindered = 0.98, .starved = 0.48};
  report.results.first_connect = MonoTime(seconds(1));
  report.results.last_answer = MonoTime(seconds(3));
  EXPECT_NE(ToText(report).find("waited for a core 48% of the time"), std::string::npos);
  report.hindered = 0.9;
  EXPECT_EQ(ToText(report).find("WARNING"), std::string::npos);
  report.busiest = 0.96;
  EXPECT_NE(ToText(report).find("the generator was the bottleneck"), std::string::npos);
}

TEST(ShareOfTest, SharesAddUp) {
  for (uint64_t total : {0, 1, 7, 8, 1000}) {
    uint64_t sum = 0;
    for (uint32_t index = 0; index < 3; index++) sum += ShareOf(total, index, 3);
    EXPECT_EQ(sum, total);
  }
}

}  // namespace
}  // namespace sluice::load
