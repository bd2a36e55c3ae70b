// The generator's loops against a simulated server: virtual time, so that latencies are exact.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "tests/unit/load/sim_server.h"
#include "tools/load/generator.h"

namespace sluice::load {
namespace {

class OpenLoopTest : public testing::Test {
 protected:
  OpenLoopTest() : io_(7), server_(io_) {
    options_.to = {*SockAddr::Parse("192.0.2.1:25")};
    options_.connections = 5;
    options_.rate = 100;
    options_.arrivals = Arrivals::kFixed;
    options_.time = seconds(10);
  }

  Results Run() { return RunToEnd(io_, options_); }

  sim::SimIo io_;
  SimServer server_;
  RunOptions options_;
};

TEST_F(OpenLoopTest, SendsAtTheRateWhateverTheConnectionsCouldDo) {
  const Results results = Run();
  EXPECT_NEAR(static_cast<double>(results.accepted), 1000, 1);
  EXPECT_EQ(results.accepted, server_.messages);
  EXPECT_EQ(results.failed(), 0u);
  EXPECT_EQ(results.unsent, 0u);
  EXPECT_EQ(results.scheduled.count(), results.accepted);
  EXPECT_EQ(server_.connections, 5u);
  EXPECT_LT(results.scheduled.max(), milliseconds(50));
}

TEST_F(OpenLoopTest, MessagesEndItWhenAllWereSent) {
  options_.time = Duration(0);
  options_.messages = 123;
  options_.arrivals = Arrivals::kPoisson;
  const Results results = Run();
  EXPECT_EQ(results.accepted, 123u);
  EXPECT_EQ(server_.messages, 123u);
}

// The server sleeps for two seconds, once. A closed loop would see one slow message a connection;
// here all that were due meanwhile have waited, and on average half of it.
TEST_F(OpenLoopTest, AStallIsInTheLatencyOfAllThatWereDueInIt) {
  const MonoTime from = io_.now() + seconds(4);
  server_.delay = [this, from] {
    const MonoTime until = from + seconds(2);
    return io_.now() >= from && io_.now() < until ? until - io_.now() : Duration(0);
  };
  const Results results = Run();
  EXPECT_NEAR(static_cast<double>(results.accepted), 1000, 1);
  EXPECT_GT(results.scheduled.Quantile(0.85), milliseconds(400));
  EXPECT_LT(results.scheduled.Quantile(0.75), milliseconds(50));
  EXPECT_GE(results.scheduled.max(), milliseconds(1900));
  EXPECT_LT(results.answer.Quantile(0.95), milliseconds(50));  // what the connections saw
  EXPECT_NEAR(static_cast<double>(results.backlog_max), 195, 10);
  EXPECT_LT(results.lag.max(), milliseconds(50));
}

TEST_F(OpenLoopTest, WhatIsNeverSentIsCounted) {
  server_.delay = [] { return seconds(1); };  // five connections: five a second
  const Results results = Run();
  EXPECT_NEAR(static_cast<double>(results.accepted + results.unsent), 1000, 1);
  EXPECT_NEAR(static_cast<double>(results.accepted), 50, 6);
  EXPECT_GE(results.backlog_max, results.unsent);
  // They are in the latencies with what they waited: of 1,000 the last 50 less than half a second.
  EXPECT_EQ(results.scheduled.count(), results.accepted + results.unsent);
  EXPECT_GE(results.scheduled.Quantile(0.06), milliseconds(450));
}

TEST_F(OpenLoopTest, TheScheduleBeginsWhenTheSessionsAreOpen) {
  server_.rule = [this](const std::string& line) -> std::string {
    EXPECT_TRUE(line.substr(0, 4) != "MAIL" || server_.commands["EHLO"] == 5) << line;
    return "";
  };
  options_.logins_at_once = 1;
  EXPECT_EQ(Run().logins, 5u);
}

TEST_F(OpenLoopTest, ConnectionsThatAreNotKeptAreMadeWhenSomethingIsDue) {
  options_.per_connection = 1;
  options_.rate = 10;
  const Results results = Run();
  EXPECT_NEAR(static_cast<double>(results.accepted), 100, 1);
  EXPECT_EQ(server_.connections, results.accepted);
  EXPECT_GE(results.scheduled.Quantile(0.01), results.transaction.Quantile(0.01));
  EXPECT_EQ(results.failed(), 0u);
}

TEST_F(OpenLoopTest, TheWarmUpIsSentAndNotMeasured) {
  options_.warm_up = seconds(4);
  const MonoTime until = io_.now() + seconds(3);
  server_.delay = [this, until] { return io_.now() < until ? milliseconds(20) : Duration(0); };
  const Results results = Run();
  EXPECT_NEAR(static_cast<double>(results.accepted), 1000, 1);
  EXPECT_NEAR(static_cast<double>(results.scheduled.count()), 600, 2);
  EXPECT_LT(results.scheduled.max(), milliseconds(20));
}

TEST_F(OpenLoopTest, ALostConnectionLeavesItsWorkToTheOthers) {
  options_.keep_going = true;
  io_.After(seconds(3), [this] { server_.DropAll(); });
  const Results results = Run();
  EXPECT_EQ(results.logins_lost, 5u);
  EXPECT_EQ(server_.connections, 10u);
  EXPECT_GE(results.accepted + results.unanswered, 999u);
}

TEST_F(OpenLoopTest, WithoutAnyConnectionTheRunEnds) {
  io_.After(seconds(3), [this] { server_.DropAll(); });
  const Results results = Run();
  EXPECT_NEAR(static_cast<double>(results.accepted), 300, 6);
  EXPECT_EQ(results.logins_lost, 5u);
}

TEST_F(OpenLoopTest, EverySourceReachesEveryAddress) {
  options_.to.push_back(*SockAddr::Parse("192.0.2.2:26"));
  SimServer other(io_, 26);
  ASSERT_TRUE(options_.sources.Add("198.51.100.1-198.51.100.3").ok());
  options_.connections = 12;
  options_.rate = 0;
  options_.time = Duration(0);
  options_.messages = 100;
  EXPECT_EQ(Run().accepted, 100u);
  const std::map<std::string, uint64_t> twice = {
      {"198.51.100.1", 2}, {"198.51.100.2", 2}, {"198.51.100.3", 2}};
  EXPECT_EQ(server_.sources, twice);
  EXPECT_EQ(other.sources, twice);
}

TEST_F(OpenLoopTest, LoginsAreCountedFromWhenTheyAreDue) {
  options_.mode = RunOptions::Mode::kLogin;
  server_.rule = [this](const std::string& line) -> std::string {
    EXPECT_NE(line.substr(0, 4), "MAIL");
    return "";
  };
  const Results results = Run();
  EXPECT_NEAR(static_cast<double>(results.logins), 1000, 1);
  EXPECT_EQ(server_.connections, results.logins);
  EXPECT_EQ(server_.commands["QUIT"], results.logins);
  EXPECT_EQ(results.scheduled.count(), results.logins);
  EXPECT_EQ(results.failed(), 0u);
}

TEST_F(OpenLoopTest, LoginsAreDoneOneAfterTheOtherInAClosedLoop) {
  options_.mode = RunOptions::Mode::kLogin;
  options_.rate = 0;
  options_.time = Duration(0);
  options_.messages = 37;
  const Results results = Run();
  EXPECT_EQ(results.logins, 37u);
  EXPECT_EQ(server_.connections, 37u);
  EXPECT_EQ(results.scheduled.count(), 0u);
  EXPECT_LE(results.first_connect, results.last_answer);
}

class IdleTest : public OpenLoopTest {
 protected:
  IdleTest() {
    options_.mode = RunOptions::Mode::kIdle;
    options_.rate = 0;
    options_.time = Duration(0);
    options_.connections = 10;
    options_.keepalive = seconds(30);
    options_.keepalive_share = 0.5;
    options_.timeout = seconds(5);
  }

  Results Hold(Duration time) {
    Generator generator(io_, options_, 0, nullptr, nullptr);
    generator.Start();
    const MonoTime until = io_.now() + time;
    for (bool busy = false; !generator.done(); busy = generator.RunTurn()) {
      io_.Poll(busy ? io_.now() : std::min(generator.deadline(), std::max(until, io_.now())));
      if (io_.now() >= until) generator.Stop();
    }
    return generator.results();
  }
};

TEST_F(IdleTest, AShareOfTheSessionsIsKeptAlive) {
  const Results results = Hold(seconds(100));
  EXPECT_EQ(results.survivors, 10u);
  EXPECT_EQ(results.keepalives, 15u);  // five sessions, after 30, 60 and 90 s
  EXPECT_EQ(server_.commands["NOOP"], 15u);
  EXPECT_EQ(server_.commands["QUIT"], 10u);
  EXPECT_EQ(results.failed(), 0u);
}

TEST_F(IdleTest, WhoIsLostIsCountedByReason) {
  server_.rule = [this](const std::string& line) -> std::string {
    if (line != "NOOP") return "";
    return server_.commands["NOOP"] <= 2 ? "421 4.3.2 going" : "no reply of SMTP";
  };
  Results results = Hold(seconds(100));
  EXPECT_EQ(results.survivors, 5u);
  EXPECT_EQ(results.logins_lost, 5u);
  EXPECT_EQ((results.failures[{Phase::kClosing, 421}].count), 2u);
  EXPECT_EQ((results.failures[{Phase::kProtocol, 0}].count), 3u);
}

TEST_F(IdleTest, ANoopWithoutAnAnswerIsATimeout) {
  server_.silent = [](const std::string& line) { return line == "NOOP"; };
  Results results = Hold(seconds(60));
  EXPECT_EQ(results.survivors, 5u);
  EXPECT_EQ((results.failures[{Phase::kTimeout, 0}].count), 5u);
}

}  // namespace
}  // namespace sluice::load
