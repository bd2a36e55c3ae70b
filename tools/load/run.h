// The commands `run`, `login` and `idle`: threads with a Generator each, signals, and the report at
// the end.
#ifndef SLUICE_TOOLS_LOAD_RUN_H_
#define SLUICE_TOOLS_LOAD_RUN_H_

#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/load/control.h"
#include "tools/load/options.h"
#include "tools/load/report.h"

namespace sluice::load {

struct RunOutcome {
  std::vector<RunReport> reports;  // one a kind; they refer to the options
  absl::Status status;             // what broke meanwhile: a ring, the ledger
  bool stopped = false;            // by a signal
};

// A run of one kind of clients, or several at once, from start to end. All have as many threads;
// the first one's ledger is that of all. Blocking. An error: it could not start.
absl::StatusOr<RunOutcome> Run(std::span<const RunOptions> kinds, Control& control);

// Did it do what it was to do? Bad clients always do.
bool Succeeded(const RunReport& report);

// Says so on standard error; the exit code.
int CannotStart(const absl::Status& status);

// Blocking. Exit code: 0 when messages were accepted (login: logins
// done; idle: all sessions held) and nothing failed,
// or with keep_going in spite of failures; 1 when not; 2 when it could not start; 3
// when a bound was missed. Failures are no failure of the run where their number has a bound.
int RunCommand(const RunOptions& options);

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_RUN_H_
