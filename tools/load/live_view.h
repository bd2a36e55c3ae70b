// LiveView: how a run goes, as a few lines for a terminal. Pure: Watch gathers what it shows.
#ifndef SLUICE_TOOLS_LOAD_LIVE_VIEW_H_
#define SLUICE_TOOLS_LOAD_LIVE_VIEW_H_

#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "core/base/time.h"
#include "tools/load/histogram.h"
#include "tools/load/results.h"

namespace sluice::load {

struct LiveFrame {
  std::string title;       // what runs: "run to 127.0.0.1:1587, starttls, PLAIN"
  std::string unit;        // of what is counted: "messages", "logins"
  std::string latency_of;  // "answer", "scheduled", "login"
  Duration elapsed{};
  Duration planned{};  // 0: not by time

  uint64_t accepted = 0;
  uint64_t planned_count = 0;  // 0: not by number
  uint64_t failed = 0;
  uint32_t open = 0;         // connections
  uint32_t connections = 0;  // ... that were asked for
  std::deque<double> rates;  // accepted a second, the newest last
  PackedHistogram latency;   // of the last second
  Failures failures;

  double generator_cores = 0;
  uint32_t generator_threads = 1;
  bool server = false;  // it is watched
  double server_cores = 0;
  uint64_t server_rss_bytes = 0;
};

// Lines of at most `columns` (at least 40) characters, each with its line end.
std::string Render(const LiveFrame& frame, size_t columns);

// One character a value, the newest last, the greatest the highest; at most `width`.
std::string Sparkline(const std::deque<double>& values, size_t width);

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_LIVE_VIEW_H_
