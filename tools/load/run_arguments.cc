#include "tools/load/run_arguments.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <utility>

#include "auth/gssapi_client.h"
#include "core/base/random.h"
#include "tools/load/arguments.h"
#include "tools/load/message_number.h"

namespace sluice::load {
namespace {

constexpr const char* kPasswordVariable = "SLUICE_LOAD_PASSWORD";

uint32_t RunNumber(const std::string& text) {
  uint32_t run = 0;
  if (text.empty()) {
    FillRandom(reinterpret_cast<char*>(&run), sizeof run);
    return run;
  }
  const auto number = MessageNumber::Parse(text + "-000000000000");
  if (!number.has_value()) Refuse("--run: 8 hexadecimal digits");
  return number->run;
}

Sources ParseSources(const RunArguments& arguments, const std::vector<SockAddr>& to) {
  Sources sources;
  for (const std::string& text : arguments.sources) {
    if (const absl::Status status = sources.Add(text); !status.ok()) {
      Refuse("--source: " + std::string(status.message()));
    }
  }
  for (const SockAddr& address : to) {
    if (sources.empty() || sources.Has(address.family())) continue;
    Refuse("--source: none of them can reach " + address.ToString() +
           ", which is of the other family");
  }
  return sources;
}

void ReadBodies(const RunArguments& arguments, RunOptions& options) {
  if (!arguments.size.empty()) {
    auto sizes = Sizes::Parse(arguments.size);
    if (!sizes.ok()) Refuse("--size: " + std::string(sizes.status().message()));
    options.sizes = *std::move(sizes);
  }
  if (arguments.eml.empty()) return;
  if (!arguments.size.empty()) Refuse("--eml and --size: one of them");
  auto files = MessageFiles::Load(arguments.eml);
  if (!files.ok()) Refuse("--eml: " + std::string(files.status().message()));
  options.files = std::make_shared<const MessageFiles>(*std::move(files));
}

// "3" or "1-5".
void ReadRecipients(const std::string& text, RunOptions& options) {
  constexpr uint32_t kMost = 100'000;
  uint32_t least = 0;
  const char* end = text.data() + text.size();
  std::from_chars_result read = std::from_chars(text.data(), end, least);
  uint32_t most = least;
  if (read.ec == std::errc() && read.ptr != end && *read.ptr == '-') {
    read = std::from_chars(read.ptr + 1, end, most);
  }
  if (read.ec != std::errc() || read.ptr != end || least < 1 || most < least || most > kMost) {
    Refuse("--recipients: '" + text + "' is no number of recipients: 3 or 1-5, 100000 at most");
  }
  options.recipients_min = least;
  options.recipients = most;
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

void AddArrivals(CLI::App& app, RunOptions& options) {
  AddChoice<Arrivals>(
      app, "--arrivals", options.arrivals,
      {{"poisson", Arrivals::kPoisson}, {"fixed", Arrivals::kFixed}},
      "of an open loop: at random, as independent clients come, or one each 1/rate");
}

}  // namespace

void AddCommon(CLI::App& app, RunArguments& arguments) {
  RunOptions& options = arguments.options;
  app.add_option("--to", arguments.to, "numeric address with port; several are taken in turn")
      ->required();
  app.add_option("--source", arguments.sources,
                 "addresses to come from, in turn: 127.0.0.2, 127.0.0.2-127.0.0.9, 127.0.0.0/24");
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
  app.add_flag("--resume", options.resume,
               "each connection resumes its last TLS session by its ticket");
  app.add_option("--groups", arguments.groups, "key exchange groups, best first: X25519,P-256");
  app.add_option("--client-cert", arguments.client_cert,
                 "PEM, own certificate first: shown where it is asked for (--mechanism EXTERNAL)");
  app.add_option("--client-key", arguments.client_key, "PEM: its key");
  app.add_option("--server-name", options.server_name, "for SNI, DIGEST-MD5 and GSSAPI");
  std::vector<std::pair<std::string, std::optional<auth::Mechanism>>> mechanisms;
  for (const auth::MechanismInfo& info : auth::Mechanisms()) {
    mechanisms.emplace_back(info.name, info.mechanism);
  }
  mechanisms.emplace_back("none", std::nullopt);
  AddChoice<std::optional<auth::Mechanism>>(app, "--mechanism", arguments.mechanism, mechanisms,
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

void AddHold(CLI::App& app, RunArguments& arguments) {
  app.add_option("--hold", arguments.seconds, "seconds; otherwise until SIGTERM or SIGINT")
      ->check(CLI::PositiveNumber);
  app.add_option("--keepalive", arguments.keepalive, "how often a session sends a NOOP: 30s");
  app.add_option("--keepalive-share", arguments.options.keepalive_share,
                 "the share of the sessions that do")
      ->check(CLI::Range(0.0, 1.0));
}

void AddSoak(CLI::App& app, RunArguments& arguments) {
  app.add_option("--hours", arguments.hours, "to go on for")
      ->check(CLI::PositiveNumber)
      ->required();
  arguments.every = "60s";
  app.add_option("--every", arguments.every, "how often a line tells how it goes");
}

void AddLoop(CLI::App& app, RunArguments& arguments, const std::string& counted) {
  RunOptions& options = arguments.options;
  app.add_option("--" + counted, options.messages, "to do, over all connections")
      ->check(CLI::PositiveNumber);
  app.add_option("--seconds", arguments.seconds, "to go on for")->check(CLI::PositiveNumber);
  app.add_option("--rate", options.rate,
                 "open loop: so many " + counted + " are due a second, answered or not")
      ->check(CLI::Range(1e-3, 1e7));
  AddArrivals(app, options);
  app.add_option("--warm-up", arguments.warm_up,
                 "with --rate: a time at the start whose latencies from the schedule are left out");
}

void AddSearch(CLI::App& app, SearchArguments& arguments) {
  RateSearch::Options& search = arguments.options.search;
  app.add_option("--p99", arguments.p99,
                 "the bound: 99 percent are answered so soon after they were due, and none fails")
      ->required();
  app.add_option("--step", arguments.step, "how long a try is measured");
  app.add_option("--warm-up", arguments.warm_up, "before that, in each try");
  app.add_option("--rate", search.first, "the first rate to try, a second")
      ->check(CLI::Range(1.0, 1e7));
  app.add_option("--rate-min", search.min, "gives up when this is missed")
      ->check(CLI::Range(0.1, 1e7));
  app.add_option("--rate-max", search.max, "no more is tried")->check(CLI::Range(1.0, 1e7));
  AddArrivals(app, arguments.run.options);
  app.add_option("--precision", search.precision, "ends when held and missed rate are so close")
      ->check(CLI::Range(0.001, 1.0));
  app.add_option("--tries", search.tries, "of each rate, at most")->check(CLI::Range(1u, 100u));
  app.add_option("--needed", search.needed, "tries that must hold")->check(CLI::Range(1u, 100u));
}

void AddMessages(CLI::App& app, RunArguments& arguments) {
  RunOptions& options = arguments.options;
  app.add_option("--per-connection", options.per_connection,
                 "messages, then QUIT and a new connection; 0: no limit");
  app.add_option(
      "--size", arguments.size,
      "octets of a message: 4096, 64k, 1k-64k (each octave as often), 4k:70,64k:25,1m:5");
  app.add_option("--eml", arguments.eml, "instead: the *.eml of this folder, in turn");
  app.add_option("--recipients", arguments.recipients, "of a message: 3, or any of 1-5");
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

RunOptions Finish(RunArguments& arguments) {
  RunOptions& options = arguments.options;
  options.to = ParseAddresses(arguments.to);
  if (arguments.hours > 0 && arguments.seconds == 0) arguments.seconds = arguments.hours * 3600;
  options.time = ParseSeconds(arguments.seconds);
  if (!arguments.every.empty()) {
    options.every = ParseDuration("--every", arguments.every);
    if (options.every < seconds(1)) Refuse("--every: 1s at least");
  }
  options.sources = ParseSources(arguments, options.to);
  ReadBodies(arguments, options);
  ReadRecipients(arguments.recipients, options);
  options.timeout = ParseSeconds(arguments.timeout);
  if (!arguments.keepalive.empty()) {
    options.keepalive = ParseDuration("--keepalive", arguments.keepalive);
    if (options.keepalive < seconds(1)) Refuse("--keepalive: 1s at least");
  }
  options.warm_up = ParseDuration("--warm-up", arguments.warm_up);
  options.run = RunNumber(arguments.run);
  if (!arguments.groups.empty()) {
    options.tls_parameters.groups = CLI::detail::split(arguments.groups, ',');
  }
  if (options.mode != RunOptions::Mode::kIdle && options.messages == 0 && arguments.seconds == 0) {
    Refuse(options.mode == RunOptions::Mode::kRun ? "--messages or --seconds: when is it over?"
                                                  : "--logins or --seconds: when is it over?");
  }
  if (options.warm_up > Duration(0) && options.rate == 0) Refuse("--warm-up needs --rate");
  if (options.resume && options.tls == RunOptions::Tls::kNone) Refuse("--resume needs --tls");
  const bool has_user = !arguments.user.empty() || !arguments.user_file.empty();
  if (has_user) options.mechanism = auth::Mechanism::kPlain;
  if (arguments.mechanism.has_value()) options.mechanism = *arguments.mechanism;
  if (options.mechanism.has_value() && !has_user) {
    Refuse("--mechanism needs --user or --user-file");
  }
  if (options.mechanism.has_value() && auth::Info(*options.mechanism).plus &&
      options.tls == RunOptions::Tls::kNone) {
    Refuse("--mechanism ...-PLUS is bound to TLS: it needs --tls");
  }
  if (arguments.client_cert.empty() != arguments.client_key.empty()) {
    Refuse("--client-cert and --client-key go together");
  }
  if (!arguments.client_cert.empty()) {
    if (options.tls == RunOptions::Tls::kNone) Refuse("--client-cert needs --tls");
    options.client_certificate =
        tls::IdentityPem{arguments.client_cert, ReadFile(arguments.client_cert),
                         arguments.client_key, ReadFile(arguments.client_key)};
  }
  if (options.mechanism == auth::Mechanism::kExternal && arguments.client_cert.empty()) {
    Refuse("--mechanism EXTERNAL logs in by a certificate: it needs --client-cert");
  }
  if (options.mechanism == auth::Mechanism::kGssapi) {
    if (options.server_name.empty())
      Refuse("--mechanism GSSAPI logs in by a ticket for smtp/NAME: it needs --server-name NAME");
    const std::string problem = auth::ProblemOfTicket(options.server_name);
    if (!problem.empty()) Refuse("--mechanism GSSAPI: " + problem);
  }
  if (arguments.users > 1 && arguments.user.find("%d") == std::string::npos) {
    Refuse("--users needs %d in --user");
  }
  options.users = UsersOf(arguments);
  return std::move(options);
}

SearchOptions Finish(SearchArguments& arguments) {
  SearchOptions& options = arguments.options;
  options.p99 = ParseDuration("--p99", arguments.p99);
  const Duration step = ParseDuration("--step", arguments.step);
  const Duration warm_up = ParseDuration("--warm-up", arguments.warm_up);
  if (options.p99 == Duration(0) || step == Duration(0)) Refuse("--p99 and --step: more than 0");
  if (options.search.needed > options.search.tries) Refuse("--needed: at most --tries");
  arguments.run.options.rate = options.search.first;
  arguments.run.seconds = std::chrono::duration<double>(step + warm_up).count();
  options.run = Finish(arguments.run);
  options.run.warm_up = warm_up;
  options.search.max = std::max(options.search.max, options.search.first);
  options.search.min = std::min(options.search.min, options.search.first);
  return std::move(options);
}

}  // namespace sluice::load
