#include "queue/segment_keeper.h"

#include <algorithm>
#include <cerrno>

#include "core/base/check.h"
#include "queue/limits.h"

namespace sluice::queue {

SegmentKeeper::SegmentKeeper(Device& device, SegmentTable& segments, Journal& journal, uint32_t segments_max,
                             uint32_t spare)
    : device_(device),
      segments_(segments),
      journal_(journal),
      segments_max_(segments_max),
      spare_(std::max(spare, 1u)) {}

SegmentKeeper::~SegmentKeeper() { CHECK(idle()); }

void SegmentKeeper::Pump(MonoTime now, bool ending) {
  if (journal_.poisoned() || journal_.sealed()) return;
  if (ending && (journal_.active() != nullptr || segments_.free_count() > 0)) return;
  PrepareOne(now);
  VoidOne();
  RemoveOne();
}

std::optional<MonoTime> SegmentKeeper::NextDeadline() const {
  if (journal_.poisoned() || journal_.sealed()) return std::nullopt;
  const bool waits = prepare_failed_ && may_prepare() && SpareCount() < spare_;
  return waits && !prepare_.in_flight ? std::optional(prepare_again_) : std::nullopt;
}

bool SegmentKeeper::starved() const {
  return segments_.free_count() == 0 && (prepare_failed_ || !may_prepare());
}

uint32_t SegmentKeeper::SpareCount() const {
  uint32_t count = 0;
  segments_.ForEach([&](const Segment& segment) {
    if (segment.state == SegmentState::kFree && segment.bytes == device_.segment_bytes()) count++;
  });
  return count;
}

void SegmentKeeper::PrepareOne(MonoTime now) {
  if (prepare_.in_flight || remove_.in_flight) return;  // a removed one's number may be wanted
  if (!may_prepare() || (prepare_failed_ && now < prepare_again_) || SpareCount() >= spare_) return;
  prepare_again_ = now + kPrepareRetry;
  prepare_.segment = segments_.LowestUnusedNumber();
  device_.Prepare(prepare_.segment, prepare_);
}

void SegmentKeeper::OnPrepared(DeviceOp& op, int result) {
  SegmentKeeper& keeper = static_cast<Op&>(op).keeper;
  keeper.prepare_failed_ = result < 0;
  if (result < 0) return;  // a full disk, most likely: admission sees that no segment is free
  keeper.segments_.Add(keeper.prepare_.segment, keeper.device_.segment_bytes());
}

void SegmentKeeper::VoidOne() {
  if (void_.in_flight) return;
  Segment* dead = nullptr;
  segments_.ForEach([&](Segment& segment) {
    if (dead == nullptr && segments_.MayBeVoided(segment)) dead = &segment;
  });
  if (dead == nullptr) return;
  segments_.SetState(*dead, SegmentState::kVoiding);
  void_.segment = dead->number;
  journal_.HeaderFor(*dead, SegmentUse::kVoid).Encode(void_block_.data());
  device_.Write(dead->number, 0, void_block_.view(), void_);
}

void SegmentKeeper::OnVoided(DeviceOp& op, int result) {
  SegmentKeeper& keeper = static_cast<Op&>(op).keeper;
  if (result < 0 || static_cast<size_t>(result) != kBlockBytes) {
    keeper.journal_.Poison(result < 0 ? result : -EIO);
    return;
  }
  keeper.segments_.OnVoided(keeper.segments_.At(keeper.void_.segment));
  keeper.voided_++;
}

// A burst leaves many free segments behind. Some are kept, in proportion to what is in use; the others go
// back to the file system one by one. Those of another size go once there is room for one of the right size:
// on a full disk they are all there is.
void SegmentKeeper::RemoveOne() {
  if (remove_.in_flight || prepare_.in_flight || journal_.active() == nullptr) return;
  Segment* last = nullptr;
  Segment* other_size = nullptr;
  segments_.ForEach([&](Segment& segment) {
    if (segment.state != SegmentState::kFree) return;
    last = &segment;
    if (segment.bytes != device_.segment_bytes()) other_size = &segment;
  });
  const uint32_t in_use = segments_.count() - segments_.free_count();
  const bool surplus = segments_.free_count() > spare_ + 2 + in_use / 4;
  if (other_size != nullptr && SpareCount() > 0) {
    last = other_size;
  } else if (!surplus) {
    return;
  }
  remove_.segment = last->number;
  segments_.Remove(*last);
  device_.Remove(remove_.segment, remove_);
}

void SegmentKeeper::OnRemoved(DeviceOp&, int) {}  // a file that stays is found, and used, at the next start

}  // namespace sluice::queue
