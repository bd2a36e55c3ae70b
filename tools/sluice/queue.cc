#include "tools/sluice/queue.h"

#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
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
#include "queue/queue_id.h"
#include "tools/sluice/fail.h"
#include "tools/sluice/offline_queue.h"

namespace sluice {
namespace {

struct Arguments {
  std::string config = "/etc/sluice/sluice.toml";
  server::QueueFilter filter;
  bool json = false;
  // Of release and delete:
  std::vector<std::string> ids;
  std::string login;
  bool all_held = false;
};

absl::StatusOr<std::string> QueueJson(const server::Options& options,
                                      const server::QueueFilter& filter) {
  const std::string target = absl::StrCat("/v1/queue?limit=", filter.limit, "&after=", filter.after,
                                          filter.held ? "&held=1" : "");
  auto body = server::AdminGet(server::AdminSocketPath(options.state_dir), target);
  if (!absl::IsUnavailable(body.status())) return body;
  auto offline = OfflineQueueJson(options, filter);
  if (!absl::IsFailedPrecondition(offline.status())) return offline;
  return absl::FailedPreconditionError(
      absl::StrCat(offline.status().message(),
                   " that does not answer: it is starting, stopping or very busy; try again\n(",
                   body.status().message(), ")"));
}

// "1h30m", as a span from now that is rounded to seconds.
std::string Ago(int64_t seconds) {
  return server::FormatDuration(std::chrono::seconds(std::max<int64_t>(seconds, 0)));
}

void PrintMessage(const nlohmann::json& message, int64_t now) {
  const std::string sender = message.value("sender", "");
  std::printf("%s  %8llu octets  %s old  from <%s>\n", message.at("id").get<std::string>().c_str(),
              static_cast<unsigned long long>(message.value("size", uint64_t{0})),
              Ago(now - message.value("created", now)).c_str(), sender.c_str());
  for (const nlohmann::json& recipient : message.at("recipients")) {
    std::printf("    to <%s>\n", recipient.get<std::string>().c_str());
  }
  if (const std::string why = message.value("held", ""); !why.empty()) {
    std::printf("    held: %s (login %s)\n", why.c_str(), message.value("login", "").c_str());
  }
  if (message.value("damaged", false)) std::printf("    damaged on disk: kept, not delivered\n");
  if (const auto attempts = message.value("num_attempts", 0); attempts > 0) {
    const std::string response = message.value("last_response", "");
    std::printf("    tried %d time%s, next in %s%s%s\n", attempts, attempts == 1 ? "" : "s",
                Ago(message.value("next_attempt", now) - now).c_str(), response.empty() ? "" : ": ",
                response.c_str());
  }
}

void PrintList(const nlohmann::json& queue) {
  const int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  const nlohmann::json& messages = queue.at("messages");
  for (const nlohmann::json& message : messages) PrintMessage(message, now);
  if (messages.empty()) std::printf("The queue is empty.\n");
  if (queue.value("more", false) && !messages.empty()) {
    std::printf("There are more: go on with --after %s\n",
                messages.back().at("id").get<std::string>().c_str());
  }
}

void List(const Arguments& arguments) {
  if (!arguments.filter.after.empty() && !queue::QueueId::Parse(arguments.filter.after)) {
    Fail("queue list", absl::StrCat("'", arguments.filter.after, "' is not a queue id"), EX_USAGE);
  }
  const server::Options options = LoadOptionsOrFail("queue list", arguments.config);
  const auto body = QueueJson(options, arguments.filter);
  if (!body.ok()) Fail("queue list", body.status());
  if (arguments.json) {
    std::cout << *body << '\n';
  } else {
    PrintList(nlohmann::json::parse(*body));
  }
}

// What the server is to do with the messages that the arguments name.
void Order(const Arguments& arguments, const std::string& action) {
  const std::string command = "queue " + action;
  const server::Options options = LoadOptionsOrFail(command, arguments.config);
  const std::string socket = server::AdminSocketPath(options.state_dir);
  uint64_t asked = 0, done = 0;
  const auto order = [&](const std::vector<std::string>& ids) {
    if (ids.empty()) return;
    const nlohmann::json request = {{"action", action}, {"ids", ids}};
    const auto answer = server::AdminPut(socket, "/v1/queue", request.dump());
    if (!answer.ok()) Fail(command, answer.status());
    asked += ids.size();
    done += nlohmann::json::parse(*answer).at("done").get<uint64_t>();
  };
  const int chosen = !arguments.ids.empty() + !arguments.login.empty() + arguments.all_held;
  if (chosen != 1) Fail(command, "give either ids, --login LOGIN or --held", EX_USAGE);
  for (const std::string& id : arguments.ids) {
    if (!queue::QueueId::Parse(id)) {
      Fail(command, absl::StrCat("'", id, "' is not a queue id"), EX_USAGE);
    }
  }
  for (size_t i = 0; i < arguments.ids.size(); i += server::kQueueOrderMax) {
    const size_t end = std::min<size_t>(i + server::kQueueOrderMax, arguments.ids.size());
    order({arguments.ids.begin() + static_cast<ptrdiff_t>(i),
           arguments.ids.begin() + static_cast<ptrdiff_t>(end)});
  }
  server::QueueFilter page{.limit = server::kQueueOrderMax, .after = "", .held = true};
  for (bool more = arguments.ids.empty(); more;) {
    const auto body = server::AdminGet(
        socket, absl::StrCat("/v1/queue?held=1&limit=", page.limit, "&after=", page.after));
    if (!body.ok()) Fail(command, body.status());
    const nlohmann::json listed = nlohmann::json::parse(*body);
    std::vector<std::string> ids;
    for (const nlohmann::json& message : listed.at("messages")) {
      page.after = message.at("id").get<std::string>();
      if (arguments.login.empty() || message.value("login", "") == arguments.login) {
        ids.push_back(page.after);
      }
    }
    order(ids);
    more = listed.value("more", false) && !listed.at("messages").empty();
  }
  std::cout << done << " of " << asked << " message" << (asked == 1 ? "" : "s") << ' '
            << (action == "release" ? "released" : "deleted") << '\n';
  if (!arguments.ids.empty() && done < asked) {
    Fail(command,
         action == "release"
             ? "the others are not held, or gone; `sluice user resume` sends a suspended login's"
             : "the others are gone, or being delivered",
         EX_TEMPFAIL);
  }
}
void Release(const Arguments& arguments) { Order(arguments, "release"); }
void Delete(const Arguments& arguments) { Order(arguments, "delete"); }

}  // namespace

void RegisterQueue(CLI::App& app) {
  CLI::App* queue = app.add_subcommand("queue", "What is in the queue");
  queue->require_subcommand(1);
  CLI::App* list = queue->add_subcommand("list", "List messages, the oldest first");
  const auto arguments = std::make_shared<Arguments>();
  list->add_option("--config", arguments->config, "Configuration file")->capture_default_str();
  list->add_option("--limit", arguments->filter.limit, "Messages at most")
      ->check(CLI::Range(1u, server::kQueueListMax))
      ->capture_default_str();
  list->add_option("--after", arguments->filter.after, "Only ids greater than this one");
  list->add_flag("--held", arguments->filter.held,
                 "Only what waits for `queue release`, or for a suspended login");
  list->add_flag("--json", arguments->json, "As JSON");
  list->callback([arguments] { List(*arguments); });

  const auto order = [&](const char* name, const char* what, void (*run)(const Arguments&)) {
    CLI::App* command = queue->add_subcommand(name, what);
    command->add_option("--config", arguments->config, "Configuration file")->capture_default_str();
    command->add_option("id", arguments->ids, "Queue ids, as `queue list` shows them");
    command->add_option("--login", arguments->login, "All that is held of this login");
    command->add_flag("--held", arguments->all_held, "All that is held");
    command->callback([arguments, run] { run(*arguments); });
  };
  order("release", "Send messages that were held over a limit", Release);
  order("delete", "Delete messages, without a bounce", Delete);
}

}  // namespace sluice
