#include "tools/load/end_of_data.h"

#include <algorithm>

namespace sluice::load {

// Only CR can begin anew inside the pattern, so there is little to fall back to.
void EndOfData::Step(char c) {
  if (c == kEnd[matched_]) {
    matched_++;
  } else {
    matched_ = c == '\r' ? 1 : 0;
  }
}

size_t EndOfData::Take(ByteView part, bool& ended) {
  ended = false;
  size_t at = 0;
  // Octet by octet while the last part, or the start, may be the beginning of an end.
  while (at < part.size() && matched_ > 0) {
    Step(part[at++]);
    if (matched_ == kEnd.size()) {
      ended = true;
      return at;
    }
  }
  // From here on an end lies whole in this part, or is cut by its last octets. Dots are rare.
  constexpr size_t kBefore = 2;  // octets of kEnd before its dot
  for (size_t dot = part.find('.', at + kBefore); dot != ByteView::npos;
       dot = part.find('.', dot + 1)) {
    if (part.substr(dot - kBefore, kEnd.size()) != kEnd) continue;
    ended = true;
    return dot - kBefore + kEnd.size();
  }
  for (at = std::max(at, part.size() - std::min(part.size(), kEnd.size() - 1)); at < part.size();
       at++) {
    Step(part[at]);
  }
  return part.size();
}

}  // namespace sluice::load
