#include "tools/load/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "tools/load/arguments.h"
#include "tools/load/mix_file.h"
#include "tools/load/report_arguments.h"
#include "tools/load/run_arguments.h"

namespace sluice::load {
namespace {

constexpr int kUsageError = 64;  // EX_USAGE

// --- sink ----------------------------------------------------------------------------------------

struct SinkArguments {
  SinkOptions options;
  std::vector<std::string> listen;
  std::vector<std::string> tls;
  bool implicit = false;
  std::vector<std::string> faults;
};

void AddSink(CLI::App& app, SinkArguments& arguments) {
  SinkOptions& options = arguments.options;
  app.add_option("--listen", arguments.listen, "numeric address with port; several may be given")
      ->required();
  app.add_option("--threads", options.threads, "each with a ring of its own")
      ->check(CLI::Range(1u, 256u));
  app.add_option("--connections-max", options.connections_max, "a thread")
      ->check(CLI::Range(1u, 10'000'000u));
  app.add_option("--tls", arguments.tls,
                 "CERTIFICATE KEY (PEM files), or self-signed: offers STARTTLS")
      ->expected(1, 2);
  app.add_flag("--implicit", arguments.implicit, "with --tls: TLS from the first octet");
  app.add_flag("--auth", options.auth, "offers AUTH PLAIN and LOGIN and believes everybody");
  app.add_flag("!--no-chunking", options.chunking,
               "does not offer CHUNKING: messages come by DATA");
  app.add_option("--until", options.until, "ends after as many messages");
  app.add_option("--store", options.store, "folder for the messages");
  app.add_option("--ledger", options.ledger, "file for the numbers of the messages");
  app.add_option("--json", options.json, "file for the summary; -: standard output");

  const char* group = "Faults";
  app.add_option("--fault", arguments.faults,
                 "PHASE=ACTION or PHASE=ACTION@SHARE%: \"rcpt=450 4.2.0 Later@10%\", data=drop@5%, "
                 "end=20ms-80ms, body=64KiB/s, tls=garbage; several may be given")
      ->group(group);
  app.add_option("--fault-messages", options.faults.messages,
                 "only with so many messages; SIGUSR1 ends faults too")
      ->group(group);
}

SinkOptions Finish(SinkArguments& arguments) {
  SinkOptions& options = arguments.options;
  options.listen = ParseAddresses(arguments.listen);
  for (const std::string& fault : arguments.faults) {
    const absl::Status status = options.faults.Add(fault);
    if (!status.ok()) Refuse("--fault " + std::string(status.message()));
  }
  if (!arguments.tls.empty()) {
    options.tls = arguments.implicit ? SinkOptions::Tls::kImplicit : SinkOptions::Tls::kStartTls;
    if (arguments.tls.size() == 2) {
      options.certificate = arguments.tls[0];
      options.key = arguments.tls[1];
    } else if (arguments.tls[0] != "self-signed") {
      Refuse("--tls: CERTIFICATE KEY, or self-signed");
    }
  } else if (arguments.implicit) {
    Refuse("--implicit needs --tls");
  }
  return std::move(options);
}

RunOptions Finish(RunArguments& arguments, ReportArguments& report) {
  RunOptions options = load::Finish(arguments);
  options.report = load::Finish(report);
  return options;
}

MixOptions Finish(const RunArguments& mix, const std::string& file, ReportArguments& report) {
  if (mix.seconds == 0 || mix.options.messages > 0) Refuse("mix ends by --seconds");
  auto options = ReadMix(ReadFile(file), file, mix);
  if (!options.ok()) Refuse(std::string(options.status().message()));
  options->whole.report = load::Finish(report);
  return *std::move(options);
}

SearchOptions Finish(SearchArguments& arguments, ReportArguments& report) {
  SearchOptions options = load::Finish(arguments);
  options.run.report = load::Finish(report);
  return options;
}

}  // namespace

Command ParseCommandLine(std::vector<std::string> arguments, std::ostream& out, std::ostream& err) {
  CLI::App app("Load for SMTP submission servers, and a sink for what they relay", "sluice-load");
  app.require_subcommand(1);

  RunArguments run;
  CLI::App* run_command = app.add_subcommand(
      "run", "sends messages, each connection as fast as it is answered, or at a rate");
  AddCommon(*run_command, run);
  AddLoop(*run_command, run, "messages");
  AddMessages(*run_command, run);
  ReportArguments report;  // of whichever command it is
  AddReport(*run_command, report);

  RunArguments soak;
  CLI::App* soak_command = app.add_subcommand(
      "soak", "a run of hours: a line each minute, and at the end whether anything drifted");
  AddCommon(*soak_command, soak);
  AddSoak(*soak_command, soak);
  AddLoop(*soak_command, soak, "messages");
  AddMessages(*soak_command, soak);
  AddReport(*soak_command, report);

  RunArguments login;
  login.options.mode = RunOptions::Mode::kLogin;
  CLI::App* login_command =
      app.add_subcommand("login", "a storm of logins: connect, TLS, AUTH, QUIT, and no message");
  AddCommon(*login_command, login);
  AddLoop(*login_command, login, "logins");
  AddReport(*login_command, report);

  RunArguments idle;
  idle.options.mode = RunOptions::Mode::kIdle;
  CLI::App* idle_command =
      app.add_subcommand("idle", "logs in, says `ready` and holds the sessions");
  AddCommon(*idle_command, idle);
  AddHold(*idle_command, idle);
  AddReport(*idle_command, report);

  SearchArguments search;
  CLI::App* search_command = app.add_subcommand(
      "search", "the highest rate whose latencies stay under a bound, by bisection");
  AddCommon(*search_command, search.run);
  AddSearch(*search_command, search);
  AddMessages(*search_command, search.run);
  AddReportFiles(*search_command, report);

  RunArguments mix;
  std::string mix_file;
  CLI::App* mix_command =
      app.add_subcommand("mix", "several kinds of clients at once, also bad ones, from a file");
  mix_command->add_option("FILE", mix_file, "TOML: a [[client]] table a kind")->required();
  AddCommon(*mix_command, mix);
  AddLoop(*mix_command, mix, "messages");
  AddMessages(*mix_command, mix);
  AddReport(*mix_command, report);

  SinkArguments sink;
  CLI::App* sink_command = app.add_subcommand("sink", "a next hop that takes every message");
  AddSink(*sink_command, sink);

  try {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    app.parse(std::move(arguments));
    if (run_command->parsed()) return Finish(run, report);
    if (soak_command->parsed()) {
      RunOptions options = Finish(soak, report);
      options.report.live = false;  // its lines stay
      return options;
    }
    if (login_command->parsed()) return Finish(login, report);
    if (idle_command->parsed()) return Finish(idle, report);
    if (search_command->parsed()) return Finish(search, report);
    if (mix_command->parsed()) return Finish(mix, mix_file, report);
    return Finish(sink);
  } catch (const CLI::ParseError& error) {
    return ExitCode{app.exit(error, out, err) == 0 ? 0 : kUsageError};
  }
}

}  // namespace sluice::load
