#include "tools/load/trend.h"

#include <algorithm>
#include <cmath>

namespace sluice::load {
namespace {

// Student's t for 99 percent, both sides; between the rows the stricter one.
double Quantile99(double freedom) {
  constexpr struct {
    double freedom;
    double t;
  } kRows[] = {{1000, 2.58}, {60, 2.66}, {30, 2.75}, {20, 2.85}, {10, 3.17},
               {6, 3.71},    {4, 4.60},  {3, 5.84},  {2, 9.92},  {1, 63.7}};
  for (const auto& row : kRows) {
    if (freedom >= row.freedom) return row.t;
  }
  return 1000;  // nothing is sure
}

}  // namespace

Trend::Trend(const std::vector<Reading>& readings) {
  const auto count = static_cast<double>(readings.size());
  if (readings.empty()) return;
  double time = 0;
  for (const Reading& reading : readings) {
    time += reading.hours / count;
    mean_ += reading.value / count;
  }
  hours_ = readings.back().hours - readings.front().hours;
  if (readings.size() < kLeast || hours_ <= 0) return;
  told_ = true;
  double spread = 0;
  double together = 0;
  for (const Reading& reading : readings) {
    spread += (reading.hours - time) * (reading.hours - time);
    together += (reading.hours - time) * (reading.value - mean_);
  }
  slope_ = together / spread;

  double squares = 0;     // of what is left beside the line
  double neighbours = 0;  // ... times the one before
  double before = 0;
  for (const Reading& reading : readings) {
    const double rest = reading.value - mean_ - slope_ * (reading.hours - time);
    squares += rest * rest;
    neighbours += rest * before;
    before = rest;
  }
  if (squares <= 1e-18 * count * (mean_ * mean_ + slope_ * slope_)) {
    margin_ = 1e-9 * std::abs(mean_) / hours_;  // on the line, but for rounding
    return;
  }
  // Readings that hang together count as fewer.
  const double correlation = std::clamp(neighbours / squares, 0.0, 0.99);
  const double independent = count * (1 - correlation) / (1 + correlation);
  const double freedom = independent - 2;
  if (freedom < 1) {
    margin_ = 1000 * (std::abs(slope_) + 1);  // it may be anything
    return;
  }
  margin_ = Quantile99(freedom) * std::sqrt(squares / freedom / spread * count / independent);
}

}  // namespace sluice::load
