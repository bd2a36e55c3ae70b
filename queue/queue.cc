#include "queue/queue.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"

namespace sluice::queue {
namespace {

uint64_t MessagePayloadBytes(const Content& content, size_t parts) {
  return kMessageFixedBytes + parts * PartLocation::kEncodedBytes + content.bytes();
}

uint32_t SecondsOf(int64_t wall_ms) {
  return static_cast<uint32_t>(std::clamp<int64_t>(wall_ms / 1000, 0, UINT32_MAX));
}

size_t PartsOf(const Upload* upload) { return upload == nullptr ? 0 : upload->locations.size(); }

}  // namespace

Queue::Queue(const QueueOptions& options, Device& device, QueueObserver* observer)
    : options_(options),
      device_(device),
      observer_(observer),
      prng_(options.seed),
      ids_(options.shard),
      journal_(options.spool, device, segments_, ids_, *this),
      keeper_(device, segments_, journal_, options.segments_max, options.segments_spare),
      cleaner_(device, segments_, journal_),
      loader_(device, segments_) {
  CHECK(device.segment_bytes() >= kSegmentBytesMin && device.segment_bytes() <= kSegmentBytesMax);
  CHECK(device.segment_bytes() % kBlockBytes == 0);
  journal_.set_batch_bytes(options.batch_bytes);
  journal_.set_linger(options.batch_linger);
}

Queue::~Queue() {
  CHECK(idle());
  if (seal_waiter_ != nullptr) seal_waiter_->Detach();
  for (const Waiting& one : TakePending()) {
    CommitWaiter* waiter = one.part != nullptr ? one.part->waiter
                           : one.entry->content != nullptr ? one.entry->content->waiter
                                                           : nullptr;
    if (waiter != nullptr) waiter->Detach();
    Fail(one);
  }
  segments_.ForEach([](Segment& segment) {
    while (Entry* entry = segment.messages.PopFront()) delete entry;
  });
}

bool Queue::idle() const { return !journal_.writing() && keeper_.idle() && cleaner_.idle(); }

// --- start ---------------------------------------------------------------------------------------------------

absl::Status Queue::Recover(Now now) {
  absl::StatusOr<RecoveredJournal> recovered = RecoverJournal(device_, options_.spool);
  if (!recovered.ok()) return recovered.status();
  recovery_ = std::move(recovered->report);
  clock_guard_.Start(now.mono, now.wall, recovery_.newest);
  ids_.StartAfter(recovered->newest_id);

  for (RecoveredSegment& one : recovered->segments) {
    Segment& segment = segments_.Add(one.number, one.bytes);
    segment.epoch = one.epoch;
    segment.write_at = one.end;
    segment.negates = std::move(one.negates);
    segments_.SetState(segment, one.state);
  }
  for (auto& [id, message] : recovered->messages) RestoreMessage(id, message, now);

  Journal::Start start;
  start.next_batch = recovered->next_batch;
  start.next_epoch = recovered->next_epoch;
  if (recovered->active.has_value()) start.active = &segments_.At(*recovered->active);
  journal_.Begin(start);
  if (start.active != nullptr || segments_.free_count() > 0) return absl::OkStatus();
  const uint32_t number = segments_.LowestUnusedNumber();
  absl::Status prepared = device_.PrepareNow(number);
  if (prepared.ok()) {
    segments_.Add(number, device_.segment_bytes());
  } else if (segments_.count() > 0) {
    prepared = absl::OkStatus();  // no room for new mail, but what is there is delivered
  }
  return prepared;
}

void Queue::RestoreMessage(QueueId id, const RecoveredMessage& message, Now now) {
  auto* entry = new Entry;  // the index has it
  entry->id = id;
  entry->created_s = SecondsOf(message.created_ms);
  entry->recipients = static_cast<uint16_t>(message.recipients);
  entry->open_recipients = static_cast<uint16_t>(message.open_recipients);
  entry->attempts = static_cast<uint16_t>(std::min<uint32_t>(message.attempts, UINT16_MAX));
  segments_.SetMessage(*entry, message.message);
  segments_.SetStatus(*entry, message.status);
  for (uint32_t stale : message.stale) segments_.AddStale(stale, id);
  entries_++;
  messages_++;
  if (message.damaged) {
    entry->state = EntryState::kDamaged;
    damaged_++;
    return;
  }
  if (!message.parts.empty()) {
    entry->upload = std::make_unique<Upload>();
    entry->upload->id = id;
    entry->upload->entry = entry;
    for (const PartLocation& part : message.parts) {
      segments_.AddPart(*entry->upload, part.segment, kRecordHeaderBytes + part.bytes);
    }
  }
  if (message.held) return Hold(*entry);
  if (!message.status) return scheduler_.PushReady(*entry);
  // A wall clock that was set must not put off the next attempt for years.
  const Duration longest = options_.retry.retry_max + options_.retry.retry_max / 8;
  const int64_t now_ms = WallMillis(now.wall);
  const int64_t latest_ms = now_ms + std::chrono::duration_cast<milliseconds>(longest).count();
  const int64_t due_ms = std::clamp(message.next_attempt_ms, now_ms, std::max(now_ms, latest_ms));
  scheduler_.Defer(*entry, now.mono + milliseconds(due_ms - now_ms));
}

// --- reception -----------------------------------------------------------------------------------------------

Admission Queue::admission() const {
  if (journal_.poisoned()) return Admission::kPoisoned;
  if (sealing_) return Admission::kSealed;
  if (space_low_ || entries_ >= options_.entries_max || !HasRoomFor(2 * kPartBytesMax)) return Admission::kFull;
  return Admission::kOpen;
}

// A quarter of a segment is kept for done and status records: they are what frees room again. Half of that is for
// bounces too, since each ends its cause.
bool Queue::HasRoomForBounce(const Submission& bounce) const {
  return HasRoomFor(bounce.envelope.size() + bounce.prefix.size() + bounce.body.size(), RecordsReserve() / 2);
}

bool Queue::HasRoomFor(uint64_t bytes, uint64_t reserve) const {
  return journal_.room() >= journal_.open().bytes() + line_bytes_ + bytes + reserve;
}

SubmitResult Queue::Submit(Submission& submission, CommitWaiter* waiter) {
  CHECK(submission.id && submission.body.size() <= kPartBytesMax);
  if (journal_.poisoned()) return SubmitResult::kPoisoned;
  if (sealing_) return SubmitResult::kSealed;
  const std::optional<EnvelopeView> envelope = EnvelopeView::Parse(submission.envelope.view());
  CHECK(envelope.has_value() && envelope->recipient_count() > 0);
  const uint64_t record_bytes = kMessageFixedBytes + submission.envelope.size() + submission.prefix.size() +
                                submission.body.size() +
                                PartsOf(submission.upload.get()) * PartLocation::kEncodedBytes;
  if (record_bytes > journal_.payload_bytes_max() || envelope->recipient_count() > kRecipientsMax) {
    return SubmitResult::kTooLarge;
  }
  if (entries_ >= options_.entries_max || !HasRoomFor(record_bytes)) return SubmitResult::kFull;

  Entry& entry = *NewEntry(submission, *envelope).release();  // its batch has it, then the index
  if (waiter != nullptr) waiter->AttachTo(entry.content->waiter);
  if (entry.upload != nullptr && !entry.upload->writes.empty()) {
    entry.upload->commit_wanted = true;  // its record names where the parts are: they come first
  } else {
    Enqueue({.entry = &entry});
  }
  return SubmitResult::kAccepted;
}

std::unique_ptr<Entry> Queue::NewEntry(Submission& submission, const EnvelopeView& envelope) {
  auto entry = std::make_unique<Entry>();
  entry->id = submission.id;
  entry->created_s = SecondsOf(WallMillis(envelope.created()));
  entry->recipients = static_cast<uint16_t>(envelope.recipient_count());
  entry->open_recipients = entry->recipients;
  entry->content = std::make_unique<Content>();
  entry->content->hold = !envelope.hold().empty();
  entry->content->envelope = std::move(submission.envelope);
  entry->content->prefix = std::move(submission.prefix);
  entry->content->body = std::move(submission.body);
  entry->upload = std::move(submission.upload);
  if (entry->upload != nullptr) {
    entry->upload->entry = entry.get();
    uncommitted_bytes_ -= entry->upload->part_bytes;
  }
  entries_++;
  return entry;
}

SubmitResult Queue::AppendPart(Submission& submission, Buffer part, CommitWaiter& waiter) {
  CHECK(submission.id && !part.empty() && part.size() <= kPartBytesMax);
  if (journal_.poisoned()) return SubmitResult::kPoisoned;
  if (sealing_) return SubmitResult::kSealed;
  if (!HasRoomFor(part.size())) return SubmitResult::kFull;
  if (submission.upload == nullptr) {
    submission.upload = std::make_unique<Upload>();
    submission.upload->id = submission.id;
  }
  Upload& upload = *submission.upload;
  auto* write = new PartWrite;  // its batch has it, until it is durable
  write->upload = &upload;
  upload.writes.PushBack(*write);
  write->index = upload.locations.size();
  write->bytes = std::move(part);
  waiter.AttachTo(write->waiter);
  upload.locations.emplace_back();
  upload.locations.back().bytes = static_cast<uint32_t>(write->bytes.size());
  upload.part_bytes += write->bytes.size();
  uncommitted_bytes_ += write->bytes.size();
  Enqueue({.part = write});
  return SubmitResult::kAccepted;
}

void Queue::Abandon(Submission& submission) {
  submission.envelope.Reset();
  submission.prefix.Reset();
  submission.body.Reset();
  if (submission.upload == nullptr) return;
  std::unique_ptr<Upload> upload = std::move(submission.upload);
  uncommitted_bytes_ -= upload->part_bytes;
  segments_.DropParts(*upload);
  if (upload->writes.empty()) return;
  for (PartWrite* w = upload->writes.front(); w != nullptr; w = upload->writes.Next(*w)) {
    if (w->waiter != nullptr) w->waiter->Detach();
  }
  upload->abandoned = true;  // the last part on its way deletes it
  upload.release();
}

// --- into batches --------------------------------------------------------------------------------------------

void Queue::Enqueue(const Waiting& waiting) {
  if (line_.empty() && TryAppend(waiting)) return;
  line_.push_back(waiting);
  line_bytes_ += waiting.bytes();
}

void Queue::FillFromLine() {
  while (!line_.empty()) {
    const uint64_t bytes = line_.front().bytes();
    if (!TryAppend(line_.front())) return;
    line_.pop_front();
    line_bytes_ -= bytes;
  }
}

uint64_t Queue::Waiting::bytes() const {
  if (part != nullptr) return part->bytes.size();
  return entry->content == nullptr ? 0 : entry->content->bytes();
}

bool Queue::TryAppend(const Waiting& waiting) {
  if (waiting.entry != nullptr) return TryAppendEntry(*waiting.entry);
  PartWrite& part = *waiting.part;
  if (!journal_.Fits(part.bytes.size())) return false;
  Batch& batch = journal_.open();
  batch.Append(RecordType::kPart, part.upload->id, {part.bytes.view()},
               BatchItem{.kind = BatchItem::Kind::kPart, .part = &part, .id = {}});
  batch.urgent = true;
  part.bytes.Reset();
  return true;
}

// One record, or two that stand and fall together: the bounce, and the record of what it tells.
bool Queue::TryAppendEntry(Entry& entry) {
  Batch& batch = journal_.open();
  if (!entry.message) {
    if (!journal_.Fits(MessagePayloadBytes(*entry.content, PartsOf(entry.upload.get())))) return false;
    AppendMessage(entry);
    batch.urgent = true;
    return true;
  }
  Entry* bounce = entry.content == nullptr ? nullptr : entry.content->bounce.get();
  const ByteView status = entry.finishing ? ByteView() : entry.content->status.view();
  uint64_t bytes = status.size();
  if (bounce != nullptr) {
    bytes += kRecordHeaderBytes + PaddedRecordBytes(MessagePayloadBytes(*bounce->content, 0)) + kRecordAlignment;
  }
  if (!journal_.Fits(bytes)) return false;
  if (bounce != nullptr) AppendMessage(*entry.content->bounce.release());
  if (entry.finishing) {
    batch.Append(RecordType::kDone, entry.id, {},
                 BatchItem{.kind = BatchItem::Kind::kDone, .entry = &entry, .id = {}});
  } else {
    batch.Append(RecordType::kStatus, entry.id, {status},
                 BatchItem{.kind = BatchItem::Kind::kStatus, .entry = &entry, .id = {}});
  }
  return true;
}

void Queue::AppendMessage(Entry& entry) {
  const Content& content = *entry.content;
  Buffer parts;
  if (entry.upload != nullptr) EncodeParts(entry.upload->locations, parts);
  MessageView view;
  view.created_ms = int64_t{entry.created_s} * 1000;
  view.recipients = entry.recipients;
  view.body_bytes = content.body.size() + (entry.upload == nullptr ? 0 : entry.upload->part_bytes);
  view.encoded_parts = parts.view();
  view.envelope = content.envelope.view();
  view.prefix = content.prefix.view();
  char fixed[kMessageFixedBytes];
  view.EncodeFixed(fixed);
  journal_.open().Append(RecordType::kMessage, entry.id,
                         {ByteView(fixed, sizeof fixed), view.encoded_parts, view.envelope, view.prefix,
                          content.body.view()},
                         BatchItem{.kind = BatchItem::Kind::kMessage, .entry = &entry, .id = {}});
}

// --- the loop ------------------------------------------------------------------------------------------------

void Queue::Pump(Now now) {
  if (seal_failed_) return;
  if (clock_guard_.Observe(now.mono, now.wall) && observer_ != nullptr) {
    observer_->OnClockDoubt(clock_guard_.suspended());
  }
  FillFromLine();
  if (sealing_ && !journal_.open().empty()) journal_.open().urgent = true;
  journal_.set_frugal(!HasRoomFor(0));
  journal_.Pump(now.mono, now.wall);
  FillFromLine();  // the other batch is open now
  keeper_.Pump(now.mono, sealing_);
  if (sealing_) {
    TrySeal();
  } else {
    cleaner_.Pump(now.mono, keeper_.starved());
  }
}

std::optional<MonoTime> Queue::NextDeadline() const {
  if (seal_failed_) return std::nullopt;
  const std::optional<MonoTime> write = journal_.NextDeadline();
  const std::optional<MonoTime> prepare = keeper_.NextDeadline();
  if (!write.has_value() || !prepare.has_value()) return write.has_value() ? write : prepare;
  return std::min(*write, *prepare);
}

void Queue::Seal(CommitWaiter& waiter) {
  CHECK(!sealing_);
  sealing_ = true;
  waiter.AttachTo(seal_waiter_);
  cleaner_.Stop();
}

void Queue::TrySeal() {
  if (journal_.sealed()) return;
  if (!journal_.poisoned()) {
    if (journal_.writing() || !keeper_.idle()) return;
    const bool no_room = journal_.active() == nullptr && keeper_.starved();
    if (!no_room && (!line_.empty() || !journal_.idle())) return;
    if (!no_room && journal_.Seal()) return;
  }
  seal_failed_ = true;
  CommitWaiter::Tell(seal_waiter_, CommitResult::kFailed);
}

void Queue::OnSealed() { CommitWaiter::Tell(seal_waiter_, CommitResult::kDurable); }

void Queue::set_space_low(bool low) {
  space_low_ = low;
  keeper_.set_space_low(low);
}

// --- durable -------------------------------------------------------------------------------------------------

void Queue::OnBatchDurable(Batch& batch, Segment& segment, uint64_t offset) {
  if (observer_ != nullptr) {
    observer_->OnCommitted({.records = batch.records(),
                            .bytes = batch.bytes(),
                            .first = batch.since,
                            .asked = journal_.write_started()});
  }
  for (const BatchItem& item : batch.items) {
    OnItemDurable(item, segment, Location{segment.number, static_cast<uint32_t>(offset) + item.offset, item.bytes});
  }
}

void Queue::OnItemDurable(const BatchItem& item, Segment& segment, const Location& where) {
  switch (item.kind) {
    case BatchItem::Kind::kMessage:
      return OnMessageDurable(*item.entry, where);
    case BatchItem::Kind::kStatus:
      return OnStatusDurable(*item.entry, where);
    case BatchItem::Kind::kDone:
      return OnDoneDurable(*item.entry, segment);
    case BatchItem::Kind::kPart:
      return OnPartDurable(*item.part, segment, where, item.payload_crc);
    case BatchItem::Kind::kMovedMessage:
    case BatchItem::Kind::kMovedStatus:
    case BatchItem::Kind::kMovedPart:
      return item.mover->OnDurable(item, segment, where);
    case BatchItem::Kind::kTombstone:
      return cleaner_.OnTombstoneDurable(item, segment);
  }
}

void Queue::OnMessageDurable(Entry& entry, const Location& where) {
  segments_.SetMessage(entry, where);
  submitted_++;
  messages_++;
  CommitWaiter* waiter = entry.content->waiter;
  if (waiter != nullptr) waiter->Detach();
  Content& content = *entry.content;
  const bool hold = content.hold;
  if (!hold && hot_bytes_ + content.bytes() <= options_.memory_bytes) {
    hot_bytes_ += content.bytes();
    content.counted = true;
  } else {
    DropContent(entry);
  }
  if (hold) {
    Hold(entry);
  } else {
    scheduler_.PushReady(entry);
  }
  if (waiter != nullptr) CommitWaiter::Tell(waiter, CommitResult::kDurable);
}

void Queue::OnStatusDurable(Entry& entry, const Location& where) {
  segments_.SetStatus(entry, where);
  const MonoTime due = entry.content->due;
  DropContent(entry);
  scheduler_.Defer(entry, due);
}

void Queue::OnDoneDurable(Entry& entry, Segment& segment) {
  segments_.NegateMessage(segment, entry);
  finished_++;
  const QueueId id = entry.id;
  Destroy(entry);
  if (observer_ != nullptr) observer_->OnDone(id);
}

void Queue::OnPartDurable(PartWrite& part, const Segment& segment, const Location& where, uint32_t crc) {
  Upload& upload = *part.upload;
  if (!upload.abandoned) {
    PartLocation& location = upload.locations[part.index];
    location.segment = where.segment;
    location.offset = where.offset;
    location.epoch = segment.epoch;
    location.crc = crc;
    segments_.AddPart(upload, where.segment, where.bytes);
  }
  CommitWaiter* waiter = part.waiter;
  if (waiter != nullptr) waiter->Detach();
  delete &part;
  if (upload.writes.empty()) {
    if (upload.abandoned) {
      delete &upload;
    } else if (upload.commit_wanted) {
      upload.commit_wanted = false;
      Enqueue({.entry = upload.entry});
    }
  }
  if (waiter != nullptr) CommitWaiter::Tell(waiter, CommitResult::kDurable);
}

// --- poisoned ------------------------------------------------------------------------------------------------

void Queue::OnPoisoned(int error) {
  cleaner_.Stop();
  for (const Waiting& one : TakePending()) Fail(one);
  CommitWaiter::Tell(seal_waiter_, CommitResult::kFailed);
  if (observer_ != nullptr) observer_->OnPoisoned(error);
}

// All that is not durable, taken off every list before anybody is told: the callbacks may call back.
std::vector<Queue::Waiting> Queue::TakePending() {
  std::vector<Waiting> pending;
  for (Batch* batch : {&journal_.in_flight(), &journal_.open()}) {
    for (const BatchItem& item : batch->items) {
      if (item.kind == BatchItem::Kind::kPart) {
        pending.push_back({.entry = nullptr, .part = item.part});
      } else if (item.kind <= BatchItem::Kind::kDone) {
        pending.push_back({.entry = item.entry});
      }
    }
    batch->items.clear();  // the bytes may still be with the device
  }
  pending.insert(pending.end(), line_.begin(), line_.end());
  line_.clear();
  line_bytes_ = 0;
  return pending;
}

void Queue::Fail(const Waiting& waiting) {
  if (waiting.part != nullptr) {
    FailPart(*waiting.part);
  } else {
    FailEntry(*waiting.entry);
  }
}

void Queue::FailEntry(Entry& entry) {
  if (entry.message && !entry.finishing) {  // durable, but its status is not: that stays in memory
    if (std::exchange(entry.content->bounce, nullptr) != nullptr) entries_--;
    // With nobody left to try, only its record on disk remembers that a bounce is owed: for the next start.
    if (entry.open_recipients == 0) return Destroy(entry);
    scheduler_.Defer(entry, entry.content->due);
    return;
  }
  CommitWaiter* waiter = entry.message ? nullptr : entry.content->waiter;
  if (waiter != nullptr) waiter->Detach();
  Destroy(entry);
  if (waiter != nullptr) CommitWaiter::Tell(waiter, CommitResult::kFailed);
}

void Queue::FailPart(PartWrite& part) {
  Upload& upload = *part.upload;
  CommitWaiter* waiter = part.waiter;
  if (waiter != nullptr) waiter->Detach();
  delete &part;
  if (upload.writes.empty()) {
    if (upload.abandoned) {
      delete &upload;
    } else if (upload.commit_wanted) {
      FailEntry(*upload.entry);
    }
  }
  if (waiter != nullptr) CommitWaiter::Tell(waiter, CommitResult::kFailed);
}

// --- relay ---------------------------------------------------------------------------------------------------

Entry* Queue::TakeDue(MonoTime now) { return scheduler_.Take(now); }

bool Queue::Load(Entry& entry, MessageLoad& load) { return loader_.Load(entry, load); }

void Queue::LoadPart(const MessageLoad& message, size_t part, PartLoad& load) {
  loader_.LoadPart(message, part, load);
}

size_t Queue::bounce_bytes_max() const {
  const size_t beside = kStatusBytesMax + kRecordHeaderBytes + 2 * kRecordAlignment;  // its cause's record
  return journal_.payload_bytes_max() - kMessageFixedBytes - beside;
}

FinishResult Queue::Finish(Entry& entry, MessageLoad& load, const Outcome& outcome, Now now) {
  CHECK(entry.state == EntryState::kTaken && load.id() == entry.id && !load.in_flight());
  if (const Submission* bounce = outcome.bounce; bounce != nullptr) {
    CHECK(bounce->envelope.size() + bounce->prefix.size() + bounce->body.size() <= bounce_bytes_max());
  }
  entry.attempts = static_cast<uint16_t>(std::min(entry.attempts + 1, int{UINT16_MAX}));
  const Duration delay = options_.retry.DelayAfter(entry.attempts, prng_);
  FinishResult result;
  result.next_attempt = now.wall + std::chrono::duration_cast<milliseconds>(delay);

  StatusBuilder status(entry.attempts, entry.recipients, WallMillis(result.next_attempt));
  const uint16_t open_before = entry.open_recipients;
  for (const RecipientOutcome& one : outcome.recipients) {
    CHECK(one.recipient < entry.recipients);
    if (one.finished) status.SetFinished(one.recipient);
  }
  entry.open_recipients = 0;
  for (uint32_t i = 0; i < entry.recipients; i++) {
    if (load.finished(i)) status.SetFinished(i);
    if (!status.finished(i)) entry.open_recipients++;
  }
  AddReplies(status, load, outcome);
  load.Reset();
  DropContent(entry);
  result.done = entry.open_recipients == 0;
  entry.finishing = result.done;
  entry.state = EntryState::kCommitting;

  // A deferral that nobody was delivered in is not worth the last room on the disk: after a crash the message
  // is tried a little early.
  const bool skip = !result.done && outcome.bounce == nullptr && entry.open_recipients == open_before &&
                    !HasRoomFor(0);
  if (!result.done || outcome.bounce != nullptr) {
    entry.content = std::make_unique<Content>();
    entry.content->status = status.Take();
    entry.content->due = now.mono + delay;
  }
  if (closed() || skip) {  // memory has to do
    if (result.done) {
      Destroy(entry);
    } else {
      scheduler_.Defer(entry, now.mono + delay);
    }
    return result;
  }
  if (outcome.bounce != nullptr) {
    const std::optional<EnvelopeView> envelope = EnvelopeView::Parse(outcome.bounce->envelope.view());
    CHECK(envelope.has_value() && envelope->recipient_count() > 0 && outcome.bounce->upload == nullptr);
    entry.content->bounce = NewEntry(*outcome.bounce, *envelope);
  }
  Enqueue({.entry = &entry});
  return result;
}

// The newest words about each recipient that is still open.
void Queue::AddReplies(StatusBuilder& status, const MessageLoad& load, const Outcome& outcome) {
  size_t bytes = 0;
  const auto add = [&](uint32_t recipient, ByteView reply) {
    reply = reply.substr(0, kReplyBytesMax);
    if (reply.empty() || bytes + kReplyHeadBytes + reply.size() > kRepliesBytesMax) return;
    bytes += kReplyHeadBytes + reply.size();
    status.AddReply(recipient, reply);
  };
  size_t next = 0;
  for (uint32_t i = 0; i < load.envelope().recipient_count(); i++) {
    if (status.finished(i)) continue;
    // Outcomes mostly come in the order of the recipients, so the search starts where the last one ended.
    const auto& all = outcome.recipients;
    size_t tried = 0;
    while (tried < all.size() && all[(next + tried) % all.size()].recipient != i) tried++;
    if (tried < all.size()) {
      next = (next + tried) % all.size();
      add(i, all[next].reply);
    } else {
      add(i, load.last_reply(i));
    }
  }
}

void Queue::Release(Entry& entry, MonoTime when) {
  CHECK(entry.state == EntryState::kTaken);
  scheduler_.Defer(entry, when);
}

void Queue::SetDamaged(Entry& entry) {
  if (entry.state == EntryState::kDamaged) return;
  CHECK(entry.state == EntryState::kTaken);
  entry.state = EntryState::kDamaged;
  damaged_++;
}

// --- held ------------------------------------------------------------------------------------

void Queue::Hold(Entry& entry) {
  entry.state = EntryState::kHeld;
  held_++;
}

bool Queue::ReleaseHeld(Entry& entry, Now now) {
  CHECK(entry.state == EntryState::kHeld);
  if (closed() || sealing_ || !HasRoomFor(0, RecordsReserve() / 2)) return false;
  held_--;
  entry.state = EntryState::kCommitting;
  entry.content = std::make_unique<Content>();
  entry.content->status =
      StatusBuilder(entry.attempts, entry.recipients, WallMillis(now.wall)).Take();
  entry.content->due = now.mono;
  Enqueue({.entry = &entry});
  return true;
}

bool Queue::Delete(Entry& entry) {
  if (closed() || sealing_) return false;
  switch (entry.state) {
    case EntryState::kReady:
    case EntryState::kDeferred:
      scheduler_.Remove(entry);
      break;
    case EntryState::kHeld:
      held_--;
      break;
    case EntryState::kSuspended:
      static_cast<LineNode&>(entry).Unlink();
      suspended_--;
      break;
    case EntryState::kCommitting:
    case EntryState::kTaken:
    case EntryState::kDamaged:
      return false;
  }
  DropContent(entry);
  entry.state = EntryState::kCommitting;
  entry.finishing = true;
  Enqueue({.entry = &entry});
  return true;
}

void Queue::Suspend(Entry& entry, ByteView login) {
  CHECK(entry.state == EntryState::kTaken);
  DropContent(entry);
  entry.state = EntryState::kSuspended;
  suspended_by_login_[std::string(login)].PushBack(entry);
  suspended_++;
}

Queue::Resumption Queue::Resume(Resumption from, uint32_t most,
                                const std::function<bool(ByteView login)>& goes_on) {
  auto it = suspended_by_login_.lower_bound(from.login);
  for (; it != suspended_by_login_.end(); most--) {
    if (most == 0) return {.login = it->first, .more = true};
    IntrusiveList<Entry, LineNode>& entries = it->second;
    if (!entries.empty() && !goes_on(it->first)) {
      ++it;
      continue;
    }
    Entry* entry = entries.PopFront();
    if (entry == nullptr) {  // all of them have gone
      it = suspended_by_login_.erase(it);
      continue;
    }
    suspended_--;
    scheduler_.PushReady(*entry);
  }
  return {};
}

bool Queue::Expired(const Entry& entry, WallTime now) const {
  return !clock_guard_.suspended() && now - entry.created() >= options_.retry.expire;
}

std::optional<MonoTime> Queue::DueAt(const Entry& entry) const {
  if (entry.state != EntryState::kDeferred) return std::nullopt;
  return scheduler_.DueAt(entry);
}

// Lets go of what is in memory beyond the index.
void Queue::DropContent(Entry& entry) {
  if (entry.content == nullptr) return;
  if (entry.content->counted) hot_bytes_ -= entry.content->bytes();
  if (entry.content->bounce != nullptr) entries_--;
  entry.content.reset();
  if (entry.upload != nullptr) std::vector<PartLocation>().swap(entry.upload->locations);
}

void Queue::Destroy(Entry& entry) {
  cleaner_.Forget(entry);
  DropContent(entry);
  if (entry.message) messages_--;
  segments_.Drop(entry);
  entries_--;
  delete &entry;
}

QueueStats Queue::stats() const {
  QueueStats stats;
  stats.batches = journal_.batches();
  stats.batch_bytes = journal_.bytes_written();
  stats.records = journal_.records();
  stats.submitted = submitted_;
  stats.finished = finished_;
  stats.moved = cleaner_.moved();
  stats.voided = keeper_.voided();
  stats.messages = messages_;
  stats.ready = scheduler_.ready();
  stats.deferred = scheduler_.deferred();
  stats.damaged = damaged_;
  stats.held = held_;
  stats.suspended = suspended_;
  stats.live_bytes = segments_.live_bytes();
  stats.hot_bytes = hot_bytes_;
  stats.uncommitted_bytes = uncommitted_bytes_;
  stats.segments = segments_.count();
  stats.segments_free = segments_.free_count();
  return stats;
}

}  // namespace sluice::queue
