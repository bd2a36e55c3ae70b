#include "tools/load/sizes.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sluice::load {
namespace {

std::optional<uint64_t> ParseNumber(ByteView text, bool units) {
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const ByteView unit(stop, static_cast<size_t>(end - stop));
  if (error != std::errc() || number == 0 || number > Sizes::kMax) return std::nullopt;
  if (unit.empty()) return number;
  if (!units || unit.size() != 1) return std::nullopt;
  const int shift = unit == "k" || unit == "K" ? 10 : (unit == "m" || unit == "M" ? 20 : 0);
  if (shift == 0 || number << shift > Sizes::kMax) return std::nullopt;
  return number << shift;
}

absl::Status Refusal(ByteView text) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is no size: 4096, 64k, 1k-64k, 4k:70,64k:25,1m:5; 512m at most"));
}

}  // namespace

absl::StatusOr<Sizes> Sizes::Parse(ByteView text) {
  Sizes sizes;
  sizes.parts_.clear();
  sizes.weight_ = 0;
  for (const ByteView item : absl::StrSplit(text, ',')) {
    const std::pair<ByteView, ByteView> weighted = absl::StrSplit(item, absl::MaxSplits(':', 1));
    const std::pair<ByteView, ByteView> range =
        absl::StrSplit(weighted.first, absl::MaxSplits('-', 1));
    const auto least = ParseNumber(range.first, true);
    const auto most =
        range.first.size() == weighted.first.size() ? least : ParseNumber(range.second, true);
    const auto weight =
        weighted.first.size() == item.size() ? 1 : ParseNumber(weighted.second, false);
    if (!least || !most || !weight || *least > *most) return Refusal(text);
    sizes.parts_.push_back({.least = *least, .most = *most, .weight = *weight});
    sizes.weight_ += *weight;
  }
  return sizes;
}

uint64_t Sizes::Draw(Prng& prng) const {
  if (fixed()) return parts_[0].least;
  uint64_t at = prng.Below(weight_);
  size_t i = 0;
  while (at >= parts_[i].weight) at -= parts_[i++].weight;
  const Part& part = parts_[i];
  if (part.least == part.most) return part.least;
  const double uniform = static_cast<double>(prng.Next() >> 11) * 0x1p-53;
  const auto least = static_cast<double>(part.least);
  const double size = least * std::pow(static_cast<double>(part.most) / least, uniform);
  return std::clamp(static_cast<uint64_t>(std::llround(size)), part.least, part.most);
}

uint64_t Sizes::max() const {
  uint64_t most = 0;
  for (const Part& part : parts_) most = std::max(most, part.most);
  return most;
}

}  // namespace sluice::load
