// Streams on the simulated network, in the clear and under TLS, over many seeds: every byte arrives once and in
// order however it was cut, STARTTLS forgets what came before it, back-pressure holds, and each stream ends once.
#include "core/net/stream.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/sim/sim_io.h"
#include "tls/hooks.h"
#include "tls/self_signed.h"
#include "tls/server_context.h"

namespace sluice::net {
namespace {

constexpr int kListener = 7;

std::shared_ptr<tls::ServerContext> ServerTls() {
  static const tls::IdentityPem* identity = [] {
    EXPECT_TRUE(tls::Init().ok());
    return new tls::IdentityPem(*tls::MakeSelfSigned({.names = {"mail.example.net"}}));
  }();
  tls::ServerOptions options;
  options.identities = {*identity};
  options.parameters.groups = {"X25519"};
  return *tls::ServerContext::Create(options);
}

// Our end: sends back what it got, in upper case; a line "TLS" begins TLS; pauses now and then.
class Echo final : public StreamOwner {
 public:
  Echo(StreamSet& set, Prng& prng) : stream(set, *this), prng_(prng) {}

  void OnFlight() override {
    flights++;
    stream.Write(welcome);
  }
  void OnSecure() override { secure++; }
  void OnInput(ByteView& input) override {
    EXPECT_FALSE(stream.paused());
    while (!input.empty()) {
      const size_t line = input.find('\n');
      if (line == ByteView::npos) return;
      const ByteView text = input.substr(0, line);
      input.remove_prefix(line + 1);
      if (text == "TLS") {
        stream.Write("GO\n");
        stream.StartTls(tls::Channel::Accept(tls));
        return;
      }
      std::string answer(text);
      for (char& c : answer) c = AsciiUpper(c);
      stream.Write(answer + "\n");
      lines++;
      if (prng_.Chance(1, 10)) {
        stream.Pause();
        paused = true;
        return;
      }
    }
  }
  void OnInputEnd() override {
    ended = true;
    stream.Close();
  }
  void OnClosed(CloseReason why) override {
    closed++;
    reason = why;
  }

  Stream stream;
  std::shared_ptr<tls::ServerContext> tls;
  std::string welcome;  // said with our flight
  bool paused = false;
  bool ended = false;
  int flights = 0;
  int secure = 0;
  int lines = 0;
  int closed = 0;
  CloseReason reason = CloseReason::kOurs;

 private:
  Prng& prng_;
};

// The far end: plain bytes, or TLS through a Channel of its own.
class Peer final : public sim::Remote {
 public:
  explicit Peer(sim::SimIo& io) : io_(io) {}
  void OnConnected(sim::PeerId peer) override {
    id = peer;
    io_.PeerSend(id, first);
  }
  void OnBytes(sim::PeerId, ByteView bytes) override {
    if (!channel) {
      got.append(bytes);
      if (start_tls_after.empty() || got != start_tls_after) return;
      got.clear();
      context = *tls::ClientContext::Create({.trust = tls::Trust::kAnyone});
      channel = tls::Channel::Connect(*context, {});
      bytes = ByteView();
    }
    Buffer out;
    if (!channel.handshake_done()) {
      if (channel.Handshake(bytes, out) == tls::Step::kDone) {
        ASSERT_TRUE(channel.Write(secret, out));
      }
    }
    char plain[4096];
    while (channel.handshake_done()) {
      const tls::ReadResult result = channel.Read(bytes, plain, out);
      if (result.status != tls::ReadStatus::kPlain) break;
      got.append(plain, result.bytes);
    }
    if (holds_back && channel.handshake_done()) {
      held.append(out.view());
    } else {
      io_.PeerSend(id, out.view());
    }
  }
  void OnClosed(sim::PeerId, bool) override { closed = true; }

  sim::PeerId id = 0;
  std::string first;
  std::string start_tls_after;  // when exactly this has come
  std::string secret;           // sent under TLS
  bool holds_back = false;      // its flight, and what comes behind it: `held`
  std::string held;
  std::string got;
  bool closed = false;
  tls::Channel channel;
  std::shared_ptr<tls::ClientContext> context;

 private:
  sim::SimIo& io_;
};

struct World {
  explicit World(uint64_t seed) : io(seed), set(io, {}), peer(io), accept(io::Completes<&World::OnAccept>, this) {
    io.Accept(accept, kListener);
    echo = std::make_unique<Echo>(set, io.prng());
  }
  ~World() { io.Cancel(accept); }
  void OnAccept(const io::Completion& completion) { echo->stream.Attach(completion.socket); }
  template <typename F>
  bool RunUntil(F done) {
    bool busy = false;
    for (int turn = 0; turn < 200'000; turn++) {
      if (done()) return true;
      io.Poll(busy ? io.now() : io.now() + seconds(1));
      if (echo->paused && io.prng().Chance(1, 3)) {
        echo->paused = false;
        echo->stream.Resume();
      }
      set.RunInput();
      busy = set.Flush() || echo->paused;
    }
    return false;
  }
  sim::SimIo io;
  StreamSet set;
  Peer peer;
  std::unique_ptr<Echo> echo;
  io::Op accept;
};

std::string Lines(int count, std::string& upper) {
  std::string text;
  for (int i = 0; i < count; i++) text += "line " + std::to_string(i) + std::string(static_cast<size_t>(i) % 97, 'x') + "\n";
  upper = text;
  for (char& c : upper) c = AsciiUpper(c);
  return text;
}

TEST(StreamTest, EveryByteOnceAndInOrderInTheClear) {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    World world(seed);
    std::string expected;
    world.io.faults.starve_per_million = 100'000;
    world.peer.first = Lines(2000, expected);
    world.io.ConnectTo(kListener, world.peer, *SockAddr::Parse("192.0.2.1:999"));
    ASSERT_TRUE(world.RunUntil([&] { return world.peer.got.size() >= expected.size(); })) << seed;
    EXPECT_EQ(world.peer.got, expected) << seed;
    world.io.PeerFinish(world.peer.id);
    ASSERT_TRUE(world.RunUntil([&] { return world.echo->closed == 1; })) << seed;
    EXPECT_TRUE(world.echo->ended);
  }
}

TEST(StreamTest, HalfClosedPeersStillGetTheirAnswers) {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    World world(seed);
    std::string expected;
    world.peer.first = Lines(300, expected);
    const sim::PeerId id = world.io.ConnectTo(kListener, world.peer, *SockAddr::Parse("192.0.2.1:999"));
    world.RunUntil([&] { return world.peer.id != 0; });
    world.io.PeerFinish(id);
    ASSERT_TRUE(world.RunUntil([&] { return world.echo->closed == 1; })) << seed;
    EXPECT_EQ(world.peer.got, expected) << seed;
  }
}

TEST(StreamTest, StartTlsDropsWhatWasSentInTheClearBehindIt) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    World world(seed);
    world.echo->tls = ServerTls();
    std::string expected;
    world.peer.secret = Lines(200, expected);
    world.peer.first = "TLS\ninjected\n";
    // All in one piece, so that the injected line is in the buffer when the command is read.
    world.io.faults.chunk_bytes_max = 100'000;
    world.peer.start_tls_after = "GO\n";
    world.io.ConnectTo(kListener, world.peer, *SockAddr::Parse("192.0.2.1:999"));
    if (!world.RunUntil([&] { return world.peer.got.size() >= expected.size() || world.echo->closed > 0; })) {
      FAIL() << seed;
    }
    // Cut behind the command, the injected bytes reach TLS as rubbish and end the connection; uncut they are
    // gone. They are never an answered line.
    EXPECT_EQ(world.peer.got.find("INJECTED"), std::string::npos) << seed;
    if (world.echo->closed == 0) {
      EXPECT_EQ(world.peer.got, expected) << seed;
      EXPECT_EQ(world.echo->secure, 1);
    } else {
      EXPECT_EQ(world.echo->reason, CloseReason::kTls) << seed;
    }
    world.echo->stream.Abort();
    ASSERT_TRUE(world.RunUntil([&] { return world.echo->closed == 1; }));
  }
}

TEST(StreamTest, WhatIsSaidWithTheFlightComesBeforeThePeersOwn) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    World world(seed);
    world.echo->tls = ServerTls();
    world.echo->welcome = "WELCOME\n";
    std::string expected;
    world.peer.secret = Lines(200, expected);
    world.peer.first = "TLS\n";
    world.peer.start_tls_after = "GO\n";
    world.peer.holds_back = true;
    world.io.ConnectTo(kListener, world.peer, *SockAddr::Parse("192.0.2.1:999"));
    ASSERT_TRUE(world.RunUntil([&] { return world.peer.got == "WELCOME\n"; })) << seed;
    EXPECT_EQ(world.echo->secure, 0);
    EXPECT_FALSE(world.echo->stream.secure());
    world.peer.holds_back = false;
    world.io.PeerSend(world.peer.id, world.peer.held);
    expected.insert(0, "WELCOME\n");
    ASSERT_TRUE(world.RunUntil([&] { return world.peer.got.size() >= expected.size(); })) << seed;
    EXPECT_EQ(world.peer.got, expected) << seed;
    EXPECT_EQ(world.echo->flights, 1);
    EXPECT_EQ(world.echo->secure, 1);
    world.echo->stream.Abort();
    ASSERT_TRUE(world.RunUntil([&] { return world.echo->closed == 1; }));
  }
}

TEST(StreamTest, TlsCarriesEveryByteOnceUnderPressure) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    World world(seed);
    world.echo->tls = ServerTls();
    world.io.faults.starve_per_million = 200'000;
    std::string expected;
    world.peer.secret = Lines(3000, expected);
    world.peer.first = "TLS\n";
    world.peer.start_tls_after = "GO\n";
    world.io.ConnectTo(kListener, world.peer, *SockAddr::Parse("192.0.2.1:999"));
    ASSERT_TRUE(world.RunUntil([&] { return world.peer.got.size() >= expected.size(); })) << seed;
    EXPECT_EQ(world.peer.got, expected) << seed;
    EXPECT_EQ(world.set.stats().handshakes, 1u);
    world.echo->stream.Close();
    ASSERT_TRUE(world.RunUntil([&] { return world.echo->closed == 1; })) << seed;
  }
}

TEST(StreamTest, ResetsEndTheStreamOnceWhateverIsUnderWay) {
  for (uint64_t seed = 1; seed <= 100; seed++) {
    World world(seed);
    world.echo->tls = ServerTls();
    world.io.faults.reset_per_million = 20'000;
    std::string expected;
    world.peer.secret = Lines(500, expected);
    world.peer.first = seed % 2 ? "TLS\n" : Lines(500, expected);
    world.peer.start_tls_after = seed % 2 ? "GO\n" : "";
    world.io.ConnectTo(kListener, world.peer, *SockAddr::Parse("192.0.2.1:999"));
    world.RunUntil([&] { return world.echo->closed > 0 || world.peer.got.size() >= expected.size(); });
    world.echo->stream.Abort();
    ASSERT_TRUE(world.RunUntil([&] { return world.echo->closed > 0; })) << seed;
    EXPECT_EQ(world.echo->closed, 1);
  }
}

}  // namespace
}  // namespace sluice::net
