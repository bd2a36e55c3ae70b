// What must hold between keys, beyond what each of them allows by itself.
#ifndef SLUICE_CORE_SERVER_OPTIONS_CHECK_H_
#define SLUICE_CORE_SERVER_OPTIONS_CHECK_H_

#include <functional>
#include <string>

#include "core/server/options.h"

namespace sluice::server {

// Reports a problem with the value at `where`, such as "relay.next_hop" or "listener[1].address".
using ReportFn = std::function<void(const std::string& where, const std::string& text)>;

// Calls `report` for every combination of values that cannot be served.
void CheckOptions(const Options& options, const ReportFn& report);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_OPTIONS_CHECK_H_
