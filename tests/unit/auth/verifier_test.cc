#include "auth/verifier.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "auth/scram_keys.h"

namespace sluice::auth {
namespace {

// Collects verdicts, and can hold the verifier's threads up.
class Results {
 public:
  VerifierThreads::Sink Sink() {
    return [this](VerifyToken token, Verdict verdict) {
      std::unique_lock lock(mutex_);
      arrived_++;
      changed_.notify_all();
      changed_.wait(lock, [this] { return !held_; });
      verdicts_[token.connection].push_back(verdict);
      changed_.notify_all();
    };
  }
  void Hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void Release() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  void WaitForArrivals(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ >= count; });
  }
  void WaitForVerdicts(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return verdicts_.size() >= count; });
  }
  std::map<uint64_t, std::vector<Verdict>> verdicts() {
    const std::lock_guard lock(mutex_);
    return verdicts_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, std::vector<Verdict>> verdicts_;
  size_t arrived_ = 0;
  bool held_ = false;
};

std::optional<ScramKeys> Keys() { return DeriveScramKeys(ScramHash::kSha256, "secret", "salt", 2); }

VerifyJob Job(uint64_t connection, ByteView password, const std::optional<ScramKeys>& keys) {
  return {.token = {.connection = connection}, .keys = keys, .password = Secret(password)};
}

TEST(VerifierTest, AnswersEachJobOnce) {
  Results results;
  VerifierThreads verifier({.threads = 2, .queue_max = 8, .nice = 0}, results.Sink());
  ASSERT_TRUE(verifier.Submit(Job(1, "secret", Keys())));
  ASSERT_TRUE(verifier.Submit(Job(2, "wrong", Keys())));
  ASSERT_TRUE(verifier.Submit(Job(3, "secret", std::nullopt)));
  results.WaitForVerdicts(3);
  const auto verdicts = results.verdicts();
  EXPECT_EQ(verdicts.at(1), std::vector{Verdict::kMatch});
  EXPECT_EQ(verdicts.at(2), std::vector{Verdict::kMismatch});
  EXPECT_EQ(verdicts.at(3), std::vector{Verdict::kMismatch});
}

TEST(VerifierTest, RefusesWhenFullAndLeavesTheJobAlone) {
  Results results;
  results.Hold();
  VerifierThreads verifier({.threads = 1, .queue_max = 4, .nice = 0}, results.Sink());
  ASSERT_TRUE(verifier.Submit(Job(0, "secret", Keys())));
  results.WaitForArrivals(1);  // out of the queue, in the thread's hands
  for (uint64_t i = 1; i <= 4; i++) ASSERT_TRUE(verifier.Submit(Job(i, "secret", Keys()))) << i;
  EXPECT_EQ(verifier.waiting(), 4u);
  for (const bool known : {true, false}) {
    VerifyJob job = Job(5, "secret", known ? Keys() : std::nullopt);
    EXPECT_FALSE(verifier.Submit(std::move(job)));
    EXPECT_EQ(job.password.view(), "secret");  // NOLINT(bugprone-use-after-move): the contract
  }
  results.Release();
  results.WaitForVerdicts(5);
  EXPECT_TRUE(verifier.Submit(Job(6, "secret", Keys())));
  results.WaitForVerdicts(6);
}

class CountedWork final : public OffShardWork {
 public:
  void Run() noexcept override { runs++; }
  int runs = 0;  // read when the verifier has stopped
};

TEST(VerifierTest, RunsWorkAndLetsGoOfIt) {
  const auto ran = std::make_shared<CountedWork>();
  const auto queued = std::make_shared<CountedWork>();
  Results results;
  results.Hold();
  VerifierThreads verifier({.threads = 1, .queue_max = 4, .nice = 0}, results.Sink());
  ASSERT_TRUE(verifier.Submit({.token = {.connection = 1}, .work = ran}));
  results.WaitForArrivals(1);
  ASSERT_TRUE(verifier.Submit({.token = {.connection = 2}, .work = queued}));
  std::thread stopper([&] { verifier.Stop(); });
  while (verifier.Submit(Job(9, "secret", Keys()))) std::this_thread::yield();
  results.Release();
  stopper.join();
  EXPECT_EQ(results.verdicts().at(1), std::vector{Verdict::kMatch});
  EXPECT_EQ(ran->runs, 1);
  EXPECT_EQ(ran.use_count(), 1);
  EXPECT_EQ(results.verdicts().at(2).size(), 1u);
  EXPECT_EQ(queued->runs, results.verdicts().at(2)[0] == Verdict::kMatch ? 1 : 0);
  EXPECT_EQ(queued.use_count(), 1);
}

TEST(VerifierTest, StopAnswersWhatIsQueued) {
  Results results;
  results.Hold();
  VerifierThreads verifier({.threads = 1, .queue_max = 4, .nice = 0}, results.Sink());
  ASSERT_TRUE(verifier.Submit(Job(0, "secret", Keys())));
  results.WaitForArrivals(1);
  for (uint64_t i = 1; i <= 3; i++) ASSERT_TRUE(verifier.Submit(Job(i, "secret", Keys())));
  std::thread stopper([&] { verifier.Stop(); });
  while (verifier.Submit(Job(9, "secret", Keys())))
    std::this_thread::yield();  // until it is stopping, or full
  results.Release();
  stopper.join();
  const auto verdicts = results.verdicts();
  EXPECT_EQ(verdicts.at(0), std::vector{Verdict::kMatch});
  for (uint64_t i = 1; i <= 3; i++) ASSERT_EQ(verdicts.at(i).size(), 1u) << i;
  EXPECT_FALSE(verifier.Submit(Job(10, "secret", Keys())));
  verifier.Stop();  // again: nothing
}

TEST(VerifierTest, EveryJobTakenIsAnsweredUnderLoad) {
  constexpr uint64_t kProducers = 4;
  constexpr uint64_t kJobs = 2'000;
  Results results;
  std::atomic<uint64_t> taken{0};
  std::atomic<uint64_t> refused{0};
  {
    VerifierThreads verifier({.threads = 3, .queue_max = 64, .nice = 0}, results.Sink());
    std::vector<std::thread> producers;
    for (uint64_t p = 0; p < kProducers; p++) {
      producers.emplace_back([&, p] {
        const auto keys = Keys();
        for (uint64_t i = 0; i < kJobs; i++) {
          const uint64_t id = p * kJobs + i;
          while (!verifier.Submit(Job(id, id % 3 == 0 ? "wrong" : "secret", keys))) {
            refused++;
            std::this_thread::yield();
          }
          taken++;
        }
      });
    }
    for (std::thread& producer : producers) producer.join();
    results.WaitForVerdicts(kProducers * kJobs);
  }
  EXPECT_EQ(taken.load(), kProducers * kJobs);
  for (const auto& [id, verdicts] : results.verdicts()) {
    ASSERT_EQ(verdicts, std::vector{id % 3 == 0 ? Verdict::kMismatch : Verdict::kMatch}) << id;
  }
}

TEST(VerifierTest, StoppedUnderLoadAnswersEveryJobItTook) {
  for (int round = 0; round < 20; round++) {
    Results results;
    std::atomic<uint64_t> taken{0};
    VerifierThreads verifier({.threads = 2, .queue_max = 16, .nice = 0}, results.Sink());
    std::vector<std::thread> producers;
    for (uint64_t p = 0; p < 2; p++) {
      producers.emplace_back([&, p] {
        for (uint64_t i = 0; i < 200; i++)
          taken += verifier.Submit(Job(p * 200 + i, "secret", Keys()));
      });
    }
    std::this_thread::yield();
    verifier.Stop();
    for (std::thread& producer : producers) producer.join();
    EXPECT_EQ(results.verdicts().size(), taken.load());
  }
}

TEST(VerifierTest, RunsBelowTheShards) {
  int nice = 0;
  std::atomic<bool> done{false};
  VerifierThreads verifier({.threads = 1, .queue_max = 4, .nice = 10}, [&](VerifyToken, Verdict) {
    nice = getpriority(PRIO_PROCESS, 0);
    done = true;
  });
  const int ours = getpriority(PRIO_PROCESS, 0);
  ASSERT_TRUE(verifier.Submit(Job(1, "secret", Keys())));
  while (!done) std::this_thread::yield();
  EXPECT_GE(nice, 10);
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), ours);
}

TEST(VerifierTest, KeysThatAreMissingCanBeMadeOfARightPasswordAlone) {
  std::mutex mutex;
  std::vector<std::string> upgraded;
  {
    VerifierThreads verifier(
        {.threads = 2}, [](VerifyToken, Verdict) {},
        [&](VerifyJob&& job) {
          const std::lock_guard lock(mutex);
          EXPECT_TRUE(job.missing.cram_md5);
          upgraded.push_back(job.login + " " + std::string(job.password.view()));
        });
    for (const bool right : {true, false}) {
      for (const bool missing : {true, false}) {
        VerifyJob job{.token = {.attempt = 1},
                      .keys = DeriveScramKeys(ScramHash::kSha256, "secret", "salt", 2),
                      .password = Secret(right ? "secret" : "wrong")};
        job.missing.cram_md5 = missing;
        job.login = "alice";
        while (!verifier.Submit(std::move(job))) std::this_thread::yield();
      }
    }
    while (verifier.waiting() > 0) std::this_thread::yield();
  }
  EXPECT_EQ(upgraded, std::vector<std::string>{"alice secret"});
}

}  // namespace
}  // namespace sluice::auth
