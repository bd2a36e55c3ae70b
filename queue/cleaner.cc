#include "queue/cleaner.h"

#include <algorithm>

#include "core/base/check.h"
#include "queue/content.h"

namespace sluice::queue {
namespace {

// A segment that could not be emptied, since some of it was being delivered, is looked at again after this.
constexpr Duration kTryAgain = seconds(10);

}  // namespace

Cleaner::Cleaner(Device& device, SegmentTable& segments, Journal& journal)
    : device_(device), segments_(segments), journal_(journal) {
  for (size_t i = 0; i < kMovers; i++) {
    movers_.push_back(std::make_unique<Mover>(device, segments, journal, moved_));
  }
}

void Cleaner::Pump(MonoTime now, bool starved) {
  if (stopped_) return;
  for (const auto& mover : movers_) mover->Pump();
  if (victim_ == nullptr) {
    Segment* victim = Wanted(starved) ? ChooseVictim(now) : nullptr;
    if (victim == nullptr) return;
    Begin(*victim);
  }
  while (phase_ != Phase::kTombstones) {
    StartMovers();
    if (Moving()) return;
    NextPhase();
  }
  if (CopyTombstones()) End(now);
}

void Cleaner::Begin(Segment& victim) {
  victim_ = &victim;
  victim_->readers++;  // not to be voided while we look at it
  phase_ = Phase::kMessages;
  pass_ = (pass_ + 1) & 0x7f;
  tombstones_listed_ = false;
}

void Cleaner::NextPhase() {
  phase_ = static_cast<Phase>(static_cast<uint8_t>(phase_) + 1);
  pass_ = (pass_ + 1) & 0x7f;
}

void Cleaner::End(MonoTime now) {
  victim_->negates.clear();  // the copies negate it all
  victim_->clean_again = now + kTryAgain;
  victim_->readers--;
  victim_ = nullptr;
}

bool Cleaner::Moving() const {
  return std::any_of(movers_.begin(), movers_.end(), [](const auto& mover) { return !mover->idle(); });
}

bool Cleaner::Wanted(bool starved) const {
  const uint32_t used = segments_.count() - segments_.free_count();
  const uint64_t live = segments_.live_bytes() / device_.segment_bytes() + 1;
  return used > 2 * live + 4 || (starved && used > 2);
}

uint64_t Cleaner::CostOf(const Segment& segment) const {
  uint64_t cost = segment.live_bytes;
  for (const auto& [target, ids] : segment.negates) cost += ids.size() * kRecordHeaderBytes;
  return cost;
}

Segment* Cleaner::ChooseVictim(MonoTime now) const {
  Segment* best = nullptr;
  uint64_t best_cost = 0;
  segments_.ForEach([&](Segment& segment) {
    if (segment.state != SegmentState::kSealed || segments_.MayBeVoided(segment)) return;
    if (now < segment.clean_again) return;
    const uint64_t cost = CostOf(segment);
    if (cost > segment.bytes / 4 * 3 || cost > journal_.room() / 2) return;
    const bool better = best == nullptr || cost < best_cost || (cost == best_cost && segment.epoch < best->epoch);
    if (!better) return;
    best = &segment;
    best_cost = cost;
  });
  return best;
}

void Cleaner::StartMovers() {
  for (const auto& mover : movers_) {
    if (!mover->idle()) continue;
    Entry* entry = NextEntry();
    if (entry == nullptr) return;
    mover->Start(*entry, *victim_);
  }
}

// The next movable entry that this phase has not looked at. Those looked at go to the end of the segment's list,
// so that a list whose head was looked at is done.
Entry* Cleaner::NextEntry() {
  const auto look = [this](Entry& entry) {
    entry.cleaner_pass = pass_ & 0x7f;
    return Mover::Movable(entry) && Mover::FitsInBatch(entry, journal_);
  };
  if (phase_ == Phase::kMessages) {
    for (Entry* e = victim_->messages.front(); e != nullptr && e->cleaner_pass != pass_;
         e = victim_->messages.front()) {
      static_cast<MessageNode*>(e)->Unlink();
      victim_->messages.PushBack(*e);
      if (look(*e)) return e;
    }
  } else if (phase_ == Phase::kStatuses) {
    for (Entry* e = victim_->statuses.front(); e != nullptr && e->cleaner_pass != pass_;
         e = victim_->statuses.front()) {
      static_cast<StatusNode*>(e)->Unlink();
      victim_->statuses.PushBack(*e);
      if (look(*e)) return e;
    }
  } else {  // large messages: few fill a segment, so the list is short
    for (PartSpan* span = victim_->parts.front(); span != nullptr; span = victim_->parts.Next(*span)) {
      Entry* e = span->upload->entry;
      if (e != nullptr && e->cleaner_pass != pass_ && look(*e)) return e;
    }
  }
  return nullptr;
}

// True when all that the victim negates is negated durably elsewhere.
bool Cleaner::CopyTombstones() {
  if (!tombstones_listed_) {
    tombstones_listed_ = true;
    tombstones_.clear();
    for (const auto& [target, ids] : victim_->negates) {
      for (QueueId id : ids) tombstones_.emplace_back(target, id);
    }
    std::sort(tombstones_.begin(), tombstones_.end());  // the map's order must not reach the disk
  }
  while (!tombstones_.empty() && journal_.Fits(0)) {
    const auto [target, id] = tombstones_.back();
    tombstones_.pop_back();
    if (!victim_->negates.contains(target)) continue;  // void by now
    BatchItem item{.kind = BatchItem::Kind::kTombstone, .negated_segment = target, .id = {}};
    journal_.open().Append(RecordType::kDone, id, {}, item);
    journal_.open().urgent = true;
    tombstones_in_flight_++;
  }
  return tombstones_.empty() && tombstones_in_flight_ == 0;
}

void Cleaner::OnTombstoneDurable(const BatchItem& item, Segment& segment) {
  tombstones_in_flight_--;
  if (victim_->negates.contains(item.negated_segment)) {
    segments_.Negate(segment, item.negated_segment, item.id);
  }
}

void Cleaner::Forget(const Entry& entry) {
  for (const auto& mover : movers_) {
    if (mover->entry() == &entry) mover->Abort();
  }
}

void Cleaner::Stop() {
  stopped_ = true;
  for (const auto& mover : movers_) {
    if (!mover->idle()) mover->Abort();
  }
}

bool Cleaner::idle() const {
  return std::none_of(movers_.begin(), movers_.end(), [](const auto& m) { return m->reading(); });
}

}  // namespace sluice::queue
