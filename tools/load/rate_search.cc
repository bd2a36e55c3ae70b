#include "tools/load/rate_search.h"

#include <algorithm>
#include <cmath>

#include "core/base/check.h"

namespace sluice::load {

void RateSearch::Tell(bool held) {
  CHECK(!over_);
  (held ? good_ : bad_)++;
  if (good_ == options_.needed) {
    held_ = rate_;
  } else if (bad_ > options_.tries - options_.needed) {  // out of reach
    missed_ = rate_;
  } else {
    return;
  }
  good_ = bad_ = 0;
  Choose();
}

void RateSearch::Choose() {
  if (missed_ == kNone) {
    over_ = held_ >= options_.max;
    rate_ = std::min(held_ * 2, options_.max);
  } else if (held_ == 0) {
    over_ = missed_ <= options_.min;
    rate_ = std::max(missed_ / 2, options_.min);
  } else {
    over_ = missed_ <= held_ * (1 + options_.precision);
    rate_ = std::sqrt(held_ * missed_);
  }
}

}  // namespace sluice::load
