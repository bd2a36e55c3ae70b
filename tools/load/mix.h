// The command `mix`: kinds of clients from a file, running at once.
#ifndef SLUICE_TOOLS_LOAD_MIX_H_
#define SLUICE_TOOLS_LOAD_MIX_H_

#include "tools/load/options.h"

namespace sluice::load {

// Blocking. Exit code: 0 when every good kind did what `run` asks of it; 1 when not; 2 when it
// could not start; 3 when they together missed a bound.
int MixCommand(const MixOptions& options);

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_MIX_H_
