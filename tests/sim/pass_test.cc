// Several shards in one simulated world that pass fresh connections to each other. Whoever connects hears from one of
// them, once, whatever stops meanwhile, and nothing is left behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/server/shard.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_io.h"
#include "tests/sim/sim_mail.h"

namespace sluice::sim {
namespace {

constexpr uint32_t kShards = 3;
constexpr int kListener = 3;  // of the first shard

// A client that says nothing and remembers what it heard.
class Listener final : public Remote {
 public:
  void OnConnected(PeerId peer) override { id = peer; }
  void OnBytes(PeerId, ByteView bytes) override { heard.append(bytes); }
  void OnClosed(PeerId, bool) override { closed = true; }
  PeerId id = 0;
  std::string heard;
  bool closed = false;
};

class NoVerifier final : public auth::PasswordVerifier {
 public:
  bool Submit(auth::VerifyJob&&) override { return false; }
};

class PassTest : public testing::Test {
 protected:
  void Make(uint64_t seed, uint32_t sessions = 1000) {
    options_ = server::Options();
    options_.hostname = "submit.example.net";
    options_.shards = kShards;
    server::ListenerOptions listener;
    listener.address = *SockAddr::Parse("127.0.0.1:1587");
    listener.mode = server::ListenerMode::kPlain;
    options_.listener.push_back(listener);
    options_.relay.discard = true;
    options_.limits.sessions = sessions;
    prng_ = Prng(seed);
    io_ = std::make_unique<SimIo>(seed);
    group_ = std::make_unique<server::ShardGroup>(kShards);
    for (uint32_t i = 0; i < kShards; i++) {
      disks_.push_back(std::make_unique<SimDisk>(seed + i));
      io_->AddSource(*disks_.back());
      server::ShardParts parts;
      parts.index = i;
      parts.options = &options_;
      parts.io = io_.get();
      parts.spools = {{i, disks_.back().get()}};
      parts.store = &store_;
      parts.verifier = &verifier_;
      parts.remember_key = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
      parts.decoy_key = parts.remember_key;
      parts.seed = seed;
      parts.listener_fds = {kListener + static_cast<int>(i)};
      parts.group = group_.get();
      shards_.push_back(std::make_unique<server::Shard>(std::move(parts)));
    }
    io_->Poll(io_->now());
    for (auto& shard : shards_) {
      std::vector<std::string> report;
      ASSERT_TRUE(shard->Recover({io_->now(), io_->wall_now()}, report).ok());
      shard->Start();
    }
  }

  void TearDown() override { PowerOff(); }

  void PowerOff() {
    io_.reset();
    for (auto& disk : disks_) disk->Crash();
    shards_.clear();
    disks_.clear();
    clients_.clear();
  }

  void Connect(uint32_t shard) {
    clients_.push_back(std::make_unique<Listener>());
    const auto port = static_cast<uint16_t>(1024 + clients_.size());
    io_->ConnectTo(kListener + static_cast<int>(shard), *clients_.back(),
                   *SockAddr::Parse("192.0.2.7:" + std::to_string(port)));
  }

  void Turn() {
    for (auto& shard : shards_) {
      if (!shard->finished()) shard->Turn(milliseconds(10));
    }
  }

  template <typename F>
  bool RunUntil(F done) {
    for (int turn = 0; turn < 100'000; turn++) {
      if (done()) return true;
      Turn();
    }
    return done();
  }

  bool AllHeard() {
    return std::all_of(clients_.begin(), clients_.end(), [](const auto& client) { return client->heard.ends_with("\r\n"); });
  }

  std::vector<uint64_t> Open() {
    std::vector<uint64_t> open;
    for (auto& shard : shards_) open.push_back(shard->counters().connections_open.Get());
    return open;
  }
  uint64_t Passed() {
    uint64_t sum = 0;
    for (auto& shard : shards_) sum += shard->counters().connections_passed_total.Get();
    return sum;
  }

  server::Options options_;
  Prng prng_{1};
  OneUserStore store_;
  NoVerifier verifier_;
  std::unique_ptr<SimIo> io_;
  std::unique_ptr<server::ShardGroup> group_;
  std::vector<std::unique_ptr<SimDisk>> disks_;
  std::vector<std::unique_ptr<server::Shard>> shards_;
  std::vector<std::unique_ptr<Listener>> clients_;
};

TEST_F(PassTest, WhatComesToOneShardIsSharedByAll) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    Make(seed);
    for (int i = 0; i < 90; i++) Connect(0);
    ASSERT_TRUE(RunUntil([&] { return AllHeard(); }));
    for (auto& client : clients_) EXPECT_TRUE(client->heard.starts_with("220 ")) << client->heard;
    for (const uint64_t open : Open()) EXPECT_NEAR(static_cast<double>(open), 30, 3);
    EXPECT_GE(Passed(), 54u);
    EXPECT_LE(Passed(), 66u);
    PowerOff();
  }
}

TEST_F(PassTest, WhatCannotBePassedIsServedWhereItIs) {
  Make(1);
  io_->faults.pass_per_million = 1'000'000;
  for (int i = 0; i < 30; i++) Connect(0);
  ASSERT_TRUE(RunUntil([&] { return AllHeard(); }));
  EXPECT_EQ(Open(), (std::vector<uint64_t>{30, 0, 0}));
  EXPECT_EQ(Passed(), 0u);
  for (uint32_t i = 0; i < kShards; i++) EXPECT_FALSE(group_->loads.expects(i));
}

TEST_F(PassTest, AWeightOfZeroDrainsAShardAndOneOfAllRefuses) {
  Make(1);
  for (int i = 0; i < 30; i++) Connect(0);
  ASSERT_TRUE(RunUntil([&] { return AllHeard(); }));
  const std::vector<uint64_t> before = Open();
  server::Tuning drained = shards_[0]->tuning();
  drained.accept_weight = 0;
  shards_[0]->Tune(drained);
  for (int i = 0; i < 30; i++) Connect(0);
  ASSERT_TRUE(RunUntil([&] { return AllHeard(); }));
  EXPECT_EQ(Open()[0], before[0]);
  EXPECT_EQ(Open()[1] + Open()[2], 60 - before[0]);
  shards_[1]->Tune(drained);
  shards_[2]->Tune(drained);
  Connect(1);
  ASSERT_TRUE(RunUntil([&] { return AllHeard(); }));
  EXPECT_TRUE(clients_.back()->heard.starts_with("421 4.3.2")) << clients_.back()->heard;
}

TEST_F(PassTest, AFullShardPassesAsLongAsAnotherHasRoom) {
  Make(1, 10);
  for (int i = 0; i < 40; i++) Connect(1);
  ASSERT_TRUE(RunUntil([&] { return AllHeard(); }));
  const auto served = std::count_if(clients_.begin(), clients_.end(), [](const auto& c) { return c->heard.starts_with("220"); });
  EXPECT_EQ(served, 30);
}

// Shards stop one after the other while clients come, go and are passed.
TEST_F(PassTest, EveryoneHearsSomethingWhileShardsStop) {
  uint64_t passed = 0, turned_away = 0;
  for (uint64_t seed = 1; seed <= 200; seed++) {
    SCOPED_TRACE(seed);
    Make(seed);
    io_->faults.pass_per_million = prng_.Chance(1, 2) ? 200'000 : 0;
    std::vector<int> stop_at;
    for (uint32_t i = 0; i < kShards; i++) stop_at.push_back(static_cast<int>(prng_.Between(20, 200)));
    for (int turn = 0; turn < 300; turn++) {
      for (uint32_t i = 0; i < kShards; i++) {
        if (turn == stop_at[i]) shards_[i]->BeginStop(seconds(10));
        // A listener that has stopped takes nobody from its backlog: nothing to test.
        if (turn < stop_at[i] && prng_.Chance(i == 0 ? 4 : 1, 5)) Connect(i);
      }
      if (!clients_.empty() && prng_.Chance(1, 10)) {
        Listener& client = *clients_[static_cast<size_t>(prng_.Below(clients_.size()))];
        if (client.id != 0 && !client.closed) io_->PeerReset(client.id);
      }
      Turn();
    }
    ASSERT_TRUE(RunUntil([&] {
      return std::all_of(shards_.begin(), shards_.end(), [](const auto& shard) { return shard->finished(); });
    }));
    for (auto& client : clients_) {
      if (client->id == 0) continue;  // reset, or never taken
      EXPECT_TRUE(client->closed);
      turned_away += client->heard.starts_with("421");
    }
    passed += Passed();
    for (uint32_t i = 0; i < kShards; i++) EXPECT_FALSE(group_->loads.expects(i));
    for (const uint64_t open : Open()) EXPECT_EQ(open, 0u);
    PowerOff();
    if (HasFailure()) return;
  }
  EXPECT_GT(passed, 1000u);
  EXPECT_GT(turned_away, 100u);
}

}  // namespace
}  // namespace sluice::sim
