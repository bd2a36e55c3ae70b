#include "tools/sluice/serve.h"

#include <sysexits.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "core/server/options.h"
#include "core/server/server.h"

namespace sluice {
namespace {

int ExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return EX_CONFIG;
    case absl::StatusCode::kNotFound:
      return EX_NOINPUT;
    case absl::StatusCode::kPermissionDenied:
      return EX_NOPERM;
    case absl::StatusCode::kUnimplemented:
      return EX_OSERR;
    default:
      return EX_TEMPFAIL;
  }
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return ExitCode(status);
}

int Serve(const std::string& config, const std::string& version) {
  auto options = server::LoadOptions(config);
  if (!options.ok()) {
    Fail(options.status());
    return EX_CONFIG;
  }
  if (const std::string why = server::RefusalToServe(*options, geteuid()); !why.empty()) {
    std::fprintf(stderr, "%s: %s\n", config.c_str(), why.c_str());
    return EX_CONFIG;
  }
  auto server = server::Server::Create(*std::move(options), config, version);
  if (!server.ok()) return Fail(server.status());
  return (*server)->Run();
}

}  // namespace

void RegisterServe(CLI::App& app) {
  CLI::App* command = app.add_subcommand("serve", "Run the server in the foreground");
  auto config = std::make_shared<std::string>("/etc/sluice/sluice.toml");
  command->add_option("--config", *config, "Configuration file")->capture_default_str();
  command->callback([&app, config] {
    if (const int code = Serve(*config, app.version()); code != 0) throw CLI::RuntimeError(code);
  });
}

}  // namespace sluice
