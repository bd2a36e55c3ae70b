// The thinking of `sluice tune`: which value to try next, and whether a try was better. Pure: no server, no clock.
//
// Hill climbing, a key at a time: from the value in force up, a step at a time, while that is better, else down; a step that
// makes no difference is followed by one more, since many values do nothing up to a point. Keys are gone through again until
// a round changes nothing. Each try is compared with the best so far by runs in turn (A B A B), and
// is better only if every run of it was better than every run of the other: of runs that do not differ, r each, chance makes
// that of one comparison in C(2r, r): 20 for 3 runs, 70 for 4.
#ifndef SLUICE_TOOLS_SLUICE_TUNE_SEARCH_H_
#define SLUICE_TOOLS_SLUICE_TUNE_SEARCH_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/server/tuning.h"

namespace sluice {

enum class Goal : uint8_t { kRate, kP99, kCpu };

// One run's figures.
struct Sample {
  double rate = 0;    // messages accepted a second
  double p99_ms = 0;  // from the end of data to its 250
  double cpu_us = 0;  // of the server, a message
  bool generator_bound = false;
};

enum class Verdict : uint8_t {
  kBetter,
  kWorse,
  kNoise,       // the runs overlap
  kImpossible,  // the server does not take the value
};

// What runs of the try say beside those of the best so far. REQUIRES: neither is empty.
Verdict Compare(Goal goal, std::span<const Sample> best, std::span<const Sample> tried);

double FigureOf(Goal goal, const Sample& sample);
double Median(Goal goal, std::span<const Sample> samples);

// Of a value as TOML, the next one up (+1) or down (-1): sizes and counts double, durations go 0, 100us, 300us, 1ms
// and so on. nullopt: there is
// none within its bounds, or the value has no order.
std::optional<std::string> NextValue(const server::Tunable& tunable, std::string_view value, int direction);

class Climb {
 public:
  struct Key {
    const server::Tunable* tunable;
    std::string value;  // in force
  };
  struct Try {
    size_t key;
    std::string value;
  };

  Climb(std::vector<Key> keys, uint32_t rounds_max) : keys_(std::move(keys)), rounds_left_(rounds_max) {}

  // What to compare with best(); nullopt: it is over.
  std::optional<Try> Next();
  // How it came out.
  void Tell(Verdict verdict);

  const std::vector<Key>& best() const { return keys_; }

 private:
  void LeaveKey();

  std::vector<Key> keys_;  // with the best values
  uint32_t rounds_left_;
  size_t at_ = 0;
  int direction_ = 1;
  uint32_t level_ = 0;     // steps in this direction that made no difference; they end at level_value_
  std::string level_value_;
  bool climbed_ = false;   // in this direction
  bool improved_ = false;  // in this round
  std::optional<Try> tried_;
};

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_TUNE_SEARCH_H_
