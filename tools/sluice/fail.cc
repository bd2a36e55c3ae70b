#include "tools/sluice/fail.h"

#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <utility>

namespace sluice {

int ExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return EX_OK;
    case absl::StatusCode::kInvalidArgument:
      return EX_CONFIG;
    case absl::StatusCode::kNotFound:
      return EX_NOINPUT;
    case absl::StatusCode::kAlreadyExists:
      return EX_CANTCREAT;
    case absl::StatusCode::kPermissionDenied:
      return EX_NOPERM;
    case absl::StatusCode::kUnavailable:
      return EX_UNAVAILABLE;
    case absl::StatusCode::kInternal:
      return EX_SOFTWARE;
    default:
      return EX_TEMPFAIL;
  }
}

void Fail(std::string_view command, std::string_view text, int exit_code) {
  std::cerr << "sluice " << command << ": " << text << '\n';
  throw CLI::RuntimeError(exit_code);
}

void Fail(std::string_view command, const absl::Status& status) {
  Fail(command, std::string_view(status.message()), ExitCode(status));
}

server::Options LoadOptionsOrFail(std::string_view command, const std::string& file) {
  absl::StatusOr<server::Options> options = server::LoadOptions(file);
  if (!options.ok()) Fail(command, options.status());
  return *std::move(options);
}

}  // namespace sluice
