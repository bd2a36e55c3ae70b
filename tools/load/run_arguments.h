// The options of `run` and its kin on the command line.
#ifndef SLUICE_TOOLS_LOAD_RUN_ARGUMENTS_H_
#define SLUICE_TOOLS_LOAD_RUN_ARGUMENTS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/load/options.h"

namespace sluice::load {

// What is given as text and needs a second look.
struct RunArguments {
  RunOptions options;
  std::vector<std::string> to;
  std::vector<std::string> sources;
  double seconds = 0;
  double timeout = 60;
  std::string keepalive;
  double hours = 0;   // of a soak
  std::string every;  // of a soak
  std::string warm_up = "0";
  // As given; the inner one is absent for "none".
  std::optional<std::optional<auth::Mechanism>> mechanism;
  std::string size;
  std::string eml;
  std::string recipients = "1";
  std::string user;
  uint64_t users = 1;
  std::string password;
  std::string password_file;
  std::string user_file;
  std::string groups;
  std::string client_cert;
  std::string client_key;
  std::string run;
};

struct SearchArguments {
  RunArguments run;
  SearchOptions options;
  std::string p99;
  std::string step = "10s";
  std::string warm_up = "2s";
};

// Whom to connect to, how, and as whom: what all commands of the generator have.
void AddCommon(CLI::App& app, RunArguments& arguments);
// How sessions are held.
void AddHold(CLI::App& app, RunArguments& arguments);
// How long a soak goes on.
void AddSoak(CLI::App& app, RunArguments& arguments);
// How often and how long: closed or open loop.
void AddLoop(CLI::App& app, RunArguments& arguments, const std::string& counted);
void AddSearch(CLI::App& app, SearchArguments& arguments);
// What is sent.
void AddMessages(CLI::App& app, RunArguments& arguments);

// After parsing: reads files, checks what belongs together, and gives the run a random number
// unless one was named. Refuses what is wrong.
RunOptions Finish(RunArguments& arguments);
SearchOptions Finish(SearchArguments& arguments);

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_RUN_ARGUMENTS_H_
