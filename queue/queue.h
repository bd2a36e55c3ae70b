// Queue: one shard's mail, from the moment it must not be lost until it is delivered or given back.
//
// Reception: Submit copies a message into the open batch; Pump, called at the end of each loop turn, writes
// the batch when the one before is durable; the message's CommitWaiter then says so, and only then may the
// client see its 250. Relay: TakeDue gives a message whose time has come, Load its bytes, Finish records what
// became of its recipients (or Release gives it back without a result).
//
// A failed write poisons the queue until restart: nothing more is accepted or recorded, waiting clients are
// told, and mail already durable is still delivered from what is on disk. Delivery is at least once.
//
// Pure: the disk is a Device, times are arguments. One thread. Callbacks run inside the device's completions,
// never inside a call into the queue; they may call into it. A folder left by an earlier, larger number of
// shards gets a Queue of its own, which is given no new mail but its own bounces.
#ifndef SLUICE_QUEUE_QUEUE_H_
#define SLUICE_QUEUE_QUEUE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/base/prng.h"
#include "core/base/time.h"
#include "queue/cleaner.h"
#include "queue/content.h"
#include "queue/device.h"
#include "queue/entry.h"
#include "queue/journal.h"
#include "queue/limits.h"
#include "queue/load.h"
#include "queue/message.h"
#include "queue/queue_id.h"
#include "queue/recovery.h"
#include "queue/retry_policy.h"
#include "queue/scheduler.h"
#include "queue/segment_keeper.h"
#include "queue/segment_table.h"
#include "queue/submission.h"

namespace sluice::queue {

// Both clocks at one instant.
struct Now {
  MonoTime mono;
  WallTime wall;
};

struct QueueOptions {
  SpoolId spool{};         // which spool the folder belongs to; one that says otherwise is refused
  uint32_t shard = 0;      // number of the folder, and part of every id; < QueueId::kShardsMax
  uint64_t seed = 1;       // of the jitter
  RetryPolicy retry;

  uint32_t segments_max = 4096;     // size of the spool, in segments
  uint32_t segments_spare = 2;      // kept ready, so that no commit waits for a file to be made
  uint32_t entries_max = 10'000'000;
  size_t memory_bytes = 64 << 20;   // messages kept in memory until their first attempt has ended
  size_t batch_bytes = 512 << 10;   // a batch takes no further record beyond this; see set_batch_bytes
  Duration batch_linger{0};         // how long an idle journal waits for company; 0: a lone client never waits
};

struct Committed {
  uint32_t records = 0;
  uint64_t bytes = 0;  // without padding
  // Times of Pump:
  MonoTime first;  // when it first saw a record of the batch
  MonoTime asked;  // when it began to write it
};

// What happened, for logs and counters. Called on the shard's thread; must not call back into the queue.
class QueueObserver {
 public:
  virtual ~QueueObserver() = default;
  virtual void OnDone(QueueId) {}               // its done record is durable: it will never come back
  virtual void OnPoisoned(int /*error*/) {}     // -errno of the write that failed (or -EIO: short)
  // The wall clock is in doubt (true), or right again. How it was at start, expiry_suspended() says.
  virtual void OnClockDoubt(bool /*in_doubt*/) {}
  virtual void OnCommitted(const Committed& /*batch*/) {}  // a batch is durable
};

enum class Admission : uint8_t {
  kOpen,
  kFull,      // 452 4.3.1: no room on the spool, or entries_max reached
  kPoisoned,  // 451 4.3.0
  kSealed,    // shutting down
};

enum class SubmitResult : uint8_t {
  kAccepted,  // the waiter will be called, once
  kFull,
  kPoisoned,
  kSealed,
  kTooLarge,  // envelope and added lines do not fit in a record
};

// What one attempt did to one recipient that was open.
struct RecipientOutcome {
  uint32_t recipient = 0;  // index in the envelope
  bool finished = false;   // delivered, or failed for good: not tried again
  ByteView reply;          // last words of the next hop, for listings; cut to kReplyBytesMax
};

struct Outcome {
  std::span<const RecipientOutcome> recipients;  // those not named stay as they were
  Submission* bounce = nullptr;  // committed in one batch with the record of this outcome; moved from. It has
                                 // no parts; envelope, prefix and body are at most bounce_bytes_max() together
};

struct FinishResult {
  bool done = false;      // no recipient is left
  WallTime next_attempt;  // when not done
};

struct QueueStats {
  uint64_t batches = 0;
  uint64_t batch_bytes = 0;  // written, padding included
  uint64_t records = 0;
  uint64_t submitted = 0;  // messages made durable
  uint64_t finished = 0;   // messages whose done record is durable
  uint64_t moved = 0;      // messages copied out of mostly dead segments
  uint64_t voided = 0;     // segments recycled
  uint32_t messages = 0;   // queued now, those being delivered included
  uint32_t ready = 0;
  uint32_t deferred = 0;
  uint32_t damaged = 0;
  uint32_t held = 0;
  uint32_t suspended = 0;
  uint64_t live_bytes = 0;        // records that are still needed
  uint64_t hot_bytes = 0;         // messages in memory
  uint64_t uncommitted_bytes = 0; // parts of messages that have not ended yet
  uint32_t segments = 0;
  uint32_t segments_free = 0;
};

class Queue : private Journal::Client {
 public:
  // `device` and `observer` (may be null) outlive the queue. REQUIRES: device.segment_bytes() is a multiple of
  // kBlockBytes between kSegmentBytesMin and kSegmentBytesMax.
  Queue(const QueueOptions& options, Device& device, QueueObserver* observer);

  // REQUIRES: idle(), and no load is in flight. Waiters are not called any more.
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // --- start and end ---------------------------------------------------------------------------------------
  // Reads every segment and builds the index; blocking, once, before anything else. Writes nothing but, where
  // none is free, new segments. An error means that the folder must not be used: it belongs to another spool
  // or a newer format, or cannot be read at all. Damage is no error: it is set aside and reported.
  absl::Status Recover(Now now);
  const RecoveryReport& recovery() const { return recovery_; }

  // Accepts nothing from now on, writes what is open and then a seal that says the end was clean; `waiter` is
  // told when that is durable, or has failed: poisoned, or no room on the disk. Pump must go on being called until
  // then; it starts nothing but what the seal needs.
  void Seal(CommitWaiter& waiter);

  // No request of the queue's own is with the device, so it may be destroyed. Once the waiter of Seal was told, or
  // the queue is poisoned, no request is begun, so this becomes true when the few in flight are done, and stays so.
  bool idle() const;

  // --- reception -------------------------------------------------------------------------------------------
  QueueId NewId(WallTime now) { return ids_.Next(now); }
  Admission admission() const;

  // Makes a message durable. On kAccepted `submission` is moved from and `waiter` (null: nobody waits) is
  // called once; otherwise `submission` is left alone (Abandon it if it has parts). Its body must be at most
  // kPartBytesMax beyond its parts; its envelope must parse.
  [[nodiscard]] SubmitResult Submit(Submission& submission, CommitWaiter* waiter);

  // Writes the next `part` (at most kPartBytesMax, not empty) of a body too large for one record, and drops
  // it from memory when durable. Callers bound what they have waiting by the waiters.
  [[nodiscard]] SubmitResult AppendPart(Submission& submission, Buffer part, CommitWaiter& waiter);

  // Gives back the room of a submission that will not end. Its waiters are not called any more.
  void Abandon(Submission& submission);

  // --- the loop ----------------------------------------------------------------------------------------------
  // Writes the open batch if it is its time, and looks after segments. At the end of each loop turn.
  void Pump(Now now);

  // A record waits to be written: the time that Pump is told is then worth being read anew.
  bool commit_waits() const { return !journal_.open().empty(); }

  // When Pump next has something to do that no completion will announce. nullopt: never.
  std::optional<MonoTime> NextDeadline() const;

  // --- relay ---------------------------------------------------------------------------------------------------
  // A message whose time has come, the one that has waited longest first, or nullptr. The caller holds it until
  // Finish or Release.
  Entry* TakeDue(MonoTime now);

  // When TakeDue gives something next: MonoTime::min() when it does now, nullopt when nothing waits.
  std::optional<MonoTime> NextDue() const { return scheduler_.NextDue(); }

  // Makes envelope and content available in `load`: true at once, when they are in memory (load.done is not
  // called), or false, when load.done will be. The bytes stay until load.Reset(), Finish or Release.
  // Also for entries seen in ForEach: the load stays where it is until it is done, the entry need not; what is
  // in memory is then to be used at once.
  [[nodiscard]] bool Load(Entry& entry, MessageLoad& load);

  // Reads one part of `message`'s body, in the same way.
  void LoadPart(const MessageLoad& message, size_t part, PartLoad& load);

  // The largest bounce that fits in a batch beside any record of its cause. About 85 KiB where segments are smallest;
  // fixed from Recover on.
  size_t bounce_bytes_max() const;

  // Records the result of an attempt. REQUIRES: `load` holds the entry's message. The entry is gone (done), or
  // waits for its next attempt.
  FinishResult Finish(Entry& entry, MessageLoad& load, const Outcome& outcome, Now now);

  // Whether a bounce may be made now. On a full spool it would take the room of the records that free it: its
  // cause is then better tried again later.
  bool HasRoomForBounce(const Submission& bounce) const;

  // Gives an entry back untried, to come due at `when`. Nothing is recorded.
  void Release(Entry& entry, MonoTime when);

  // Takes an entry whose load said kCorrupt out of delivery; it stays on disk, counted in stats().damaged.
  void SetDamaged(Entry& entry);

  // --- not to be tried -------------------------------------------------------------------------

  // A message whose envelope has a hold is made durable like any, but never due until it is released;
  // that too is durable, once a later Pump has written it. False: not held, since no record can be
  // written any more, or there is no room. What is held or suspended does not expire meanwhile.
  // REQUIRES: the entry is kHeld.
  bool ReleaseHeld(Entry& entry, Now now);

  // Ends a message without delivery and without a bounce. False: it is being delivered or written
  // just now, is damaged, or no record can be written any more.
  bool Delete(Entry& entry);

  // Puts a taken entry aside, whose login is suspended. Nothing is recorded: after a restart it
  // comes due again. REQUIRES: its load was reset.
  void Suspend(Entry& entry, ByteView login);

  // Makes what was put aside due again, of those logins of which `goes_on` is true. At most `most`
  // steps, of a message or a login each; goes on where the result of the call before says, until
  // that has no more.
  struct Resumption {
    std::string login;
    bool more = false;
  };
  Resumption Resume(Resumption from, uint32_t most,
                    const std::function<bool(ByteView login)>& goes_on);

  // Whether the message is too old to be tried again. Never while the wall clock is in doubt.
  bool Expired(const Entry& entry, WallTime now) const;
  bool expiry_suspended() const { return clock_guard_.suspended(); }

  // --- looking and tuning ------------------------------------------------------------------------------------
  // Calls f(Entry&) for each durable message, in no useful order. About 10 ns each.
  template <typename F>
  void ForEach(F f) {
    segments_.ForEach([&](Segment& segment) {
      for (Entry* e = segment.messages.front(); e != nullptr; e = segment.messages.Next(*e)) f(*e);
    });
  }

  // When the entry's next attempt is due; nullopt unless it is deferred.
  std::optional<MonoTime> DueAt(const Entry& entry) const;

  QueueStats stats() const;

  // Tunable at any time. `bytes` is clamped to what a segment allows.
  void set_batch_bytes(size_t bytes) { journal_.set_batch_bytes(bytes); }
  void set_batch_linger(Duration linger) { journal_.set_linger(linger); }
  void set_retry_policy(const RetryPolicy& retry) { options_.retry = retry; }

  // The file system under the spool is nearly full: admission() says kFull, and no segments are made.
  void set_space_low(bool low);

 private:
  // What waits for room in a batch: an entry's record, or a part.
  struct Waiting {
    Entry* entry = nullptr;
    PartWrite* part = nullptr;
    uint64_t bytes() const;
  };

  bool closed() const { return journal_.poisoned() || journal_.sealed(); }
  bool HasRoomFor(uint64_t bytes) const { return HasRoomFor(bytes, RecordsReserve()); }
  bool HasRoomFor(uint64_t bytes, uint64_t reserve) const;
  uint64_t RecordsReserve() const { return device_.segment_bytes() / 4; }
  void RestoreMessage(QueueId id, const RecoveredMessage& message, Now now);

  std::unique_ptr<Entry> NewEntry(Submission& submission, const EnvelopeView& envelope);
  void Enqueue(const Waiting& waiting);
  bool TryAppend(const Waiting& waiting);
  bool TryAppendEntry(Entry& entry);
  void AppendMessage(Entry& entry);
  void FillFromLine();
  void TrySeal();

  void OnBatchDurable(Batch& batch, Segment& segment, uint64_t offset) override;
  void OnSealed() override;
  void OnPoisoned(int error) override;
  void OnItemDurable(const BatchItem& item, Segment& segment, const Location& where);
  void OnMessageDurable(Entry& entry, const Location& where);
  void OnStatusDurable(Entry& entry, const Location& where);
  void OnDoneDurable(Entry& entry, Segment& segment);
  void OnPartDurable(PartWrite& part, const Segment& segment, const Location& where, uint32_t crc);
  std::vector<Waiting> TakePending();
  void Fail(const Waiting& waiting);
  void FailEntry(Entry& entry);
  void FailPart(PartWrite& part);

  void Hold(Entry& entry);
  static void AddReplies(StatusBuilder& status, const MessageLoad& load, const Outcome& outcome);
  void DropContent(Entry& entry);
  void Destroy(Entry& entry);

  QueueOptions options_;
  Device& device_;
  QueueObserver* observer_;
  Prng prng_;
  QueueIdMaker ids_;
  SegmentTable segments_;
  Journal journal_;
  SegmentKeeper keeper_;
  Cleaner cleaner_;
  Loader loader_;
  Scheduler scheduler_;
  WallClockGuard clock_guard_;
  RecoveryReport recovery_;

  std::deque<Waiting> line_;
  uint64_t line_bytes_ = 0;
  CommitWaiter* seal_waiter_ = nullptr;
  bool sealing_ = false;
  bool seal_failed_ = false;
  bool space_low_ = false;

  uint32_t entries_ = 0;  // those not durable yet included
  uint32_t messages_ = 0;
  uint32_t damaged_ = 0;
  uint32_t held_ = 0;
  uint32_t suspended_ = 0;
  std::map<std::string, IntrusiveList<Entry, LineNode>, std::less<>> suspended_by_login_;
  uint64_t hot_bytes_ = 0;
  uint64_t uncommitted_bytes_ = 0;
  uint64_t submitted_ = 0;
  uint64_t finished_ = 0;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUE_H_
