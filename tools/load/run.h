// The commands `run`, `login` and `idle`: threads with a Generator each, signals, and the report at
// the end.
#ifndef SLUICE_TOOLS_LOAD_RUN_H_
#define SLUICE_TOOLS_LOAD_RUN_H_

#include "tools/load/options.h"

namespace sluice::load {

// Blocking. Exit code: 0 when messages were accepted (login: logins
// done; idle: all sessions held) and nothing failed,
// or with keep_going in spite of failures; 1 when not; 2 when it could not start.
int RunCommand(const RunOptions& options);

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_RUN_H_
