// Sizes: how big messages are: one size, a range, or several of these by weight. Immutable once
// made; any thread.
#ifndef SLUICE_TOOLS_LOAD_SIZES_H_
#define SLUICE_TOOLS_LOAD_SIZES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/base/prng.h"

namespace sluice::load {

class Sizes {
 public:
  static constexpr uint64_t kMax = 1 << 29;

  Sizes() : Sizes(4096) {}
  explicit Sizes(uint64_t bytes)
      : parts_{{.least = bytes, .most = bytes, .weight = 1}}, weight_(1) {}

  // "4096", "64k", "1k-64k" (as many from 1k to 2k as from 32k to 64k), "4k:70,64k-1m:25,10m:5" (of
  // a hundred 70 have 4 KiB). InvalidArgument says what is expected.
  static absl::StatusOr<Sizes> Parse(ByteView text);

  uint64_t Draw(Prng& prng) const;
  uint64_t max() const;
  bool fixed() const { return parts_.size() == 1 && parts_[0].least == parts_[0].most; }

 private:
  struct Part {
    uint64_t least;
    uint64_t most;
    uint64_t weight;
  };
  std::vector<Part> parts_;
  uint64_t weight_;  // of all
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_SIZES_H_
