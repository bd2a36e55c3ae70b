#include "tools/load/schedule.h"

#include <cmath>

#include "core/base/check.h"

namespace sluice::load {
namespace {

constexpr double kSecond = 1e9;

}  // namespace

Schedule::Schedule(const Options& options, MonoTime start)
    : arrivals_(options.arrivals),
      mean_(kSecond * options.threads / options.rate),
      prng_(options.seed),
      next_(start) {
  CHECK(options.rate > 0 && options.threads > 0);
  if (arrivals_ == Arrivals::kFixed) {
    next_ += Duration(std::llround(mean_ * options.thread / options.threads));
  } else {
    Advance();
  }
}

void Schedule::Advance() {
  const double interval = Interval() + rest_;
  const double whole = std::floor(interval);
  rest_ = interval - whole;
  next_ += Duration(static_cast<int64_t>(whole));
}

double Schedule::Interval() {
  if (arrivals_ == Arrivals::kFixed) return mean_;
  const double uniform = static_cast<double>(prng_.Next() >> 11) * 0x1p-53;  // in [0, 1)
  return -std::log1p(-uniform) * mean_;
}

}  // namespace sluice::load
