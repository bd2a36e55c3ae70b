// Schedule: when the messages of an open loop are due, whatever the server does. A plain sequence
// of instants from a rate and a seed; what is done with them is the generator's. One thread.
//
// The schedules of several threads together are one of the summed rate: independent Poisson
// processes add up to one, and fixed intervals are shifted against each other.
#ifndef SLUICE_TOOLS_LOAD_SCHEDULE_H_
#define SLUICE_TOOLS_LOAD_SCHEDULE_H_

#include <cstdint>

#include "core/base/prng.h"
#include "core/base/time.h"

namespace sluice::load {

enum class Arrivals : uint8_t {
  kPoisson,  // as independent clients arrive: intervals are exponential, bursts happen
  kFixed,    // one after each 1/rate
};

class Schedule {
 public:
  struct Options {
    double rate = 1;  // a second, of all threads together; > 0
    Arrivals arrivals = Arrivals::kPoisson;
    uint32_t thread = 0;  // of `threads`: this one's part is made
    uint32_t threads = 1;
    uint64_t seed = 0;
  };

  Schedule(const Options& options, MonoTime start);

  MonoTime next() const { return next_; }
  void Advance();  // next() is then the one behind it

 private:
  // A whole interval: in nanoseconds, for a thread. The fraction is carried on, so that the rate is
  // exact over hours.
  double Interval();

  Arrivals arrivals_;
  double mean_;  // interval, in nanoseconds
  double rest_ = 0;
  Prng prng_;
  MonoTime next_;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_SCHEDULE_H_
