// A whole shard from a seed: clients submit, the next hop misbehaves, connections break, the disk fails, and the
// process is killed again and again. Whatever was answered 250 must in the end be delivered, or bounced where the
// next hop refused it for good; and nothing may be delivered again after its end was durable and the server at rest.
//
//   SLUICE_SIM_SEEDS=N   how many seeds (300 by default)
//   SLUICE_SIM_SEED=N    this one alone, with its story on standard error
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/server/shard.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_dovecot.h"
#include "tests/sim/sim_io.h"
#include "tests/sim/sim_mail.h"

namespace sluice::sim {
namespace {

constexpr int kListener = 3;
constexpr int kRelayListener = 4;
constexpr uint16_t kHopPort = 2525;
constexpr uint16_t kLocalHopPort = 2526;
constexpr uint16_t kDovecotPort = 12345;
constexpr int kTurnsMax = 400'000;

server::Options MakeOptions(Prng& prng) {
  server::Options options;
  options.hostname = "submit.example.net";
  options.shards = 1;
  server::ListenerOptions listener;
  listener.address = *SockAddr::Parse("127.0.0.1:1587");
  listener.mode = server::ListenerMode::kPlain;
  listener.mechanisms_clear = {"PLAIN"};
  options.listener.push_back(listener);
  listener.address = *SockAddr::Parse("127.0.0.1:1025");
  listener.policy = server::ListenerPolicy::kRelay;
  options.listener.push_back(listener);
  options.local_domain.push_back(
      {.domains = {kLocalDomain}, .next_hop = {*SockAddr::Parse("127.0.0.1:2526")}});
  options.relay.next_hop = {*SockAddr::Parse("127.0.0.1:2525")};
  options.relay.tls = server::RelayTls::kNone;
  options.relay.connections = static_cast<uint32_t>(prng.Between(1, 4));
  options.relay.messages_per_connection = static_cast<uint32_t>(prng.Between(0, 8));
  options.queue.retry_min = seconds(2);
  options.queue.retry_max = seconds(20);
  options.queue.segment_bytes = 1 << 20;
  options.queue.memory_bytes = prng.Chance(1, 2) ? 32 << 10 : 64 << 20;  // many bodies are read back, or none
  options.limits.sessions = 8;
  if (prng.Chance(1, 3)) options.limits.body_bytes_login = prng.Between(50'000, 250'000);  // a few large ones
  options.auth.remember_entries = 64;
  if (prng.Chance(1, 3)) {
    options.auth.backend = server::AuthBackend::kDovecot;
    options.auth.dovecot_socket = "127.0.0.1:12345";
  }
  return options;
}

// What all seeds together have seen: a simulation in which nothing happens proves nothing.
struct Totals {
  int acknowledged = 0;
  int bounces = 0;
  int early_answers = 0;
  int chunks = 0;
  int split = 0;
  int stops_with_mail_queued = 0;
  int dovecot_logins = 0;
  int dovecot_losses = 0;  // of the server itself, in the middle of a request
};

// Sends a good start of a body, and then an octet now and then.
class DrippingClient final : public Remote {
 public:
  explicit DrippingClient(SimIo& io) : io_(io) {}
  void OnConnected(PeerId peer) override { peer_ = peer; }
  void OnBytes(PeerId, ByteView bytes) override {
    replies_.append(bytes);
    if (steps_ < std::size(kSteps) && replies_.ends_with("\r\n")) {
      io_.PeerSend(peer_, kSteps[steps_++]);
      if (steps_ == std::size(kSteps)) io_.PeerSend(peer_, std::string(70'000, 'x'));
    }
  }
  void OnClosed(PeerId, bool) override { closed = true; }
  void Drip() {
    if (dripping()) io_.PeerSend(peer_, "x");
  }
  bool dripping() const { return steps_ == std::size(kSteps) && !closed; }
  const std::string& replies() const { return replies_; }
  bool closed = false;

 private:
  // "\0ann@example.net\0correct horse"
  static constexpr const char* kSteps[] = {"EHLO client.example\r\n",
                                           "AUTH PLAIN AGFubkBleGFtcGxlLm5ldABjb3JyZWN0IGhvcnNl\r\n",
                                           "MAIL FROM:<ann@example.net>\r\n", "RCPT TO:<bob@example.org>\r\n",
                                           "DATA\r\n", "Subject: slow\r\n\r\n"};
  SimIo& io_;
  PeerId peer_ = 0;
  std::string replies_;
  size_t steps_ = 0;
};

class World {
 public:
  World(uint64_t seed, bool verbose, Totals& totals)
      : seed_(seed), verbose_(verbose), totals_(totals), prng_(seed), options_(MakeOptions(prng_)), disk_(seed ^ 0xd15c) {}

  ~World() { PowerOff(); }

  void Run() {
    const uint64_t lives = prng_.Between(1, 5);
    for (uint64_t life = 0; life < lives; life++) {
      if (!PowerOn()) return;
      Misbehave();
      const uint64_t turns = prng_.Between(50, 4000);
      for (uint64_t turn = 0; turn < turns; turn++) {
        if (prng_.Chance(1, 60) && clients_.size() < 40) NewClient();
        if (prng_.Chance(1, 500)) RestartDovecot();
        Turn();
      }
      if (prng_.Chance(1, 4)) {
        Say("stopped with %zu messages made, %u queued", account_.messages.size(), Queued());
        totals_.stops_with_mail_queued += Queued() > 0;
        ASSERT_TRUE(Stop());
      } else {
        Say("killed with %zu messages made, %u queued", account_.messages.size(), Queued());
        PowerOff();
      }
    }
    // Peace: all that was promised must come out now.
    if (!PowerOn()) return;
    if (by_dovecot()) {
      ASSERT_TRUE(RunUntil([&] { return shard_->counters().dovecot_connected.Get() == 1; })) << "no Dovecot";
    }
    // And whoever comes gets his answers: no connection is forgotten in a pause.
    for (int i = 0; i < 6; i++) NewClient();
    const auto closed = [](const std::unique_ptr<MailClient>& client) { return client->closed(); };
    ASSERT_TRUE(RunUntil([&] { return std::all_of(clients_.begin(), clients_.end(), closed); })) << "a client waits";
    ASSERT_TRUE(RunUntil([&] { return Queued() == 0; })) << "the queue does not drain: " << Queued() << " left";
    CheckPromises();
    // And once more from the disk alone: finished mail does not come back.
    ASSERT_TRUE(Stop());
    const auto before = Deliveries();
    const int bounces = account_.bounces;
    if (!PowerOn()) return;
    EXPECT_EQ(Queued(), 0u) << "finished mail has come back";
    for (int turn = 0; turn < 300; turn++) Turn();
    EXPECT_EQ(Deliveries(), before);
    EXPECT_EQ(account_.bounces, bounces);
  }

  // A fast start buys no rest: each minute of a body must do.
  void RunSlowBody() {
    ASSERT_TRUE(PowerOn());
    DrippingClient client(*io_);
    io_->ConnectTo(kListener, client, *SockAddr::Parse("192.0.2.7:1024"));
    MonoTime began = io_->now();
    MonoTime dripped = began;
    for (int turn = 0; turn < kTurnsMax && !client.closed; turn++) {
      Turn();
      if (!client.dripping() && !client.closed) began = dripped = io_->now();
      if (io_->now() - dripped < seconds(5)) continue;
      dripped = io_->now();
      client.Drip();
    }
    EXPECT_TRUE(client.closed);
    EXPECT_NE(client.replies().find("421 4.4.2"), std::string::npos) << client.replies();
    EXPECT_GT(io_->now() - began, seconds(60));
    EXPECT_LT(io_->now() - began, seconds(200));
    EXPECT_EQ(shard_->bodies().bytes(), 0u);
  }

 private:
  bool PowerOn() {
    io_ = std::make_unique<SimIo>(prng_.Next());
    io_->set_wall_offset(wall_);
    io_->AddSource(disk_);
    verifier_ = std::make_unique<SimVerifier>(
        [this](const auth::VerifyToken& token, auth::Verdict verdict) {
          EXPECT_EQ(shard_->stage(), server::Stage::kCallbacks);  // the world moves while Io runs callbacks
          shard_->PostVerdict(token, verdict);
        });
    io_->AddSource(*verifier_);
    hop_ = std::make_unique<NextHopServer>(*io_, account_, false);
    io_->Serve(kHopPort, *hop_);
    local_hop_ = std::make_unique<NextHopServer>(*io_, account_, true);
    io_->Serve(kLocalHopPort, *local_hop_);
    dovecot_ = std::make_unique<SimDovecot>(*io_);
    io_->Serve(kDovecotPort, *dovecot_);
    dovecot_serves_ = true;
    disk_.faults = DiskFaults{};
    server::ShardParts parts;
    parts.options = &options_;
    parts.io = io_.get();
    parts.spool_id.fill('s');
    parts.spools = {{0, &disk_}};
    parts.store = &store_;
    parts.verifier = verifier_.get();
    parts.remember_key = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
    parts.decoy_key = parts.remember_key;
    parts.seed = seed_;
    parts.listener_fds = {kListener, kRelayListener};
    shard_ = std::make_unique<server::Shard>(std::move(parts));
    std::vector<std::string> report;
    io_->Poll(io_->now());  // both clocks run
    const absl::Status status = shard_->Recover({io_->now(), io_->wall_now()}, report);
    EXPECT_TRUE(status.ok()) << status;
    for (const std::string& line : report) {
      Say("%s", line.c_str());
      EXPECT_EQ(line.find("DAMAGE"), std::string::npos) << line;
    }
    if (status.ok()) shard_->Start();
    return status.ok();
  }

  // The wall clock goes on where it was; sockets and memory are gone.
  void PowerOff() {
    if (io_ == nullptr) return;
    wall_ += io_->now() - MonoTime(seconds(1000)) + milliseconds(5);
    clients_.clear();
    totals_.dovecot_logins += dovecot_->ok;
    totals_.dovecot_losses += dovecot_->dropped;
    io_.reset();
    disk_.Crash();
    shard_.reset();
    hop_.reset();
    local_hop_.reset();
    dovecot_.reset();
    verifier_.reset();
  }

  bool by_dovecot() const { return options_.auth.backend == server::AuthBackend::kDovecot; }

  // Goes away with all that it was asked, or comes back.
  void RestartDovecot() {
    dovecot_serves_ = !dovecot_serves_;
    if (dovecot_serves_) return io_->Serve(kDovecotPort, *dovecot_);
    io_->Unserve(kDovecotPort);
    dovecot_->DropAll();
  }

  void Misbehave() {
    const bool rough = prng_.Chance(2, 3);
    for (NextHopServer* hop : {hop_.get(), local_hop_.get()}) {
      hop->faults.pipelining = prng_.Chance(2, 3);
      hop->faults.chunking = prng_.Chance(1, 2);
      if (!rough) continue;
      hop->faults.transient_per_thousand = static_cast<uint32_t>(prng_.Below(200));
      hop->faults.permanent_per_thousand = static_cast<uint32_t>(prng_.Below(100));
      hop->faults.drop_per_thousand = static_cast<uint32_t>(prng_.Below(60));
      hop->faults.early_per_thousand = static_cast<uint32_t>(prng_.Below(10));
    }
    if (rough) {
      io_->faults.reset_per_million = static_cast<uint32_t>(prng_.Below(3000));
      io_->faults.starve_per_million = static_cast<uint32_t>(prng_.Below(300'000));
      io_->faults.refuse_per_million = static_cast<uint32_t>(prng_.Below(200'000));
    }
    // One of the two is away for a life, now and then; what is for the other goes on.
    if (rough && prng_.Chance(1, 6)) io_->Unserve(prng_.Chance(1, 2) ? kHopPort : kLocalHopPort);
    if (rough) {
      dovecot_->faults.slow_max = prng_.Chance(1, 2) ? seconds(5) : Duration::zero();
      dovecot_->faults.temporary_per_thousand = static_cast<uint32_t>(prng_.Below(100));
      dovecot_->faults.silent_per_thousand = static_cast<uint32_t>(prng_.Below(50));
      dovecot_->faults.drop_per_thousand = static_cast<uint32_t>(prng_.Below(100));
      dovecot_->faults.garbage_per_thousand = static_cast<uint32_t>(prng_.Below(50));
    }
    if (prng_.Chance(1, 4)) {
      disk_.faults.write_error = static_cast<uint32_t>(prng_.Below(3000));
      disk_.faults.short_write = static_cast<uint32_t>(prng_.Below(1000));
      disk_.faults.read_error = static_cast<uint32_t>(prng_.Below(20'000));
      disk_.faults.prepare_error = static_cast<uint32_t>(prng_.Below(300'000));
    }
  }

  void NewClient() {
    const bool stranger = prng_.Chance(1, 4);
    clients_.push_back(std::make_unique<MailClient>(
        *io_, account_, static_cast<int>(prng_.Between(1, 5)), stranger));
    const SockAddr from = *SockAddr::Parse("192.0.2.7:" + std::to_string(prng_.Between(1024, 60'000)));
    io_->ConnectTo(stranger ? kRelayListener : kListener, *clients_.back(), from);
  }

  void Turn() { shard_->Turn(seconds(1)); }

  template <typename F>
  bool RunUntil(F done) {
    for (int turn = 0; turn < kTurnsMax; turn++) {
      if (done()) return true;
      Turn();
    }
    return false;
  }

  // The orderly end.
  bool Stop() {
    shard_->BeginStop(seconds(10));
    const bool ended = RunUntil([&] { return shard_->finished(); });
    PowerOff();
    return ended;
  }

  uint32_t Queued() { return shard_->queue().stats().messages; }

  std::map<int, std::map<std::string, int>> Deliveries() {
    std::map<int, std::map<std::string, int>> deliveries;
    for (const auto& [number, message] : account_.messages) deliveries[number] = message.delivered;
    return deliveries;
  }

  void CheckPromises() {
    std::set<std::string> ids;
    int acknowledged = 0;
    for (const auto& [number, message] : account_.messages) {
      if (!message.acknowledged) continue;
      acknowledged++;
      for (const std::string& recipient : message.recipients) {
        EXPECT_TRUE(message.delivered.contains(recipient) || account_.bounced[number].contains(recipient))
            << "message " << number << " (" << message.queue_id << ") to " << recipient << " was acknowledged and is lost";
      }
      EXPECT_TRUE(ids.insert(message.queue_id).second) << "queue id " << message.queue_id << " was used twice";
    }
    totals_.acknowledged += acknowledged;
    totals_.bounces += account_.bounces;
    totals_.early_answers += account_.early_answers;
    totals_.chunks += account_.chunks;
    totals_.split += account_.split;
    Say("%d of %zu acknowledged, %d bounces, all accounted for", acknowledged, account_.messages.size(),
        account_.bounces);
  }

  template <typename... Args>
  void Say(const char* format, Args... args) {
    if (!verbose_) return;
    std::fprintf(stderr, format, args...);
    std::fputc('\n', stderr);
  }
  void Say(const char* text) {
    if (verbose_) std::fprintf(stderr, "%s\n", text);
  }

  const uint64_t seed_;
  const bool verbose_;
  Totals& totals_;
  Prng prng_;
  const server::Options options_;
  OneUserStore store_;
  SimDisk disk_;
  Account account_;
  Duration wall_{};
  std::unique_ptr<SimIo> io_;
  std::unique_ptr<SimVerifier> verifier_;
  std::unique_ptr<NextHopServer> hop_;
  std::unique_ptr<NextHopServer> local_hop_;
  std::unique_ptr<SimDovecot> dovecot_;
  bool dovecot_serves_ = false;
  std::vector<std::unique_ptr<MailClient>> clients_;
  std::unique_ptr<server::Shard> shard_;
};

TEST(ShardSimulationTest, WhatWasAcknowledgedIsDeliveredOrBounced) {
  if (const char* one = std::getenv("SLUICE_SIM_SEED")) {
    Totals totals;
    World(std::strtoull(one, nullptr, 10), true, totals).Run();
    return;
  }
  const char* count = std::getenv("SLUICE_SIM_SEEDS");
  const uint64_t seeds = count != nullptr ? std::strtoull(count, nullptr, 10) : 300;
  Totals totals;
  for (uint64_t seed = 1; seed <= seeds; seed++) {
    SCOPED_TRACE("SLUICE_SIM_SEED=" + std::to_string(seed));
    World(seed, false, totals).Run();
    if (HasFailure()) return;
  }
  const auto expected = static_cast<int>(seeds);
  EXPECT_GT(totals.acknowledged, 20 * expected);
  EXPECT_GT(totals.bounces, expected / 2);
  EXPECT_GT(totals.early_answers, expected / 4);
  EXPECT_GT(totals.chunks, expected);
  EXPECT_GT(totals.split, 2 * expected);
  EXPECT_GT(totals.stops_with_mail_queued, expected / 10);
  EXPECT_GT(totals.dovecot_logins, expected);
  EXPECT_GT(totals.dovecot_losses, expected / 20);
}

TEST(ShardSimulationTest, ABodyThatComesTooSlowlyIsClosed) {
  Totals totals;
  World(1, false, totals).RunSlowBody();
}

}  // namespace
}  // namespace sluice::sim
