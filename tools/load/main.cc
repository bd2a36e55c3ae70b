// sluice-load: a load generator for submission servers, and a sink for them to send to. README.md
// tells how to use it.
#include <iostream>
#include <string>
#include <variant>
#include <vector>

#include "tools/load/command_line.h"
#include "tools/load/mix.h"
#include "tools/load/run.h"
#include "tools/load/search.h"
#include "tools/load/sink_command.h"

int main(int argc, char** argv) {
  using namespace sluice::load;
  const auto parsed =
      ParseCommandLine(std::vector<std::string>(argv + 1, argv + argc), std::cout, std::cerr);
  if (const auto* run = std::get_if<RunOptions>(&parsed)) return RunCommand(*run);
  if (const auto* search = std::get_if<SearchOptions>(&parsed)) return SearchCommand(*search);
  if (const auto* mix = std::get_if<MixOptions>(&parsed)) return MixCommand(*mix);
  if (const auto* sink = std::get_if<SinkOptions>(&parsed)) return SinkCommand(*sink);
  return std::get<ExitCode>(parsed).code;
}
