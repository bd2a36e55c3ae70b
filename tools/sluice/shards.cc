#include "tools/sluice/shards.h"

#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/server/admin.h"
#include "core/server/options.h"
#include "core/server/options_values.h"
#include "core/server/tuning.h"
#include "tools/sluice/fail.h"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kTarget[] = "/v1/shards";

struct Arguments {
  std::string config = "/etc/sluice/sluice.toml";
  bool json = false;
  bool toml = false;
  std::string key;
  std::string shard = "all";
  std::vector<std::string> values;
};

std::string SocketOf(const Arguments& arguments, const char* command) {
  const server::Options options = LoadOptionsOrFail(command, arguments.config);
  return server::AdminSocketPath(options.state_dir);
}

std::string TextOf(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

bool IsNamed(const Json& tunable, const std::string& key) { return tunable["name"] == key || tunable["key"] == key; }

// "all 0s", or a word a shard.
std::string ValuesOf(const Json& values) {
  const bool alike = std::all_of(values.begin(), values.end(), [&](const Json& v) { return v == values[0]; });
  if (alike) return TextOf(values[0]);
  std::string text;
  for (const Json& value : values) absl::StrAppend(&text, text.empty() ? "" : " ", TextOf(value));
  return text;
}

void PrintTable(const Json& shards) {
  std::printf("%d shards; a value for each where they differ\n", shards["shards"].get<int>());
  for (const bool live : {true, false}) {
    if (!live) std::printf("fixed until a restart:\n");
    for (const Json& tunable : shards["tunables"]) {
      if (tunable["live"] != live) continue;
      std::printf("%-26s %-16s %s\n", tunable["name"].get<std::string>().c_str(), ValuesOf(tunable["values"]).c_str(),
                  tunable["help"].get<std::string>().c_str());
    }
  }
}

void Get(const Arguments& arguments) {
  const auto body = server::AdminGet(SocketOf(arguments, "shards get"), kTarget);
  if (!body.ok()) Fail("shards get", body.status());
  Json shards = Json::parse(*body);
  if (arguments.toml) {
    std::cout << shards["toml"].get<std::string>();
    return;
  }
  if (!arguments.key.empty()) {
    Json::array_t named;
    std::vector<std::string> names;
    for (const Json& tunable : shards["tunables"]) {
      names.push_back(tunable["name"]);
      if (IsNamed(tunable, arguments.key)) named.push_back(tunable);
    }
    if (named.empty()) {
      const std::vector<std::string_view> known(names.begin(), names.end());
      Fail("shards get", absl::StrCat(arguments.key, ": there is no such value, expected ", server::QuotedList(known)),
           EX_USAGE);
    }
    shards["tunables"] = std::move(named);
  }
  if (arguments.json) {
    std::cout << shards.dump() << '\n';
  } else if (!arguments.key.empty()) {  // for scripts: a line a shard
    for (const Json& value : shards["tunables"][0]["values"]) std::cout << TextOf(value) << '\n';
  } else {
    PrintTable(shards);
  }
}

Json RequestOf(const Arguments& arguments) {
  Json values = Json::object();
  for (const std::string& text : arguments.values) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      Fail("shards set", absl::StrCat("'", text, "': expected KEY=VALUE such as batch_wait=2ms"), EX_USAGE);
    }
    values[text.substr(0, equals)] = text.substr(equals + 1);
  }
  const bool number = !arguments.shard.empty() && arguments.shard.size() < 6 &&
                      std::all_of(arguments.shard.begin(), arguments.shard.end(), IsAsciiDigit);
  if (number) return {{"shard", std::stoul(arguments.shard)}, {"values", std::move(values)}};
  return {{"shard", arguments.shard}, {"values", std::move(values)}};
}

void Set(const Arguments& arguments) {
  const std::string request = RequestOf(arguments).dump();
  const auto body = server::AdminPut(SocketOf(arguments, "shards set"), kTarget, request);
  if (absl::IsInvalidArgument(body.status())) {  // nothing has changed
    const Json answer = Json::parse(body.status().message(), nullptr, false);
    Fail("shards set", answer.is_object() ? answer.value("error", "") : std::string(body.status().message()), EX_USAGE);
  }
  if (!body.ok()) Fail("shards set", body.status());
  if (arguments.json) {
    std::cout << *body << '\n';
    return;
  }
  const Json answer = Json::parse(*body);
  for (const Json& change : answer["changes"]) {
    std::cout << "shard " << change["shard"] << ": " << change["name"].get<std::string>() << " from "
              << TextOf(change["old"]) << " to " << TextOf(change["new"]) << '\n';
  }
}

}  // namespace

void RegisterShards(CLI::App& app) {
  CLI::App* shards = app.add_subcommand("shards", "What each shard is tuned to, and change it while the server runs");
  shards->require_subcommand(1);
  const auto arguments = std::make_shared<Arguments>();

  CLI::App* get = shards->add_subcommand("get", "Show values");
  get->add_option("KEY", arguments->key, "This one alone, a line a shard");
  get->add_flag("--toml", arguments->toml, "What keeps the present values, for the configuration");

  CLI::App* set = shards->add_subcommand("set", "Change values until the next restart");
  set->add_option("KEY=VALUE", arguments->values, "Such as batch_wait=2ms")->required();
  set->add_option("--shard", arguments->shard, "Its number, from 0, or all")->capture_default_str();
  std::string footer = "Values:\n";
  for (const server::Tunable& tunable : server::Tunables()) {
    absl::StrAppend(&footer, "  ", tunable.name, std::string(20 - tunable.name.size(), ' '), tunable.help, "\n");
  }
  set->footer(footer);

  for (CLI::App* command : {get, set}) {
    command->add_option("--config", arguments->config, "Configuration file")->capture_default_str();
    command->add_flag("--json", arguments->json, "As JSON");
  }
  get->callback([arguments] { Get(*arguments); });
  set->callback([arguments] { Set(*arguments); });
}

}  // namespace sluice
