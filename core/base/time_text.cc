#include "core/base/time_text.h"

#include <ctime>

namespace sluice {

std::string UtcText(WallTime when) {
  const auto second = static_cast<time_t>(WallMillis(when) / 1000);
  tm parts{};
  gmtime_r(&second, &parts);
  char text[32];
  const size_t bytes = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, bytes);
}

}  // namespace sluice
