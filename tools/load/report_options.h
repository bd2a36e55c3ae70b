// What a run is to tell, beside its summary, and what it is held to.
#ifndef SLUICE_TOOLS_LOAD_REPORT_OPTIONS_H_
#define SLUICE_TOOLS_LOAD_REPORT_OPTIONS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "tools/load/bounds.h"

namespace sluice::load {

struct ReportOptions {
  std::string csv;                 // file for the series; "-": standard output; empty: none
  std::string html;                // file for the page; empty: none
  std::optional<bool> live;        // the view in the terminal; nullopt: when there is one
  std::vector<pid_t> server_pids;  // of this machine; their CPU and memory are told
  Bounds bounds;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_REPORT_OPTIONS_H_
