// What queue_bench and the instruction counts both work on: a queue over a disk that takes
// everything, at once.
#ifndef SLUICE_BENCH_QUEUE_PARTS_H_
#define SLUICE_BENCH_QUEUE_PARTS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "queue/device.h"
#include "queue/queue.h"

namespace sluice::queue {

// Keeps nothing: what is written is gone. RunAll ends what was asked for.
class NullDevice final : public Device {
 public:
  uint64_t segment_bytes() const override { return 64 << 20; }
  void Write(uint32_t, uint64_t, ByteView bytes, DeviceOp& op) override {
    Start(op, static_cast<int>(bytes.size()));
  }
  void Read(uint32_t, uint64_t, MutableBytes, DeviceOp& op) override { Start(op, -EIO); }
  void Prepare(uint32_t, DeviceOp& op) override { Start(op, 0); }
  void Remove(uint32_t, DeviceOp& op) override { Start(op, 0); }
  absl::StatusOr<std::vector<SegmentFile>> List() override { return std::vector<SegmentFile>(); }
  absl::Status ReadNow(uint32_t, uint64_t, MutableBytes) override {
    return absl::NotFoundError("nothing is kept");
  }
  absl::Status PrepareNow(uint32_t) override { return absl::OkStatus(); }
  absl::Status SetAsideNow(uint32_t, uint64_t, uint64_t, ByteView) override {
    return absl::OkStatus();
  }

  void RunAll() {
    while (!started_.empty()) {
      running_.swap(started_);
      for (auto [op, result] : running_) {
        op->in_flight = false;
        op->done(*op, result);
      }
      running_.clear();
    }
  }

 private:
  void Start(DeviceOp& op, int result) {
    op.in_flight = true;
    started_.emplace_back(&op, result);
  }
  std::vector<std::pair<DeviceOp*, int>> started_, running_;
};

class QueueOnNothing {
 public:
  QueueOnNothing() : queue_({.spool = {'b'}}, device_, nullptr) {
    CHECK(queue_.Recover(now_).ok());
    body_.assign(4096, 'x');
    EnvelopeBuilder envelope;
    envelope.SetSender("alice@example.net");
    envelope.SetLogin("alice@example.net");
    envelope.SetClient("192.0.2.1");
    envelope.SetHelo("client.example");
    envelope.SetProtocol("ESMTPSA");
    envelope.SetCreated(now_.wall);
    envelope.AddRecipient("bob@example.org");
    envelope_ = std::string(envelope.Take().view());
  }
  ~QueueOnNothing() { device_.RunAll(); }

  // A message of 4 KiB into the open batch; its client waits.
  void Submit() {
    Submission submission;
    submission.id = queue_.NewId(now_.wall);
    submission.envelope.Append(envelope_);
    submission.body.Append(body_);
    CHECK(queue_.Submit(submission, waiter_.waiting() ? nullptr : &waiter_) ==
          SubmitResult::kAccepted);
  }

  // A turn of the loop, `passed` after the last: the open batch is written and durable, when
  // somebody waits or its oldest record has waited long enough.
  void Turn(milliseconds passed = milliseconds(1)) {
    now_.mono += passed;
    now_.wall += passed;
    queue_.Pump(now_);
    device_.RunAll();
  }

  // All that is due is delivered; the records of that go into the open batch.
  void Deliver() {
    const RecipientOutcome delivered[] = {{.recipient = 0, .finished = true, .reply = "250 Ok"}};
    while (Entry* entry = queue_.TakeDue(now_.mono)) {
      MessageLoad load([](MessageLoad&, ReadResult) {});
      CHECK(queue_.Load(*entry, load));
      CHECK(queue_.Finish(*entry, load, {.recipients = delivered}, now_).done);
    }
  }

  QueueStats stats() const { return queue_.stats(); }

 private:
  NullDevice device_;
  Now now_{MonoTime(hours(1)), WallFromMillis(1795492709000)};
  Queue queue_;
  CommitWaiter waiter_{[](CommitWaiter&, CommitResult) {}};
  std::string body_, envelope_;
};

}  // namespace sluice::queue

#endif  // SLUICE_BENCH_QUEUE_PARTS_H_
