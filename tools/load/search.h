// The command `search`: the highest rate whose latencies stay under a bound, by open-loop runs at
// rates that RateSearch chooses.
#ifndef SLUICE_TOOLS_LOAD_SEARCH_H_
#define SLUICE_TOOLS_LOAD_SEARCH_H_

#include "tools/load/options.h"

namespace sluice::load {

// Blocking. Exit code: 0 when some rate held; 1 when none did, or a signal ended it; 2 when it
// could not start.
int SearchCommand(const SearchOptions& options);

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_SEARCH_H_
