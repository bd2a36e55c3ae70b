#include "queue/segment_table.h"

#include "core/base/check.h"
#include "queue/limits.h"

namespace sluice::queue {

Segment& SegmentTable::Add(uint32_t number, uint64_t bytes) {
  if (number >= segments_.size()) segments_.resize(number + 1);
  CHECK(segments_[number] == nullptr);
  segments_[number] = std::make_unique<Segment>();
  segments_[number]->number = number;
  segments_[number]->bytes = bytes;
  count_++;
  free_count_++;
  free_bytes_ += bytes;
  return *segments_[number];
}

void SegmentTable::Remove(Segment& segment) {
  CHECK(segment.state == SegmentState::kFree);
  count_--;
  free_count_--;
  free_bytes_ -= segment.bytes;
  segments_[segment.number].reset();
}

uint32_t SegmentTable::LowestUnusedNumber() const {
  uint32_t number = 1;
  while (number < segments_.size() && segments_[number] != nullptr) number++;
  return number;
}

Segment* SegmentTable::FirstFree() {
  if (free_count_ == 0) return nullptr;
  for (const std::unique_ptr<Segment>& segment : segments_) {
    if (segment != nullptr && segment->state == SegmentState::kFree) return segment.get();
  }
  return nullptr;
}

void SegmentTable::SetState(Segment& segment, SegmentState state) {
  if (state == SegmentState::kFree && segment.bytes < kSegmentBytesMin) state = SegmentState::kUnusable;
  if (segment.state == SegmentState::kFree) {
    free_count_--;
    free_bytes_ -= segment.bytes;
  }
  if (state == SegmentState::kFree) {
    free_count_++;
    free_bytes_ += segment.bytes;
  }
  segment.state = state;
}

void SegmentTable::AddLive(uint32_t segment, uint64_t bytes) {
  At(segment).live_bytes += bytes;
  live_bytes_ += bytes;
}

void SegmentTable::RemoveLive(uint32_t segment, uint64_t bytes) {
  DCHECK(At(segment).live_bytes >= bytes);
  At(segment).live_bytes -= bytes;
  live_bytes_ -= bytes;
}

void SegmentTable::SetMessage(Entry& entry, const Location& where) {
  MessageNode& node = entry;
  node.Unlink();
  if (entry.message) RemoveLive(entry.message.segment, entry.message.bytes);
  entry.message = where;
  if (!where) return;
  At(where.segment).messages.PushBack(entry);
  AddLive(where.segment, where.bytes);
}

void SegmentTable::SetStatus(Entry& entry, const Location& where) {
  StatusNode& node = entry;
  node.Unlink();
  if (entry.status) RemoveLive(entry.status.segment, entry.status.bytes);
  entry.status = where;
  if (!where) return;
  At(where.segment).statuses.PushBack(entry);
  AddLive(where.segment, where.bytes);
}

void SegmentTable::AddPart(Upload& upload, uint32_t segment, uint64_t record_bytes) {
  AddLive(segment, record_bytes);
  for (const std::unique_ptr<PartSpan>& span : upload.spans) {
    if (span->segment != segment) continue;
    span->bytes += record_bytes;
    return;
  }
  upload.spans.push_back(std::make_unique<PartSpan>());
  PartSpan& span = *upload.spans.back();
  span.upload = &upload;
  span.segment = segment;
  span.bytes = record_bytes;
  At(segment).parts.PushBack(span);
}

void SegmentTable::DropParts(Upload& upload) {
  for (const std::unique_ptr<PartSpan>& span : upload.spans) RemoveLive(span->segment, span->bytes);
  upload.spans.clear();
}

void SegmentTable::Drop(Entry& entry) {
  SetMessage(entry, Location());
  SetStatus(entry, Location());
  if (entry.upload != nullptr) DropParts(*entry.upload);
}

void SegmentTable::Negate(Segment& by, uint32_t target, QueueId id) {
  if (by.number != target) by.negates[target].push_back(id);  // its own records go when it goes
}

void SegmentTable::NegateMessage(Segment& by, const Entry& entry) {
  Negate(by, entry.message.segment, entry.id);
  if (stale_count_ == 0) return;
  for (const std::unique_ptr<Segment>& segment : segments_) {
    if (segment != nullptr && segment->stale.contains(entry.id.value)) {
      Negate(by, segment->number, entry.id);
    }
  }
}

void SegmentTable::AddStale(uint32_t segment, QueueId id) {
  if (At(segment).stale.insert(id.value).second) stale_count_++;
}

bool SegmentTable::MayBeVoided(const Segment& segment) const {
  return segment.state == SegmentState::kSealed && !segment.live() && segment.readers == 0 &&
         segment.negates.empty();
}

void SegmentTable::OnVoided(Segment& segment) {
  CHECK(segment.state == SegmentState::kVoiding && !segment.live() && segment.negates.empty());
  stale_count_ -= segment.stale.size();
  segment.stale.clear();
  segment.write_at = 0;
  SetState(segment, SegmentState::kFree);
  for (const std::unique_ptr<Segment>& other : segments_) {
    if (other != nullptr) other->negates.erase(segment.number);
  }
}

}  // namespace sluice::queue
