#include "auth/known_clients.h"

#include <algorithm>

namespace sluice::auth {
namespace {

// A word: which network, and the number of the day, from 1, when it was last seen.
constexpr unsigned kDayBits = 24;
constexpr uint64_t kDayMask = (uint64_t{1} << kDayBits) - 1;
constexpr uint64_t kNetworkMask = ~kDayMask;

uint64_t DayOf(WallTime now) {
  return static_cast<uint64_t>(now.time_since_epoch() / hours(24) + 1) & kDayMask;
}

// One of tomorrow, by a clock set back, is known too.
bool IsKnown(uint64_t word, uint64_t today) {
  const uint64_t day = word & kDayMask;
  return day != 0 && day + KnownClients::kKnownDays >= today;
}

// Login keys are hashes, so none of them is one of the table's own by more than bad luck.
uint64_t KeyOf(uint64_t login) { return login | uint64_t{1} << 63; }

}  // namespace

bool KnownClients::Means(uint64_t, const uint64_t (&words)[kLineWords], WallTime now) const {
  const uint64_t today = DayOf(now);
  return std::any_of(std::begin(words), std::end(words),
                     [today](uint64_t word) { return IsKnown(word, today); });
}

bool KnownClients::Knows(uint64_t login, uint64_t network, WallTime now) const {
  const Line* const line = Find(KeyOf(login));
  if (line == nullptr) return false;
  const uint64_t today = DayOf(now);
  return std::any_of(std::begin(line->words), std::end(line->words), [&](const auto& slot) {
    const uint64_t word = slot.load(std::memory_order_relaxed);
    return (word & kNetworkMask) == (network & kNetworkMask) && IsKnown(word, today);
  });
}

void KnownClients::Learn(uint64_t login, uint64_t network, WallTime now) {
  Line* const line = FindOrClaim(KeyOf(login), now);
  if (line == nullptr) return;
  const uint64_t today = DayOf(now);
  const uint64_t fresh = (network & kNetworkMask) | today;
  std::atomic<uint64_t>* oldest = &line->words[0];
  uint64_t oldest_word = oldest->load(std::memory_order_relaxed);
  for (auto& slot : line->words) {
    const uint64_t word = slot.load(std::memory_order_relaxed);
    if (word == fresh) return;
    const bool same = word != 0 && (word & kNetworkMask) == (network & kNetworkMask);
    if (same || (word & kDayMask) < (oldest_word & kDayMask)) {
      oldest = &slot;
      oldest_word = word;
      if (same) break;
    }
  }
  // Two threads may want the slot: who comes late is learnt at the next login.
  if (oldest->compare_exchange_strong(oldest_word, fresh, std::memory_order_relaxed)) Touch(*line);
}

void KnownClients::Forget(uint64_t login) {
  Line* const line = Find(KeyOf(login));
  if (line == nullptr) return;
  for (auto& slot : line->words) slot.store(0, std::memory_order_relaxed);
  Touch(*line);
}

}  // namespace sluice::auth
