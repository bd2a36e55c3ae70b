// Times in words, for replies, logs and listings.
#ifndef SLUICE_CORE_BASE_TIME_TEXT_H_
#define SLUICE_CORE_BASE_TIME_TEXT_H_

#include <string>

#include "core/base/time.h"

namespace sluice {

// "2026-11-27T01:02:03Z" (RFC 3339), cut to the second.
std::string UtcText(WallTime when);

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_TIME_TEXT_H_
