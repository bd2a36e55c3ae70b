#include "queue/mover.h"

#include <algorithm>

#include "core/base/check.h"
#include "queue/content.h"

namespace sluice::queue {

Mover::Mover(Device& device, SegmentTable& segments, Journal& journal, uint64_t& moved)
    : device_(device), segments_(segments), journal_(journal), moved_(moved) {}

bool Mover::Movable(const Entry& entry) {
  return entry.state == EntryState::kReady || entry.state == EntryState::kDeferred ||
         entry.state == EntryState::kHeld || entry.state == EntryState::kSuspended;
}

bool Mover::FitsInBatch(const Entry& entry, const Journal& journal) {
  const uint64_t message = entry.message.bytes - kRecordHeaderBytes;
  return message + PaddedRecordBytes(entry.status.bytes) <= journal.payload_bytes_max();
}

void Mover::Start(Entry& entry, const Segment& victim) {
  CHECK(idle() && Movable(entry) && FitsInBatch(entry, journal_));
  entry_ = &entry;
  victim_ = victim.number;
  from_message_ = entry.message;
  from_status_ = entry.status;
  with_message_ = entry.message.segment == victim_;
  if (entry.upload != nullptr) {
    for (const auto& span : entry.upload->spans) with_message_ = with_message_ || span->segment == victim_;
  }
  if (with_message_) {
    step_ = Step::kReadMessage;
    Read(message_, from_message_, RecordType::kMessage);
  } else {
    step_ = Step::kReadStatus;
    Read(status_, from_status_, RecordType::kStatus);
  }
}

void Mover::Read(RecordRead& read, const Location& where, RecordType type) {
  reading_from_ = where.segment;
  segments_.At(reading_from_).readers++;
  read.Start(device_, where, type, entry_->id);
}

void Mover::OnRead(void* owner, ReadResult result) {
  Mover& mover = *static_cast<Mover*>(owner);
  mover.segments_.At(mover.reading_from_).readers--;
  if (mover.step_ == Step::kAborted || result != ReadResult::kOk) {
    mover.Finish();  // what cannot be read stays where it is; delivery will find out and say so
  } else if (!mover.Unchanged()) {
    mover.Finish();  // taken meanwhile, and what is to be read next may be gone: another pass will come
  } else {
    mover.AfterRead();
  }
}

void Mover::AfterRead() {
  if (step_ == Step::kReadMessage) {
    MessageView view;
    if (!MessageView::Decode(message_.payload(), view)) return Finish();
    parts_.clear();
    for (size_t i = 0; i < view.parts(); i++) parts_.push_back(view.part(i));
    part_index_ = 0;
    if (from_status_) {
      step_ = Step::kReadStatus;
      return Read(status_, from_status_, RecordType::kStatus);
    }
    return NextPart();
  }
  if (step_ == Step::kReadStatus) {
    if (with_message_) return NextPart();
    step_ = Step::kAppend;
  } else {
    DCHECK(step_ == Step::kReadPart);
    step_ = Step::kAppendPart;
  }
  Pump();
}

void Mover::NextPart() {
  while (part_index_ < parts_.size() && parts_[part_index_].segment != victim_) part_index_++;
  if (part_index_ == parts_.size()) {
    step_ = Step::kAppend;
    return Pump();
  }
  step_ = Step::kReadPart;
  const PartLocation& part = parts_[part_index_];
  const auto record_bytes = static_cast<uint32_t>(kRecordHeaderBytes + part.bytes);
  Read(part_, Location{part.segment, part.offset, record_bytes}, RecordType::kPart);
}

void Mover::Pump() {
  if (step_ == Step::kAppendPart) {
    AppendPart();
  } else if (step_ == Step::kAppend) {
    if (!Unchanged()) return Finish();
    if (with_message_) {
      AppendMessage();
    } else {
      AppendStatus();
    }
  }
}

// A copy appended now comes after every record that the entry has: were the entry on its way to disk, a copy
// of its old status could come after a newer one.
bool Mover::Unchanged() const {
  return Movable(*entry_) && entry_->message == from_message_ && entry_->status == from_status_;
}

void Mover::AppendPart() {
  if (!journal_.Fits(part_.payload().size())) return;
  BatchItem item{.kind = BatchItem::Kind::kMovedPart, .mover = this, .id = {}};
  journal_.open().Append(RecordType::kPart, entry_->id, {part_.payload()}, item);
  journal_.open().urgent = true;
  step_ = Step::kAwaitPart;
}

void Mover::AppendMessage() {
  const uint64_t status_bytes = from_status_ ? kRecordHeaderBytes + status_.payload().size() : 0;
  if (!journal_.Fits(message_.payload().size() + PaddedRecordBytes(status_bytes))) return;
  MessageView view;
  CHECK(MessageView::Decode(message_.payload(), view));
  Buffer encoded_parts;
  EncodeParts(parts_, encoded_parts);
  BatchItem item{.kind = BatchItem::Kind::kMovedMessage, .mover = this, .id = {}};
  journal_.open().Append(RecordType::kMessage, entry_->id,
                         {message_.payload().substr(0, kMessageFixedBytes), encoded_parts.view(),
                          view.envelope, view.prefix, view.body},
                         item);
  AppendStatus();
}

void Mover::AppendStatus() {
  if (from_status_) {
    if (!with_message_ && !journal_.Fits(status_.payload().size())) return;
    BatchItem item{.kind = BatchItem::Kind::kMovedStatus, .mover = this, .id = {}};
    journal_.open().Append(RecordType::kStatus, entry_->id, {status_.payload()}, item);
  }
  journal_.open().urgent = true;
  step_ = Step::kAwait;
}

void Mover::OnDurable(const BatchItem& item, Segment& segment, const Location& where) {
  switch (item.kind) {
    case BatchItem::Kind::kMovedPart:
      if (step_ == Step::kAborted) return Finish();  // the copy is of no use
      DCHECK(step_ == Step::kAwaitPart);
      segment.readers++;
      pinned_.push_back(segment.number);
      parts_[part_index_] = PartLocation{.segment = segment.number,
                                         .offset = where.offset,
                                         .epoch = segment.epoch,
                                         .bytes = parts_[part_index_].bytes,
                                         .crc = item.payload_crc};
      copied_parts_.push_back(part_index_);
      return NextPart();
    case BatchItem::Kind::kMovedMessage:
      DCHECK(step_ == Step::kAwait);
      TakeNewPlace(segment, where);
      if (!from_status_) Finish();
      return;
    case BatchItem::Kind::kMovedStatus:
      DCHECK(step_ == Step::kAwait);
      if (entry_->status == from_status_) segments_.SetStatus(*entry_, where);
      return Finish();
    default:
      CHECK(false);
  }
}

void Mover::TakeNewPlace(Segment& segment, const Location& where) {
  if (entry_->state == EntryState::kTaken) {
    // Its delivery reads from the old place, which must stay; but after a crash the copy counts, so the parts
    // that it names must stay too.
    segments_.AddStale(segment.number, entry_->id);
    for (size_t i : copied_parts_) {
      segments_.AddPart(*entry_->upload, parts_[i].segment, kRecordHeaderBytes + parts_[i].bytes);
    }
    return;
  }
  segments_.AddStale(from_message_.segment, entry_->id);
  segments_.SetMessage(*entry_, where);
  if (entry_->upload != nullptr) {
    Upload& upload = *entry_->upload;
    segments_.DropParts(upload);
    for (const PartLocation& part : parts_) {
      segments_.AddPart(upload, part.segment, kRecordHeaderBytes + part.bytes);
    }
    if (!upload.locations.empty()) upload.locations = parts_;
  }
  moved_++;
}

void Mover::Abort() {
  if (step_ == Step::kAwait) return;  // appended before any done record of the entry: it will be durable first
  if (reading() || step_ == Step::kAwaitPart) {
    step_ = Step::kAborted;
    entry_ = nullptr;
  } else {
    Finish();
  }
}

void Mover::Finish() {
  step_ = Step::kIdle;
  entry_ = nullptr;
  for (uint32_t segment : pinned_) segments_.At(segment).readers--;
  pinned_.clear();
  copied_parts_.clear();
  message_.Reset();
  status_.Reset();
  part_.Reset();
}

}  // namespace sluice::queue
