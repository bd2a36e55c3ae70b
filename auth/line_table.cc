#include "auth/line_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

#include "core/base/check.h"
#include "core/base/endian.h"

namespace sluice::auth {
namespace {

constexpr uint32_t kLinesMin = 64;
constexpr unsigned kProbes = 8;

}  // namespace

LineTable::LineTable(ByteView secret, uint32_t lines, WhenFull when_full)
    : name_key_(secret),
      when_full_(when_full),
      mask_(std::bit_ceil(std::max(lines, kLinesMin)) - 1),
      lines_(static_cast<Line*>(mmap(nullptr, sizeof(Line) * (size_t{mask_} + 1),
                                     PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))),
      changed_((mask_ + 1) / kSaveLines) {
  static_assert(sizeof(Line) == 64 && sizeof(SavedLine) == 64);
  CHECK(lines_ != MAP_FAILED);
}

LineTable::~LineTable() { munmap(lines_, sizeof(Line) * (size_t{mask_} + 1)); }

uint64_t LineTable::NameKey(char space, ByteView name) const {
  const ByteView parts[] = {ByteView(&space, 1), name};
  return LoadLe<uint64_t>(name_key_.Sign(parts).data());
}

LineTable::Line* LineTable::Find(uint64_t key) const {
  for (unsigned i = 0; i < kProbes; i++) {
    Line& line = lines_[((key >> 8) + i) & mask_];
    if (line.key.load(std::memory_order_acquire) == key) return &line;
  }
  return nullptr;
}

// A line that nobody has had takes its key in one step, so that threads that come with a new key at
// once find the same line. One that another key had is made ready first: its key is kKeyMin
// meanwhile, which nobody has, and who comes with the same key at that moment takes the next, once.
// A thread that found the line before it was taken from another key may still add to it, once.
LineTable::Line* LineTable::FindOrClaim(uint64_t key, WallTime now) {
  CHECK(key > kKeyMin);
  if (Line* line = Find(key)) return line;
  const auto take_over = [&](Line& line, uint64_t before) {
    if (!line.key.compare_exchange_strong(before, kKeyMin, std::memory_order_acquire)) return false;
    for (auto& word : line.words) word.store(0, std::memory_order_relaxed);
    line.key.store(key, std::memory_order_release);
    return true;
  };
  for (unsigned i = 0; i < kProbes; i++) {
    Line& line = lines_[((key >> 8) + i) & mask_];
    uint64_t before = line.key.load(std::memory_order_relaxed);
    if (before == 0 && line.key.compare_exchange_strong(before, key, std::memory_order_acq_rel)) {
      return &line;
    }
    if (before == key) return &line;  // another thread's, since Find looked
    if (before == kKeyMin) continue;
    uint64_t words[kLineWords];
    Copy(line, words);
    if (!Means(before, words, now) && take_over(line, before)) return &line;
  }
  if (when_full_ == WhenFull::kReplace) {  // any of them: the key's high bits choose
    Line& line = lines_[((key >> 8) + (key >> 56) % kProbes) & mask_];
    const uint64_t before = line.key.load(std::memory_order_relaxed);
    if (before != kKeyMin && take_over(line, before)) return &line;
  }
  lost_.fetch_add(1, std::memory_order_relaxed);
  return nullptr;
}

void LineTable::ForgetAll() {
  for (uint32_t i = 0; i < lines(); i++) {
    Line& line = lines_[i];
    if (line.key.load(std::memory_order_relaxed) == 0) continue;
    for (auto& word : line.words) word.store(0, std::memory_order_relaxed);
    Touch(line);
  }
}

void LineTable::Copy(const Line& line, uint64_t (&words)[kLineWords]) {
  for (unsigned i = 0; i < kLineWords; i++) {
    words[i] = line.words[i].load(std::memory_order_relaxed);
  }
}

void LineTable::Touch(const Line& line) {
  auto& changed = changed_[static_cast<size_t>(&line - lines_) / kSaveLines];
  if (changed.load(std::memory_order_relaxed) == 0) changed.store(1, std::memory_order_release);
}

void LineTable::SaveChanged(const Save& save) {
  for (size_t i = 0; i < changed_.size(); i++) {
    if (changed_[i].load(std::memory_order_relaxed) == 0) continue;
    // What changes from here on is for the next time.
    changed_[i].exchange(0, std::memory_order_acquire);
    SavedLine saved[kSaveLines];
    const size_t first = i * kSaveLines;
    for (size_t j = 0; j < kSaveLines; j++) {
      const Line& line = lines_[first + j];
      saved[j].key = line.key.load(std::memory_order_acquire);
      Copy(line, saved[j].words);
    }
    save(static_cast<uint32_t>(first), saved);
  }
}

void LineTable::Restore(const SavedLine& saved, WallTime now) {
  if (saved.key <= kKeyMin || !Means(saved.key, saved.words, now)) return;
  Line* const line = FindOrClaim(saved.key, now);
  if (line == nullptr) return;
  for (unsigned i = 0; i < kLineWords; i++) {
    line->words[i].store(saved.words[i], std::memory_order_relaxed);
  }
  Touch(*line);  // its place may be another than it was
}

}  // namespace sluice::auth
