#include "tools/load/mix_file.h"

#include <toml++/toml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tools/load/arguments.h"

namespace sluice::load {
namespace {

using Behaviour = RunOptions::Behaviour;

// Of the whole run, so not of a kind.
constexpr std::array<std::string_view, 8> kNotHere = {"threads",  "json", "ledger",  "run",
                                                      "messages", "help", "seconds", "warm_up"};

// One kind, before its connections are known.
struct Kind {
  RunArguments arguments;
  std::optional<double> share;
  std::string think;
  toml::source_region place;
  bool has_connections = false;
};

absl::Status Problem(const std::string& file, const toml::source_region& region,
                     std::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat(file, ":", region.begin.line, ":", region.begin.column, ": ", text));
}

void AddKind(CLI::App& app, Kind& kind) {
  RunOptions& options = kind.arguments.options;
  app.add_option("--name", options.name);
  app.add_option("--share", kind.share)->check(CLI::PositiveNumber);
  app.add_option("--think", kind.think);
  AddChoice<bool>(app, "--think-time", options.think_fixed,
                  {{"exponential", false}, {"fixed", true}}, "");
  AddChoice<Behaviour>(app, "--behaviour", options.behaviour,
                       {{"good", Behaviour::kGood},
                        {"wrong-password", Behaviour::kWrongPassword},
                        {"slow", Behaviour::kSlow},
                        {"half-close", Behaviour::kHalfClose},
                        {"quit-in-data", Behaviour::kQuitInData},
                        {"garbage", Behaviour::kGarbage},
                        {"connect-only", Behaviour::kConnectOnly}},
                       "");
}

// As it would stand on the command line; nullopt: no value that an option has.
std::optional<std::string> ToWord(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<int64_t>()) return absl::StrCat(*number);
  if (const auto number = node.value_exact<double>()) return absl::StrCat(*number);
  if (const auto flag = node.value_exact<bool>()) return *flag ? "true" : "false";
  return std::nullopt;
}

absl::Status SetKey(const std::string& file, const toml::key& key, const toml::node& node,
                    CLI::App& app) {
  const std::string name(key.str());
  CLI::Option* option = app.get_option_no_throw("--" + absl::StrReplaceAll(name, {{"_", "-"}}));
  if (option == nullptr || std::find(kNotHere.begin(), kNotHere.end(), name) != kNotHere.end()) {
    return Problem(
        file, key.source(),
        absl::StrCat(
            name,
            ": is no key of a client. Keys are name, share, behaviour, think, think_time and "
            "the options of run that are not of the whole run: tls, size, per_connection"));
  }
  std::vector<std::string> words;
  if (const toml::array* list = node.as_array()) {
    for (const toml::node& item : *list) words.push_back(ToWord(item).value_or(""));
  } else {
    words.push_back(ToWord(node).value_or(""));
  }
  const bool has_value = !words.empty() && std::find(words.begin(), words.end(), "") == words.end();
  if (!has_value || (node.is_array() && option->get_expected_max() <= 1)) {
    return Problem(file, node.source(), absl::StrCat(name, ": expected a text, a number or true"));
  }
  try {
    option->clear();
    for (const std::string& word : words) option->add_result(word);
    option->run_callback();
  } catch (const CLI::Error& error) {
    return Problem(file, node.source(), absl::StrCat(name, ": ", error.what()));
  }
  return absl::OkStatus();
}

absl::StatusOr<Kind> ReadKind(const std::string& file, const toml::table& table, size_t number,
                              const RunArguments& base) {
  Kind kind{.arguments = base, .share = {}, .think = {}, .place = table.source()};
  kind.arguments.options.name = absl::StrCat("client ", number);
  CLI::App app;
  AddCommon(app, kind.arguments);
  AddLoop(app, kind.arguments, "messages");
  AddMessages(app, kind.arguments);
  AddKind(app, kind);
  for (const auto& [key, node] : table) {
    if (absl::Status status = SetKey(file, key, node, app); !status.ok()) return status;
  }
  kind.has_connections = table.contains("connections");
  if (kind.has_connections == kind.share.has_value()) {
    return Problem(file, kind.place, "a client has either share or connections");
  }
  return kind;
}

// What is given by share takes what those with a number of their own have left.
void ShareConnections(std::vector<Kind>& kinds, uint32_t total) {
  double shares = 0;
  for (const Kind& kind : kinds) {
    shares += kind.share.value_or(0);
    if (kind.has_connections) total -= std::min(total, kind.arguments.options.connections);
  }
  double before = 0;
  for (Kind& kind : kinds) {
    if (!kind.share.has_value()) continue;
    const auto cut = [&](double at) { return static_cast<uint32_t>(total * (at / shares) + 0.5); };
    const uint32_t from = cut(before);
    before += *kind.share;
    kind.arguments.options.connections = std::max(cut(before) - from, 1u);
  }
}

// All good kinds, as one: where they differ, the first one stands for them.
RunOptions WholeOf(const std::vector<RunOptions>& kinds) {
  const auto is_good = [](const RunOptions& kind) { return kind.behaviour == Behaviour::kGood; };
  const auto first = std::find_if(kinds.begin(), kinds.end(), is_good);
  RunOptions whole = first == kinds.end() ? kinds.front() : *first;
  whole.name = "all good clients";
  whole.ledger = kinds.front().ledger;
  whole.connections = 0;
  whole.rate = 0;
  for (const RunOptions& kind : kinds) {
    if (is_good(kind)) whole.connections += kind.connections;
  }
  return whole;
}

}  // namespace

absl::StatusOr<MixOptions> ReadMix(const std::string& text, const std::string& file,
                                   const RunArguments& base) {
  toml::table root;
  try {
    root = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    return Problem(file, error.source(), absl::StrCat("this is not TOML: ", error.description()));
  }
  for (const auto& [key, node] : root) {
    if (key.str() != "client") {
      return Problem(file, key.source(),
                     absl::StrCat(key.str(), ": expected [[client]] tables only"));
    }
  }
  const toml::array* tables = root["client"].as_array();
  if (tables == nullptr || tables->empty() || !tables->is_homogeneous(toml::node_type::table)) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": expected [[client]] tables, one a kind of clients"));
  }
  std::vector<Kind> kinds;
  for (const toml::node& node : *tables) {
    auto kind = ReadKind(file, *node.as_table(), kinds.size() + 1, base);
    if (!kind.ok()) return kind.status();
    kinds.push_back(*std::move(kind));
  }
  ShareConnections(kinds, base.options.connections);
  MixOptions mix;
  for (Kind& kind : kinds) {
    try {
      if (!kind.think.empty()) {
        kind.arguments.options.think = ParseDuration("think", kind.think);
      }
      RunOptions options = Finish(kind.arguments);
      options.run += static_cast<uint32_t>(mix.kinds.size());  // message numbers of their own
      if (options.behaviour != Behaviour::kGood) options.keep_going = true;
      mix.kinds.push_back(std::move(options));
    } catch (const CLI::Error& error) {
      return Problem(file, kind.place,
                     absl::StrCat(mix.kinds.size() + 1, ". client: ", error.what()));
    }
  }
  mix.whole = WholeOf(mix.kinds);
  return mix;
}

}  // namespace sluice::load
