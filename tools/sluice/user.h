// `sluice user ...`: who may log in, and what as.
//
// The commands change the credential store directly, whether the server runs or not; it sees a
// change at the next login. Exit codes are those of sysexits.h: 67 no such user, 73 exists already,
// 65 a name or password that cannot be used, 77 no permission, 78 configuration.
#ifndef SLUICE_TOOLS_SLUICE_USER_H_
#define SLUICE_TOOLS_SLUICE_USER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "auth/record.h"
#include "auth/secret.h"
#include "core/server/options.h"

namespace CLI {
class App;
}

namespace sluice {

// Adds the subcommand to `app`. Its callbacks report to standard error and throw CLI::RuntimeError
// with the exit code.
void RegisterUser(CLI::App& app);

struct NewUser {
  std::string name;  // as typed
  auth::Secret password;
  auth::CredentialRecord policy;  // what it may do; keys are made
  bool no_password = false;       // it shows something else instead
};

// What `user add` does, for `init` too. The keys stored are those that the configured mechanisms
// need. InvalidArgument says what is wrong with which part and how to mend it; AlreadyExists;
// NotFound when state_dir does not exist; FailedPrecondition when no configured mechanism uses a
// password.
absl::Status AddUser(const server::Options& options, const NewUser& user);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_USER_H_
