// The commands `run`, `login` and `idle`: threads with a Generator each, signals, and the report at
// the end.
#ifndef SLUICE_TOOLS_LOAD_RUN_H_
#define SLUICE_TOOLS_LOAD_RUN_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/load/control.h"
#include "tools/load/options.h"
#include "tools/load/report.h"

namespace sluice::load {

struct RunOutcome {
  RunReport whole;                 // of all good kinds together
  std::vector<RunReport> reports;  // one a kind; they refer to the options, as `whole` does
  absl::Status status;             // what broke meanwhile: a ring, the ledger
  bool stopped = false;            // by a signal
};

// A run of one kind of clients, or several at once, from start to end. All have as many threads.
// The ledger, the live view and what is watched of the server are those of `whole`; of one kind it
// is the same object. Blocking. An error: it could not start.
absl::StatusOr<RunOutcome> Run(const RunOptions& whole, std::span<const RunOptions> kinds,
                               Control& control);

// What `options` wants in files. `text`: for people, stands in the page too.
absl::Status WriteFiles(const ReportOptions& options, const RunReport& report,
                        const std::string& text);

// Decides whether there is a live view, where the options leave that open.
void ChooseLive(RunOptions& options);

// Whether standard output is a file of the report, so that people read standard error.
bool TakesOutput(const RunOptions& options);

constexpr int kMissed = 3;  // exit code: a bound was missed

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
