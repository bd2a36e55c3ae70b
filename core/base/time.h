// Two clocks that cannot be mixed up. MonoTime drives timers and latencies; WallTime goes into
// headers, records and logs. Pure code gets both as arguments; only core/io and the programs read them.
#ifndef SLUICE_CORE_BASE_TIME_H_
#define SLUICE_CORE_BASE_TIME_H_

#include <chrono>
#include <cstdint>

namespace sluice {

using Duration = std::chrono::nanoseconds;
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

inline constexpr int64_t WallMillis(WallTime t) { return t.time_since_epoch().count(); }
inline constexpr WallTime WallFromMillis(int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_TIME_H_
