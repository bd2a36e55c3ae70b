// The file of `mix`: a [[client]] table for each kind of clients. Its keys are the options of `run`
// by the same names, with _ for -, over what the command line says; and a few of its own.
#ifndef SLUICE_TOOLS_LOAD_MIX_FILE_H_
#define SLUICE_TOOLS_LOAD_MIX_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "tools/load/options.h"
#include "tools/load/run_arguments.h"

namespace sluice::load {

// `base`: the command line's; its connections are shared out by the kinds' `share`. `file` is for
// messages. InvalidArgument tells file, line and column, and what is expected.
absl::StatusOr<MixOptions> ReadMix(const std::string& text, const std::string& file,
                                   const RunArguments& base);

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_MIX_FILE_H_
