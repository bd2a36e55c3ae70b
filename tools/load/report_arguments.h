// The options of reports and bounds on the command line.
#ifndef SLUICE_TOOLS_LOAD_REPORT_ARGUMENTS_H_
#define SLUICE_TOOLS_LOAD_REPORT_ARGUMENTS_H_

#include <CLI/CLI.hpp>
#include <string>

#include "tools/load/report_options.h"

namespace sluice::load {

struct ReportArguments {
  ReportOptions options;
  std::string p99;
  std::string p99_9;
  std::string failures;
  bool live = false;
  bool no_live = false;
};

void AddReport(CLI::App& app, ReportArguments& arguments);       // all of them
void AddReportFiles(CLI::App& app, ReportArguments& arguments);  // --csv, --html, --server-pid
ReportOptions Finish(ReportArguments& arguments);  // after parsing; refuses what is wrong

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_REPORT_ARGUMENTS_H_
