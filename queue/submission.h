// What a session hands to the queue, and how it learns the outcome.
#ifndef SLUICE_QUEUE_SUBMISSION_H_
#define SLUICE_QUEUE_SUBMISSION_H_

#include <cstdint>
#include <memory>

#include "core/base/buffer.h"
#include "core/base/check.h"
#include "queue/queue_id.h"

namespace sluice::queue {

struct Upload;

// A message on its way in. Its content is prefix, then the parts given to Queue::AppendPart, then body.
// REQUIRES: one with parts ends in Queue::Submit or Queue::Abandon before it is destroyed.
struct Submission {
  Submission();
  Submission(Submission&&) noexcept;
  Submission& operator=(Submission&&) noexcept;
  ~Submission();

  QueueId id;       // from Queue::NewId
  Buffer envelope;  // from EnvelopeBuilder
  Buffer prefix;    // header lines that we add: Received, Date, ...
  Buffer body;      // header and body as received, from the end of the last part on
  std::unique_ptr<Upload> upload;  // the queue's account of the parts
};

enum class CommitResult : uint8_t {
  kDurable,
  kFailed,  // the journal is poisoned: of unknown fate, it may still be delivered after a restart
};

// Someone who waits for records to be durable: a field of the connection. Called once; Detach when the
// connection goes first (the message is kept and delivered all the same).
class CommitWaiter {
 public:
  using Done = void (*)(CommitWaiter& waiter, CommitResult result);

  explicit CommitWaiter(Done done) : done_(done) {}
  ~CommitWaiter() { Detach(); }
  CommitWaiter(const CommitWaiter&) = delete;
  CommitWaiter& operator=(const CommitWaiter&) = delete;

  bool waiting() const { return slot_ != nullptr; }

  void Detach() {
    if (slot_ != nullptr) *slot_ = nullptr;
    slot_ = nullptr;
  }

  // For the queue: `slot` is where it keeps its pointer to this waiter.
  void AttachTo(CommitWaiter*& slot) {
    DCHECK(!waiting());
    slot = this;
    slot_ = &slot;
  }
  static void Tell(CommitWaiter*& slot, CommitResult result) {
    CommitWaiter* waiter = slot;
    if (waiter == nullptr) return;
    waiter->Detach();
    waiter->done_(*waiter, result);
  }

 private:
  Done done_;
  CommitWaiter** slot_ = nullptr;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_SUBMISSION_H_
