#include "tools/load/series.h"

#include <algorithm>
#include <utility>

namespace sluice::load {

void SeriesSlot::Merge(const SeriesSlot& other) {
  started += other.started;
  accepted += other.accepted;
  failed += other.failed;
  latency.Merge(other.latency);
  generator_cpu += other.generator_cpu;
  server_cpu += other.server_cpu;
  server_rss_bytes = std::max(server_rss_bytes, other.server_rss_bytes);
}

// Slots in which no turn ran are there too, empty.
void Series::CloseUntil(Duration age) {
  while (age >= until_) Close();
}

void Series::Close() {
  if (latency_.count() > 0) {
    open_.latency = PackedHistogram(latency_);
    latency_.Clear();
  }
  slots_.push_back(std::exchange(open_, SeriesSlot{}));
  closed_++;
  if (slots_.size() == kSlotsMax) Halve();
  until_ = width_ * static_cast<int64_t>(slots_.size() + 1);
}

void Series::Halve() {
  for (size_t i = 0; i < slots_.size(); i++) {
    if (i % 2 == 1) {
      slots_[i / 2].Merge(slots_[i]);
    } else if (i > 0) {
      slots_[i / 2] = std::move(slots_[i]);
    }
  }
  slots_.resize((slots_.size() + 1) / 2);
  width_ *= 2;
}

void Series::Finish() {
  const bool empty = open_.started == 0 && open_.accepted == 0 && open_.failed == 0 &&
                     open_.generator_cpu == Duration(0) && open_.server_cpu == Duration(0);
  if (!empty) Close();
}

void Series::Merge(const Series& other) {
  Series theirs = other;
  while (theirs.width_ < width_) theirs.Halve();
  while (width_ < theirs.width_) Halve();
  slots_.resize(std::max(slots_.size(), theirs.slots_.size()));
  for (size_t i = 0; i < theirs.slots_.size(); i++) slots_[i].Merge(theirs.slots_[i]);
}

}  // namespace sluice::load
