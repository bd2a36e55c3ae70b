#include "tools/sluice/auth.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/server/admin.h"
#include "core/server/options.h"
#include "tools/sluice/admin_answer.h"
#include "tools/sluice/fail.h"

namespace sluice {
namespace {

constexpr char kTarget[] = "/v1/guesses";

struct Arguments {
  std::string config = "/etc/sluice/sluice.toml";
  std::string login;
  std::string address;
  uint32_t limit = 100;
  bool all = false;
  bool json = false;
};

std::string SocketOf(const char* command, const Arguments& arguments) {
  return server::AdminSocketPath(LoadOptionsOrFail(command, arguments.config).state_dir);
}

server::RequestParameters FiltersOf(const Arguments& arguments) {
  server::RequestParameters parameters;
  if (!arguments.login.empty()) parameters.emplace("login", arguments.login);
  if (!arguments.address.empty()) parameters.emplace("address", arguments.address);
  return parameters;
}

std::string Who(const nlohmann::json& guess) {
  const std::string by = guess.value("by", "");
  const std::string login = guess.value("login", "");
  const std::string address = guess.value("address", "");
  if (by == "login_from_address") return absl::StrCat(login, " from ", address);
  if (by == "login") return absl::StrCat(login, " from wherever");
  if (by == "server") return "all clients, in a minute";
  return absl::StrCat("different logins from ", address);
}

void Show(const Arguments& arguments) {
  constexpr char kCommand[] = "auth show";
  server::RequestParameters parameters = FiltersOf(arguments);
  parameters.emplace("limit", absl::StrCat(arguments.limit));
  const nlohmann::json answer =
      AdminAnswer(kCommand, server::AdminGet(SocketOf(kCommand, arguments), kTarget, parameters));
  if (arguments.json) {
    std::cout << answer.dump() << "\n";
    return;
  }
  const nlohmann::json& guesses = answer.at("guesses");
  if (guesses.empty()) {
    std::cout << "No failed logins are counted there.\n";
    return;
  }
  std::cout << absl::StrFormat("%6s %6s  %-20s  %s\n", "FAILED", "LIMIT", "REFUSED UNTIL", "WHO");
  for (const nlohmann::json& guess : guesses) {
    const uint64_t limit = guess.value("limit", uint64_t{0});
    std::cout << absl::StrFormat("%6d %6s  %-20s  %s\n", guess.value("failed", uint64_t{0}),
                                 limit == 0 ? "-" : absl::StrCat(limit), guess.value("until", "-"),
                                 Who(guess));
  }
  if (answer.value("more", false)) std::cout << "There are more: --limit N shows so many.\n";
}

void Unblock(const Arguments& arguments) {
  constexpr char kCommand[] = "auth unblock";
  server::RequestParameters parameters = FiltersOf(arguments);
  if (arguments.all) parameters.emplace("all", "1");
  const nlohmann::json answer = AdminAnswer(
      kCommand, server::AdminDelete(SocketOf(kCommand, arguments), kTarget, parameters));
  if (arguments.json) {
    std::cout << answer.dump() << "\n";
    return;
  }
  const uint64_t forgotten = answer.value("forgotten", uint64_t{0});
  std::cout << absl::StrFormat("%d count%s forgotten\n", forgotten, forgotten == 1 ? "" : "s");
}

void AddFilters(CLI::App* command, const std::shared_ptr<Arguments>& arguments) {
  command->add_option("--config", arguments->config, "Configuration file")->capture_default_str();
  command->add_option("--login", arguments->login, "Of this login");
  command->add_option(
      "--address", arguments->address,
      "From this address: 192.0.2.7; of IPv6 its /64 is meant, and its /56 and /48");
  command->add_flag("--json", arguments->json, "As JSON");
}

}  // namespace

void RegisterAuth(CLI::App& app) {
  CLI::App* auth =
      app.add_subcommand("auth", "Show what is counted of failed logins, or forget it");
  auth->require_subcommand(1);
  const auto arguments = std::make_shared<Arguments>();

  CLI::App* show = auth->add_subcommand("show", "Who has failed to log in lately, and is refused");
  AddFilters(show, arguments);
  show->add_option("--limit", arguments->limit, "Lines at most")->capture_default_str();
  show->callback([arguments] { Show(*arguments); });

  CLI::App* unblock = auth->add_subcommand(
      "unblock", "Forget failed logins, so that who was refused may try again");
  AddFilters(unblock, arguments);
  unblock->add_flag("--all", arguments->all, "Of everybody");
  unblock->callback([arguments] { Unblock(*arguments); });
}

}  // namespace sluice
