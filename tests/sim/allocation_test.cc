// The commands of an established session ask for no memory: not in the session, the connection, the stream, nor the
// shard's turn. This program's malloc counts while the shard runs, over an Io and a disk that allocate nothing
// themselves.
//
//   SLUICE_ALLOCATIONS=1   says on standard error from where each came that was counted
#include <execinfo.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/base64.h"
#include "core/server/shard.h"
#include "tests/sim/sim_mail.h"
#include "tls/channel.h"
#include "tls/hooks.h"
#include "tls/self_signed.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)

namespace {

bool counting = false;
size_t allocations = 0;

void Count() {
  if (!counting) return;
  counting = false;
  allocations++;
  if (std::getenv("SLUICE_ALLOCATIONS") != nullptr) {
    void* callers[24];
    backtrace_symbols_fd(callers, backtrace(callers, 24), 2);
    (void)!write(2, "\n", 1);
  }
  counting = true;
}

}  // namespace

extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void* malloc(size_t bytes) {
  Count();
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  Count();
  return __libc_calloc(count, bytes);
}
void* realloc(void* memory, size_t bytes) {
  Count();
  return __libc_realloc(memory, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  Count();
  return __libc_memalign(alignment, bytes);
}
}

namespace sluice::sim {
namespace {

// One client, and completions in the order in which they were asked for.
class LeanIo final : public io::Io {
 public:
  LeanIo() : Io(MonoTime(seconds(1000))) { Wait(now()); }

  // --- the client ---
  void Arrive() { arriving_ = true; }
  void Send(ByteView bytes) {
    CHECK(bytes.size() <= to_shard_.size());
    std::copy(bytes.begin(), bytes.end(), to_shard_.begin());
    input_ = ByteView(to_shard_.data(), bytes.size());
  }
  bool idle() const { return input_.empty() && sending_.empty(); }
  std::string TakeOutput() {
    std::string output(to_client_.data(), output_);
    output_ = 0;
    return output;
  }

  // --- Io ---
  void Accept(io::Op& op, int) override { Begin(accept_, op); }
  void Connect(io::Op&, const SockAddr&, const SockAddr*) override { CHECK(!"nobody is connected to"); }
  void ConnectUnix(io::Op&, const sockaddr_un&) override { CHECK(!"nobody is connected to"); }
  void Recv(io::Op& op, io::Socket) override { Begin(recv_, op); }
  void Send(io::Op& op, io::Socket, ByteView bytes) override {
    Begin(send_, op);
    sending_ = bytes;
  }
  void Cancel(io::Op& op) override {
    if (&op == recv_) recv_cancelled_ = true;
  }
  void Pass(io::Op&, io::Socket, Io&) override { CHECK(!"there is no other shard"); }
  void Adopt(io::Socket) override {}
  void Shutdown(io::Socket) override {}
  void Close(io::Socket) override {}
  void WriteFile(io::Op&, int, uint64_t, ByteView, Sync) override { CHECK(!"a Device"); }
  void ReadFile(io::Op&, int, uint64_t, MutableBytes) override { CHECK(!"a Device"); }
  void Wake() override {}
  void Wait(MonoTime) override {
    const MonoTime next = now() + milliseconds(1);
    set_now(next,
            WallFromMillis(1'800'000'000'000 + std::chrono::duration_cast<milliseconds>(next - MonoTime()).count()));
  }
  int RunCallbacks() override {
    if (std::exchange(arriving_, false)) {
      accept_->Complete({.socket = io::Socket(1), .peer = &peer_});
    }
    if (send_ != nullptr) {
      CHECK(output_ + sending_.size() <= to_client_.size());
      std::copy(sending_.begin(), sending_.end(), to_client_.begin() + static_cast<ptrdiff_t>(output_));
      output_ += sending_.size();
      const auto sent = static_cast<int32_t>(sending_.size());
      sending_ = {};
      End(send_, {.result = sent});
    }
    if (recv_ != nullptr && recv_cancelled_) {
      recv_cancelled_ = false;
      End(recv_, {.result = -ECANCELED});
    } else if (recv_ != nullptr && !input_.empty()) {
      const ByteView bytes = std::exchange(input_, {});
      recv_->Complete({.result = static_cast<int32_t>(bytes.size()), .bytes = bytes});
    }
    timers().Advance(now());
    return 1;
  }

  // The shard is about to go.
  void Leave() {
    for (io::Op* op : {accept_, recv_, send_}) {
      if (op != nullptr) op->set_token(0);
    }
  }

 private:
  static void Begin(io::Op*& slot, io::Op& op) {
    CHECK(slot == nullptr && !op.in_flight());
    slot = &op;
    op.set_token(1);
  }
  static void End(io::Op*& slot, const io::Completion& completion) {
    io::Op& op = *std::exchange(slot, nullptr);
    op.set_token(0);
    op.Complete(completion);
  }

  const SockAddr peer_ = *SockAddr::Parse("192.0.2.7:1024");
  bool arriving_ = false;
  bool recv_cancelled_ = false;
  io::Op* accept_ = nullptr;
  io::Op* recv_ = nullptr;
  io::Op* send_ = nullptr;
  ByteView input_;
  ByteView sending_;
  size_t output_ = 0;
  std::array<char, 65536> to_shard_{};
  std::array<char, 65536> to_client_{};
};

// Takes everything and keeps nothing.
class LeanDevice final : public queue::Device {
 public:
  LeanDevice() { asked_.reserve(64); }
  uint64_t segment_bytes() const override { return 64 << 20; }
  void Write(uint32_t, uint64_t, ByteView bytes, queue::DeviceOp& op) override {
    Ask(op, static_cast<int>(bytes.size()));
  }
  void Read(uint32_t, uint64_t, MutableBytes, queue::DeviceOp& op) override { Ask(op, -EIO); }
  void Prepare(uint32_t, queue::DeviceOp& op) override { Ask(op, 0); }
  void Remove(uint32_t, queue::DeviceOp& op) override { Ask(op, 0); }
  absl::StatusOr<std::vector<queue::SegmentFile>> List() override { return std::vector<queue::SegmentFile>(); }
  absl::Status ReadNow(uint32_t, uint64_t, MutableBytes) override { return absl::NotFoundError(""); }
  absl::Status PrepareNow(uint32_t) override { return absl::OkStatus(); }
  absl::Status SetAsideNow(uint32_t, uint64_t, uint64_t, ByteView) override { return absl::OkStatus(); }

  void RunAll() {
    for (size_t i = 0; i < asked_.size(); i++) {
      const auto [op, result] = asked_[i];
      op->in_flight = false;
      op->done(*op, result);
    }
    asked_.clear();
  }

 private:
  void Ask(queue::DeviceOp& op, int result) {
    op.in_flight = true;
    asked_.emplace_back(&op, result);
  }
  std::vector<std::pair<queue::DeviceOp*, int>> asked_;
};

class AllocationTest : public ::testing::TestWithParam<bool> {
 protected:
  AllocationTest()
      : verifier_(
            [this](const auth::VerifyToken& token, auth::Verdict verdict) { shard_->PostVerdict(token, verdict); }) {
    options_.hostname = "submit.example.net";
    options_.shards = 1;
    server::ListenerOptions listener;
    listener.address = *SockAddr::Parse("127.0.0.1:1587");
    listener.mode = tls() ? server::ListenerMode::kImplicit : server::ListenerMode::kPlain;
    listener.mechanisms = listener.mechanisms_clear = {"PLAIN"};
    options_.listener.push_back(listener);
    options_.relay.discard = true;
    options_.limits.sessions = 8;
    options_.limits.errors = 10'000;
    options_.auth.remember_entries = 64;
    server::ShardParts parts;
    parts.options = &options_;
    parts.io = &io_;
    parts.spool_id.fill('s');
    parts.spools = {{0, &device_}};
    parts.store = &store_;
    parts.verifier = &verifier_;
    parts.remember_key = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
    parts.decoy_key = parts.remember_key;
    parts.listener_fds = {3};
    shard_ = std::make_unique<server::Shard>(std::move(parts));
    if (tls()) {
      CHECK(tls::Init().ok());
      server::TlsContexts contexts;
      contexts.servers = {*tls::ServerContext::Create(
          {.identities = {*tls::MakeSelfSigned({.names = {"submit.example.net"}})}})};
      shard_->SetTls(std::move(contexts));
      client_context_ = *tls::ClientContext::Create({});
      channel_ = tls::Channel::Connect(*client_context_, {});
    }
    std::vector<std::string> report;
    CHECK(shard_->Recover({io_.now(), io_.wall_now()}, report).ok());
    shard_->Start();
    io_.Arrive();
    if (tls()) Handshake();
    Say("");
    Say("EHLO client.example\r\n");
    ExpectStart(Say("AUTH PLAIN " + Base64Encode(std::string("\0ann@example.net\0correct horse", 30)) + "\r\n"), "235");
  }
  ~AllocationTest() override {
    io_.Leave();
    device_.RunAll();
  }

  static void ExpectStart(const std::string& text, const std::string& start) {
    EXPECT_EQ(text.substr(0, start.size()), start);
  }
  bool tls() const { return GetParam(); }

  // Turns of the shard, counted, until nothing is left to do.
  void Run() {
    for (int turn = 0; turn < 8; turn++) {
      counting = true;
      shard_->Turn(seconds(1));
      device_.RunAll();
      counting = false;
      if (verifier_.Pending()) verifier_.RunOne();
    }
    ASSERT_TRUE(io_.idle());
  }

  void Handshake() {
    std::string input;
    Buffer out;
    while (!channel_.handshake_done()) {
      ByteView cipher = input;
      ASSERT_NE(channel_.Handshake(cipher, out), tls::Step::kFailed);
      received_ = cipher;  // the greeting comes with the server's flight
      io_.Send(out.view());
      out.Clear();
      Run();
      input = io_.TakeOutput();
    }
    received_ += input;
  }

  // What the client sends, in one piece, and what comes back.
  std::string Say(const std::string& text) {
    Buffer out;
    if (!tls()) {
      io_.Send(text);
    } else if (!text.empty()) {
      CHECK(channel_.Write(text, out));
      io_.Send(out.view());
    }
    Run();
    received_ += io_.TakeOutput();
    if (!tls()) return std::exchange(received_, {});
    std::string plain;
    char part[4096];
    ByteView cipher = received_;
    for (;;) {
      const tls::ReadResult result = channel_.Read(cipher, part, out);
      if (result.status != tls::ReadStatus::kPlain) break;
      plain.append(part, result.bytes);
    }
    received_.clear();
    return plain;
  }

  // How many allocations the shard makes of it, when it has done the same often before.
  size_t Allocations(const std::string& text, const std::string& replies) {
    for (int i = 0; i < 50; i++) Say(text);
    const size_t before = allocations;
    const std::string said = Say(text);
    const size_t made = allocations - before;
    EXPECT_EQ(said.substr(0, replies.size()), replies);
    return made;
  }

  server::Options options_;
  OneUserStore store_;
  LeanIo io_;
  LeanDevice device_;
  SimVerifier verifier_;
  std::shared_ptr<tls::ClientContext> client_context_;
  tls::Channel channel_;
  std::string received_;
  std::unique_ptr<server::Shard> shard_;
};

// wolfSSL takes two buffers a turn, one for the record read and one for the record written, and gives them back at
// once.
constexpr size_t kOfTls = 2;

TEST_P(AllocationTest, CommandsAskForNoMemory) {
  const size_t expected = tls() ? kOfTls : 0;
  EXPECT_EQ(Allocations("NOOP\r\n", "250"), expected);
  EXPECT_EQ(Allocations("MAIL FROM:<ann@example.net> SIZE=4096\r\nRCPT TO:<bob@example.org>\r\n"
                        "RCPT TO:<carol@example.org>\r\nNOOP\r\nRSET\r\n",
                        "250 "),
            expected);
  EXPECT_EQ(Allocations("MAIL FROM:<eve@example.net>\r\nRCPT TO:<bob@example.org>\r\nRSET\r\n", "5"), expected);
  EXPECT_EQ(Allocations("MAIL FROM:<ann@example.net> SIZE=99999999\r\nRSET\r\n", "552"), expected);
}

// A message asks for what is kept of it until it is delivered, and for nothing else: body, envelope, trace fields
// (twice: they grow), the connection's account of it, the queue's entry and content, and the record of its delivery.
TEST_P(AllocationTest, AMessageAsksForWhatIsKeptOfIt) {
  const size_t of_tls = tls() ? kOfTls + 1 : 0;  // its 250 goes out in a turn of its own
  EXPECT_LE(Allocations("MAIL FROM:<ann@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: x\r\n\r\n" +
                            std::string(4000, 'x') + "\r\n.\r\n",
                        "250 "),
            8 + of_tls);
}

INSTANTIATE_TEST_SUITE_P(Streams, AllocationTest, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "Tls" : "Clear"; });

}  // namespace
}  // namespace sluice::sim

#endif
