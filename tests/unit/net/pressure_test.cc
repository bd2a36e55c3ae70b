// Many streams of one StreamSet, and peers who want its memory or its time: storms of good clients
// are served, stalled peers make room, and what is held for all of them together stays within its
// bound.
#include <gtest/gtest.h>
#include <malloc.h>
#include <wolfssl/options.h>
//
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/memory.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/net/stream.h"
#include "tests/sim/sim_io.h"
#include "tls/hooks.h"
#include "tls/self_signed.h"
#include "tls/server_context.h"

namespace sluice::net {
namespace {

constexpr int kListener = 7;
constexpr uint16_t kOwnRemote = 999;  // the number of a client of the test's own
constexpr Duration kRoundTrip = milliseconds(30);

tls::Parameters TlsParameters(tls::Versions versions = tls::Versions::k12And13) {
  return {.versions = versions, .groups = {"X25519"}};
}

std::shared_ptr<tls::ServerContext> ServerTls() {
  static const auto* context = [] {
    EXPECT_TRUE(tls::Init().ok());
    tls::ServerOptions options;
    options.identities = {*tls::MakeSelfSigned({.names = {"mail.example.net"}})};
    options.parameters = TlsParameters();
    return new std::shared_ptr<tls::ServerContext>(*tls::ServerContext::Create(options));
  }();
  return *context;
}

std::shared_ptr<tls::ClientContext> ClientTls(tls::Versions versions = tls::Versions::k12And13) {
  return *tls::ClientContext::Create({.parameters = TlsParameters(versions)});
}

// Our end of one connection.
class Owner final : public StreamOwner {
 public:
  explicit Owner(StreamSet& set) : stream(set, *this) {}

  void OnSecure() override { secure = true; }
  void OnInput(ByteView& input) override {
    EXPECT_FALSE(stream.paused());
    input_bytes_max = std::max(input_bytes_max, input.size());
    if (const size_t at = input.find("TLS\n"); at != ByteView::npos && !secure) {
      input.remove_prefix(at + 4);
      if (pause_before_tls) {
        pause_before_tls = false;
        input = ByteView(input.data() - 4, input.size() + 4);
        return stream.Pause();
      }
      return stream.StartTls(tls::Channel::Accept(ServerTls()));
    }
    if (takes_lines) {
      const size_t end = input.rfind('\n');
      if (end == ByteView::npos) return;
      got.append(input.substr(0, end + 1));
      input.remove_prefix(end + 1);
    } else {
      got.append(input);
      input = ByteView();
    }
    if (pauses) stream.Pause();
  }
  void OnInputEnd() override {
    ended = true;
    stream.Close();
  }
  void OnClosed(CloseReason why) override {
    EXPECT_FALSE(closed) << "once";
    closed = true;
    reason = why;
  }
  bool evicted() const { return closed && reason == CloseReason::kEvicted; }

  Stream stream;
  bool pauses = false;
  bool pause_before_tls = false;
  bool takes_lines = false;
  bool secure = false;
  bool ended = false;
  bool closed = false;
  CloseReason reason = CloseReason::kOurs;
  size_t input_bytes_max = 0;
  std::string got;
};

// The far end.
class Client final : public sim::Remote {
 public:
  enum class Manner {
    kGood,      // shakes hands, says `text`
    kStalls,    // sends a ClientHello, then nothing
    kTrickles,  // and then an octet of a record now and then
    kClear,     // no TLS: sends `text`
  };
  Client(sim::SimIo& io, Manner how, std::shared_ptr<tls::ClientContext> with)
      : manner(how), io_(io), context_(std::move(with)) {}

  void OnConnected(sim::PeerId peer) override {
    id = peer;
    if (manner == Manner::kClear) return io_.PeerSend(id, text);
    StartTls();
  }
  void StartTls() {
    channel_ = tls::Channel::Connect(*context_, {});
    Answer("");
    io_.PeerSend(id, junk);
    if (manner == Manner::kTrickles)
      Trickle(std::string("\x17\x03\x03\x40\x00", 5) + std::string(4000, 'x'));
  }
  void OnBytes(sim::PeerId, ByteView bytes) override {
    if (manner != Manner::kGood) return;
    io_.After(kRoundTrip, [this, copy = std::string(bytes)] { Answer(copy); });
  }
  void OnClosed(sim::PeerId, bool) override { closed = true; }

  Manner manner;
  sim::PeerId id = 0;
  std::string junk;  // behind the ClientHello
  std::string text = "hello\n";
  bool closed = false;

 private:
  void Answer(ByteView bytes) {
    if (closed) return;
    Buffer out;
    if (!channel_.handshake_done() && channel_.Handshake(bytes, out) == tls::Step::kDone) {
      EXPECT_TRUE(channel_.Write(text, out));
    }
    io_.PeerSend(id, out.view());
  }
  void Trickle(std::string rest) {
    if (closed || rest.empty()) return;
    io_.After(milliseconds(50), [this, rest] {
      io_.PeerSend(id, rest.substr(0, 1));
      Trickle(rest.substr(1));
    });
  }

  sim::SimIo& io_;
  std::shared_ptr<tls::ClientContext> context_;
  tls::Channel channel_;
};

using Manner = Client::Manner;

class Crowd {
 public:
  explicit Crowd(const StreamLimits& limits, uint64_t seed = 1)
      : io(seed), set(io, limits), accept_(io::Completes<&Crowd::OnAccept>, this) {
    io.faults.chunk_bytes_max = 16 << 10;
    io.Accept(accept_, kListener);
  }
  ~Crowd() {
    for (auto& [port, owner] : owners) owner->stream.Abort();
    Run(milliseconds(500));
    for (auto& [port, owner] : owners) EXPECT_TRUE(owner->closed);
    EXPECT_EQ(set.held_bytes(), 0u);
    io.Cancel(accept_);
  }

  // Returns the number by which owner and client are found.
  uint16_t Connect(Manner manner, std::shared_ptr<tls::ClientContext> context = ClientTls()) {
    const auto number = static_cast<uint16_t>(1000 + clients.size());
    auto& client = clients[number] = std::make_unique<Client>(io, manner, std::move(context));
    auto& owner = owners[number] = std::make_unique<Owner>(set);
    owner->closed = true;  // until it is attached
    io.ConnectTo(kListener, *client, *SockAddr::Parse("192.0.2.1:" + std::to_string(number)));
    return number;
  }
  Owner& Connect(sim::Remote& remote) {
    auto& owner = owners[kOwnRemote] = std::make_unique<Owner>(set);
    io.ConnectTo(kListener, remote, *SockAddr::Parse("192.0.2.1:" + std::to_string(kOwnRemote)));
    return *owner;
  }
  std::vector<uint16_t> Connect(int count, Manner manner) {
    std::vector<uint16_t> numbers;
    for (int i = 0; i < count; i++) numbers.push_back(Connect(manner, context_));
    return numbers;
  }

  void Run(Duration time) {
    const MonoTime until = io.now() + time;
    for (bool busy = false; io.now() < until;) {
      io.Poll(busy ? io.now() + microseconds(100) : io.now() + milliseconds(10));
      set.RunInput();
      busy = set.Flush();
      held_max = std::max(held_max, set.held_bytes());
    }
  }

  template <typename F>
  int Count(const std::vector<uint16_t>& numbers, F fits) {
    int count = 0;
    for (uint16_t number : numbers) count += fits(*owners[number]) ? 1 : 0;
    return count;
  }

  sim::SimIo io;
  StreamSet set;
  std::map<uint16_t, std::unique_ptr<Owner>> owners;
  std::map<uint16_t, std::unique_ptr<Client>> clients;
  uint64_t held_max = 0;

 private:
  void OnAccept(const io::Completion& completion) {
    Owner& owner = *owners.at(completion.peer->port());
    owner.closed = false;
    owner.stream.Attach(completion.socket);
    const auto client = clients.find(completion.peer->port());
    if (client == clients.end() || client->second->manner != Manner::kClear) {
      owner.stream.StartTls(tls::Channel::Accept(ServerTls()));
    }
  }
  io::Op accept_;
  std::shared_ptr<tls::ClientContext> context_ = ClientTls();
};

// Room for so many handshakes begun at once.
StreamLimits Places(uint64_t count) { return {.held_bytes = 4 * count * kHandshakeBytes}; }

bool Served(const Owner& owner) { return owner.got == "hello\n"; }
bool Evicted(const Owner& owner) { return owner.evicted(); }

TEST(StreamPressureTest, AStormOfGoodClientsIsServedInOrderThoughPlacesAreFew) {
  for (uint64_t seed = 1; seed <= 5; seed++) {
    Crowd crowd(Places(4), seed);
    const auto good = crowd.Connect(60, Manner::kGood);
    crowd.Run(seconds(5));
    EXPECT_EQ(crowd.Count(good, Served), 60) << seed;
    EXPECT_EQ(crowd.set.stats().handshakes, 60u);
    EXPECT_EQ(crowd.set.stats().evicted, 0u) << "and no signature was made in vain";
  }
}

TEST(StreamPressureTest, StalledHandshakesGiveTheirPlacesToGoodClients) {
  for (const Manner bad : {Manner::kStalls, Manner::kTrickles}) {
    Crowd crowd(Places(4));
    const auto stalled = crowd.Connect(12, bad);
    crowd.Run(milliseconds(100));
    const auto good = crowd.Connect(20, Manner::kGood);
    crowd.Run(seconds(4));
    EXPECT_EQ(crowd.Count(good, Served), 20);
    EXPECT_EQ(crowd.Count(good, Evicted), 0);
    EXPECT_EQ(crowd.Count(stalled, Evicted), 12 - 4 + 4) << "each in its turn";
  }
}

TEST(StreamPressureTest, StalledHandshakesStayWhileNobodyWantsTheirPlaces) {
  Crowd crowd(Places(4));
  const auto stalled = crowd.Connect(4, Manner::kStalls);
  crowd.Run(seconds(5));
  EXPECT_EQ(crowd.Count(stalled, Evicted), 0);
}

// We are the ones who are late: those who came first keep their place in the queue, whatever they
// hold.
TEST(StreamPressureTest, WhenAllWaitForUsTheNewcomerIsRefused) {
  Crowd crowd({.heavy_steps_turn = 0, .held_bytes = 512 << 10});
  std::vector<uint16_t> first, later;
  for (int i = 0; i < 12; i++) {
    auto& numbers = i < 3 ? first : later;
    numbers.push_back(crowd.Connect(Manner::kGood));
    crowd.clients[numbers.back()]->junk.assign(8 << 10, 'x');
    crowd.Run(milliseconds(100));
  }
  EXPECT_EQ(crowd.Count(first, Evicted), 0);
  EXPECT_GE(crowd.Count(later, Evicted), 5);
  EXPECT_LE(crowd.set.held_bytes(), 64u << 10);
}

// They send much, and their owners take one piece and are paused.
std::vector<uint16_t> PausedUploads(Crowd& crowd, int count) {
  const auto numbers = crowd.Connect(count, Manner::kClear);
  for (uint16_t number : numbers) {
    crowd.owners[number]->pauses = true;
    crowd.clients[number]->text.assign(500'000, 'x');
  }
  return numbers;
}

TEST(StreamPressureTest, PausedStreamsStopReadingAndTogetherStayWithinTheBound) {
  Crowd crowd({.held_bytes = 2 << 20});
  const auto first = PausedUploads(crowd, 20);
  crowd.Run(milliseconds(500));
  EXPECT_EQ(crowd.Count(first, Evicted), 0);
  EXPECT_LE(crowd.held_max, 20u * 4 * kHeldBytesMax);

  const auto flood = PausedUploads(crowd, 300);
  crowd.Run(seconds(1));
  EXPECT_LE(crowd.held_max, 1u << 20);
  EXPECT_GT(crowd.Count(first, Evicted), 15) << "who has stood still for longest goes first";
  EXPECT_EQ(crowd.owners[flood.back()]->closed, false);
}

// Uploads that wait for the disk: it is us who are late, and peers who stall do not cost them their place.
TEST(StreamPressureTest, WhoWaitsForUsOutlivesWhoStalls) {
  Crowd crowd({.held_bytes = 8 << 20});
  const auto uploads = PausedUploads(crowd, 40);
  crowd.Run(milliseconds(300));
  EXPECT_GT(crowd.set.held_bytes(), 1u << 20) << "as much as all who stall may hold";
  const auto stalled = crowd.Connect(100, Manner::kClear);
  for (uint16_t number : stalled) {
    crowd.owners[number]->takes_lines = true;
    crowd.clients[number]->text.assign(40'000, 'x');
  }
  crowd.Run(seconds(1));
  EXPECT_GT(crowd.Count(stalled, Evicted), 50);
  EXPECT_EQ(crowd.Count(uploads, Evicted), 0);
}

// Half-received input with progress now and then outlives any number of those who stop in the
// middle.
TEST(StreamPressureTest, AStreamThatGetsSomewhereOutlivesThoseThatDoNot) {
  Crowd crowd({.held_bytes = 2 << 20});
  const uint16_t good = crowd.Connect(Manner::kClear);
  crowd.owners[good]->takes_lines = true;
  crowd.clients[good]->text.clear();
  crowd.Run(milliseconds(50));
  std::string sent;
  int evicted = 0;
  for (int i = 0; i < 60; i++) {
    std::string part(8000, 'g');  // the end of a line, and half of the next
    part[4000] = '\n';
    sent += part;
    crowd.io.PeerSend(crowd.clients[good]->id, part);
    const uint16_t bad = crowd.Connect(Manner::kClear);
    crowd.owners[bad]->takes_lines = true;
    crowd.clients[bad]->text.assign(40'000, 'x');
    crowd.Run(milliseconds(20));
  }
  for (auto& [number, owner] : crowd.owners) evicted += owner->evicted();
  EXPECT_GT(evicted, 40);
  EXPECT_FALSE(crowd.owners[good]->closed);
  EXPECT_EQ(crowd.owners[good]->got, sent.substr(0, sent.rfind('\n') + 1));
}

// All of it at once, with resets, pauses and ends at any moment: each stream ends once, and nothing
// stays counted.
TEST(StreamPressureTest, WhateverHappensNothingStaysCounted) {
  for (uint64_t seed = 1; seed <= 40; seed++) {
    Crowd crowd({.heavy_steps_turn = 2, .held_bytes = 512 << 10}, seed);
    crowd.io.faults.reset_per_million = 3000;
    crowd.io.faults.starve_per_million = 100'000;
    Prng& prng = crowd.io.prng();
    for (int i = 0; i < 40; i++) {
      const auto manner = static_cast<Manner>(prng.Below(4));
      const uint16_t number = crowd.Connect(1, manner)[0];
      Client& client = *crowd.clients[number];
      if (manner == Manner::kClear) client.text.assign(prng.Below(60'000), 'x');
      if (prng.Chance(1, 4)) client.junk.assign(prng.Below(30'000), 'x');
      crowd.owners[number]->pauses = prng.Chance(1, 2);
      crowd.Run(milliseconds(static_cast<int>(prng.Below(60))));
      for (auto& [at, owner] : crowd.owners) {
        if (owner->closed) continue;
        if (prng.Chance(1, 4)) owner->stream.Resume();
        if (prng.Chance(1, 60)) owner->stream.Close();
        if (prng.Chance(1, 60)) owner->stream.Abort();
        if (prng.Chance(1, 60)) crowd.io.PeerFinish(crowd.clients[at]->id);
      }
    }
    crowd.Run(seconds(2));
    EXPECT_LE(crowd.set.held_bytes(), 512u << 10) << seed;
  }
}

// --- one stream and a hostile peer
// ------------------------------------------------------------------

// An owner that answers each piece may stop after any: what one answer costs is bounded by one
// piece.
TEST(StreamPressureTest, HeldInputComesInPieces) {
  Crowd crowd({});
  const uint16_t number = crowd.Connect(Manner::kClear);
  Owner& owner = *crowd.owners[number];
  owner.pauses = true;
  crowd.io.faults.chunk_bytes_max = 60'000;
  crowd.clients[number]->text.assign(400'000, 'x');
  for (int i = 0; i < 3000 && owner.got.size() < 400'000; i++) {
    crowd.Run(milliseconds(1));
    if (owner.stream.paused()) {
      owner.input_bytes_max = 0;
      owner.stream.Resume();
      crowd.set.RunInput();
      EXPECT_LE(owner.input_bytes_max, 16u << 10);
    }
  }
  EXPECT_EQ(owner.got.size(), 400'000u);
}

TEST(StreamPressureTest, APauseAfterAResumeHolds) {
  Crowd crowd({});
  const uint16_t number = crowd.Connect(Manner::kClear);
  Owner& owner = *crowd.owners[number];
  owner.takes_lines = owner.pause_before_tls = true;
  crowd.clients[number]->text = "TLS\n";
  crowd.Run(milliseconds(50));
  ASSERT_TRUE(owner.stream.paused());
  owner.input_bytes_max = 0;
  owner.stream.Resume();
  owner.stream.Pause();
  crowd.Run(milliseconds(50));
  EXPECT_EQ(owner.input_bytes_max, 0u);
  owner.stream.Resume();
  crowd.Run(milliseconds(50));
  EXPECT_EQ(owner.input_bytes_max, 4u);
}

// RFC 3207 section 4.2, by another way: the command was read, but its turn came later.
TEST(StreamPressureTest, WhatWaitedBehindStartTlsIsDroppedToo) {
  Crowd crowd({});
  const uint16_t number = crowd.Connect(Manner::kClear);
  Owner& owner = *crowd.owners[number];
  Client& client = *crowd.clients[number];
  owner.takes_lines = true;
  owner.pause_before_tls = true;
  client.text = "TLS\n";
  crowd.Run(milliseconds(100));
  ASSERT_TRUE(owner.stream.paused());
  crowd.io.PeerSend(client.id, "injected\n");
  crowd.Run(milliseconds(50));
  owner.stream.Resume();
  crowd.Run(milliseconds(50));
  EXPECT_FALSE(owner.closed)
      << "the handshake waits for a ClientHello, it did not see the injected bytes";
  client.manner = Manner::kGood;
  client.text = "hello\n";
  client.StartTls();
  crowd.Run(seconds(1));
  EXPECT_TRUE(owner.secure);
  EXPECT_EQ(owner.got, "hello\n");
}

TEST(StreamPressureTest, AnEndWithinTheHandshakeEndsTheStream) {
  Crowd crowd({});
  const uint16_t number = crowd.Connect(Manner::kStalls);
  crowd.Run(milliseconds(50));
  crowd.io.PeerFinish(crowd.clients[number]->id);
  crowd.Run(milliseconds(50));
  Owner& owner = *crowd.owners[number];
  EXPECT_TRUE(owner.closed);
  EXPECT_EQ(owner.reason, CloseReason::kTls);
  EXPECT_FALSE(owner.ended) << "there was no session that could end";
  EXPECT_EQ(crowd.set.stats().handshakes_failed, 1u);
}

// What the TLS library has on the heap.
ptrdiff_t t_library_bytes = 0;
void* Counted(void* block) {
  if (block != nullptr) t_library_bytes += static_cast<ptrdiff_t>(malloc_usable_size(block));
  return block;
}
void Uncount(void* block) {
  if (block != nullptr) t_library_bytes -= static_cast<ptrdiff_t>(malloc_usable_size(block));
}
void* CountedMalloc(size_t bytes) { return Counted(std::malloc(bytes)); }
void CountedFree(void* block) {
  Uncount(block);
  std::free(block);
}
void* CountedRealloc(void* block, size_t bytes) {
  Uncount(block);
  return Counted(std::realloc(block, bytes));
}

// What a server's channel holds after its flight, and after `answer`.
ptrdiff_t HandshakeHolds(const tls::ServerOptions& server_options,
                         const tls::ClientOptions& client_options, ByteView answer) {
  const auto server_context = *tls::ServerContext::Create(server_options);
  const auto client_context = *tls::ClientContext::Create(client_options);
  tls::Channel client = tls::Channel::Connect(*client_context, {});
  Buffer hello, out;
  ByteView bytes;
  EXPECT_EQ(client.Handshake(bytes, hello), tls::Step::kWantRead);
  t_library_bytes = 0;
  wolfSSL_SetAllocators(CountedMalloc, CountedFree, CountedRealloc);
  tls::Channel server = tls::Channel::Accept(server_context);
  bytes = hello.view();
  tls::Step step;
  do {
    step = server.Handshake(bytes, out);
  } while (step == tls::Step::kReady);
  EXPECT_EQ(step, tls::Step::kWantRead);
  EXPECT_EQ(server.Handshake(answer, out), tls::Step::kWantRead) << server.error_text();
  wolfSSL_SetAllocators(std::malloc, std::free, std::realloc);
  return t_library_bytes;
}

TEST(StreamPressureTest, AnUnfinishedHandshakeHoldsNoMoreThanItCounts) {
  ASSERT_TRUE(tls::Init().ok());
  tls::ServerOptions server;
  server.identities = {*tls::MakeSelfSigned({.names = {"mail.example.net"}})};
  // The first fragment of a message of 18,000 octets, and then a part of a record of full size.
  std::string attack("\x16\x03\x03\x40\x00\x10\x00\x46\x50", 9);
  attack.append((16 << 10) - 4, 'x');
  attack.append("\x16\x03\x03\x40\x00xxx", 8);
  const tls::ClientOptions old = {.parameters = {.versions = tls::Versions::kOnly12}};
  const ptrdiff_t rest12 = HandshakeHolds(server, old, "");
  const ptrdiff_t most12 = HandshakeHolds(server, old, attack);
  const ptrdiff_t rest13 =
      HandshakeHolds(server, {}, "");  // its like needs a client that encrypts the attack
  EXPECT_GT(most12 - rest12, 30'000) << "the attack does not work any more";
  EXPECT_LE(most12, static_cast<ptrdiff_t>(kHandshakeBytes));
  EXPECT_LE(rest13 + (most12 - rest12), static_cast<ptrdiff_t>(kHandshakeBytes));
}

// A client that asks for new keys, which our Channel cannot, so it speaks with the library itself.
class KeyUpdater final : public sim::Remote {
 public:
  explicit KeyUpdater(sim::SimIo& io)
      : io_(io), context_(wolfSSL_CTX_new(wolfTLSv1_3_client_method())) {
    wolfSSL_CTX_set_verify(context_, WOLFSSL_VERIFY_NONE, nullptr);
    wolfSSL_CTX_SetIORecv(context_, [](WOLFSSL*, char* to, int bytes, void* self) {
      std::string& in = static_cast<KeyUpdater*>(self)->in_;
      const size_t given = in.copy(to, static_cast<size_t>(bytes));
      in.erase(0, given);
      return given == 0 ? WOLFSSL_CBIO_ERR_WANT_READ : static_cast<int>(given);
    });
    wolfSSL_CTX_SetIOSend(context_, [](WOLFSSL*, char* from, int bytes, void* self) {
      auto* client = static_cast<KeyUpdater*>(self);
      client->io_.PeerSend(client->id_, ByteView(from, static_cast<size_t>(bytes)));
      return bytes;
    });
    ssl_ = wolfSSL_new(context_);
    wolfSSL_SetIOReadCtx(ssl_, this);
    wolfSSL_SetIOWriteCtx(ssl_, this);
  }
  ~KeyUpdater() override {
    wolfSSL_free(ssl_);
    wolfSSL_CTX_free(context_);
  }
  void OnConnected(sim::PeerId peer) override {
    id_ = peer;
    connected = wolfSSL_connect(ssl_) == WOLFSSL_SUCCESS;
  }
  void OnBytes(sim::PeerId, ByteView bytes) override {
    in_.append(bytes);
    if (!connected) connected = wolfSSL_connect(ssl_) == WOLFSSL_SUCCESS;
  }
  void OnClosed(sim::PeerId, bool) override {}

  void UpdateKeys(int times) {
    for (int i = 0; i < times; i++) ASSERT_EQ(wolfSSL_update_keys(ssl_), WOLFSSL_SUCCESS);
  }
  void Say(ByteView text) { wolfSSL_write(ssl_, text.data(), static_cast<int>(text.size())); }
  bool connected = false;

 private:
  sim::SimIo& io_;
  sim::PeerId id_ = 0;
  std::string in_;
  WOLFSSL_CTX* context_;
  WOLFSSL* ssl_ = nullptr;
};

// Each request for new keys makes the TLS library write an answer, and no owner ever hears of it.
TEST(StreamPressureTest, APeerThatOnlyMakesTlsAnswerIsClosed) {
  const auto server = ServerTls();
  for (const bool hostile : {false, true}) {
    Crowd crowd({});
    KeyUpdater client(crowd.io);
    Owner& owner = crowd.Connect(client);
    owner.takes_lines = true;
    crowd.Run(milliseconds(100));
    ASSERT_TRUE(owner.secure && client.connected);
    for (int i = 0; i < 40; i++) {
      client.UpdateKeys(20);
      if (!hostile) client.Say("data\n");
    }
    crowd.Run(seconds(1));
    EXPECT_EQ(owner.closed, hostile);
    EXPECT_EQ(owner.reason, hostile ? CloseReason::kTls : CloseReason::kOurs);
    EXPECT_EQ(owner.got.size(), hostile ? 0u : 40u * 5);
    owner.stream.Abort();
    crowd.Run(milliseconds(50));
  }
}

}  // namespace
}  // namespace sluice::net
