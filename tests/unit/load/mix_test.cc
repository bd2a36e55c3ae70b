// The file of `mix`, and what its bad clients do.
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/load/sim_server.h"
#include "tools/load/generator.h"
#include "tools/load/mix_file.h"

namespace sluice::load {
namespace {

using Behaviour = RunOptions::Behaviour;

RunArguments Base() {
  RunArguments base;
  base.to = {"192.0.2.1:25"};
  base.seconds = 10;
  base.options.connections = 100;
  return base;
}

TEST(MixFileTest, ClientsHaveTheOptionsOfRunOverTheCommandLines) {
  RunArguments base = Base();
  base.size = "1k";
  const auto mix = ReadMix(R"(
    [[client]]
    name = "bulk"
    share = 1
    size = "4k-64k"
    tls = "implicit"
    tls_version = "1.3"
    resume = true
    pipelining = "deep"
    think = "2s"
    think_time = "fixed"
    rate = 7.5
    [[client]]
    share = 2
    user = "u%d"
    users = 3
    per_connection = 5
    to = ["192.0.2.2:25", "192.0.2.3:25"]
    [[client]]
    connections = 10
    behaviour = "wrong-password"
    user = "u"
    )",
                           "f", base);
  ASSERT_TRUE(mix.ok()) << mix.status();
  ASSERT_EQ(mix->kinds.size(), 3u);
  const RunOptions& bulk = mix->kinds[0];
  EXPECT_EQ(bulk.name, "bulk");
  EXPECT_EQ(bulk.connections, 30u);
  EXPECT_EQ(bulk.sizes.max(), 65536u);
  EXPECT_EQ(bulk.tls, RunOptions::Tls::kImplicit);
  EXPECT_TRUE(bulk.resume);
  EXPECT_EQ(bulk.think, seconds(2));
  EXPECT_TRUE(bulk.think_fixed);
  EXPECT_EQ(bulk.rate, 7.5);
  EXPECT_EQ(bulk.time, seconds(10));
  const RunOptions& second = mix->kinds[1];
  EXPECT_EQ(second.name, "client 2");
  EXPECT_EQ(second.connections, 60u);
  EXPECT_EQ(second.sizes.max(), 1024u);
  EXPECT_EQ(second.users.count(), 3u);
  EXPECT_EQ(second.to.size(), 2u);
  EXPECT_EQ(second.tls, RunOptions::Tls::kNone);
  EXPECT_NE(second.run, bulk.run);
  const RunOptions& guesser = mix->kinds[2];
  EXPECT_EQ(guesser.connections, 10u);
  EXPECT_EQ(guesser.behaviour, Behaviour::kWrongPassword);
  EXPECT_TRUE(guesser.keep_going);
  EXPECT_FALSE(bulk.keep_going);
}

TEST(MixFileTest, MistakesAreToldWithTheirPlace) {
  const struct {
    const char* text;
    const char* said;
  } cases[] = {
      {"", "f: expected [[client]] tables"},
      {"[client]\nshare = 1", "f: expected [[client]] tables"},
      {"x = 1", "f:1:1: x: expected [[client]] tables only"},
      {"[[client]]\nshare = ", "f:2:9: this is not TOML"},
      {"[[client]]\nname = \"x\"", "f:1:1: a client has either share or connections"},
      {"[[client]]\nshare = 1\nconnections = 1", "f:1:1: a client has either"},
      {"[[client]]\nshare = 1\nsizes = 3", "f:3:1: sizes: is no key"},
      {"[[client]]\nshare = 1\nthreads = 3", "f:3:1: threads: is no key"},
      {"[[client]]\nshare = 1\nthink = 1979-05-27", "f:3:9: think: expected a text"},
      {"[[client]]\nshare = 1\ntls = \"yes\"", "f:3:7: tls: "},
      {"[[client]]\nshare = 0", "f:2:9: share: "},
      {"[[client]]\nshare = 1\nbehaviour = \"evil\"", "wrong-password"},
      {"[[client]]\nshare = 1\nsize = \"big\"", "f:1:1: 1. client: --size: 'big' is no size"},
      {"[[client]]\nshare = 1\n[[client]]\nshare = 1\nthink = \"x\"",
       "f:3:1: 2. client: think: 'x' is no time"},
      {"[[client]]\nshare = 1\nresume = true", "--resume needs --tls"},
  };
  for (const auto& c : cases) {
    const auto mix = ReadMix(c.text, "f", Base());
    ASSERT_FALSE(mix.ok()) << c.text;
    EXPECT_NE(mix.status().message().find(c.said), std::string::npos) << c.text << "\n"
                                                                      << mix.status().message();
  }
}

class BadClientTest : public testing::Test {
 protected:
  BadClientTest() : io_(7), server_(io_) {
    options_.to = {*SockAddr::Parse("192.0.2.1:25")};
    options_.connections = 2;
    options_.time = minutes(5);
    options_.timeout = seconds(30);
    options_.keep_going = true;
    options_.think = seconds(10);
    options_.think_fixed = true;
  }

  Results Run(Behaviour behaviour) {
    options_.behaviour = behaviour;
    return RunToEnd(io_, options_);
  }

  sim::SimIo io_;
  SimServer server_;
  RunOptions options_;
};

TEST_F(BadClientTest, GoodOnesThink) {
  const Results results = Run(Behaviour::kGood);
  EXPECT_NEAR(static_cast<double>(results.accepted), 60, 4);  // two, five minutes, each 10 s
  EXPECT_EQ(server_.connections, 2u);
  EXPECT_EQ(results.failed(), 0u);
}

TEST_F(BadClientTest, ThinkingComesBeforeANewConnectionToo) {
  options_.per_connection = 1;
  const Results results = Run(Behaviour::kGood);
  EXPECT_NEAR(static_cast<double>(server_.connections), 60, 4);
  EXPECT_EQ(results.failed(), 0u);
}

TEST_F(BadClientTest, ConnectOnlySaysNothingUntilItsPatienceEnds) {
  Results results = Run(Behaviour::kConnectOnly);
  EXPECT_EQ(server_.received, "");
  EXPECT_NEAR(static_cast<double>((results.failures[{Phase::kTimeout, 0}].count)), 15, 3);
}

TEST_F(BadClientTest, GarbageIsNoSmtp) {
  Run(Behaviour::kGarbage);
  EXPECT_GE(server_.received.size(), 10'000u);
  EXPECT_EQ(server_.commands["EHLO"], 0u);
}

TEST_F(BadClientTest, TheSlowSendAnOctetATime) {
  const Results results = Run(Behaviour::kSlow);
  EXPECT_GT(server_.received.size(), 4000u);
  EXPECT_LE(server_.received.size(), 6100u);  // two, 300 s, ten a second
  EXPECT_EQ(server_.commands["DATA"], 2u);
  EXPECT_EQ(results.accepted, 0u);
}

TEST_F(BadClientTest, HalfAMessageIsNone) {
  for (const Behaviour behaviour : {Behaviour::kHalfClose, Behaviour::kQuitInData}) {
    const Results results = Run(behaviour);
    EXPECT_EQ(results.accepted, 0u);
    EXPECT_EQ(server_.messages, 0u);
    EXPECT_GT(results.unanswered, 10u);
    EXPECT_EQ(server_.finished > 0, behaviour == Behaviour::kHalfClose);
    server_.finished = 0;
  }
  EXPECT_NE(server_.received.find("line\r\nQUIT\r\n"), std::string::npos);
}

}  // namespace
}  // namespace sluice::load
