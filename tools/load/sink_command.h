// The command `sink`: threads with a Sink each, signals, and the summary at the end.
#ifndef SLUICE_TOOLS_LOAD_SINK_COMMAND_H_
#define SLUICE_TOOLS_LOAD_SINK_COMMAND_H_

#include "tools/load/options.h"

namespace sluice::load {

// Blocking; prints `ready` on standard output when all addresses accept. SIGUSR1 ends the faults,
// SIGTERM and SIGINT the sink. Exit code: 0; 2 when it could not start, or could not keep what it
// was to keep.
int SinkCommand(const SinkOptions& options);

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_SINK_COMMAND_H_
