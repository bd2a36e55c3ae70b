#include "queue/queue_id.h"

#include <algorithm>

#include "core/base/check.h"

namespace sluice::queue {
namespace {

constexpr int64_t kEpochMs = 1'577'836'800'000;  // 2020-01-01T00:00:00Z
constexpr int kTimeShift = QueueId::kCounterBits + QueueId::kShardBits;
constexpr uint64_t kMsMax = (uint64_t{1} << (64 - kTimeShift)) - 1;  // in the year 2159
constexpr char kDigits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

int DigitValue(char c) {
  const char upper = AsciiUpper(c);
  for (int value = 0; value < 32; value++) {
    if (kDigits[value] == upper) return value;
  }
  return -1;
}

}  // namespace

WallTime QueueId::time() const {
  return WallFromMillis(static_cast<int64_t>(value >> kTimeShift) + kEpochMs);
}

void QueueId::Print(char (&text)[kTextBytes]) const {
  uint64_t rest = value;
  for (size_t i = kTextBytes; i-- > 0; rest >>= 5) text[i] = kDigits[rest & 31];
}

std::string QueueId::ToString() const {
  char text[kTextBytes];
  Print(text);
  return std::string(text, kTextBytes);
}

std::optional<QueueId> QueueId::Parse(ByteView text) {
  if (text.size() != kTextBytes) return std::nullopt;
  uint64_t value = 0;
  for (size_t i = 0; i < kTextBytes; i++) {
    const int digit = DigitValue(text[i]);
    if (digit < 0 || (i == 0 && digit > 15)) return std::nullopt;  // 13 digits hold 65 bits
    value = (value << 5) | static_cast<uint64_t>(digit);
  }
  return QueueId{value};
}

QueueIdMaker::QueueIdMaker(uint32_t shard) : shard_(shard) { CHECK(shard < QueueId::kShardsMax); }

QueueId QueueIdMaker::Next(WallTime now) {
  const int64_t since_epoch = std::max<int64_t>(WallMillis(now) - kEpochMs, 1);
  const uint64_t ms = std::min(static_cast<uint64_t>(since_epoch), kMsMax);
  if (ms > ms_) {
    ms_ = ms;
    counter_ = 0;
  } else if (++counter_ == 1u << QueueId::kCounterBits) {
    ms_++;  // more than 4096 in a millisecond, or the clock went back: run ahead of it
    counter_ = 0;
  }
  newest_ = QueueId{(ms_ << kTimeShift) | (uint64_t{shard_} << QueueId::kCounterBits) | counter_};
  return newest_;
}

void QueueIdMaker::StartAfter(QueueId id) {
  if (id <= newest_) return;
  newest_ = id;
  ms_ = std::max(ms_, id.value >> kTimeShift);
  counter_ = (1u << QueueId::kCounterBits) - 1;
}

}  // namespace sluice::queue
