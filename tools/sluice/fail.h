// How a subcommand ends without success: words on standard error and an exit code of sysexits.h.
#ifndef SLUICE_TOOLS_SLUICE_FAIL_H_
#define SLUICE_TOOLS_SLUICE_FAIL_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/server/options.h"

namespace sluice {

// 64 usage, 66 no such file, 69 nobody answers, 73 cannot be made, 75 try again, 77 no permission,
// 78 configuration.
int ExitCode(const absl::Status& status);

// Throws CLI::RuntimeError, which main turns into the exit code. For callbacks of CLI11.
[[noreturn]] void Fail(std::string_view command, std::string_view text, int exit_code);
[[noreturn]] void Fail(std::string_view command, const absl::Status& status);

// The configuration in `file`, or such an end.
server::Options LoadOptionsOrFail(std::string_view command, const std::string& file);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_FAIL_H_
