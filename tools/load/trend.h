// Trend: does a figure that was read now and then grow? A straight line through it (least squares),
// and how sure its slope is. Readings of a server hang together (a high one follows a high one),
// which makes a line look surer than it is: that is allowed for by the correlation of neighbours.
// Pure.
#ifndef SLUICE_TOOLS_LOAD_TREND_H_
#define SLUICE_TOOLS_LOAD_TREND_H_

#include <cstddef>
#include <vector>

namespace sluice::load {

class Trend {
 public:
  static constexpr size_t kLeast = 8;  // readings; nothing is said about fewer
  static constexpr double kMaterial = 0.05;

  struct Reading {
    double hours;
    double value;
  };

  // REQUIRES: the times ascend.
  explicit Trend(const std::vector<Reading>& readings);

  double per_hour() const { return slope_; }
  double margin() const {
    return margin_;
  }  // the true slope is within it of ours, in 99 of 100 cases
  double mean() const { return mean_; }
  bool told() const { return told_; }  // there were enough readings

  // The slope is surely not 0.
  bool sure() const { return told_ && (slope_ > margin_ || slope_ < -margin_); }
  // ... and makes a difference: from first to last it adds up to more than kMaterial of the mean.
  bool grows() const { return sure() && slope_ > 0 && slope_ * hours_ > kMaterial * mean_; }

 private:
  double slope_ = 0;
  double margin_ = 0;
  double mean_ = 0;
  double hours_ = 0;
  bool told_ = false;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_TREND_H_
