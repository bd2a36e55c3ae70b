// RateSearch: which rates to try, one after the other, to find the highest that a server holds.
// Pure: somebody else runs each and tells how it went.
//
// The rate doubles until one is missed (or halves until one is held), and then the gap between the
// highest held and the lowest missed is halved, in proportion, until it is small. One run may be
// lucky or unlucky, so that each rate has several tries and a number of them that must hold.
#ifndef SLUICE_TOOLS_LOAD_RATE_SEARCH_H_
#define SLUICE_TOOLS_LOAD_RATE_SEARCH_H_

#include <cstdint>
#include <limits>
#include <optional>

namespace sluice::load {

class RateSearch {
 public:
  struct Options {
    double first = 100;       // a second
    double min = 1;           // gives up below
    double max = 1e6;         // does not try more
    double precision = 0.05;  // the gap that is small enough, as a share of the rate
    uint32_t tries = 3;       // of a rate
    uint32_t needed = 2;      // of these must hold; at most `tries`
  };
  static constexpr double kNone = std::numeric_limits<double>::infinity();

  explicit RateSearch(const Options& options) : options_(options), rate_(options.first) {}

  // The rate to try now; nullopt: it is over.
  std::optional<double> next() const { return over_ ? std::nullopt : std::optional(rate_); }
  void Tell(bool held);  // of a try at next(). REQUIRES: not over

  double held() const { return held_; }      // the highest rate that was; 0: none
  double missed() const { return missed_; }  // the lowest rate that was; kNone: none

 private:
  void Choose();

  Options options_;
  double rate_;
  uint32_t good_ = 0;  // tries at rate_
  uint32_t bad_ = 0;
  double held_ = 0;
  double missed_ = kNone;
  bool over_ = false;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_RATE_SEARCH_H_
