#include "tools/sluice/sessions.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/server/admin.h"
#include "core/server/options.h"
#include "core/server/options_values.h"
#include "core/server/session_listing.h"
#include "tools/sluice/admin_answer.h"
#include "tools/sluice/fail.h"

namespace sluice {
namespace {

constexpr char kCommand[] = "sessions";
constexpr char kTarget[] = "/v1/sessions";

struct Arguments {
  std::string config = "/etc/sluice/sluice.toml";
  std::vector<std::pair<std::string, std::string>> filters = {
      {"login", ""}, {"address", ""}, {"state", ""}, {"shard", ""}, {"id", ""}};
  uint64_t limit = 100;
  bool json = false;
  bool end = false;
};

server::RequestParameters FiltersOf(const Arguments& arguments) {
  server::RequestParameters parameters;
  for (const auto& [name, value] : arguments.filters) {
    if (!value.empty()) parameters.emplace(name, value);
  }
  return parameters;
}

// Calls take(session) for each, page by page, up to the limit (0: all). True: there are more.
template <typename Take>
bool ForEachSession(const std::string& socket, const Arguments& arguments, Take take) {
  uint64_t left = arguments.limit == 0 ? UINT64_MAX : arguments.limit;
  std::string after;
  do {
    server::RequestParameters parameters = FiltersOf(arguments);
    const uint64_t page =
        std::min<uint64_t>(left, server::kSessionListMax - 1) + 1;  // whether one more follows
    parameters.emplace("limit", absl::StrCat(page));
    if (!after.empty()) parameters.emplace("after", after);
    const nlohmann::json answer =
        AdminAnswer(kCommand, server::AdminGet(socket, kTarget, parameters));
    for (const nlohmann::json& session : answer.at("sessions")) {
      if (left == 0) return true;
      left--;
      take(session);
    }
    after = answer.value("next", "");
  } while (!after.empty());
  return false;
}

std::string Span(const nlohmann::json& session, const char* name) {
  const auto whole = static_cast<int64_t>(session.value(name, 0.0));
  return server::FormatDuration(std::chrono::seconds(std::max<int64_t>(whole, 0)));
}

void PrintHead() {
  std::cout << absl::StrFormat("%-16s %5s %-15s %9s %9s %8s  %-8s %-24s %s\n", "ID", "SHARD",
                               "STATE", "AGE", "IDLE", "MESSAGES", "TLS", "ADDRESS", "LOGIN");
}

void PrintSession(const nlohmann::json& session) {
  const std::string ip = session.value("address", "");
  const bool v6 = ip.find(':') != std::string::npos;
  const std::string address =
      absl::StrCat(v6 ? "[" : "", ip, v6 ? "]:" : ":", session.value("port", 0));
  const std::string tls = session.value("tls_protocol_version", "");
  const std::string login = session.value("login", "");
  std::cout << absl::StrFormat(
      "%-16s %5d %-15s %9s %9s %8d  %-8s %-24s %s\n", session.value("id", ""),
      session.value("shard", 0), session.value("state", ""), Span(session, "age_seconds"),
      Span(session, "idle_seconds"), session.value("messages", uint64_t{0}),
      tls.empty() ? "-" : tls, address, login.empty() ? "-" : login);
}

void List(const std::string& socket, const Arguments& arguments) {
  uint64_t count = 0;
  if (arguments.json) {  // written as it comes: there may be a million
    std::cout << "{\"sessions\":[";
    const bool more = ForEachSession(socket, arguments, [&](const nlohmann::json& session) {
      std::cout << (count++ == 0 ? "" : ",") << session.dump();
    });
    std::cout << "],\"more\":" << (more ? "true" : "false") << "}\n";
    return;
  }
  const bool more = ForEachSession(socket, arguments, [&](const nlohmann::json& session) {
    if (count++ == 0) PrintHead();
    PrintSession(session);
  });
  if (count == 0) std::cout << "There is no such session.\n";
  if (more) std::cout << "There are more: --limit N shows so many, --limit 0 all.\n";
}

void End(const std::string& socket, const Arguments& arguments) {
  uint64_t ended = 0;
  std::string after;
  do {
    server::RequestParameters parameters = FiltersOf(arguments);
    if (!after.empty()) parameters.emplace("after", after);
    const nlohmann::json answer =
        AdminAnswer(kCommand, server::AdminDelete(socket, kTarget, parameters));
    ended += answer.at("ended").get<uint64_t>();
    after = answer.value("next", "");
  } while (!after.empty());
  if (arguments.json) {
    std::cout << "{\"ended\":" << ended << "}\n";
  } else {
    std::cout << absl::StrFormat("%d session%s ended\n", ended, ended == 1 ? "" : "s");
  }
}

void Sessions(const Arguments& arguments) {
  const server::Options options = LoadOptionsOrFail(kCommand, arguments.config);
  const std::string socket = server::AdminSocketPath(options.state_dir);
  arguments.end ? End(socket, arguments) : List(socket, arguments);
}

}  // namespace

void RegisterSessions(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand(kCommand, "List the sessions of the running server, or end some");
  const auto arguments = std::make_shared<Arguments>();
  const char* const help[] = {
      "Only of this login", "Only from this address: 192.0.2.7, or with a port 192.0.2.7:50001",
      "Only those that are at this: authenticated, data, ...", "Only of this shard",
      "Only the one with this id, as `session_id` in the event log"};
  command->add_option("--config", arguments->config, "Configuration file")->capture_default_str();
  for (size_t i = 0; i < arguments->filters.size(); i++) {
    auto& [name, value] = arguments->filters[i];
    command->add_option("--" + name, value, help[i]);
  }
  command->add_option("--limit", arguments->limit, "Sessions at most; 0: all")
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "As JSON");
  command->add_flag(
      "--end", arguments->end,
      "End them with 421 instead, after the answer to a message that is complete; needs --login, "
      "--address or --id");
  command->callback([arguments] { Sessions(*arguments); });
}

}  // namespace sluice
