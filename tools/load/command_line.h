// The command line of sluice-load, read into the options of one command.
#ifndef SLUICE_TOOLS_LOAD_COMMAND_LINE_H_
#define SLUICE_TOOLS_LOAD_COMMAND_LINE_H_

#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "tools/load/options.h"

namespace sluice::load {

// Nothing to run: help was printed to `out` (0), or what is wrong to `err`.
struct ExitCode {
  int code;
};

using Command = std::variant<RunOptions, SearchOptions, MixOptions, SinkOptions, ExitCode>;

// `arguments`: without the program's name. Reads the files that hold users and passwords, and the
// environment variable SLUICE_LOAD_PASSWORD; gives the run a random number unless one was named.
Command ParseCommandLine(std::vector<std::string> arguments, std::ostream& out, std::ostream& err);

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_COMMAND_LINE_H_
