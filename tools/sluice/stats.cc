#include "tools/sluice/stats.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "core/server/admin.h"
#include "core/server/options.h"
#include "tools/sluice/fail.h"

namespace sluice {
namespace {

struct Arguments {
  std::string config = "/etc/sluice/sluice.toml";
  bool json = false;
};

// The sum, and each shard's share where there are several.
void PrintTable(const nlohmann::json& stats) {
  const nlohmann::json& shards = stats.at("shards");
  std::printf("%s %s, up %llu s\n", stats.at("hostname").get<std::string>().c_str(),
              stats.at("version").get<std::string>().c_str(),
              static_cast<unsigned long long>(stats.at("uptime_seconds").get<uint64_t>()));
  for (const server::CounterInfo& info : server::kShardCounters) {
    const std::string name(info.name);
    std::printf("%-30s %14llu", name.c_str(),
                static_cast<unsigned long long>(stats.at("total").value(name, uint64_t{0})));
    for (size_t i = 0; shards.size() > 1 && i < shards.size(); i++) {
      std::printf(" %12llu", static_cast<unsigned long long>(shards[i].value(name, uint64_t{0})));
    }
    std::printf("\n");
  }
}

void Stats(const Arguments& arguments) {
  const auto options = server::LoadOptions(arguments.config);
  if (!options.ok()) Fail("stats", options.status());
  const auto body = server::AdminGet(server::AdminSocketPath(options->state_dir), "/v1/stats");
  if (!body.ok()) Fail("stats", body.status());
  if (arguments.json) {
    std::cout << *body << '\n';
  } else {
    PrintTable(nlohmann::json::parse(*body));
  }
}

}  // namespace

void RegisterStats(CLI::App& app) {
  CLI::App* command = app.add_subcommand("stats", "Show the running server's counters");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("--config", arguments->config, "Configuration file")->capture_default_str();
  command->add_flag("--json", arguments->json, "As JSON");
  command->callback([arguments] { Stats(*arguments); });
}

}  // namespace sluice
