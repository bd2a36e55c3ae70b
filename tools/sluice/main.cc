// The sluice program. Each subcommand is a file; this one only brings them together and turns how
// they end into an exit code of sysexits.h.
#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>

#include "tools/sluice/auth.h"
#include "tools/sluice/check.h"
#include "tools/sluice/init.h"
#include "tools/sluice/queue.h"
#include "tools/sluice/serve.h"
#include "tools/sluice/sessions.h"
#include "tools/sluice/shards.h"
#include "tools/sluice/stats.h"
#include "tools/sluice/top.h"
#include "tools/sluice/tune.h"
#include "tools/sluice/user.h"

namespace {

constexpr char kVersion[] = "0.1.0";

int Run(int argc, char** argv) {
  CLI::App app("Sluice, a mail submission server", "sluice");
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  app.footer(
      "A first server: sluice init, sluice user add NAME, sluice check, sluice serve.\n"
      "sluice check --show explains every key of the configuration; COMMAND --help every option.");
  sluice::RegisterInit(app);
  sluice::RegisterCheck(app);
  sluice::RegisterServe(app);
  sluice::RegisterUser(app);
  sluice::RegisterQueue(app);
  sluice::RegisterStats(app);
  sluice::RegisterTop(app);
  sluice::RegisterSessions(app);
  sluice::RegisterAuth(app);
  sluice::RegisterShards(app);
  sluice::RegisterTune(app);
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  const auto named = [&](const CLI::App* command) { return command->get_name() == argv[1]; };
  if (argc > 1 && argv[1][0] != '-' && std::none_of(commands.begin(), commands.end(), named)) {
    std::cerr << "sluice: there is no command \"" << argv[1] << "\"; `sluice --help` lists them\n";
    return EX_USAGE;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::RuntimeError& error) {  // a subcommand failed and has said why
    return error.get_exit_code();
  } catch (const CLI::ParseError& error) {  // help, the version, or wrong usage
    return app.exit(error) == 0 ? EX_OK : EX_USAGE;
  }
  return EX_OK;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "sluice: " << error.what() << '\n';
    return EX_SOFTWARE;
  }
}
