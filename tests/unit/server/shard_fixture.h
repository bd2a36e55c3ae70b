// A shard by itself on a simulated network and disk, and a client of it, for tests that look at one
// thing it does. (tests/sim/shard_test.cc has whole servers under faults.)
#ifndef SLUICE_TESTS_UNIT_SERVER_SHARD_FIXTURE_H_
#define SLUICE_TESTS_UNIT_SERVER_SHARD_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/server/shard.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_io.h"

namespace sluice::server {

// Says what the test has it say, and remembers what it heard.
class HearingClient : public sim::Remote {
 public:
  void OnConnected(sim::PeerId) override {}
  void OnBytes(sim::PeerId, ByteView bytes) override { heard.append(bytes); }
  void OnClosed(sim::PeerId, bool) override { closed = true; }
  bool said(ByteView text) const { return heard.find(text) != std::string::npos; }
  std::string heard;
  bool closed = false;
  sim::PeerId peer = 0;
};

class ShardFixture : public testing::Test {
 protected:
  static constexpr int kListener = 3;

  // One listener, in the clear; mail is taken and dropped.
  ListenerOptions& Listen(const char* address) {
    options_.hostname = "submit.example.net";
    options_.relay.discard = true;
    ListenerOptions& listener = options_.listener.emplace_back();
    listener.address = *SockAddr::Parse(address);
    listener.mode = ListenerMode::kPlain;
    return listener;
  }

  // The shard, recovered from what the disk has; it does not yet accept. `log` may be nullptr. Who
  // has the store, the verifier and clients as members must Kill() it before they go.
  void MakeShard(auth::CredentialSource& store, auth::PasswordVerifier& verifier,
                 std::unique_ptr<EventLog> log = nullptr) {
    log_ = std::move(log);
    if (io_ == nullptr) io_ = MakeIo();
    io_->AddSource(disk_);
    ShardParts parts;
    parts.options = &options_;
    parts.io = io_.get();
    parts.spools = {{0, &disk_}};
    parts.store = &store;
    parts.verifier = &verifier;
    parts.event_log = log_.get();
    parts.remember_key = "a key of thirty-two octets, or so";
    parts.decoy_key = parts.remember_key;
    parts.listener_fds = {kListener};
    shard_ = std::make_unique<Shard>(std::move(parts));
    std::vector<std::string> report;
    io_->Poll(io_->now());
    ASSERT_TRUE(shard_->Recover({io_->now(), io_->wall_now()}, report).ok());
  }

  // As a kill would: what the disk had not made durable is gone.
  void Kill() {
    io_.reset();
    disk_.Crash();
    shard_.reset();
    log_.reset();
  }

  // Turns of the shard, each of at most `patience` of virtual time.
  template <typename F>
  void RunUntil(F done, Duration patience = milliseconds(100)) {
    for (int turn = 0; turn < 100'000 && !done(); turn++) shard_->Turn(patience);
    ASSERT_TRUE(done());
  }

  static std::unique_ptr<sim::SimIo> MakeIo() { return std::make_unique<sim::SimIo>(7); }

  Options options_;
  sim::SimDisk disk_{7};
  std::unique_ptr<EventLog> log_;
  std::unique_ptr<sim::SimIo> io_ = MakeIo();
  std::unique_ptr<Shard> shard_;
};

}  // namespace sluice::server

#endif  // SLUICE_TESTS_UNIT_SERVER_SHARD_FIXTURE_H_
