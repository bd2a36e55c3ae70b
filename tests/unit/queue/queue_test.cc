// The queue on a disk that does what it is told: records and segments of every size, and how it
// ends. tests/sim/queue_sim_test.cc has disks that do not.
#include "queue/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/sim/sim_disk.h"

namespace sluice::queue {
namespace {

using sim::SimDisk;

constexpr uint64_t kMiB = 1 << 20;

class QueueTest : public ::testing::Test, public QueueObserver {
 protected:
  ~QueueTest() override { Stop(); }

  void Start(uint64_t segment_bytes) {
    std::map<uint32_t, std::string> segments;
    if (disk_ != nullptr) segments = std::move(disk_->segments());
    disk_ = std::make_unique<SimDisk>(1, sim::DiskOptions{.segment_bytes = segment_bytes});
    disk_->segments() = std::move(segments);
    options_.spool = {'q'};
    queue_ = std::make_unique<Queue>(options_, *disk_, this);
    ASSERT_TRUE(queue_->Recover(now()).ok());
    EXPECT_TRUE(queue_->recovery().damage.empty());
  }

  void Stop() {
    if (queue_ == nullptr) return;
    while (disk_->Pending()) disk_->RunOne();
    queue_.reset();
  }

  // From now on the disk is full: what was never used is taken from it, and no segment can be made.
  void FillDisk() {
    std::erase_if(disk_->segments(), [](const auto& segment) {
      return segment.second.find_first_not_of('\0') == std::string::npos;
    });
    disk_->faults.prepare_error = 1'000'000;
  }

  void OnDone(QueueId id) override { done_.insert(id); }

  Now now() const {
    return {mono_, wall_ + std::chrono::duration_cast<milliseconds>(mono_ - MonoTime())};
  }

  void Turns(int turns) {
    for (; turns > 0; turns--) {
      mono_ += milliseconds(200);
      queue_->Pump(now());
      for (int i = 0; i < 20 && disk_->Pending(); i++) disk_->RunOne();
    }
  }

  Submission NewMessage(size_t body_bytes, size_t envelope_bytes = 0) {
    Submission submission;
    submission.id = queue_->NewId(now().wall);
    EnvelopeBuilder envelope;
    envelope.SetSender("ann@example.net");
    envelope.SetCreated(now().wall);
    envelope.AddRecipient("bob@example.org");
    envelope.SetProtocol(std::string(envelope_bytes, 'p'));
    submission.envelope = envelope.Take();
    submission.body.Append(std::string(body_bytes, 'b'));
    return submission;
  }

  QueueId Submit(size_t body_bytes, size_t envelope_bytes = 0) {
    Submission submission = NewMessage(body_bytes, envelope_bytes);
    const QueueId id = submission.id;
    EXPECT_EQ(queue_->Submit(submission, nullptr), SubmitResult::kAccepted);
    Turns(2);
    return id;
  }

  // An attempt at all that is due: those in `keep` are deferred, with `bounce` if there is one.
  void Attempt(const std::set<QueueId>& keep, Submission* bounce = nullptr) {
    while (Entry* entry = queue_->TakeDue(mono_)) {
      MessageLoad load([](MessageLoad&, ReadResult result) { EXPECT_EQ(result, ReadResult::kOk); });
      if (!queue_->Load(*entry, load)) {
        while (load.in_flight()) disk_->RunOne();
      }
      const RecipientOutcome outcome{0, !keep.contains(entry->id), "450 later"};
      queue_->Finish(*entry, load, {{&outcome, 1}, bounce}, now());
      Turns(1);
    }
    Turns(3);
  }

  std::set<uint64_t> SegmentSizes() {
    std::set<uint64_t> sizes;
    for (const auto& [number, bytes] : disk_->segments()) sizes.insert(bytes.size());
    return sizes;
  }

  std::unique_ptr<SimDisk> disk_;
  std::unique_ptr<Queue> queue_;
  QueueOptions options_;
  std::set<QueueId> done_;
  MonoTime mono_{hours(1)};
  WallTime wall_ = WallFromMillis(1'700'000'000'000);
};

// --- segments of another size
// ----------------------------------------------------------------------------------

TEST_F(QueueTest, OnAFullDiskSmallerSegmentsOfAnEarlierStartAreStillWritten) {
  Start(kSegmentBytesMin);
  for (int i = 0; i < 20; i++) Submit(60'000);
  Stop();
  FillDisk();
  const size_t segments = disk_->segments().size();
  Start(8 * kMiB);
  disk_->faults.prepare_error = 1'000'000;
  Attempt({});
  mono_ += kFrugalDelay;
  for (int i = 0; i < 100; i++) Turns(1);
  EXPECT_EQ(done_.size(), 20u);
  const uint64_t writes = disk_->writes();
  for (int i = 0; i < 100; i++) Turns(1);
  EXPECT_EQ(disk_->writes(), writes);  // nothing is left to do
  EXPECT_EQ(disk_->segments().size(), segments);
  EXPECT_EQ(queue_->stats().messages, 0u);
}

TEST_F(QueueTest, SmallerSegmentsGoOnceLargerOnesCanBeMade) {
  Start(kSegmentBytesMin);
  for (int i = 0; i < 20; i++) Submit(60'000);
  Stop();
  Start(4 * kMiB);
  Attempt({});
  for (int i = 0; i < 40; i++) Submit(60'000);
  Attempt({});
  Turns(50);
  EXPECT_EQ(done_.size(), 60u);
  EXPECT_THAT(SegmentSizes(), ::testing::ElementsAre(4 * kMiB));
  Submit(60'000);
  Stop();
  Start(4 * kMiB);
  EXPECT_EQ(queue_->stats().messages, 1u);
}

TEST_F(QueueTest, ARecordTooLargeForTheBatchesOfSmallerSegmentsHoldsNobodyUp) {
  options_.retry = {.retry_min = hours(100), .retry_max = hours(200), .expire = hours(1000)};
  Start(4 * kMiB);
  const QueueId large = Submit(1000, 700'000);  // alone in its segment, when the others are done
  for (int i = 0; i < 50; i++) Submit(60'000);
  Attempt({large});
  queue_->set_retry_policy({.retry_min = hours(1), .retry_max = hours(200), .expire = hours(1000)});
  std::set<QueueId> second;  // fill the second segment
  for (int i = 0; i < 55; i++) second.insert(Submit(60'000));
  Submit(60'000);
  Attempt(second);
  Stop();
  FillDisk();
  ASSERT_EQ(disk_->segments().size(), 3u);

  Start(kSegmentBytesMin);
  disk_->faults.prepare_error = 1'000'000;
  Turns(20);  // the cleaner looks at the first segment, which is mostly dead
  mono_ += hours(2);
  Attempt({*second.begin()});
  Turns(100);
  EXPECT_EQ(queue_->stats().messages, 2u);
  EXPECT_GT(queue_->stats().moved, 0u);  // out of the second segment
  mono_ += hours(300);
  Attempt({});
  EXPECT_TRUE(done_.contains(large));
}

// --- records of every size
// -------------------------------------------------------------------------------------

TEST_F(QueueTest, ABounceOfTheLargestSizeFitsWithWhateverRecordItGoesWith) {
  Start(kSegmentBytesMin);
  // As many recipients as an envelope can name, all with words of the next hop.
  Submission submission = NewMessage(10);
  EnvelopeBuilder envelope;
  envelope.SetSender("ann@example.net");
  constexpr uint32_t kRecipients = 9000;
  for (uint32_t i = 0; i < kRecipients; i++) envelope.AddRecipient("b@c.d");
  submission.envelope = envelope.Take();
  ASSERT_EQ(queue_->Submit(submission, nullptr), SubmitResult::kAccepted);
  Turns(3);
  Entry* entry = queue_->TakeDue(mono_);
  ASSERT_NE(entry, nullptr);
  MessageLoad load([](MessageLoad&, ReadResult) {});
  ASSERT_TRUE(queue_->Load(*entry, load));
  std::vector<RecipientOutcome> outcomes;
  for (uint32_t i = 0; i < kRecipients; i++) {
    outcomes.push_back({i, i == 0, "x"});
  }
  Submission bounce = NewMessage(0);
  const size_t body_bytes = queue_->bounce_bytes_max() - bounce.envelope.size();
  EXPECT_GT(body_bytes, 80'000u);
  bounce.body.Append(std::string(body_bytes, 'b'));
  queue_->Finish(*entry, load, {outcomes, &bounce}, now());
  Turns(3);
  EXPECT_EQ(queue_->stats().messages, 2u);
  EXPECT_EQ(queue_->stats().deferred, 1u);
  queue_->ForEach([](Entry& e) {
    if (!e.status) return;
    EXPECT_LE(e.status.bytes, kRecordHeaderBytes + kStatusBytesMax);
  });
}

TEST_F(QueueTest, ALargerBounceIsTheCallersMistake) {
  Start(kSegmentBytesMin);
  Submit(10);
  Entry* entry = queue_->TakeDue(mono_);
  MessageLoad load([](MessageLoad&, ReadResult) {});
  ASSERT_TRUE(queue_->Load(*entry, load));
  const RecipientOutcome outcome{0, true, "550 no"};
  Submission bounce = NewMessage(queue_->bounce_bytes_max());
  EXPECT_DEATH(queue_->Finish(*entry, load, {{&outcome, 1}, &bounce}, now()), "bounce_bytes_max");
  queue_->Release(*entry, mono_);
}

TEST_F(QueueTest, AnEnvelopeThatFitsNoRecordIsRefused) {
  Start(kSegmentBytesMin);
  Submission large = NewMessage(0, BatchBytesMaxFor(kSegmentBytesMin));
  EXPECT_EQ(queue_->Submit(large, nullptr), SubmitResult::kTooLarge);
  EnvelopeBuilder envelope;
  envelope.SetSender("");
  for (uint32_t i = 0; i <= kRecipientsMax; i++) envelope.AddRecipient("");
  Stop();
  Start(16 * kMiB);
  Submission many = NewMessage(0);
  many.envelope = envelope.Take();
  EXPECT_EQ(queue_->Submit(many, nullptr), SubmitResult::kTooLarge);
}

// --- the end
// ---------------------------------------------------------------------------------------------------

struct SealWaiter : CommitWaiter {
  SealWaiter()
      : CommitWaiter([](CommitWaiter& waiter, CommitResult result) {
          static_cast<SealWaiter&>(waiter).told = result;
        }) {}
  std::optional<CommitResult> told;
};

TEST_F(QueueTest, ASealDoesNotWaitForHousekeeping) {
  Start(kSegmentBytesMin);
  for (int i = 0; i < 200; i++) Submit(60'000);
  while (Entry* entry = queue_->TakeDue(mono_)) {
    MessageLoad load([](MessageLoad&, ReadResult) {});
    if (!queue_->Load(*entry, load)) {
      while (load.in_flight()) disk_->RunOne();
    }
    const RecipientOutcome outcome{0, true, ""};
    queue_->Finish(*entry, load, {{&outcome, 1}, nullptr}, now());
  }
  mono_ += kLazyDelay;
  SealWaiter waiter;
  queue_->Seal(waiter);
  int requests = 0;
  for (; requests < 100 && !waiter.told.has_value(); requests++) {
    queue_->Pump(now());
    if (disk_->Pending()) disk_->RunOne();
  }
  EXPECT_EQ(waiter.told, CommitResult::kDurable);
  EXPECT_LT(requests, 10);  // thirty segments could be voided, and given back
  while (disk_->Pending()) disk_->RunOne();
  EXPECT_TRUE(queue_->idle());
  queue_->Pump(now());
  EXPECT_TRUE(queue_->idle());
  EXPECT_EQ(queue_->NextDeadline(), std::nullopt);
  Stop();
  Start(kSegmentBytesMin);
  EXPECT_TRUE(queue_->recovery().clean);
  EXPECT_EQ(queue_->stats().messages, 0u);
}

TEST_F(QueueTest, ASealForWhichThereIsNoRoomFails) {
  options_.segments_spare = 1;
  Start(kSegmentBytesMin);
  Submit(60'000);
  Stop();
  FillDisk();
  std::string& segment = disk_->segments().begin()->second;
  segment.resize(3 * kBlockBytes +
                 RoundUpToBlock(60'000));  // no batch but an empty one fits any more
  SegmentHeader header;
  ASSERT_EQ(SegmentHeader::Decode(ByteView(segment).substr(0, kBlockBytes), header),
            SegmentHeader::Found::kGood);
  header.bytes = segment.size();
  header.Encode(segment.data());
  Start(kSegmentBytesMin);
  disk_->faults.prepare_error = 1'000'000;
  Entry* entry = queue_->TakeDue(mono_);
  ASSERT_NE(entry, nullptr);
  MessageLoad load([](MessageLoad&, ReadResult) {});
  if (!queue_->Load(*entry, load)) {
    while (load.in_flight()) disk_->RunOne();
  }
  const RecipientOutcome outcome{0, true, ""};
  queue_->Finish(*entry, load, {{&outcome, 1}, nullptr}, now());
  SealWaiter waiter;
  queue_->Seal(waiter);
  Turns(20);
  EXPECT_EQ(waiter.told, CommitResult::kFailed);
  EXPECT_TRUE(queue_->idle());
  EXPECT_EQ(queue_->NextDeadline(), std::nullopt);
  Turns(20);
  EXPECT_TRUE(queue_->idle());
}

TEST_F(QueueTest, APoisonedQueueComesToRest) {
  Start(kSegmentBytesMin);
  disk_->faults.prepare_error = 1'000'000;  // which would be tried again
  for (int i = 0; i < 3; i++) Submit(60'000);
  disk_->faults.write_error = 1'000'000;
  Submission submission = NewMessage(10);
  SealWaiter waiter;
  ASSERT_EQ(queue_->Submit(submission, &waiter), SubmitResult::kAccepted);
  Turns(3);
  EXPECT_EQ(waiter.told, CommitResult::kFailed);
  while (disk_->Pending()) disk_->RunOne();
  for (int i = 0; i < 20; i++) {
    queue_->Pump(now());
    EXPECT_TRUE(queue_->idle());
    EXPECT_EQ(queue_->NextDeadline(), std::nullopt);
    mono_ += seconds(10);
  }
  SealWaiter seal;
  queue_->Seal(seal);
  queue_->Pump(now());
  EXPECT_EQ(seal.told, CommitResult::kFailed);
  EXPECT_TRUE(queue_->idle());
}

TEST_F(QueueTest, AFullSpoolOfSmallSegmentsTakesTheDoneRecordsOfAllThatIsInIt) {
  Start(kMiB);
  Turns(10);
  disk_->faults.prepare_error = 1'000'000;  // no segment more
  Submission submission = NewMessage(36'000);
  int taken = 0;
  while (queue_->admission() == Admission::kOpen && queue_->Submit(submission, nullptr) == SubmitResult::kAccepted) {
    Turns(3);
    taken++;
    submission = NewMessage(36'000);
  }
  ASSERT_GT(taken, 10);
  EXPECT_EQ(queue_->admission(), Admission::kFull);
  Attempt({});
  mono_ += kFrugalDelay;
  Turns(20);
  EXPECT_EQ(queue_->stats().messages, 0u);
  Turns(20);
  EXPECT_EQ(queue_->admission(), Admission::kOpen);
}

// --- held and suspended --------------------------------------------------------------------------

class HeldMailTest : public QueueTest {
 protected:
  QueueId SubmitHeld(size_t body_bytes = 100) {
    Submission submission = NewMessage(body_bytes);
    EnvelopeBuilder envelope;
    envelope.SetSender("ann@example.net");
    envelope.AddRecipient("bob@example.org");
    envelope.SetCreated(now().wall);
    envelope.SetHold("too much");
    submission.envelope = envelope.Take();
    const QueueId id = submission.id;
    EXPECT_EQ(queue_->Submit(submission, nullptr), SubmitResult::kAccepted);
    Turns(2);
    return id;
  }
  Entry* Find(QueueId id) {
    Entry* found = nullptr;
    queue_->ForEach([&](Entry& entry) {
      if (entry.id == id) found = &entry;
    });
    return found;
  }
  std::set<QueueId> Due() {
    std::set<QueueId> due;
    std::vector<Entry*> taken;
    while (Entry* entry = queue_->TakeDue(mono_)) taken.push_back(entry);
    for (Entry* entry : taken) {
      due.insert(entry->id);
      queue_->Release(*entry, mono_);
    }
    return due;
  }
  void Restart(uint64_t segment_bytes = kMiB) {
    Stop();
    Start(segment_bytes);
  }
};

TEST_F(HeldMailTest, IsNotTriedUntilItIsReleasedWhateverRestartsThereAre) {
  Start(kMiB);
  const QueueId held = SubmitHeld();
  const QueueId other = SubmitHeld();
  const QueueId free = Submit(100);
  EXPECT_EQ(queue_->stats().held, 2u);
  EXPECT_EQ(queue_->stats().hot_bytes, Find(free)->content->bytes())
      << "what is held is not kept in memory";
  EXPECT_EQ(Due(), std::set<QueueId>{free});
  Restart();
  EXPECT_EQ(queue_->stats().held, 2u);
  EXPECT_EQ(Due(), std::set<QueueId>{free});
  mono_ += hours(24 * 30);
  EXPECT_EQ(Due(), std::set<QueueId>{free});

  EXPECT_TRUE(queue_->ReleaseHeld(*Find(held), now()));
  Turns(2);
  EXPECT_EQ(queue_->stats().held, 1u);
  EXPECT_EQ(Due(), (std::set<QueueId>{free, held}));
  Restart();
  EXPECT_EQ(queue_->stats().held, 1u) << "the release is durable";
  EXPECT_EQ(Due(), (std::set<QueueId>{free, held}));
  Attempt({held});
  EXPECT_EQ(done_, std::set<QueueId>{free});
  Restart();
  EXPECT_EQ(Find(other)->state, EntryState::kHeld);
  EXPECT_EQ(Find(held)->state, EntryState::kDeferred) << "a deferral does not hold it again";
}

TEST_F(HeldMailTest, IsMovedWithItsHold) {
  Start(kMiB);
  std::set<QueueId> held;
  for (int i = 0; i < 5; i++) {
    held.insert(SubmitHeld(1000));
    for (int j = 0; j < 40; j++) Submit(60'000);
    Attempt({});
  }
  for (int i = 0; i < 400; i++) Turns(1);
  EXPECT_GT(queue_->stats().moved, 0u);
  Restart();
  EXPECT_EQ(queue_->stats().held, held.size());
  EXPECT_EQ(queue_->stats().messages, held.size());
  for (const QueueId id : held) EXPECT_TRUE(queue_->ReleaseHeld(*Find(id), now()));
  Turns(3);
  EXPECT_EQ(Due(), held);
}

TEST_F(HeldMailTest, IsDeletedForGood) {
  Start(kMiB);
  const QueueId held = SubmitHeld(), ready = Submit(10), deferred = Submit(10),
                suspended = Submit(10);
  const QueueId taken = Submit(10);
  std::vector<Entry*> entries;
  while (Entry* entry = queue_->TakeDue(mono_)) entries.push_back(entry);
  for (Entry* entry : entries) {
    if (entry->id == deferred) queue_->Release(*entry, mono_ + hours(1));
    if (entry->id == ready) queue_->Release(*entry, mono_);
    if (entry->id == suspended) queue_->Suspend(*entry, "ann");
  }
  EXPECT_FALSE(queue_->Delete(*Find(taken)));
  for (const QueueId id : {held, ready, deferred, suspended})
    EXPECT_TRUE(queue_->Delete(*Find(id)));
  EXPECT_FALSE(queue_->Delete(*Find(held))) << "it is on its way already";
  Turns(3);
  EXPECT_EQ(done_, (std::set<QueueId>{held, ready, deferred, suspended}));
  EXPECT_EQ(queue_->stats().messages, 1u);
  EXPECT_EQ(queue_->stats().held + queue_->stats().suspended, 0u);
  queue_->Release(*Find(taken), mono_);
  Restart();
  EXPECT_EQ(queue_->stats().messages, 1u);
}

TEST_F(HeldMailTest, SuspendedMailGoesOnWithItsLogin) {
  Start(kMiB);
  std::map<QueueId, std::string> logins;
  for (int i = 0; i < 30; i++) logins[Submit(10)] = absl::StrCat("login", i % 3);
  while (Entry* entry = queue_->TakeDue(mono_)) queue_->Suspend(*entry, logins[entry->id]);
  EXPECT_EQ(queue_->stats().suspended, 30u);
  EXPECT_EQ(queue_->stats().hot_bytes, 0u);
  EXPECT_EQ(queue_->NextDue(), std::nullopt) << "nothing spins";

  int asked = 0;
  const auto nobody = [&](ByteView) { return asked++, false; };
  EXPECT_FALSE(queue_->Resume({}, 10, nobody).more);
  EXPECT_EQ(asked, 3) << "once a login, not once a message";
  Queue::Resumption at;
  uint32_t before = 30;
  int calls = 0;
  do {
    at = queue_->Resume(at, 4, [](ByteView login) { return login != "login1"; });
    EXPECT_LE(before - queue_->stats().suspended, 4u);
    before = queue_->stats().suspended;
    calls++;
  } while (at.more);
  EXPECT_GE(calls, 5);
  EXPECT_EQ(queue_->stats().suspended, 10u);
  const std::set<QueueId> due = Due();
  EXPECT_EQ(due.size(), 20u);
  for (const QueueId id : due) EXPECT_NE(logins[id], "login1");
  Restart();
  EXPECT_EQ(Due().size(), 30u) << "who is suspended is kept elsewhere";
}

TEST_F(HeldMailTest, APoisonedQueueReleasesNothing) {
  Start(kMiB);
  const QueueId held = SubmitHeld();
  disk_->faults.write_error = 1'000'000;
  Submission submission = NewMessage(10);
  ASSERT_EQ(queue_->Submit(submission, nullptr), SubmitResult::kAccepted);
  Turns(3);
  ASSERT_EQ(queue_->admission(), Admission::kPoisoned);
  EXPECT_FALSE(queue_->ReleaseHeld(*Find(held), now()));
  EXPECT_FALSE(queue_->Delete(*Find(held)));
  EXPECT_EQ(queue_->stats().held, 1u);
}

}  // namespace
}  // namespace sluice::queue
