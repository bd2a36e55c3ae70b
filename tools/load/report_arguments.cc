#include "tools/load/report_arguments.h"

#include <utility>

#include "tools/load/arguments.h"

namespace sluice::load {
namespace {

constexpr const char* kGroup = "Reports";

}  // namespace

void AddReportFiles(CLI::App& app, ReportArguments& arguments) {
  ReportOptions& options = arguments.options;
  app.add_option("--csv", options.csv, "file for a line a second; -: standard output")
      ->group(kGroup);
  app.add_option("--html", options.html, "file for one page with charts, readable anywhere")
      ->group(kGroup);
  app.add_option("--server-pid", options.server_pids,
                 "process of the server, when it runs here: CPU and memory of it and its children")
      ->check(CLI::PositiveNumber)
      ->group(kGroup);
}

void AddReport(CLI::App& app, ReportArguments& arguments) {
  ReportOptions& options = arguments.options;
  AddReportFiles(app, arguments);
  app.add_flag("--live", arguments.live,
               "a view of the run, anew each second; otherwise when standard output is a terminal")
      ->group(kGroup);
  app.add_flag("--no-live", arguments.no_live, "never")->group(kGroup);

  const char* bounds = "Bounds (exit code 3 when one is missed)";
  app.add_option("--max-p99", arguments.p99,
                 "of the answer (from when it was due with --rate; of logins): 50ms")
      ->group(bounds);
  app.add_option("--max-p99.9", arguments.p99_9, "the same")->group(bounds);
  app.add_option("--max-failures", arguments.failures, "of any kind: 20, or 0.5% of what was begun")
      ->group(bounds);
  app.add_option("--min-rate", options.bounds.rate, "accepted (logins) a second")
      ->check(CLI::PositiveNumber)
      ->group(bounds);
}

ReportOptions Finish(ReportArguments& arguments) {
  if (arguments.live && arguments.no_live) Refuse("--live, or --no-live");
  if (arguments.live || arguments.no_live) arguments.options.live = arguments.live;
  Bounds& bounds = arguments.options.bounds;
  if (!arguments.p99.empty()) bounds.p99 = ParseDuration("--max-p99", arguments.p99);
  if (!arguments.p99_9.empty()) bounds.p99_9 = ParseDuration("--max-p99.9", arguments.p99_9);
  if (!arguments.failures.empty()) {
    bounds.failures = FailureBound::Parse(arguments.failures);
    if (!bounds.failures.has_value()) {
      Refuse("--max-failures: '" + arguments.failures +
             "' is neither a number (20) nor a share (0.5%)");
    }
  }
  return std::move(arguments.options);
}

}  // namespace sluice::load
