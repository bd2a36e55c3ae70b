// One run of sluice-load against a local server, with the server's own processor time beside it.
#ifndef SLUICE_TOOLS_SLUICE_LOAD_RUN_H_
#define SLUICE_TOOLS_SLUICE_LOAD_RUN_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/sluice/tune_search.h"

namespace sluice {

// From here on SIGINT and SIGTERM end a run under way instead of the process, and RunLoad gives Cancelled.
void CatchInterrupts();
bool Interrupted();

// The process that listens on a UNIX socket; 0: it cannot be found out.
pid_t ListenerOf(const std::string& socket_path);

// Runs `command`, a sluice-load that writes JSON to standard output. Internal: it failed, and what it said.
absl::StatusOr<Sample> RunLoad(const std::vector<std::string>& command, pid_t server);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_LOAD_RUN_H_
