#include "tools/sluice/top.h"

#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/server/admin.h"
#include "core/server/options.h"
#include "tools/sluice/fail.h"
#include "tools/sluice/live_terminal.h"
#include "tools/sluice/stats.h"
#include "tools/sluice/top_view.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string config = "/etc/sluice/sluice.toml";
  double interval = 1;
  bool once = false;
};

struct Sample {
  server::Snapshot snapshot;
  Clock::time_point at;
};

absl::StatusOr<Sample> Take(const std::string& state_dir) {
  auto snapshot = FetchStats(state_dir);
  if (!snapshot.ok()) return snapshot.status();
  return Sample{*std::move(snapshot), Clock::now()};
}

std::string Frame(const Sample& before, const Sample& now, const TopWindow& window) {
  const double seconds = std::chrono::duration<double>(now.at - before.at).count();
  return RenderTop(before.snapshot, now.snapshot, std::max(seconds, 1e-3), window);
}

void Once(const std::string& state_dir, Sample before, Duration interval) {
  std::this_thread::sleep_for(interval);
  const auto now = Take(state_dir);
  if (!now.ok()) Fail("top", now.status());
  std::cout << Frame(before, *now, {.columns = 1000, .lines = 10'000});
}

void Live(const std::string& state_dir, Sample before, Duration interval) {
  const auto terminal = LiveTerminal::Open();
  if (terminal == nullptr)
    Fail("top", "standard input and output are no terminal: --once prints one frame", EX_USAGE);
  Sample now = before;
  std::string trouble;  // why there is no newer sample
  for (auto due = Clock::now() + interval;;) {
    terminal->Show(trouble.empty() ? Frame(before, now, terminal->window()) : trouble);
    switch (terminal->Wait(due - Clock::now())) {
      case LiveTerminal::Event::kEnd:
        return;
      case LiveTerminal::Event::kWindow:
        continue;
      case LiveTerminal::Event::kTime:
        break;
    }
    auto fresh = Take(state_dir);
    due = Clock::now() + interval;
    trouble = fresh.ok() ? "" : absl::StrCat(std::string(fresh.status().message()), "\n");
    if (!fresh.ok()) continue;
    before = std::exchange(now, *std::move(fresh));
  }
}

void Top(const Arguments& arguments) {
  const server::Options options = LoadOptionsOrFail("top", arguments.config);
  auto first = Take(options.state_dir);
  if (!first.ok()) Fail("top", first.status());
  const auto interval =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(arguments.interval));
  (arguments.once ? Once : Live)(options.state_dir, *std::move(first), interval);
}

}  // namespace

void RegisterTop(CLI::App& app) {
  CLI::App* command = app.add_subcommand("top", "Show all shards live");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("--config", arguments->config, "Configuration file")->capture_default_str();
  command->add_option("--interval", arguments->interval, "Seconds between two looks")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command->add_flag("--once", arguments->once,
                    "One frame over one interval, without control codes");
  command->callback([arguments] { Top(*arguments); });
}

}  // namespace sluice
