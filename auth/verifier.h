// Proving passwords, and whatever else may block, off the shards: a bounded queue and a few
// threads.
//
// A shard submits a job and goes on; the verdict comes back through a sink, on a verifier's thread,
// with the token the shard gave. When the queue is full Submit() says so and the client gets
// 454 4.7.0, whether its user exists or not. Submit() takes no lock: shards and verifiers meet in a
// ring of cells with a sequence number each. Verifiers run at a lower priority than shards, so that
// a storm of first logins slows itself down and not the mail of those who are logged in.
//
// PasswordVerifier is the seam: the simulator puts a queue with virtual time in its place.
#ifndef SLUICE_AUTH_VERIFIER_H_
#define SLUICE_AUTH_VERIFIER_H_

#include <semaphore.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "auth/exchange.h"
#include "auth/guess_guard.h"
#include "auth/record.h"
#include "auth/secret.h"
#include "auth/wanted_keys.h"

namespace sluice::auth {

// Names who waits; opaque here. `attempt` is the Authenticator's: an answer to an earlier attempt
// of the same connection is recognised by it.
struct VerifyToken {
  uint32_t shard = 0;
  uint32_t attempt = 0;
  uint64_t connection = 0;
  bool operator==(const VerifyToken&) const = default;
};

struct VerifyJob {
  VerifyToken token;
  std::optional<ScramKeys> keys;  // of an unknown user: a decoy's
  std::string foreign_hash;       // instead of them, where it is not empty
  Secret password;

  // Where the record lacks keys that are wanted: whose it is. Empty otherwise.
  WantedKeys missing;
  std::string login;
  uint64_t version = 0;

  GuessGuard::Place place;  // given back when the job is done; its guard outlives the job

  // In place of all this: something to be run. It lives until the job is done with it.
  std::shared_ptr<OffShardWork> work;
};

// Runs the job's work, or proves its password. Slow.
Verdict Prove(const VerifyJob& job);

class PasswordVerifier {
 public:
  virtual ~PasswordVerifier() = default;

  // Takes the job; each job taken gets exactly one verdict. False, and `job` untouched, when there
  // is no room or the verifier is stopping. Any thread.
  [[nodiscard]] virtual bool Submit(VerifyJob&& job) = 0;
};

class VerifierThreads final : public PasswordVerifier {
 public:
  struct Options {
    unsigned threads = 1;
    uint32_t queue_max = 1024;  // rounded up to a power of two, at least 2
    int nice = 10;
  };
  // Called on a verifier's thread, and by Stop() on its caller's. It must not block: it posts the
  // verdict to the shard's mailbox and wakes the shard.
  using Sink = std::function<void(VerifyToken, Verdict)>;
  // Called on a verifier's thread behind the sink, when a password was right and keys are missing,
  // which can be made of it now. It must not block either; what it does not move away is wiped.
  using Upgrade = std::function<void(VerifyJob&&)>;

  // Starts the threads, all signals blocked in them.
  VerifierThreads(const Options& options, Sink sink, Upgrade upgrade = nullptr);
  ~VerifierThreads() override;  // Stop()
  VerifierThreads(const VerifierThreads&) = delete;
  VerifierThreads& operator=(const VerifierThreads&) = delete;

  [[nodiscard]] bool Submit(VerifyJob&& job) override;

  // Ends the threads after the jobs in their hands; jobs still queued get kTemporary. Call it while
  // shards can still take the verdicts, from one thread. Submit() may run beside it and after it.
  void Stop();

  uint32_t waiting() const;  // roughly, for statistics

 private:
  struct Cell;

  void Run(unsigned index);
  bool Push(VerifyJob& job);
  bool Pop(VerifyJob& job);

  const Sink sink_;
  const Upgrade upgrade_;
  const int nice_;
  const uint32_t mask_;
  std::unique_ptr<Cell[]> cells_;
  alignas(64) std::atomic<uint64_t> head_{0};  // next cell to take
  alignas(64) std::atomic<uint64_t> tail_{0};  // next cell to fill
  alignas(64) std::atomic<bool> stopping_{false};
  std::atomic<uint32_t> submitting_{0};
  sem_t work_;  // posted for each job, and once a thread to stop
  std::vector<std::thread> threads_;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_VERIFIER_H_
