#include "tools/sluice/tune.h"

#include <sysexits.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/server/admin.h"
#include "core/server/options.h"
#include "core/server/options_values.h"
#include "core/server/tuning.h"
#include "tools/sluice/fail.h"
#include "tools/sluice/load_run.h"
#include "tools/sluice/tune_search.h"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kTarget[] = "/v1/shards";

struct Arguments {
  std::string config = "/etc/sluice/sluice.toml";
  std::vector<std::string> keys = {"batch_wait", "batch_bytes", "turn_bytes"};
  std::string goal = "rate";
  double seconds = 10;
  uint32_t runs = 4;
  uint32_t rounds = 2;
  std::string to;
  std::string user;
  std::string password_file;
  std::string user_file;
  std::string load_program;
  std::string output;
  std::vector<std::string> load_options;
};

const std::map<std::string, Goal> kGoals = {{"rate", Goal::kRate}, {"p99", Goal::kP99}, {"cpu", Goal::kCpu}};

std::string Words(Goal goal, double figure) {
  switch (goal) {
    case Goal::kRate:
      return absl::StrFormat("%.0f messages a second", figure);
    case Goal::kP99:
      return absl::StrFormat("p99 %.3f ms", figure);
    case Goal::kCpu:
      return absl::StrFormat("%.1f us of CPU a message", figure);
  }
  return "";
}

// Beside this program.
std::string LoadProgram() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "sluice-load" : (self.parent_path() / "sluice-load").string();
}

// The values of a server, put back unless they are to be kept.
class Values {
 public:
  Values(std::string socket, std::vector<Climb::Key> before) : socket_(std::move(socket)), before_(std::move(before)) {}
  ~Values() {
    if (keep_ || !changed_) return;
    if (const absl::Status status = Set(before_); !status.ok()) {
      std::cerr << "sluice tune: the values from before could not be put back: " << status.message() << '\n';
    } else {
      std::cerr << "sluice tune: the values from before are in force again\n";
    }
  }
  absl::Status Set(const std::vector<Climb::Key>& keys) {
    Json values = Json::object();
    for (const Climb::Key& key : keys) values[std::string(key.tunable->name)] = key.value;
    changed_ = true;
    return server::AdminPut(socket_, kTarget, Json{{"shard", "all"}, {"values", std::move(values)}}.dump()).status();
  }
  void Keep() { keep_ = true; }

 private:
  const std::string socket_;
  const std::vector<Climb::Key> before_;
  bool changed_ = false;
  bool keep_ = false;
};

class Tuner {
 public:
  explicit Tuner(const Arguments& arguments) : arguments_(arguments), goal_(kGoals.at(arguments.goal)) {}

  void Run() {
    const server::Options options = LoadOptionsOrFail("tune", arguments_.config);
    socket_ = server::AdminSocketPath(options.state_dir);
    const std::vector<Climb::Key> start = ReadKeys();
    server_ = ListenerOf(socket_);
    if (server_ == 0) Fail("tune", socket_ + ": whose server this is cannot be found out", EX_UNAVAILABLE);
    command_ = Command(options);
    CatchInterrupts();
    std::printf("%s; %u runs of %g s on each side of a comparison, in turn. Ctrl-C puts the values from before back\n",
                absl::StrJoin(command_, " ").c_str(), arguments_.runs, arguments_.seconds);
    Values values(socket_, start);
    Climb climb(start, arguments_.rounds);
    while (const auto next = climb.Next()) climb.Tell(TryOut(values, climb.best(), *next));
    if (const absl::Status status = values.Set(climb.best()); !status.ok()) Fail("tune", status);
    values.Keep();
    Write(start, climb.best());
  }

 private:
  // What is in force now, the same on every shard.
  std::vector<Climb::Key> ReadKeys() {
    std::vector<Climb::Key> keys;
    const Json shards = AskShards();
    for (const std::string& name : arguments_.keys) {
      const server::Tunable* tunable = server::FindTunable(name);
      if (tunable == nullptr) {
        std::vector<std::string_view> known;
        for (const server::Tunable& t : server::Tunables()) known.push_back(t.name);
        Fail("tune", absl::StrCat("--keys: ", name, " is not a value of a shard, expected ", server::QuotedList(known)),
             EX_USAGE);
      }
      for (const Json& told : shards["tunables"]) {
        if (told["name"] == name) keys.push_back({tunable, CommonValue(name, told["values"])});
      }
      const std::string value = keys.back().value;
      if (name == "accept_weight" || (!NextValue(*tunable, value, 1) && !NextValue(*tunable, value, -1))) {
        Fail("tune", absl::StrCat("--keys: ", name, " has no more and less to try"), EX_USAGE);
      }
    }
    return keys;
  }

  Json AskShards() {
    const auto body = server::AdminGet(socket_, kTarget);
    if (!body.ok()) Fail("tune", body.status());
    return Json::parse(*body);
  }

  static std::string CommonValue(const std::string& name, const Json& values) {
    for (const Json& value : values) {
      if (value == values[0]) continue;
      Fail("tune", absl::StrCat(name, " differs from shard to shard; give all the same first: sluice shards set ", name, "=..."),
           EX_USAGE);
    }
    return values[0].is_string() ? values[0].get<std::string>() : values[0].dump();
  }

  std::vector<std::string> Command(const server::Options& options) const {
    const auto at = std::find_if(options.listener.begin(), options.listener.end(), [&](const server::ListenerOptions& l) {
      return arguments_.to.ends_with(absl::StrCat(":", l.address.port()));
    });
    const server::ListenerOptions& listener = at == options.listener.end() ? options.listener[0] : *at;
    std::string to = arguments_.to;
    if (to.empty()) {
      to = listener.address.ToString();
      if (to.starts_with("0.0.0.0:")) to.replace(0, 7, "127.0.0.1");
      if (to.starts_with("[::]:")) to.replace(0, 4, "[::1]");
    }
    const char* tls = listener.mode == server::ListenerMode::kStartTls   ? "starttls"
                      : listener.mode == server::ListenerMode::kImplicit ? "implicit"
                                                                         : "none";
    std::vector<std::string> command = {arguments_.load_program.empty() ? LoadProgram() : arguments_.load_program,
                                        "run", "--to", to, "--tls", tls,
                                        "--seconds", absl::StrCat(arguments_.seconds), "--json", "-"};
    const auto add = [&](const char* option, const std::string& value) {
      if (!value.empty()) command.insert(command.end(), {option, value});
    };
    add("--user", arguments_.user);
    add("--password-file", arguments_.password_file);
    add("--user-file", arguments_.user_file);
    command.insert(command.end(), arguments_.load_options.begin(), arguments_.load_options.end());
    if (access(command[0].c_str(), X_OK) != 0) {
      Fail("tune", absl::StrCat(command[0], ": there is no such program; --load-program names it"), EX_NOINPUT);
    }
    return command;
  }

  // The best so far and the same with one value changed, in turn.
  Verdict TryOut(Values& values, const std::vector<Climb::Key>& best, const Climb::Try& next) {
    const server::Tunable& tunable = *best[next.key].tunable;
    const std::string before = best[next.key].value;
    std::vector<Climb::Key> tried = best;
    tried[next.key].value = next.value;
    std::printf("\n%s: %s or %s?\n", std::string(tunable.name).c_str(), before.c_str(), next.value.c_str());
    if (const absl::Status status = values.Set(tried); absl::IsInvalidArgument(status)) {
      std::printf("  %s is not possible here\n", next.value.c_str());
      return Verdict::kImpossible;
    }
    std::vector<Sample> sides[2];
    for (uint32_t run = 0; run < arguments_.runs; run++) {
      for (const int side : {0, 1}) {
        if (const absl::Status status = values.Set(side == 0 ? best : tried); !status.ok()) Fail("tune", status);
        const auto sample = RunLoad(command_, server_);
        if (!sample.ok()) Fail("tune", sample.status());
        sides[side].push_back(*sample);
        std::printf("  %-10s %s, %s, %s%s\n", (side == 0 ? before : next.value).c_str(),
                    Words(Goal::kRate, sample->rate).c_str(), Words(Goal::kP99, sample->p99_ms).c_str(),
                    Words(Goal::kCpu, sample->cpu_us).c_str(),
                    sample->generator_bound ? " (the generator was the bottleneck)" : "");
        std::fflush(stdout);
      }
    }
    const Verdict verdict = Compare(goal_, sides[0], sides[1]);
    const std::string words = absl::StrCat(Words(goal_, Median(goal_, sides[0])), " or ", Words(goal_, Median(goal_, sides[1])),
                                           ": ", Conclusion(verdict, before, next.value));
    std::printf("  %s\n", words.c_str());
    notes_.push_back(absl::StrCat(tunable.name, " ", before, " or ", next.value, ": ", words));
    return verdict;
  }

  static std::string Conclusion(Verdict verdict, const std::string& before, const std::string& tried) {
    switch (verdict) {
      case Verdict::kBetter:
        return tried + " is better in every run";
      case Verdict::kWorse:
        return before + " is better in every run";
      case Verdict::kNoise:
        return absl::StrCat("the runs overlap, so this is no difference; ", before, " stays");
      case Verdict::kImpossible:
        break;
    }
    return "";
  }

  void Write(const std::vector<Climb::Key>& start, const std::vector<Climb::Key>& best) {
    std::string text = absl::StrCat("# sluice tune --goal ", arguments_.goal, ": medians of ", arguments_.runs, " runs of ",
                                    arguments_.seconds, " s, in turn, with\n#   ", absl::StrJoin(command_, " "), "\n");
    for (const std::string& note : notes_) absl::StrAppend(&text, "# ", note, "\n");
    bool same = true;
    for (size_t i = 0; i < best.size(); i++) same &= best[i].value == start[i].value;
    if (same) absl::StrAppend(&text, "# Nothing was better than what was in force.\n");
    absl::StrAppend(&text, AskShards()["toml"].get<std::string>());
    if (arguments_.output.empty()) {
      std::cout << '\n' << text;
      return;
    }
    std::ofstream file(arguments_.output);
    if (!(file << text) || !file.flush()) {
      Fail("tune", absl::StrCat(arguments_.output, ": cannot be written; it would have been\n", text), EX_CANTCREAT);
    }
    std::printf("\n%s, in force until the next restart; %s has what keeps it\n", same ? "nothing is better" : "the best is",
                arguments_.output.c_str());
  }

  const Arguments& arguments_;
  const Goal goal_;
  std::string socket_;
  pid_t server_ = 0;
  std::vector<std::string> command_;
  std::vector<std::string> notes_;
};

}  // namespace

void RegisterTune(CLI::App& app) {
  CLI::App* tune = app.add_subcommand("tune", "Look for better values of the running server with sluice-load");
  const auto arguments = std::make_shared<Arguments>();
  std::vector<std::string> goals;
  for (const auto& [name, goal] : kGoals) goals.push_back(name);
  tune->add_option("--config", arguments->config, "Configuration file")->capture_default_str();
  tune->add_option("--keys", arguments->keys, "Values to try, of `sluice shards set`")->delimiter(',')->capture_default_str();
  tune->add_option("--goal", arguments->goal,
                   "rate: messages a second; p99: from the end of data to 250; cpu: of the server, a message")
      ->check(CLI::IsMember(goals))
      ->capture_default_str();
  tune->add_option("--seconds", arguments->seconds, "Of a run")->check(CLI::PositiveNumber)->capture_default_str();
  tune->add_option("--runs", arguments->runs, "On each side of a comparison, in turn")
      ->check(CLI::Range(2u, 1000u))
      ->capture_default_str();
  tune->add_option("--rounds", arguments->rounds, "At most so often through all keys")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  tune->add_option("--user", arguments->user, "For sluice-load");
  tune->add_option("--password-file", arguments->password_file, "Likewise");
  tune->add_option("--user-file", arguments->user_file, "Likewise");
  tune->add_option("--to", arguments->to, "Address of one of its listeners; otherwise of the first");
  tune->add_option("--load-program", arguments->load_program, "sluice-load; otherwise the one beside this program");
  tune->add_option("--output", arguments->output, "File for the TOML of the best; otherwise standard output");
  tune->add_option("LOAD_OPTION", arguments->load_options,
                   "After --: more for sluice-load run, such as --connections 50 --size 4096");
  tune->footer("Example: sluice tune --goal cpu --keys batch_wait --user u@example.net --password-file p -- --connections 50");
  tune->callback([arguments] { Tuner(*arguments).Run(); });
}

}  // namespace sluice
