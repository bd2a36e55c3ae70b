#include "tools/load/command_line.h"

#include <sys/random.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "core/base/check.h"
#include "tools/load/message_number.h"

namespace sluice::load {
namespace {

constexpr int kUsageError = 64;  // EX_USAGE
constexpr const char* kPasswordVariable = "SLUICE_LOAD_PASSWORD";

using Auth = smtp::ClientOptions::Auth;

[[noreturn]] void Refuse(const std::string& why) { throw CLI::ValidationError(why); }

std::string ReadFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) Refuse("cannot read " + file);
  return text.str();
}

std::vector<SockAddr> ParseAddresses(const std::vector<std::string>& texts) {
  std::vector<SockAddr> addresses;
  for (const std::string& text : texts) {
    const auto address = SockAddr::Parse(text);
    if (!address.has_value()) Refuse("'" + text + "' is no address: 127.0.0.1:1587 or [::1]:1587");
    addresses.push_back(*address);
  }
  return addresses;
}

Duration ParseSeconds(double count) { return Duration(static_cast<int64_t>(count * 1e9)); }

// An option that takes one of a few words, in any case of letters.
template <typename T, typename Value>
void AddChoice(CLI::App& app, const std::string& name, Value& value,
               const std::vector<std::pair<std::string, T>>& words, const std::string& help) {
  std::vector<std::string> names;
  for (const auto& [word, meaning] : words) names.push_back(word);
  const auto take = [&value, words](const std::string& given) {
    for (const auto& [word, meaning] : words) {
      if (EqualsIgnoreCase(given, word)) value = meaning;
    }
  };
  app.add_option_function<std::string>(name, take, help)
      ->check(CLI::IsMember(names, CLI::ignore_case));
}

// --- run and idle --------------------------------------------------------------------------------

// What is given as text and needs a second look.
struct RunArguments {
  RunOptions options;
  std::vector<std::string> to;
  double seconds = 0;
  double timeout = 60;
  std::optional<Auth> mechanism;
  std::string user;
  uint64_t users = 1;
  std::string password;
  std::string password_file;
  std::string user_file;
  std::string groups;
  std::string run;
};

void AddCommon(CLI::App& app, RunArguments& arguments) {
  RunOptions& options = arguments.options;
  app.add_option("--to", arguments.to, "numeric address with port; several are taken in turn")
      ->required();
  app.add_option("--connections", options.connections, "at once")
      ->check(CLI::Range(1u, 10'000'000u));
  app.add_option("--threads", options.threads, "each with a ring of its own")
      ->check(CLI::Range(1u, 256u));
  app.add_option("--logins-at-once", options.logins_at_once, "connections being made, a thread")
      ->check(CLI::Range(1u, 1'000'000u));
  app.add_option("--timeout", arguments.timeout, "seconds to wait for any answer")
      ->check(CLI::PositiveNumber);
  app.add_flag("--keep-going", options.keep_going,
               "connect anew, with back-off, when a connection fails");
  AddChoice<RunOptions::Tls>(app, "--tls", options.tls,
                             {{"none", RunOptions::Tls::kNone},
                              {"starttls", RunOptions::Tls::kStartTls},
                              {"implicit", RunOptions::Tls::kImplicit}},
                             "the certificate is not checked");
  AddChoice<tls::Versions>(app, "--tls-version", options.tls_parameters.versions,
                           {{"1.2", tls::Versions::kOnly12}, {"1.3", tls::Versions::kOnly13}},
                           "that one alone; otherwise both are offered");
  app.add_option("--groups", arguments.groups, "key exchange groups, best first: X25519,P-256");
  app.add_option("--server-name", options.server_name, "for SNI");
  AddChoice<Auth>(app, "--mechanism", arguments.mechanism,
                  {{"PLAIN", Auth::kPlain}, {"LOGIN", Auth::kLogin}, {"none", Auth::kNone}},
                  "otherwise PLAIN where there is a user");
  app.add_option("--user", arguments.user, "login name; %d stands for the user's number");
  app.add_option("--users", arguments.users, "how many users the pattern names, from 1 on")
      ->check(CLI::PositiveNumber);
  app.add_option("--user-file", arguments.user_file, "lines of name:password");
  app.add_option("--password", arguments.password, "%d as above; others on this machine can see it")
      ->envname(kPasswordVariable);
  app.add_option("--password-file", arguments.password_file, "its first line is the password");
  app.add_option("--ehlo", options.ehlo_name, "the name to say");
  app.add_option("--json", options.json, "file for the results; -: standard output");
}

void AddMessages(CLI::App& app, RunArguments& arguments) {
  RunOptions& options = arguments.options;
  app.add_option("--messages", options.messages, "to send, over all connections")
      ->check(CLI::PositiveNumber);
  app.add_option("--seconds", arguments.seconds, "to go on for")->check(CLI::PositiveNumber);
  app.add_option("--per-connection", options.per_connection,
                 "messages, then QUIT and a new connection; 0: no limit");
  app.add_option("--size", options.message_bytes, "octets of a message")
      ->check(CLI::Range(1u, 1u << 29));
  app.add_option("--recipients", options.recipients, "of a message")
      ->check(CLI::Range(1u, 100'000u));
  app.add_option("--recipient", options.recipient, "address; %d stands for its number");
  app.add_option_function<std::string>(
      "--to-domain", [&options](const std::string& domain) { options.recipient = "r%d@" + domain; },
      "instead of --recipient: r%d at that domain");
  app.add_option("--from", options.from, "envelope sender, %d as above; otherwise the user's name");
  AddChoice<RunOptions::Pipelining>(app, "--pipelining", options.pipelining,
                                    {{"off", RunOptions::Pipelining::kOff},
                                     {"auto", RunOptions::Pipelining::kAuto},
                                     {"deep", RunOptions::Pipelining::kDeep}},
                                    "deep: the next message right behind the body");
  app.add_option("--ledger", options.ledger,
                 "file for the numbers and queue ids of accepted messages");
  app.add_option("--run", arguments.run,
                 "first part of message numbers, 8 hexadecimal digits; otherwise random");
}

uint32_t RunNumber(const std::string& text) {
  uint32_t run = 0;
  if (text.empty()) {
    CHECK(getrandom(&run, sizeof run, 0) == sizeof run);
    return run;
  }
  const auto number = MessageNumber::Parse(text + "-000000000000");
  if (!number.has_value()) Refuse("--run: 8 hexadecimal digits");
  return number->run;
}

std::string PasswordOf(const RunArguments& arguments) {
  if (arguments.password_file.empty()) return arguments.password;
  const std::string text = ReadFile(arguments.password_file);
  return text.substr(0, text.find_first_of("\r\n"));
}

Users UsersOf(const RunArguments& arguments) {
  const std::string password = PasswordOf(arguments);
  if (arguments.user_file.empty()) {
    return Users::FromPattern(arguments.user, password, arguments.users);
  }
  auto users = Users::FromLines(ReadFile(arguments.user_file), password);
  if (!users.ok()) Refuse(arguments.user_file + ": " + std::string(users.status().message()));
  return *std::move(users);
}

RunOptions Finish(RunArguments& arguments) {
  RunOptions& options = arguments.options;
  options.to = ParseAddresses(arguments.to);
  options.time = ParseSeconds(arguments.seconds);
  options.timeout = ParseSeconds(arguments.timeout);
  options.run = RunNumber(arguments.run);
  if (!arguments.groups.empty()) {
    options.tls_parameters.groups = CLI::detail::split(arguments.groups, ',');
  }
  if (options.mode == RunOptions::Mode::kRun && options.messages == 0 && arguments.seconds == 0) {
    Refuse("--messages or --seconds: when is it over?");
  }
  const bool has_user = !arguments.user.empty() || !arguments.user_file.empty();
  options.auth = arguments.mechanism.value_or(has_user ? Auth::kPlain : Auth::kNone);
  if (options.auth != Auth::kNone && !has_user) {
    Refuse("--mechanism needs --user or --user-file");
  }
  if (arguments.users > 1 && arguments.user.find("%d") == std::string::npos) {
    Refuse("--users needs %d in --user");
  }
  options.users = UsersOf(arguments);
  return std::move(options);
}

// --- sink ----------------------------------------------------------------------------------------

struct SinkArguments {
  SinkOptions options;
  std::vector<std::string> listen;
  std::vector<std::string> tls;
  bool implicit = false;
  double delay_ms = 0;
};

void AddSink(CLI::App& app, SinkArguments& arguments) {
  SinkOptions& options = arguments.options;
  SinkFaults& faults = options.faults;
  app.add_option("--listen", arguments.listen, "numeric address with port; several may be given")
      ->required();
  app.add_option("--threads", options.threads, "each with a ring of its own")
      ->check(CLI::Range(1u, 256u));
  app.add_option("--connections-max", options.connections_max, "a thread")
      ->check(CLI::Range(1u, 10'000'000u));
  app.add_option("--tls", arguments.tls,
                 "CERTIFICATE KEY (PEM files), or self-signed: offers STARTTLS")
      ->expected(1, 2);
  app.add_flag("--implicit", arguments.implicit, "with --tls: TLS from the first octet");
  app.add_flag("--auth", options.auth, "offers AUTH PLAIN and LOGIN and believes everybody");
  app.add_option("--until", options.until, "ends after as many messages");
  app.add_option("--store", options.store, "folder for the messages");
  app.add_option("--ledger", options.ledger, "file for the numbers of the messages");
  app.add_option("--json", options.json, "file for the summary; -: standard output");

  const char* group = "Faults";
  app.add_option("--reply-greeting", faults.greeting, "instead of 220")->group(group);
  app.add_option("--reply-mail", faults.mail, "instead of 250 to MAIL")->group(group);
  app.add_option("--reply-rcpt", faults.rcpt, "instead of 250 to RCPT")->group(group);
  app.add_option("--reply-data-command", faults.data_command, "instead of 354 to DATA")
      ->group(group);
  app.add_option("--reply-data", faults.data,
                 "instead of 250 after the message: \"451 4.3.0 Later\"")
      ->group(group);
  app.add_flag("--close-after-data", faults.close_after_data,
               "drops the connection instead of answering the message")
      ->group(group);
  app.add_option("--delay-ms", arguments.delay_ms, "before the message is answered")->group(group);
  app.add_option("--fault-percent", faults.percent, "of the chances to do so")
      ->check(CLI::Range(0u, 100u))
      ->group(group);
  app.add_option("--fault-messages", faults.messages,
                 "only with so many messages; SIGUSR1 ends faults too")
      ->group(group);
}

void CheckReply(const std::string& option, const std::string& reply) {
  const bool good = reply.size() >= 3 && reply[0] >= '2' && reply[0] <= '5' &&
                    IsAsciiDigit(reply[1]) && IsAsciiDigit(reply[2]) &&
                    (reply.size() == 3 || reply[3] == ' ') &&
                    reply.find_first_of("\r\n") == std::string::npos;
  if (!reply.empty() && !good) {
    Refuse(option + ": '" + reply + "' is no reply line: 451 4.3.0 Later");
  }
}

SinkOptions Finish(SinkArguments& arguments) {
  SinkOptions& options = arguments.options;
  options.listen = ParseAddresses(arguments.listen);
  options.faults.delay = ParseSeconds(arguments.delay_ms / 1000);
  if (!arguments.tls.empty()) {
    options.tls = arguments.implicit ? SinkOptions::Tls::kImplicit : SinkOptions::Tls::kStartTls;
    if (arguments.tls.size() == 2) {
      options.certificate = arguments.tls[0];
      options.key = arguments.tls[1];
    } else if (arguments.tls[0] != "self-signed") {
      Refuse("--tls: CERTIFICATE KEY, or self-signed");
    }
  } else if (arguments.implicit) {
    Refuse("--implicit needs --tls");
  }
  CheckReply("--reply-greeting", options.faults.greeting);
  CheckReply("--reply-mail", options.faults.mail);
  CheckReply("--reply-rcpt", options.faults.rcpt);
  CheckReply("--reply-data-command", options.faults.data_command);
  CheckReply("--reply-data", options.faults.data);
  return std::move(options);
}

}  // namespace

std::variant<RunOptions, SinkOptions, ExitCode> ParseCommandLine(std::vector<std::string> arguments,
                                                                 std::ostream& out,
                                                                 std::ostream& err) {
  CLI::App app("Load for SMTP submission servers, and a sink for what they relay", "sluice-load");
  app.require_subcommand(1);

  RunArguments run;
  CLI::App* run_command =
      app.add_subcommand("run", "sends messages, each connection as fast as it is answered");
  AddCommon(*run_command, run);
  AddMessages(*run_command, run);

  RunArguments idle;
  idle.options.mode = RunOptions::Mode::kIdle;
  CLI::App* idle_command =
      app.add_subcommand("idle", "logs in, says `ready` and holds the sessions");
  AddCommon(*idle_command, idle);
  idle_command->add_option("--hold", idle.seconds, "seconds; otherwise until SIGTERM or SIGINT")
      ->check(CLI::PositiveNumber);

  SinkArguments sink;
  CLI::App* sink_command = app.add_subcommand("sink", "a next hop that takes every message");
  AddSink(*sink_command, sink);

  try {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    app.parse(std::move(arguments));
    if (run_command->parsed()) return Finish(run);
    if (idle_command->parsed()) return Finish(idle);
    return Finish(sink);
  } catch (const CLI::ParseError& error) {
    return ExitCode{app.exit(error, out, err) == 0 ? 0 : kUsageError};
  }
}

}  // namespace sluice::load
