#include "queue/load.h"

#include "core/base/check.h"
#include "queue/content.h"
#include "queue/entry.h"
#include "queue/segment_table.h"

namespace sluice::queue {

// --- Loader --------------------------------------------------------------------------------------------------

bool Loader::Load(const Entry& entry, MessageLoad& load) {
  load.Reset();
  load.id_ = entry.id;
  load.status_at_ = entry.status;
  if (entry.content != nullptr && !entry.content->status.empty()) {  // newer than what is on disk
    load.status_bytes_.Append(entry.content->status.view());
    load.status_at_ = Location();
  }
  if (entry.content != nullptr && !entry.content->envelope.empty()) {
    load.AcceptContent(*entry.content, entry.upload.get());
    return true;
  }
  load.loader_ = this;
  load.message_at_ = entry.message;
  Pin(load.message_at_);
  Pin(load.status_at_);  // read second: the entry may have a newer status by then
  load.message_read_.Start(device_, load.message_at_, RecordType::kMessage, entry.id);
  return false;
}

void Loader::LoadPart(const MessageLoad& message, size_t part, PartLoad& load) {
  CHECK(!load.in_flight() && part < message.parts_.size());
  load.loader_ = this;
  const PartLocation& at = message.parts_[part];
  const Location where{at.segment, at.offset, static_cast<uint32_t>(kRecordHeaderBytes + at.bytes)};
  Pin(where);
  load.read_.Start(device_, where, RecordType::kPart, message.id_);
}

void Loader::Pin(const Location& where) {
  if (where) segments_.At(where.segment).readers++;
}

void Loader::Unpin(const Location& where) {
  if (where) segments_.At(where.segment).readers--;
}

// --- MessageLoad ---------------------------------------------------------------------------------------------

void MessageLoad::OnMessageRead(void* owner, ReadResult result) {
  MessageLoad& load = *static_cast<MessageLoad*>(owner);
  if (result != ReadResult::kOk) return load.Finish(result);
  if (load.status_at_) {
    return load.status_read_.Start(load.loader_->device_, load.status_at_, RecordType::kStatus, load.id_);
  }
  load.Finish(load.Accept(load.message_read_.payload(), load.status_bytes_.view()) ? LoadResult::kOk : LoadResult::kCorrupt);
}

void MessageLoad::OnStatusRead(void* owner, ReadResult result) {
  MessageLoad& load = *static_cast<MessageLoad*>(owner);
  if (result != ReadResult::kOk) return load.Finish(result);
  const bool good = load.Accept(load.message_read_.payload(), load.status_read_.payload());
  load.Finish(good ? LoadResult::kOk : LoadResult::kCorrupt);
}

void MessageLoad::Finish(LoadResult result) {
  loader_->Unpin(message_at_);
  loader_->Unpin(status_at_);
  loader_ = nullptr;
  done_(*this, result);
}

bool MessageLoad::Accept(ByteView message, ByteView status) {
  MessageView view;
  if (!MessageView::Decode(message, view)) return false;
  const std::optional<EnvelopeView> envelope = EnvelopeView::Parse(view.envelope);
  if (!envelope.has_value() || envelope->recipient_count() != view.recipients) return false;
  if (!status.empty() && !StatusView::Decode(status, status_)) return false;
  envelope_ = *envelope;
  prefix_ = view.prefix;
  body_ = view.body;
  parts_.clear();
  for (size_t i = 0; i < view.parts(); i++) parts_.push_back(view.part(i));
  return true;
}

void MessageLoad::AcceptContent(const Content& content, const Upload* upload) {
  const std::optional<EnvelopeView> envelope = EnvelopeView::Parse(content.envelope.view());
  CHECK(envelope.has_value());  // Submit checked it
  envelope_ = *envelope;
  prefix_ = content.prefix.view();
  body_ = content.body.view();
  if (upload != nullptr) parts_ = upload->locations;
}

uint64_t MessageLoad::content_bytes() const {
  uint64_t bytes = prefix_.size() + body_.size();
  for (const PartLocation& part : parts_) bytes += part.bytes;
  return bytes;
}

bool MessageLoad::finished(uint32_t recipient) const { return status_.finished(recipient); }

ByteView MessageLoad::last_reply(uint32_t recipient) const { return status_.reply(recipient); }

void MessageLoad::Reset() {
  CHECK(!in_flight());
  message_read_.Reset();
  status_read_.Reset();
  status_bytes_.Reset();
  envelope_ = EnvelopeView();
  prefix_ = body_ = ByteView();
  status_ = StatusView();
  parts_.clear();
}

// --- PartLoad ------------------------------------------------------------------------------------------------

void PartLoad::OnRead(void* owner, ReadResult result) {
  PartLoad& load = *static_cast<PartLoad*>(owner);
  load.loader_->Unpin(load.read_.where());
  load.loader_ = nullptr;
  load.done_(load, result);
}

}  // namespace sluice::queue
