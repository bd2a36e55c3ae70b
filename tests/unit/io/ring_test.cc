// The ring against the real kernel, with blocking sockets in plain threads as the other side. Each case runs
// with all newer kernel features masked too.
#include "core/io/ring.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/base/buffer.h"
#include "core/io/listen.h"

namespace sluice::io {
namespace {

SockAddr BoundAddress(int fd) {
  sockaddr_storage storage{};
  socklen_t bytes = sizeof storage;
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &bytes);
  return SockAddr(reinterpret_cast<sockaddr*>(&storage));
}

int ConnectBlocking(const SockAddr& address) {
  const int fd = socket(address.family(), SOCK_STREAM, 0);
  timeval timeout{.tv_sec = 20, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  EXPECT_EQ(connect(fd, &address.generic, address.bytes()), 0) << strerror(errno);
  return fd;
}

std::string ReadExactly(int fd, size_t bytes) {
  std::string got(bytes, '\0');
  size_t have = 0;
  while (have < bytes) {
    const ssize_t n = read(fd, got.data() + have, bytes - have);
    if (n <= 0) break;
    have += static_cast<size_t>(n);
  }
  got.resize(have);
  return got;
}

// Echoes what each client sends and closes when it ends.
class EchoServer {
 public:
  explicit EchoServer(Ring& ring) : ring_(ring), accept_(Completes<&EchoServer::OnAccept>, this) {}
  void Listen(int fd) { ring_.Accept(accept_, fd); }
  void Stop() { ring_.Cancel(accept_); }
  size_t open() const { return clients_.size(); }
  std::vector<std::string> peers;
  size_t open_max = 0;

 private:
  struct Client {
    Client(EchoServer& s, Socket k)
        : server(s), socket(k), recv(Completes<&Client::OnRecv>, this), send(Completes<&Client::OnSend>, this) {}
    void OnRecv(const Completion& completion) {
      if (completion.result > 0) {
        out.Append(completion.bytes);
      } else {
        ended = true;
      }
      Flush();
    }
    void OnSend(const Completion& completion) {
      if (completion.result < 0) ended = true;
      sending.Reset();
      Flush();
    }
    void Flush() {
      if (send.in_flight()) return;
      if (!out.empty()) {
        sending.Swap(out);
        server.ring_.Send(send, socket, sending.view());
      } else if (ended && !recv.in_flight()) {
        server.Finish(*this);
      }
    }
    EchoServer& server;
    Socket socket;
    Op recv;
    Op send;
    Buffer out;
    Buffer sending;
    bool ended = false;
  };

  void OnAccept(const Completion& completion) {
    ASSERT_GE(completion.result, 0);
    peers.push_back(completion.peer->ToString());
    clients_.push_back(std::make_unique<Client>(*this, completion.socket));
    open_max = std::max(open_max, clients_.size());
    ring_.Recv(clients_.back()->recv, completion.socket);
  }
  void Finish(Client& client) {
    ring_.Close(client.socket);
    std::erase_if(clients_, [&](const auto& c) { return c.get() == &client; });
  }

  Ring& ring_;
  Op accept_;
  std::list<std::unique_ptr<Client>> clients_;
};

class RingTest : public testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<Ring> MakeRing(RingOptions options = {}) {
    std::vector<std::string> disable;
    if (GetParam()) disable.assign(RingFeatureNames().begin(), RingFeatureNames().end());
    auto features = ProbeRingFeatures(disable);
    EXPECT_TRUE(features.ok()) << features.status();
    options.features = *features;
    auto ring = Ring::Create(options);
    EXPECT_TRUE(ring.ok()) << ring.status();
    const absl::Status enabled = (*ring)->Enable();
    EXPECT_TRUE(enabled.ok()) << enabled;
    return *std::move(ring);
  }
  // Polls until done() or 20 s.
  template <typename F>
  void PollUntil(Ring& ring, F done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "nothing happened";
      ring.Poll(ring.now() + milliseconds(50));
    }
  }
};

TEST_P(RingTest, AcceptsAndEchoesOverIPv4AndIPv6WithThePeersAddress) {
  auto ring = MakeRing();
  for (const char* text : {"127.0.0.1:0", "[::1]:0"}) {
    auto listener = Listen(*SockAddr::Parse(text));
    ASSERT_TRUE(listener.ok()) << listener.status();
    const SockAddr address = BoundAddress(*listener);
    EchoServer server(*ring);
    server.Listen(*listener);
    std::string local;
    std::string answer;
    std::atomic<bool> done = false;
    std::thread client([&] {
      const int fd = ConnectBlocking(address);
      local = BoundAddress(fd).ToString();
      EXPECT_EQ(write(fd, "hello", 5), 5);
      answer = ReadExactly(fd, 5);
      close(fd);
      done = true;
    });
    PollUntil(*ring, [&] { return done && server.open() == 0; });
    client.join();
    EXPECT_EQ(answer, "hello");
    EXPECT_EQ(server.peers, std::vector<std::string>{local});
    server.Stop();
    ring->Poll(ring->now());
    close(*listener);
  }
}

TEST_P(RingTest, WorkThatTakesLongIsAStallAndSleepIsNone) {
  auto ring = MakeRing();
  ring->Poll(ring->now());
  ring->Wait(ring->now() + 2 * Io::kStall);
  const uint64_t before = ring->stats().stalls;  // a busy machine may make its own
  std::this_thread::sleep_for(2 * Io::kStall);
  ring->RunCallbacks();
  EXPECT_EQ(ring->stats().stalls, before);  // told at its end
  ring->Wait(ring->now());
  EXPECT_EQ(ring->stats().stalls, before + 1);
}

TEST_P(RingTest, LackOfReceiveBuffersDelaysButLosesNothing) {
  auto ring = MakeRing({.receive_buffers = 2, .receive_buffer_bytes = 512, .turn_buffers_max = 2});
  auto listener = Listen(*SockAddr::Parse("127.0.0.1:0"));
  const SockAddr address = BoundAddress(*listener);
  EchoServer server(*ring);
  server.Listen(*listener);
  constexpr int kClients = 8;
  constexpr size_t kBytes = 200'000;
  std::atomic<int> done = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; i++) {
    clients.emplace_back([&, i] {
      std::string sent;
      for (size_t k = 0; k < kBytes; k++) sent.push_back(static_cast<char>(i * 31 + k * 7 + k / 251));
      const int fd = ConnectBlocking(address);
      std::thread writer([&] {
        for (size_t at = 0; at < sent.size();) {
          const ssize_t n = write(fd, sent.data() + at, sent.size() - at);
          ASSERT_GT(n, 0);
          at += static_cast<size_t>(n);
        }
      });
      EXPECT_TRUE(ReadExactly(fd, kBytes) == sent);
      writer.join();
      close(fd);
      done++;
    });
  }
  PollUntil(*ring, [&] { return done == kClients && server.open() == 0; });
  for (auto& client : clients) client.join();
  EXPECT_GT(ring->stats().starved + ring->stats().paused, 0u);
  server.Stop();
  ring->Poll(ring->now());
  close(*listener);
}

// Counts what each client sends, takes no notice of it, and answers a question mark.
class Sink {
 public:
  explicit Sink(Ring& ring) : ring_(ring), accept_(Completes<&Sink::OnAccept>, this) {}
  void Listen(int fd) { ring_.Accept(accept_, fd); }
  void Stop() { ring_.Cancel(accept_); }
  size_t open() const { return open_; }
  std::vector<uint64_t> Bytes() const {
    std::vector<uint64_t> bytes;
    for (const auto& client : clients_) bytes.push_back(client->bytes);
    return bytes;
  }
  uint64_t turn_bytes_max = 0;  // of one client

 private:
  struct Client {
    Client(Sink& s, Socket k)
        : sink(s), socket(k), recv(Completes<&Client::OnRecv>, this), send(Completes<&Client::OnSend>, this) {}
    void OnRecv(const Completion& completion) {
      if (completion.result <= 0) {
        sink.open_--;
        return sink.ring_.Close(socket);
      }
      bytes += completion.bytes.size();
      if (turn != sink.ring_.now()) turn_bytes = 0;
      turn = sink.ring_.now();
      turn_bytes += completion.bytes.size();
      sink.turn_bytes_max = std::max(sink.turn_bytes_max, turn_bytes);
      if (completion.bytes == "?") sink.ring_.Send(send, socket, "!");
    }
    void OnSend(const Completion&) {}
    Sink& sink;
    Socket socket;
    Op recv;
    Op send;
    uint64_t bytes = 0;
    MonoTime turn;
    uint64_t turn_bytes = 0;
  };
  void OnAccept(const Completion& completion) {
    clients_.push_back(std::make_unique<Client>(*this, completion.socket));
    open_++;
    ring_.Recv(clients_.back()->recv, completion.socket);
  }
  Ring& ring_;
  Op accept_;
  size_t open_ = 0;
  std::vector<std::unique_ptr<Client>> clients_;
};

// Takes all that comes to one connection until told to cancel.
class OneReceiver {
 public:
  explicit OneReceiver(Ring& ring)
      : ring_(ring), accept_(Completes<&OneReceiver::OnAccept>, this), recv_(Completes<&OneReceiver::OnRecv>, this) {}
  void Listen(int fd) { ring_.Accept(accept_, fd); }
  void Cancel() { ring_.Cancel(recv_); }
  void Close() {
    ring_.Close(socket_);
    ring_.Cancel(accept_);
  }
  size_t bytes = 0;
  int last_result = 0;
  int ends = 0;

 private:
  void OnAccept(const Completion& completion) {
    socket_ = completion.socket;
    ring_.Recv(recv_, socket_);
  }
  void OnRecv(const Completion& completion) {
    bytes += completion.bytes.size();
    last_result = completion.result;
    if (completion.result <= 0) ends++;
  }
  Ring& ring_;
  Op accept_;
  Op recv_;
  Socket socket_;
};

TEST_P(RingTest, AReceiveCancelledWhileItWaitsForABufferEndsOnce) {
  auto ring = MakeRing({.receive_buffers = 2, .receive_buffer_bytes = 512, .turn_buffers_max = 2});
  auto listener = Listen(*SockAddr::Parse("127.0.0.1:0"));
  OneReceiver receiver(*ring);
  receiver.Listen(*listener);
  const int fd = ConnectBlocking(BoundAddress(*listener));
  const std::string block(100'000, 'x');
  EXPECT_EQ(write(fd, block.data(), block.size()), static_cast<ssize_t>(block.size()));
  // Its buffers are used up in each of these turns, so that it is at rest after the last.
  PollUntil(*ring, [&] { return receiver.bytes >= 2048; });
  receiver.Cancel();
  PollUntil(*ring, [&] { return receiver.ends > 0; });
  EXPECT_EQ(receiver.last_result, -ECANCELED);
  ring->Poll(ring->now());
  EXPECT_EQ(receiver.ends, 1);
  receiver.Close();
  ring->Poll(ring->now());
  close(fd);
  close(*listener);
}

// Fewer buffers are provided as they come back, and more at once.
TEST_P(RingTest, ReceiveBuffersAreWithheldAndGivenAgain) {
  auto ring = MakeRing({.receive_buffers = 16, .receive_buffer_bytes = 512, .sockets_max = 64});
  auto listener = Listen(*SockAddr::Parse("127.0.0.1:0"));
  OneReceiver receiver(*ring);
  receiver.Listen(*listener);
  const int fd = ConnectBlocking(BoundAddress(*listener));
  const auto most_of_a_turn = [&] {  // what one turn receives at most, of plenty
    size_t most = 0;
    for (int i = 0; i < 20; i++) {
      const std::string block(16 * 512, 'x');
      EXPECT_EQ(write(fd, block.data(), block.size()), static_cast<ssize_t>(block.size()));
      const size_t wanted = receiver.bytes + block.size();
      PollUntil(*ring, [&, before = receiver.bytes]() mutable {
        most = std::max(most, receiver.bytes - before);
        before = receiver.bytes;
        return receiver.bytes >= wanted;
      });
    }
    return most;
  };
  EXPECT_EQ(most_of_a_turn(), 16u * 512);
  ring->TuneReceive({.buffers = 3, .turn_buffers = 255});
  most_of_a_turn();  // as they come back
  EXPECT_EQ(most_of_a_turn(), 3u * 512);
  EXPECT_EQ(ring->stats().receive_buffers, 3u);
  ring->TuneReceive({.buffers = 16, .turn_buffers = 4});
  ring->Poll(ring->now());
  EXPECT_LE(most_of_a_turn(), 16u * 512);
  EXPECT_GT(ring->stats().paused, 0u);
  ring->TuneReceive({.buffers = 16, .turn_buffers = 255});
  EXPECT_EQ(most_of_a_turn(), 16u * 512);
  receiver.Cancel();
  PollUntil(*ring, [&] { return receiver.ends > 0; });
  receiver.Close();
  ring->Poll(ring->now());
  close(fd);
  close(*listener);
}

// Accepts on one ring, passes each connection to another, whose thread answers what it was sent.
class Passer {
 public:
  Passer(Ring& from, Ring& to) : from_(from), to_(to), accept_(Completes<&Passer::OnAccept>, this) {}
  void Listen(int fd) { from_.Accept(accept_, fd); }
  void Stop() { from_.Cancel(accept_); }
  int passed = 0;
  int failed = 0;

 private:
  struct Client {
    explicit Client(Passer& p) : passer(p), pass(Completes<&Client::OnPassed>, this), send(Completes<&Client::OnSent>, this) {}
    void OnPassed(const Completion& completion) {
      if (completion.result < 0) {
        passer.failed++;
        return passer.from_.Send(send, socket, "here");
      }
      passer.passed++;
      ring = &passer.to_;
      socket = completion.socket;
      ring->Adopt(socket);  // as its thread would: the tests have one
      ring->Send(send, socket, "there");
    }
    void OnSent(const Completion&) { ring->Close(socket); }
    Passer& passer;
    Ring* ring = &passer.from_;
    Socket socket;
    Op pass;
    Op send;
  };
  void OnAccept(const Completion& completion) {
    clients_.push_back(std::make_unique<Client>(*this));
    clients_.back()->socket = completion.socket;
    from_.Pass(clients_.back()->pass, completion.socket, to_);
  }
  Ring& from_;
  Ring& to_;
  Op accept_;
  std::vector<std::unique_ptr<Client>> clients_;
};

// Into tables of 4 slots: when they are full the connection is still where it was.
TEST_P(RingTest, AConnectionIsPassedToAnotherRingOrStays) {
  auto from = MakeRing();
  auto to = MakeRing({.sockets_max = 12, .table_max = 4});
  ASSERT_EQ(to->rings(), 3u);
  auto listener = Listen(*SockAddr::Parse("127.0.0.1:0"));
  const SockAddr address = BoundAddress(*listener);
  Passer passer(*from, *to);
  passer.Listen(*listener);
  constexpr int kClients = 40;
  for (int i = 0; i < kClients; i++) {
    const int fd = ConnectBlocking(address);
    PollUntil(*from, [&] {
      to->Poll(to->now());
      return passer.passed + passer.failed == i + 1;
    });
    std::string answer;
    PollUntil(*from, [&] {
      to->Poll(to->now());
      char text[8];
      const ssize_t n = recv(fd, text, sizeof text, MSG_DONTWAIT);
      if (n > 0) answer.append(text, static_cast<size_t>(n));
      return n == 0;
    });
    EXPECT_EQ(answer, "there");
    close(fd);
  }
  EXPECT_EQ(passer.passed, kClients);
  for (int turn = 0; turn < 3; turn++) {
    from->Poll(from->now());
    to->Poll(to->now());
  }
  EXPECT_EQ(from->stats().sockets, 0u);
  EXPECT_EQ(to->stats().sockets, 0u);
  passer.Stop();
  from->Poll(from->now());
  close(*listener);
}

// A table that is full, held by connections that nobody answers.
TEST_P(RingTest, AConnectionStaysWhereTheOtherTableIsFull) {
  auto from = MakeRing();
  auto to = MakeRing({.sockets_max = 4, .table_max = 4});
  auto listener = Listen(*SockAddr::Parse("127.0.0.1:0"));
  const SockAddr address = BoundAddress(*listener);
  Passer passer(*from, *to);
  passer.Listen(*listener);
  std::vector<int> clients;
  for (int i = 0; i < 6; i++) {
    clients.push_back(ConnectBlocking(address));
    PollUntil(*from, [&] { return passer.passed + passer.failed == i + 1; });  // `to` does not move
  }
  EXPECT_EQ(passer.passed, 4);
  EXPECT_EQ(passer.failed, 2);
  for (int i = 0; i < 6; i++) {
    const std::string expected = i < 4 ? "there" : "here";
    std::string answer;
    PollUntil(*from, [&] {
      to->Poll(to->now());
      char text[8];
      const ssize_t n = recv(clients[static_cast<size_t>(i)], text, sizeof text, MSG_DONTWAIT);
      if (n > 0) answer.append(text, static_cast<size_t>(n));
      return n == 0;
    });
    EXPECT_EQ(answer, expected);
    close(clients[static_cast<size_t>(i)]);
  }
  passer.Stop();
  from->Poll(from->now());
  close(*listener);
}

// A MiB of buffers goes round at first, which are 16 here; when a turn needs more, more do.
TEST_P(RingTest, MoreReceiveBuffersGoRoundWhereTheyAreNeeded) {
  auto ring = MakeRing({.receive_buffers = 256, .receive_buffer_bytes = 64 << 10});
  auto listener = Listen(*SockAddr::Parse("127.0.0.1:0"));
  Sink sink(*ring);
  sink.Listen(*listener);
  constexpr size_t kClients = 200;  // over the rings inside
  std::vector<int> fds;
  while (fds.size() < kClients) fds.push_back(ConnectBlocking(BoundAddress(*listener)));
  PollUntil(*ring, [&] { return sink.open() == kClients; });
  ring->Poll(ring->now());  // the receives are armed
  uint64_t sent = 0;
  const auto all_send = [&] {  // how many found no buffer
    const uint64_t before = ring->stats().starved;
    for (const int fd : fds) EXPECT_EQ(write(fd, "x", 1), 1);
    sent++;
    PollUntil(*ring, [&] {
      const std::vector<uint64_t> bytes = sink.Bytes();
      return *std::min_element(bytes.begin(), bytes.end()) == sent;
    });
    return ring->stats().starved - before;
  };
  EXPECT_GT(all_send(), 0u);
  all_send();
  all_send();
  EXPECT_EQ(all_send(), 0u);
  for (const int fd : fds) close(fd);
  PollUntil(*ring, [&] { return sink.open() == 0; });
  sink.Stop();
  ring->Poll(ring->now());
  close(*listener);
}

// Eight clients send as fast as they can, with buffers for two of them: each gets its share, and one that comes later
// and wants little is accepted and answered all the same.
TEST_P(RingTest, GreedyClientsStarveNobody) {
  auto ring = MakeRing({.receive_buffers = 8, .receive_buffer_bytes = 4096, .turn_buffers_max = 4});
  auto listener = Listen(*SockAddr::Parse("127.0.0.1:0"));
  const SockAddr address = BoundAddress(*listener);
  Sink sink(*ring);
  sink.Listen(*listener);
  constexpr int kGreedy = 8;
  std::atomic<bool> stop = false;
  std::vector<std::thread> clients;
  for (int i = 0; i < kGreedy; i++) {
    clients.emplace_back([&] {
      const std::string block(256 << 10, 'x');
      const int fd = ConnectBlocking(address);
      while (!stop && write(fd, block.data(), block.size()) > 0) {
      }
      close(fd);
    });
  }
  const auto all_send = [&] {
    const auto bytes = sink.Bytes();
    return bytes.size() == kGreedy && *std::min_element(bytes.begin(), bytes.end()) > (1 << 20);
  };
  PollUntil(*ring, all_send);
  const std::vector<uint64_t> before = sink.Bytes();
  std::atomic<bool> answered = false;
  clients.emplace_back([&] {
    const int fd = ConnectBlocking(address);
    for (int i = 0; i < 200; i++) {
      EXPECT_EQ(write(fd, "?", 1), 1);
      EXPECT_EQ(ReadExactly(fd, 1), "!");
    }
    close(fd);
    answered = true;
  });
  const auto share = [&](int i) { return sink.Bytes()[static_cast<size_t>(i)] - before[static_cast<size_t>(i)]; };
  PollUntil(*ring, [&] { return answered && share(0) > (8 << 20); });
  for (int i = 1; i < kGreedy; i++) {
    EXPECT_GT(share(i), share(0) / 8);
    EXPECT_LT(share(i), share(0) * 8);
  }
  EXPECT_LE(sink.turn_bytes_max, 8u * 4096) << "what there are buffers for";
  EXPECT_GT(ring->stats().starved, 0u);
  EXPECT_GT(ring->stats().paused, 0u);
  stop = true;
  PollUntil(*ring, [&] { return sink.open() == 0; });
  for (auto& client : clients) client.join();
  sink.Stop();
  ring->Poll(ring->now());
  close(*listener);
}

// A thread can register the descriptors of 16 rings.
TEST_P(RingTest, HasMoreRingsInsideThanItCanRegister) {
  auto ring = MakeRing({.receive_buffers = 16, .sockets_max = 160, .table_max = 8});
  ASSERT_EQ(ring->rings(), 20u);
  auto listener = Listen(*SockAddr::Parse("127.0.0.1:0"));
  Sink sink(*ring);
  sink.Listen(*listener);
  std::vector<int> fds;
  while (fds.size() < 150) fds.push_back(ConnectBlocking(BoundAddress(*listener)));
  PollUntil(*ring, [&] { return sink.open() == fds.size(); });
  for (const int fd : fds) EXPECT_EQ(write(fd, "x", 1), 1);
  PollUntil(*ring, [&] {
    const std::vector<uint64_t> bytes = sink.Bytes();
    return std::all_of(bytes.begin(), bytes.end(), [](uint64_t each) { return each == 1; });
  });
  for (const int fd : fds) close(fd);
  PollUntil(*ring, [&] { return sink.open() == 0; });
  sink.Stop();
  ring->Poll(ring->now());
  close(*listener);
}

// 40 clients, tables of 8 slots, room for 24 in all: three rings inside. The others wait in the backlog and
// are served when somebody leaves; nobody is dropped.
TEST_P(RingTest, FurtherRingsInsideAndNobodyDroppedWhenAllAreFull) {
  auto ring = MakeRing({.receive_buffers = 16, .sockets_max = 24, .table_max = 8});
  ASSERT_EQ(ring->rings(), 3u);
  auto listener = Listen(*SockAddr::Parse("127.0.0.1:0"));
  const SockAddr address = BoundAddress(*listener);
  EchoServer server(*ring);
  server.Listen(*listener);
  constexpr int kClients = 40;
  std::atomic<int> done = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; i++) {
    clients.emplace_back([&, i] {
      const std::string text = "client " + std::to_string(i);
      const int fd = ConnectBlocking(address);
      EXPECT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
      EXPECT_EQ(ReadExactly(fd, text.size()), text);
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      EXPECT_EQ(write(fd, "again", 5), 5);
      EXPECT_EQ(ReadExactly(fd, 5), "again");
      close(fd);
      done++;
    });
  }
  PollUntil(*ring, [&] { return done == kClients && server.open() == 0; });
  for (auto& client : clients) client.join();
  EXPECT_LE(server.open_max, 24u);
  EXPECT_GT(server.open_max, 8u) << "further rings were used";
  EXPECT_EQ(ring->stats().sockets, 0u);
  server.Stop();
  ring->Poll(ring->now());
  close(*listener);
}

struct Waiting {
  Waiting() : op(Completes<&Waiting::OnDone>, this) {}
  void OnDone(const Completion& c) {
    count++;
    result = c.result;
    socket = c.socket;
    bytes.append(c.bytes);
  }
  Op op;
  int count = 0;
  int result = 1 << 30;
  Socket socket;
  std::string bytes;
};

TEST_P(RingTest, ConnectsSendsReceivesAndCancels) {
  auto ring = MakeRing();
  const int listener = *Listen(*SockAddr::Parse("127.0.0.1:0"));
  const SockAddr address = BoundAddress(listener);
  std::thread peer([&] {
    const int fd = accept(listener, nullptr, nullptr);
    EXPECT_EQ(ReadExactly(fd, 4), "ping");
    EXPECT_EQ(write(fd, "pong", 4), 4);
    char byte;
    EXPECT_EQ(read(fd, &byte, 1), 0) << "closed by us";
    close(fd);
  });
  Waiting connect;
  ring->Connect(connect.op, address);
  PollUntil(*ring, [&] { return connect.count == 1; });
  ASSERT_EQ(connect.result, 0);
  Waiting recv;
  Waiting send;
  ring->Recv(recv.op, connect.socket);
  ring->Send(send.op, connect.socket, "ping");
  PollUntil(*ring, [&] { return send.count == 1 && recv.bytes == "pong"; });
  EXPECT_EQ(send.result, 4);
  EXPECT_TRUE(recv.op.in_flight()) << "goes on until it is ended";
  ring->Cancel(recv.op);
  PollUntil(*ring, [&] { return !recv.op.in_flight(); });
  EXPECT_EQ(recv.result, -ECANCELED);
  ring->Close(connect.socket);
  ring->Poll(ring->now());
  peer.join();
  close(listener);

  Waiting refused;  // nobody listens there any more
  ring->Connect(refused.op, address);
  PollUntil(*ring, [&] { return refused.count == 1; });
  EXPECT_EQ(refused.result, -ECONNREFUSED);
  ring->Poll(ring->now());
  EXPECT_EQ(ring->stats().sockets, 0u);
}

TEST_P(RingTest, ConnectsToUnixSockets) {
  auto ring = MakeRing();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/tmp/ring_test.%d", getpid());
  unlink(address.sun_path);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << strerror(errno);
  ASSERT_EQ(listen(listener, 1), 0);
  Waiting connect;
  ring->ConnectUnix(connect.op, address);
  PollUntil(*ring, [&] { return connect.count == 1; });
  ASSERT_EQ(connect.result, 0);
  const int peer = accept(listener, nullptr, nullptr);
  Waiting recv;
  Waiting send;
  ring->Recv(recv.op, connect.socket);
  ring->Send(send.op, connect.socket, "ping");
  EXPECT_EQ(write(peer, "pong", 4), 4);
  PollUntil(*ring, [&] { return send.count == 1 && recv.bytes == "pong"; });
  EXPECT_EQ(ReadExactly(peer, 4), "ping");
  close(peer);
  PollUntil(*ring, [&] { return !recv.op.in_flight(); });
  EXPECT_EQ(recv.result, 0);
  ring->Close(connect.socket);
  close(listener);

  Waiting refused;  // nobody listens there any more
  ring->ConnectUnix(refused.op, address);
  PollUntil(*ring, [&] { return refused.count == 1; });
  EXPECT_EQ(refused.result, -ECONNREFUSED);
  unlink(address.sun_path);
  Waiting missing;
  ring->ConnectUnix(missing.op, address);
  PollUntil(*ring, [&] { return missing.count == 1; });
  EXPECT_EQ(missing.result, -ENOENT);
  ring->Poll(ring->now());
  EXPECT_EQ(ring->stats().sockets, 0u);
}

TEST_P(RingTest, ShutdownEndsOneDirectionOnly) {
  auto ring = MakeRing();
  const int listener = *Listen(*SockAddr::Parse("127.0.0.1:0"));
  const SockAddr address = BoundAddress(listener);
  std::thread peer([&] {
    const int fd = accept(listener, nullptr, nullptr);
    char byte;
    EXPECT_EQ(read(fd, &byte, 1), 0);
    EXPECT_EQ(write(fd, "still there", 11), 11);
    close(fd);
  });
  Waiting connect;
  ring->Connect(connect.op, address);
  PollUntil(*ring, [&] { return connect.count == 1; });
  ASSERT_EQ(connect.result, 0);
  ring->Shutdown(connect.socket);
  Waiting recv;
  ring->Recv(recv.op, connect.socket);
  PollUntil(*ring, [&] { return !recv.op.in_flight(); });
  EXPECT_EQ(recv.result, 0);
  EXPECT_EQ(recv.bytes, "still there");
  ring->Close(connect.socket);
  peer.join();
  close(listener);
}

TEST(ListenTest, WhereSomebodyListensIsNotFree) {
  const auto any = Listen(*SockAddr::Parse("127.0.0.1:0"));
  ASSERT_TRUE(any.ok()) << any.status();
  const SockAddr address = BoundAddress(*any);
  const auto beside = Listen(address);
  EXPECT_TRUE(beside.ok()) << "another shard's: " << beside.status();
  EXPECT_THAT(CheckFree(address, milliseconds(60)).message(),
              testing::HasSubstr("another server has this address"));
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(connect(client, &address.generic, address.bytes()), 0);
  pollfd waiting[] = {{*any, POLLIN, 0}, {*beside, POLLIN, 0}};
  ASSERT_EQ(poll(waiting, 2, 10'000), 1);
  const int accepted = accept(waiting[0].revents != 0 ? *any : *beside, nullptr, nullptr);
  close(*any);
  close(*beside);
  EXPECT_TRUE(CheckFree(address, Duration::zero()).ok())
      << "only a connection is left of who listened";
  close(accepted);
  close(client);
}

TEST_P(RingTest, ConnectsFromAGivenAddress) {
  if (GetParam() || !ProbeRingFeatures({})->bind) GTEST_SKIP() << "masked, or the kernel cannot";
  auto ring = MakeRing();
  const struct {
    const char* listen;
    const char* source;
  } cases[] = {{"127.0.0.1:0", "127.0.0.1:0"}, {"127.0.0.1:0", "127.1.2.3:0"}, {"[::1]:0", "[::1]:0"}};
  for (const auto& c : cases) {
    const int listener = *Listen(*SockAddr::Parse(c.listen));
    const SockAddr address = BoundAddress(listener);
    const SockAddr source = *SockAddr::Parse(c.source);
    Waiting connect;
    ring->Connect(connect.op, address, &source);
    PollUntil(*ring, [&] { return connect.count == 1; });
    ASSERT_EQ(connect.result, 0) << c.source;
    SockAddr peer;
    socklen_t bytes = sizeof peer;
    const int fd = accept(listener, &peer.generic, &bytes);
    EXPECT_EQ(peer.ip(), source.ip());
    EXPECT_NE(peer.port(), 0);
    ring->Close(connect.socket);
    close(fd);
    close(listener);
  }
  const SockAddr nowhere = *SockAddr::Parse("127.0.0.1:1");
  const SockAddr foreign = *SockAddr::Parse("192.0.2.1:0");
  Waiting refused;
  ring->Connect(refused.op, nowhere, &foreign);
  PollUntil(*ring, [&] { return refused.count == 1; });
  EXPECT_EQ(refused.result, -EADDRNOTAVAIL);
  ring->Poll(ring->now());
  EXPECT_EQ(ring->stats().sockets, 0u);
}

TEST_P(RingTest, WritesDurablyByEitherMethodAndReadsBack) {
  auto ring = MakeRing();
  char path[] = "/tmp/sluice-ring-test-XXXXXX";
  const int fd = mkstemp(path);
  unlink(path);
  const std::string block(8192, 'x');
  uint64_t offset = 0;
  for (Io::Sync sync : {Io::Sync::kNone, Io::Sync::kDsync, Io::Sync::kFdatasync}) {
    Waiting write;
    ring->WriteFile(write.op, fd, offset, block, sync);
    PollUntil(*ring, [&] { return write.count == 1; });
    EXPECT_EQ(write.result, 8192);
    offset += block.size();
  }
  std::string back(block.size(), '\0');
  Waiting read;
  ring->ReadFile(read.op, fd, 8192, back);
  PollUntil(*ring, [&] { return read.count == 1; });
  EXPECT_EQ(back, block);
  close(fd);
  Waiting failed;  // the error of the write is told, not the cancelled sync behind it
  ring->WriteFile(failed.op, fd, 0, block, Io::Sync::kFdatasync);
  PollUntil(*ring, [&] { return failed.count == 1; });
  EXPECT_EQ(failed.result, -EBADF);
}

TEST_P(RingTest, WakeEndsASleepFromAnotherThread) {
  auto ring = MakeRing();
  ring->Poll(ring->now());
  std::thread waker([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ring->Wake();
  });
  const auto start = std::chrono::steady_clock::now();
  ring->Poll(ring->now() + seconds(20));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  waker.join();
  ring->Wake();
  ring->Wake();
  ring->Poll(ring->now() + seconds(20));
}

TEST_P(RingTest, ATimeLongPastIsNoSleep) {
  auto ring = MakeRing();
  std::thread waker([&] {
    std::this_thread::sleep_for(std::chrono::seconds(2));
    ring->Wake();
  });
  const auto began = std::chrono::steady_clock::now();
  ring->Poll(MonoTime::min());
  ring->Poll(MonoTime());
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
  waker.join();
}

INSTANTIATE_TEST_SUITE_P(Features, RingTest, testing::Bool(),
                         [](const auto& test) { return test.param ? "Masked" : "All"; });

TEST(RingFeaturesTest, UnknownNamesAreRefusedByName) {
  const std::vector<std::string> disable = {"warp"};
  const auto features = ProbeRingFeatures(disable);
  ASSERT_FALSE(features.ok());
  EXPECT_NE(features.status().message().find("\"warp\""), std::string::npos);
}

}  // namespace
}  // namespace sluice::io
