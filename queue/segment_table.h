// SegmentTable: the segments of a journal, what in them is still needed, and when one may be used again.
//
// A segment holds live records (messages, newest statuses, parts) and, by its done records and by newer
// copies, makes records in other segments void: it *negates* them. It may be recycled when nothing in it is
// live and nothing that it negates can still be read, or recovery would send old mail again. No I/O here.
#ifndef SLUICE_QUEUE_SEGMENT_TABLE_H_
#define SLUICE_QUEUE_SEGMENT_TABLE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "core/base/intrusive_list.h"
#include "queue/content.h"
#include "queue/entry.h"
#include "queue/record.h"

namespace sluice::queue {

enum class SegmentState : uint8_t {
  kFree,     // blank or void: ready to be written
  kActive,   // batches go here
  kSealed,   // full, all of it durable
  kVoiding,  // its header is being overwritten
  kUnusable, // too damaged to tell what it is, or cut too short to be written again: left alone
};

struct Segment {
  uint32_t number = 0;
  SegmentState state = SegmentState::kFree;
  uint64_t bytes = 0;
  uint64_t epoch = 0;     // of its present or last use
  uint64_t write_at = 0;  // end of what is durable
  uint64_t live_bytes = 0;
  uint32_t readers = 0;   // reads in flight, and copies not yet referred to: not to be voided
  MonoTime clean_again{};  // when the cleaner may look at it again
  IntrusiveList<Entry, MessageNode> messages;
  IntrusiveList<Entry, StatusNode> statuses;
  IntrusiveList<PartSpan> parts;
  // Ids whose records in another segment are void because of a record here, by that segment.
  absl::flat_hash_map<uint32_t, std::vector<QueueId>> negates;
  // Ids that have a MESSAGE record here which a newer copy elsewhere supersedes.
  absl::flat_hash_set<uint64_t> stale;

  bool live() const { return live_bytes > 0; }
  uint64_t room() const { return bytes - write_at; }
};

class SegmentTable {
 public:
  // REQUIRES: no such segment yet.
  Segment& Add(uint32_t number, uint64_t bytes);
  void Remove(Segment& segment);  // REQUIRES: kFree

  Segment& At(uint32_t number) { return *segments_[number]; }  // REQUIRES: it exists
  Segment* Find(uint32_t number) { return number < segments_.size() ? segments_[number].get() : nullptr; }
  uint32_t LowestUnusedNumber() const;

  uint32_t count() const { return count_; }
  uint32_t free_count() const { return free_count_; }
  uint64_t free_bytes() const { return free_bytes_; }
  uint64_t live_bytes() const { return live_bytes_; }

  // The free segment with the lowest number, or nullptr.
  Segment* FirstFree();
  void SetState(Segment& segment, SegmentState state);

  // --- what is live ---
  void SetMessage(Entry& entry, const Location& where);  // also moves it there
  void SetStatus(Entry& entry, const Location& where);   // a Location of nowhere: it has none any more
  void AddPart(Upload& upload, uint32_t segment, uint64_t record_bytes);
  void DropParts(Upload& upload);
  void Drop(Entry& entry);  // message, status and parts

  // --- what is void ---
  void Negate(Segment& by, uint32_t target, QueueId id);
  // All records of `id` are void from a done record in `by` on.
  void NegateMessage(Segment& by, const Entry& entry);
  void AddStale(uint32_t segment, QueueId id);

  bool MayBeVoided(const Segment& segment) const;
  // The header of `segment` says void, durably: nothing need negate it any more, and it is free.
  void OnVoided(Segment& segment);

  // Calls f(Segment&) in the order of their numbers.
  template <typename F>
  void ForEach(F f) {
    for (const std::unique_ptr<Segment>& segment : segments_) {
      if (segment != nullptr) f(*segment);
    }
  }

 private:
  void AddLive(uint32_t segment, uint64_t bytes);
  void RemoveLive(uint32_t segment, uint64_t bytes);

  std::vector<std::unique_ptr<Segment>> segments_;  // by number
  uint32_t count_ = 0;
  uint32_t free_count_ = 0;
  uint64_t free_bytes_ = 0;  // of the free ones
  uint64_t live_bytes_ = 0;
  uint64_t stale_count_ = 0;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_SEGMENT_TABLE_H_
