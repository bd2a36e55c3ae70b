// A store that is changed while logins run on two shards: by ThreadSanitizer nothing races, and
// whoever was not touched logs in all the time.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#include "auth/authenticator.h"
#include "auth/lmdb_store.h"
#include "auth/scram_keys.h"

namespace sluice::auth {
namespace {

using std::string_literals::operator""s;
using Result = Attempt::Result;

constexpr int kShards = 2;
constexpr int kRounds = 400;  // of changes
const std::string kKey(32, 'k');

CredentialRecord Record(ByteView password, uint32_t iterations = 2) {
  CredentialRecord record;
  record.Scram(ScramHash::kSha256) =
      DeriveScramKeys(ScramHash::kSha256, password, "0123456789abcdef", iterations);
  return record;
}

// Where a verifier's thread leaves verdicts for a shard.
class Mailbox {
 public:
  void Post(const VerifyToken& token, Verdict verdict) {
    const std::lock_guard lock(mutex_);
    verdicts_.emplace_back(token, verdict);
    posted_.notify_one();
  }
  std::pair<VerifyToken, Verdict> Take() {
    std::unique_lock lock(mutex_);
    posted_.wait(lock, [this] { return !verdicts_.empty(); });
    const auto taken = verdicts_.front();
    verdicts_.pop_front();
    return taken;
  }

 private:
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::pair<VerifyToken, Verdict>> verdicts_;
};

class Shard {
 public:
  Shard(LmdbStore& store, PasswordVerifier& verifier, Mailbox& mailbox, uint32_t index)
      : reader_(*store.NewReader()),
        mailbox_(mailbox),
        authenticator_(*reader_, remembered_, verifier,
                       {.process_key = kKey, .decoy_key = kKey, .hostname = "h", .shard = index}) {}

  Result Plain(ByteView login, ByteView password) {
    const auto attempt = authenticator_.Begin(Mechanism::kPlain, {.connection = 1, .peer = peer_});
    Result result =
        attempt->Start("\0"s.append(login) + "\0"s.append(password), MonoTime(minutes(1)));
    while (result == Result::kWait) {
      const auto [token, verdict] = mailbox_.Take();
      result = attempt->OnVerified(token, verdict, MonoTime(minutes(1)));
    }
    if (result == Result::kFailure) {
      EXPECT_EQ(attempt->failure(), Failure::kCredentials);
    } else {
      identity_ = attempt->TakeIdentity();
      EXPECT_EQ(identity_.login, login);
    }
    return result;
  }
  std::string Challenge(ByteView login) {
    const auto attempt = authenticator_.Begin(Mechanism::kScramSha256, {.connection = 1, .peer = peer_});
    EXPECT_EQ(attempt->Start("n,,n=" + std::string(login) + ",r=x", MonoTime()),
              Result::kChallenge);
    return std::string(attempt->challenge().substr(attempt->challenge().find(",s=")));
  }
  bool Refresh() { return authenticator_.Refresh(identity_, peer_); }

 private:
  const std::unique_ptr<LmdbStore::Reader> reader_;
  RememberedLogins remembered_{kKey, {.entries = 64, .keep = minutes(10)}};
  Mailbox& mailbox_;
  Authenticator authenticator_;
  Identity identity_;  // of the last success
  const SockAddr peer_ = *SockAddr::Parse("192.0.2.7:1234");
};

TEST(StoreStormTest, LoginsWhileUsersComeGoAndChange) {
  std::string folder = testing::TempDir() + "sluice-storm-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  auto store = *LmdbStore::Open(LmdbStore::PathIn(folder), 64 << 20);
  ASSERT_TRUE(store->Add("fixed", Record("secret")).ok());
  ASSERT_TRUE(store->Add("changing", Record("old")).ok());
  std::array<Mailbox, kShards> mailboxes;
  // Jobs take microseconds here. A verifier's thread that is put aside while it takes one keeps
  // that job's place in the queue, and the other goes round it meanwhile: 64 places looked full.
  VerifierThreads verifier(
      {.threads = 2, .queue_max = 1 << 15},
      [&](VerifyToken token, Verdict verdict) { mailboxes[token.shard].Post(token, verdict); });

  std::atomic<bool> over = false;
  std::atomic<int> changing_logins = 0;
  std::vector<std::thread> shards;
  for (uint32_t i = 0; i < kShards; i++) {
    shards.emplace_back([&, i] {
      Shard shard(*store, verifier, mailboxes[i], i);
      const std::string salt = shard.Challenge("fixed");
      while (!over) {
        EXPECT_EQ(shard.Plain("fixed", "secret"), Result::kSuccess);
        EXPECT_TRUE(shard.Refresh());
        EXPECT_EQ(shard.Plain("fixed", "wrong"), Result::kFailure);
        EXPECT_EQ(shard.Challenge("fixed"), salt);
        EXPECT_EQ(shard.Challenge("nobody").empty(), false);
        // These may be there or not, enabled or not; only the right password ever counts.
        if (shard.Plain("changing", "old") == Result::kSuccess) {
          (void)shard.Refresh();
          changing_logins++;
        }
        EXPECT_EQ(shard.Plain("changing", "wrong"), Result::kFailure);
        EXPECT_EQ(shard.Plain("passing", "wrong"), Result::kFailure);
      }
      // What was last written counts at the next login.
      EXPECT_EQ(shard.Plain("changing", "old"), Result::kFailure);
      EXPECT_EQ(shard.Plain("changing", "new"), Result::kSuccess);
      EXPECT_EQ(shard.Plain("passing", "p"), Result::kFailure);
    });
  }
  // A thread beside them, as `sluice user` is a process beside them.
  for (int i = 0; i < kRounds; i++) {
    EXPECT_TRUE(store->Add("passing", Record("p", 1 + static_cast<uint32_t>(i % 3))).ok());
    EXPECT_TRUE(
        store->Update("changing", [i](CredentialRecord& r) { r.disabled = i % 2 == 0; }).ok());
    EXPECT_TRUE(store->Remove("passing").ok());
  }
  while (changing_logins < 2) std::this_thread::yield();  // it was enabled last
  EXPECT_TRUE(
      store->Update("changing", [](CredentialRecord& r) { r.scram = Record("new").scram; }).ok());
  over = true;
  for (std::thread& shard : shards) shard.join();
  verifier.Stop();
  store.reset();
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sluice::auth
