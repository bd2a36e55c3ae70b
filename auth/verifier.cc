#include "auth/verifier.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>

#include "auth/foreign_hash.h"
#include "auth/scram_keys.h"
#include "core/base/check.h"

namespace sluice::auth {

Verdict Prove(const VerifyJob& job) {
  if (job.work != nullptr) {
    job.work->Run();
    return Verdict::kMatch;
  }
  if (!job.foreign_hash.empty()) return ProveForeignHash(job.foreign_hash, job.password.view());
  return PasswordMatches(job.keys, job.password.view()) ? Verdict::kMatch : Verdict::kMismatch;
}

// The ring is a bounded queue of many producers and many consumers (Vyukov). A cell's sequence
// number says whose turn it is: equal to a position, the producer of that position may fill it; one
// more, the consumer may take it; then it moves on by the ring's size.
struct alignas(64) VerifierThreads::Cell {
  std::atomic<uint64_t> sequence;
  VerifyJob job;
};

VerifierThreads::VerifierThreads(const Options& options, Sink sink, Upgrade upgrade)
    : sink_(std::move(sink)),
      upgrade_(std::move(upgrade)),
      nice_(options.nice),
      mask_(std::bit_ceil(std::max(options.queue_max, 2u)) - 1),
      cells_(std::make_unique<Cell[]>(size_t{mask_} + 1)) {
  CHECK(options.threads >= 1);
  for (uint64_t i = 0; i <= mask_; i++) cells_[i].sequence.store(i, std::memory_order_relaxed);
  CHECK(sem_init(&work_, /*pshared=*/0, 0) == 0);

  // The process's signals are for its main thread; a new thread inherits the mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
  for (unsigned i = 0; i < options.threads; i++) threads_.emplace_back([this, i] { Run(i); });
  CHECK(pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
}

VerifierThreads::~VerifierThreads() {
  Stop();
  sem_destroy(&work_);
}

bool VerifierThreads::Submit(VerifyJob&& job) {
  // Stop() waits for submitting_ to be zero after it has set stopping_: a job is either refused
  // here or in the ring when Stop() empties it. Both orders need the sequentially consistent
  // default.
  submitting_.fetch_add(1);
  const bool taken = !stopping_.load() && Push(job);
  if (taken) sem_post(&work_);
  submitting_.fetch_sub(1);
  return taken;
}

void VerifierThreads::Stop() {
  if (threads_.empty()) return;
  stopping_.store(true);
  while (submitting_.load() != 0)
    std::this_thread::yield();  // a few instructions of another thread
  for (size_t i = 0; i < threads_.size(); i++) sem_post(&work_);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  VerifyJob job;
  while (Pop(job)) {
    job.place.Leave();
    sink_(job.token, Verdict::kTemporary);
  }
}

uint32_t VerifierThreads::waiting() const {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  return tail > head ? static_cast<uint32_t>(tail - head) : 0;
}

void VerifierThreads::Run(unsigned index) {
  char name[16];
  std::snprintf(name, sizeof name, "verify/%u", index);
  pthread_setname_np(pthread_self(), name);
  setpriority(PRIO_PROCESS, 0, nice_);  // on Linux: of this thread; without the right to, no harm

  // A job's post comes after the job is in the ring, but an earlier cell may still be being filled,
  // so a post is no promise of a job: whoever wakes takes all there is, and who fills the earlier
  // cell posts.
  VerifyJob job;
  for (;;) {
    while (sem_wait(&work_) != 0) CHECK(errno == EINTR);
    while (!stopping_.load() && Pop(job)) {
      const Verdict verdict = Prove(job);
      job.place.Leave();
      sink_(job.token, verdict);
      if (verdict == Verdict::kMatch && upgrade_ && job.missing.any()) upgrade_(std::move(job));
      job.password.Clear();
      job.work.reset();
    }
    if (stopping_.load()) return;
  }
}

bool VerifierThreads::Push(VerifyJob& job) {
  uint64_t position = tail_.load(std::memory_order_relaxed);
  for (;;) {
    Cell& cell = cells_[position & mask_];
    const uint64_t sequence = cell.sequence.load(std::memory_order_acquire);
    if (sequence == position) {
      if (tail_.compare_exchange_weak(position, position + 1, std::memory_order_relaxed)) {
        cell.job = std::move(job);
        cell.sequence.store(position + 1, std::memory_order_release);
        return true;
      }
    } else if (sequence < position) {
      return false;  // still holds the job of a round ago: full
    } else {
      position = tail_.load(std::memory_order_relaxed);
    }
  }
}

bool VerifierThreads::Pop(VerifyJob& job) {
  uint64_t position = head_.load(std::memory_order_relaxed);
  for (;;) {
    Cell& cell = cells_[position & mask_];
    const uint64_t sequence = cell.sequence.load(std::memory_order_acquire);
    if (sequence == position + 1) {
      if (head_.compare_exchange_weak(position, position + 1, std::memory_order_relaxed)) {
        job = std::move(cell.job);
        cell.sequence.store(position + mask_ + 1, std::memory_order_release);
        return true;
      }
    } else if (sequence < position + 1) {
      return false;  // empty, or its producer is still moving the job in
    } else {
      position = head_.load(std::memory_order_relaxed);
    }
  }
}

}  // namespace sluice::auth
