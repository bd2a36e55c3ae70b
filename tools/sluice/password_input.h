// Asking for a password: from standard input for programs, from the terminal for people. Never from
// the command line, where every user of the machine can read it.
#ifndef SLUICE_TOOLS_SLUICE_PASSWORD_INPUT_H_
#define SLUICE_TOOLS_SLUICE_PASSWORD_INPUT_H_

#include <string>

#include "absl/status/statusor.h"
#include "auth/secret.h"

namespace sluice {

// All of standard input up to its end, without one trailing line end. InvalidArgument when it is
// longer than any password may be.
absl::StatusOr<auth::Secret> ReadPasswordFromStdin();

// Asks on the terminal, without echo, twice: "`prompt`: " and "again: ". FailedPrecondition where
// there is no terminal, InvalidArgument when the two differ, Cancelled when it is interrupted.
absl::StatusOr<auth::Secret> AskForNewPassword(const std::string& prompt);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_PASSWORD_INPUT_H_
