#include "queue/recovery.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/aligned_bytes.h"
#include "core/base/check.h"
#include "queue/limits.h"
#include "queue/message.h"
#include "queue/scan.h"

namespace sluice::queue {
namespace {

constexpr size_t kReadBytes = 4 << 20;
constexpr char kUnreadable = '\xee';  // stands for what the device could not read

bool HasPossibleSize(const SegmentFile& file) {
  return file.bytes >= 2 * kBlockBytes && file.bytes <= kSegmentBytesMax;
}

class Recovery : private ScanVisitor {
 public:
  Recovery(Device& device, const std::optional<SpoolId>& spool) : device_(device), spool_(spool) {}

  absl::StatusOr<RecoveredJournal> Run();

 private:
  struct OpenSegment {
    size_t index = 0;  // in journal_.segments
    SegmentHeader header;
    bool headless = false;
  };

  absl::Status Classify(const SegmentFile& file);
  bool NeverUsed(const RecoveredSegment& segment);
  void ClassifyHeadless(RecoveredSegment& segment);
  void Scan(const OpenSegment& open);
  void ReadRange(uint32_t segment, uint64_t offset, MutableBytes bytes);
  void ReadWhole(const RecoveredSegment& segment);
  ByteView memory(uint64_t bytes) const { return memory_.view().substr(0, bytes); }

  void OnRecord(const RecordHeader& record, const Location& where, ByteView payload) override;
  void OnDamage(uint64_t offset, uint64_t bytes, std::string_view what) override;
  void OnMessage(QueueId id, const Location& where, ByteView payload);
  void OnStatus(QueueId id, const Location& where, ByteView payload);
  void OnDone(QueueId id);
  void Negate(uint32_t target, QueueId id);

  bool PartIsThere(const PartLocation& part) const;
  void Finish();
  RecoveredSegment* Find(uint32_t number);
  const RecoveredSegment* Find(uint32_t number) const { return const_cast<Recovery*>(this)->Find(number); }

  Device& device_;
  std::optional<SpoolId> spool_;
  RecoveredJournal journal_;
  std::vector<OpenSegment> open_;
  AlignedBytes memory_;
  uint64_t unreadable_end_ = 0;  // of the segment in memory: behind its last unreadable block
  bool any_read_ = false;
  absl::Status read_failure_;
  RecoveredSegment* scanning_ = nullptr;
  absl::flat_hash_map<uint64_t, RecoveredMessage> live_;
  // Done messages, and the segments that have a MESSAGE record of theirs.
  absl::flat_hash_map<uint64_t, absl::InlinedVector<uint32_t, 2>> dead_;
};

absl::StatusOr<RecoveredJournal> Recovery::Run() {
  absl::StatusOr<std::vector<SegmentFile>> files = device_.List();
  if (!files.ok()) return files.status();
  std::sort(files->begin(), files->end(),
            [](const SegmentFile& a, const SegmentFile& b) { return a.number < b.number; });
  uint64_t bytes_max = 2 * kBlockBytes;
  for (const SegmentFile& file : *files) {
    if (HasPossibleSize(file)) bytes_max = std::max(bytes_max, file.bytes);
  }
  memory_ = AlignedBytes(bytes_max);
  for (const SegmentFile& file : *files) {
    absl::Status status = Classify(file);
    if (!status.ok()) return status;
  }
  if (!any_read_ && !read_failure_.ok()) return read_failure_;
  std::sort(open_.begin(), open_.end(), [](const OpenSegment& a, const OpenSegment& b) {
    return std::pair(a.header.epoch, a.index) < std::pair(b.header.epoch, b.index);
  });
  journal_.report.segments = static_cast<uint32_t>(files->size());
  journal_.report.segments_live = static_cast<uint32_t>(open_.size());
  journal_.report.clean = true;
  for (const OpenSegment& open : open_) Scan(open);
  Finish();
  return std::move(journal_);
}

// --- which segments are in use -------------------------------------------------------------------------------

absl::Status Recovery::Classify(const SegmentFile& file) {
  RecoveredSegment& segment = journal_.segments.emplace_back();
  segment.number = file.number;
  segment.bytes = file.bytes / kBlockBytes * kBlockBytes;
  if (!HasPossibleSize(file)) {
    segment.state = SegmentState::kUnusable;
    journal_.report.damage.push_back({file.number, 0, 0, file.bytes, "a file of no possible size"});
    return absl::OkStatus();
  }
  ReadRange(file.number, 0, memory_.span().first(2 * kBlockBytes));
  SegmentHeader header;
  const SegmentHeader::Found found = SegmentHeader::Decode(memory(kBlockBytes), header);
  if (found == SegmentHeader::Found::kNewerFormat) {
    return absl::FailedPreconditionError(absl::StrCat("segment ", file.number, " has format ", header.format,
                                                      "; this program reads format ", kFormatVersion));
  }
  const bool good = found == SegmentHeader::Found::kGood;
  if (good && !spool_.has_value()) spool_ = header.spool;
  if (good && header.spool != *spool_) {
    return absl::FailedPreconditionError(absl::StrCat("segment ", file.number, " is of another spool"));
  }
  // Also a batch whose segment header was lost in a torn first write has used up its epoch.
  BatchHeader first;
  if (spool_.has_value() && DecodeBatchAt(memory(segment.bytes), kBlockBytes, *spool_, file.number, first)) {
    journal_.next_epoch = std::max(journal_.next_epoch, first.epoch + 1);
  }
  if (found == SegmentHeader::Found::kBlank && NeverUsed(segment)) return absl::OkStatus();
  if (!good || header.segment != file.number) {
    ClassifyHeadless(segment);
    return absl::OkStatus();
  }
  segment.epoch = header.epoch;
  journal_.next_epoch = std::max(journal_.next_epoch, header.epoch + 1);
  journal_.next_batch = std::max(journal_.next_batch, header.first_batch);
  journal_.newest_id = std::max(journal_.newest_id, QueueId{header.newest_id});
  journal_.report.newest = std::max(journal_.report.newest, WallFromMillis(header.wall_ms));
  if (header.use == SegmentUse::kVoid) return absl::OkStatus();
  segment.state = SegmentState::kSealed;
  segment.end = kBlockBytes;
  open_.push_back({journal_.segments.size() - 1, header});
  return absl::OkStatus();
}

// A blank header: nothing was ever acknowledged in the segment, unless the header was overwritten since. One batch
// right behind it is no proof: the first write carries both, and was torn. Any other batch is.
bool Recovery::NeverUsed(const RecoveredSegment& segment) {
  if (!spool_.has_value()) return true;
  const uint64_t bytes = std::min<uint64_t>(kReadBytes, segment.bytes);
  ReadRange(segment.number, 0, memory_.span().first(bytes));
  const BatchesFound batches = FindBatches(memory(bytes), *spool_, segment.number);
  if (batches.count == 0) return true;
  if (batches.count > 1 || batches.first != kBlockBytes) return false;
  journal_.report.torn_bytes += batches.first_bytes;
  return true;
}

// Both copies of the header are gone. The batches tell which use was the last; taking what was void for live
// would only deliver mail twice, the reverse would lose it.
void Recovery::ClassifyHeadless(RecoveredSegment& segment) {
  ReadWhole(segment);
  const BatchesFound batches =
      spool_.has_value() ? FindBatches(memory(segment.bytes), *spool_, segment.number) : BatchesFound();
  segment.epoch = batches.epoch;
  scanning_ = &segment;
  OnDamage(0, kBlockBytes, "a segment's header is damaged");
  scanning_ = nullptr;
  if (batches.count == 0) {
    segment.state = SegmentState::kUnusable;
    return;
  }
  segment.state = SegmentState::kSealed;
  segment.end = kBlockBytes;
  journal_.next_epoch = std::max(journal_.next_epoch, batches.epoch + 1);
  SegmentHeader header;
  header.spool = *spool_;
  header.segment = segment.number;
  header.epoch = batches.epoch;
  header.bytes = segment.bytes;
  open_.push_back({journal_.segments.size() - 1, header, true});
}

// What cannot be read is kUnreadable: it fails every checksum, and so is set aside like other damage.
void Recovery::ReadRange(uint32_t segment, uint64_t offset, MutableBytes bytes) {
  if (device_.ReadNow(segment, offset, bytes).ok()) {
    any_read_ = true;
    return;
  }
  // Somewhere in there is a bad sector: go on without it, block by block.
  for (size_t at = 0; at < bytes.size(); at += kBlockBytes) {
    const MutableBytes block = bytes.subspan(at, kBlockBytes);
    absl::Status status = device_.ReadNow(segment, offset + at, block);
    if (status.ok()) {
      any_read_ = true;
      continue;
    }
    read_failure_ = std::move(status);
    std::memset(block.data(), kUnreadable, block.size());
    unreadable_end_ = offset + at + kBlockBytes;
  }
}

void Recovery::ReadWhole(const RecoveredSegment& segment) {
  unreadable_end_ = 0;
  for (uint64_t at = 0; at < segment.bytes; at += kReadBytes) {
    const size_t bytes = std::min<uint64_t>(kReadBytes, segment.bytes - at);
    ReadRange(segment.number, at, memory_.span().subspan(at, bytes));
  }
  journal_.report.bytes_read += segment.bytes;
}

// --- what they hold ------------------------------------------------------------------------------------------

void Recovery::Scan(const OpenSegment& open) {
  // Begun later, a segment says that all of this one was durable, even if nothing is in that one any more.
  const bool newest = open.header.epoch + 1 == journal_.next_epoch;
  RecoveredSegment& segment = journal_.segments[open.index];
  ReadWhole(segment);
  scanning_ = &segment;
  const ScanResult result = ScanSegment(memory(segment.bytes), open.header, newest, *this);
  bool may_go_on = newest && !result.ended && !open.headless && result.end < segment.bytes;
  if (newest && !result.ended && unreadable_end_ > result.end) {  // it may hold batches all the same
    OnDamage(result.end, unreadable_end_ - result.end, "cannot be read");
    may_go_on = false;
  }
  if (!result.ended && open.header.bytes > segment.bytes) {
    journal_.report.damage.push_back({segment.number, segment.epoch, segment.bytes,
                                      open.header.bytes - segment.bytes, "the file has lost its end"});
    may_go_on = false;
  }
  scanning_ = nullptr;
  segment.end = result.end;
  RecoveryReport& report = journal_.report;
  report.batches += result.batches;
  report.records += result.records;
  report.torn_bytes += result.torn_bytes;
  report.newest = std::max(report.newest, WallFromMillis(result.newest_wall_ms));
  report.clean = result.clean;
  journal_.next_batch = std::max(journal_.next_batch, result.last_batch + 1);
  journal_.newest_id = std::max(journal_.newest_id, QueueId{result.newest_id});
  if (may_go_on) journal_.active = segment.number;
}

void Recovery::OnDamage(uint64_t offset, uint64_t bytes, std::string_view what) {
  journal_.report.damage.push_back(
      {scanning_->number, scanning_->epoch, offset, bytes, std::string(what)});
  const uint64_t first = offset / kBlockBytes * kBlockBytes;
  const uint64_t end = std::min(RoundUpToBlock(offset + bytes), scanning_->bytes);
  const absl::Status saved =
      device_.SetAsideNow(scanning_->number, scanning_->epoch, first, memory(end).substr(first));
  if (!saved.ok()) {
    absl::StrAppend(&journal_.report.damage.back().what, " (not set aside: ", saved.message(), ")");
  }
}

void Recovery::OnRecord(const RecordHeader& record, const Location& where, ByteView payload) {
  journal_.newest_id = std::max(journal_.newest_id, record.id);
  switch (record.type) {
    case RecordType::kMessage:
      return OnMessage(record.id, where, payload);
    case RecordType::kPart:
      return;  // the message that follows names its parts
    case RecordType::kStatus:
      return OnStatus(record.id, where, payload);
    case RecordType::kDone:
      return OnDone(record.id);
  }
}

void Recovery::OnMessage(QueueId id, const Location& where, ByteView payload) {
  MessageView view;
  if (!MessageView::Decode(payload, view) || view.recipients == 0 || view.recipients > kRecipientsMax) {
    return OnDamage(where.offset, where.bytes, "a message record makes no sense");
  }
  if (auto dead = dead_.find(id.value); dead != dead_.end()) {
    dead->second.push_back(where.segment);
    return;
  }
  RecoveredMessage& message = live_[id.value];
  if (message.message) message.stale.push_back(message.message.segment);  // moved from there
  message.message = where;
  message.created_ms = view.created_ms;
  message.recipients = view.recipients;
  if (!message.status) {
    message.open_recipients = view.recipients;
    const std::optional<EnvelopeView> envelope = EnvelopeView::Parse(view.envelope);
    message.held = envelope.has_value() && !envelope->hold().empty();
  }
  message.parts.clear();
  message.parts.reserve(view.parts());
  for (size_t i = 0; i < view.parts(); i++) message.parts.push_back(view.part(i));
}

void Recovery::OnStatus(QueueId id, const Location& where, ByteView payload) {
  StatusView view;
  auto found = live_.find(id.value);
  if (found == live_.end()) return;  // of a message that is done
  RecoveredMessage& message = found->second;
  if (!StatusView::Decode(payload, view) || view.recipients() != message.recipients) {
    return OnDamage(where.offset, where.bytes, "a status record makes no sense");
  }
  message.status = where;
  message.held = false;  // its first status is its release
  message.attempts = view.attempts();
  message.next_attempt_ms = view.next_attempt_ms();
  message.open_recipients = message.recipients - view.finished_count();
}

void Recovery::OnDone(QueueId id) {
  auto dead = dead_.find(id.value);
  if (dead == dead_.end()) {
    auto found = live_.find(id.value);
    if (found == live_.end()) return;  // the message's segment is void already
    dead = dead_.try_emplace(id.value).first;
    dead->second.push_back(found->second.message.segment);
    for (uint32_t stale : found->second.stale) dead->second.push_back(stale);
    live_.erase(found);
  }
  for (uint32_t target : dead->second) Negate(target, id);
}

void Recovery::Negate(uint32_t target, QueueId id) {
  if (target != scanning_->number) scanning_->negates[target].push_back(id);
}

// --- the result ----------------------------------------------------------------------------------------------

RecoveredSegment* Recovery::Find(uint32_t number) {
  auto it = std::lower_bound(journal_.segments.begin(), journal_.segments.end(), number,
                             [](const RecoveredSegment& s, uint32_t n) { return s.number < n; });
  return it != journal_.segments.end() && it->number == number ? &*it : nullptr;
}

bool Recovery::PartIsThere(const PartLocation& part) const {
  const RecoveredSegment* segment = Find(part.segment);
  if (segment == nullptr || segment->state != SegmentState::kSealed) return false;
  const uint64_t end = uint64_t{part.offset} + kRecordHeaderBytes + part.bytes;
  if (segment->epoch != part.epoch || end > segment->end || part.bytes > kPartBytesMax) return false;
  return std::none_of(journal_.report.damage.begin(), journal_.report.damage.end(),
                      [&](const DamagedRange& damage) {
                        return damage.segment == part.segment && damage.offset < end &&
                               part.offset < damage.offset + damage.bytes;
                      });
}

void Recovery::Finish() {
  journal_.messages.reserve(live_.size());
  for (auto& [id, message] : live_) {  // any order: sorted below
    for (const PartLocation& part : message.parts) {
      if (!PartIsThere(part)) message.damaged = true;
    }
    if (message.open_recipients == 0) message.damaged = true;  // should have had a done record
    RecoveryReport& report = journal_.report;
    if (message.damaged) {
      report.messages_damaged++;
    } else {
      report.messages++;
      report.message_bytes += message.message.bytes;
      for (const PartLocation& part : message.parts) report.message_bytes += part.bytes;
    }
    journal_.messages.emplace_back(QueueId{id}, std::move(message));
  }
  std::sort(journal_.messages.begin(), journal_.messages.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
}

}  // namespace

absl::StatusOr<RecoveredJournal> RecoverJournal(Device& device, const std::optional<SpoolId>& spool) {
  return Recovery(device, spool).Run();
}

}  // namespace sluice::queue
