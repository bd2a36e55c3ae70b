#include "tools/load/command_line.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/str_split.h"

namespace sluice::load {
namespace {

std::vector<std::string> Words(const char* line) { return absl::StrSplit(line, ' '); }

Command Parse(const std::vector<std::string>& arguments, std::string* said = nullptr) {
  std::ostringstream out;
  std::ostringstream err;
  Command parsed = ParseCommandLine(arguments, out, err);
  if (said != nullptr) *said = out.str() + err.str();
  return parsed;
}

RunOptions ParseRun(const std::vector<std::string>& arguments) {
  std::string said;
  Command parsed = Parse(arguments, &said);
  EXPECT_TRUE(std::holds_alternative<RunOptions>(parsed)) << said;
  return std::holds_alternative<RunOptions>(parsed) ? std::get<RunOptions>(parsed) : RunOptions{};
}

SinkOptions ParseSink(const std::vector<std::string>& arguments) {
  std::string said;
  Command parsed = Parse(arguments, &said);
  EXPECT_TRUE(std::holds_alternative<SinkOptions>(parsed)) << said;
  return std::holds_alternative<SinkOptions>(parsed) ? std::get<SinkOptions>(parsed)
                                                     : SinkOptions{};
}

TEST(CommandLineTest, RunWithTheLeast) {
  const RunOptions options = ParseRun({"run", "--to", "127.0.0.1:1587", "--messages", "10"});
  EXPECT_EQ(options.mode, RunOptions::Mode::kRun);
  ASSERT_EQ(options.to.size(), 1u);
  EXPECT_EQ(options.to[0].ToString(), "127.0.0.1:1587");
  EXPECT_EQ(options.messages, 10u);
  EXPECT_EQ(options.time, Duration(0));
  EXPECT_EQ(options.connections, 1u);
  EXPECT_EQ(options.tls, RunOptions::Tls::kNone);
  EXPECT_EQ(options.mechanism, std::nullopt);
  EXPECT_EQ(options.pipelining, RunOptions::Pipelining::kAuto);
}

TEST(CommandLineTest, RunWithEverything) {
  const RunOptions options = ParseRun(Words(
      "run --to 127.0.0.1:1587 --to [::1]:1465 --seconds 2.5 --connections 50 --threads 2 "
      "--per-connection 7 --size 65536 --recipients 3 --tls STARTTLS --tls-version 1.3 "
      "--groups X25519,P-256 --mechanism login --user u%d@x.example --users 9 --password p "
      "--pipelining deep --from f%d@x.example --to-domain y.example --run 0badcafe --timeout 5 "
      "--keep-going --server-name mail.example --ledger l --json -"));
  ASSERT_EQ(options.to.size(), 2u);
  EXPECT_EQ(options.to[1].ToString(), "[::1]:1465");
  EXPECT_EQ(options.time, milliseconds(2500));
  EXPECT_EQ(options.connections, 50u);
  EXPECT_EQ(options.threads, 2u);
  EXPECT_EQ(options.per_connection, 7u);
  EXPECT_EQ(options.sizes.max(), 65536u);
  EXPECT_EQ(options.recipients, 3u);
  EXPECT_EQ(options.tls, RunOptions::Tls::kStartTls);
  EXPECT_EQ(options.tls_parameters.versions, tls::Versions::kOnly13);
  EXPECT_EQ(options.tls_parameters.groups, (std::vector<std::string>{"X25519", "P-256"}));
  EXPECT_EQ(options.mechanism, auth::Mechanism::kLogin);
  EXPECT_EQ(options.users.count(), 9u);
  EXPECT_EQ(options.users.At(8).name, "u9@x.example");
  EXPECT_EQ(options.pipelining, RunOptions::Pipelining::kDeep);
  EXPECT_EQ(options.from, "f%d@x.example");
  EXPECT_EQ(options.recipient, "r%d@y.example");
  EXPECT_EQ(options.run, 0x0badcafeu);
  EXPECT_EQ(options.timeout, seconds(5));
  EXPECT_TRUE(options.keep_going);
  EXPECT_EQ(options.server_name, "mail.example");
  EXPECT_EQ(options.ledger, "l");
  EXPECT_EQ(options.json, "-");
}

TEST(CommandLineTest, AUserLogsInByPlainUnlessToldOtherwise) {
  const std::vector<std::string> run = {"run", "--to", "127.0.0.1:1", "--messages", "1"};
  const auto mechanism = [&](std::vector<std::string> more) {
    more.insert(more.begin(), run.begin(), run.end());
    return ParseRun(more).mechanism;
  };
  EXPECT_EQ(mechanism({}), std::nullopt);
  EXPECT_EQ(mechanism({"--user", "u"}), auth::Mechanism::kPlain);
  EXPECT_EQ(mechanism({"--user", "u", "--mechanism", "LOGIN"}), auth::Mechanism::kLogin);
  EXPECT_EQ(mechanism({"--user", "u", "--mechanism", "none"}), std::nullopt);
  EXPECT_EQ(mechanism({"--user", "u", "--mechanism", "scram-sha-256-plus", "--tls", "starttls"}),
            auth::Mechanism::kScramSha256Plus);
}

TEST(CommandLineTest, OpenLoops) {
  const RunOptions run =
      ParseRun(Words("run --to 127.0.0.1:1 --seconds 5 --rate 250.5 --warm-up 1"));
  EXPECT_EQ(run.rate, 250.5);
  EXPECT_EQ(run.arrivals, Arrivals::kPoisson);
  EXPECT_EQ(run.warm_up, seconds(1));
  const RunOptions login = ParseRun(
      Words("login --to 127.0.0.1:1 --logins 9 --rate 3 --arrivals fixed --tls implicit --resume"));
  EXPECT_EQ(login.mode, RunOptions::Mode::kLogin);
  EXPECT_EQ(login.messages, 9u);
  EXPECT_EQ(login.arrivals, Arrivals::kFixed);
  EXPECT_TRUE(login.resume);
  EXPECT_EQ(ParseRun(Words("run --to 127.0.0.1:1 --seconds 5")).rate, 0);
}

TEST(CommandLineTest, SizesAndRecipientsMayBeRanges) {
  const RunOptions options =
      ParseRun(Words("run --to 127.0.0.1:1 --messages 1 --size 1k-2k --recipients 2-7"));
  EXPECT_EQ(options.sizes.max(), 2048u);
  EXPECT_FALSE(options.sizes.fixed());
  EXPECT_EQ(options.recipients_min, 2u);
  EXPECT_EQ(options.recipients, 7u);
}

TEST(CommandLineTest, ASoakGoesOnForHours) {
  const RunOptions options =
      ParseRun(Words("soak --to 127.0.0.1:1 --hours 1.5 --rate 10 --server-pid 1"));
  EXPECT_EQ(options.time, minutes(90));
  EXPECT_EQ(options.every, seconds(60));
  EXPECT_EQ(options.rate, 10);
  EXPECT_EQ(ParseRun(Words("run --to 127.0.0.1:1 --seconds 1")).every, Duration(0));
}

TEST(CommandLineTest, SourcesMayBeSeveral) {
  const RunOptions options = ParseRun(Words(
      "idle --to 127.0.0.1:1 --to [::1]:1 --source 127.0.1.0/24 --source 127.0.2.1 --source ::1"));
  EXPECT_EQ(options.sources.count(AF_INET), 257u);
  EXPECT_EQ(options.sources.count(AF_INET6), 1u);
}

TEST(CommandLineTest, ASearchIsOpenLoopsUnderABound) {
  std::string said;
  const Command parsed = Parse(
      Words("search --to 127.0.0.1:1 --p99 50ms --step 5s --warm-up 1 --rate 300 --rate-max 200 "
            "--precision 0.1 --tries 5 --needed 3 --size 100"),
      &said);
  ASSERT_TRUE(std::holds_alternative<SearchOptions>(parsed)) << said;
  const SearchOptions& options = std::get<SearchOptions>(parsed);
  EXPECT_EQ(options.p99, milliseconds(50));
  EXPECT_EQ(options.run.time, seconds(6));
  EXPECT_EQ(options.run.warm_up, seconds(1));
  EXPECT_EQ(options.search.first, 300);
  EXPECT_EQ(options.search.max, 300);
  EXPECT_EQ(options.search.precision, 0.1);
  EXPECT_EQ(options.search.tries, 5u);
  EXPECT_EQ(options.search.needed, 3u);
}

TEST(CommandLineTest, IdleHoldsSessions) {
  const RunOptions options =
      ParseRun({"idle", "--to", "127.0.0.1:1465", "--connections", "10000", "--hold", "30"});
  EXPECT_EQ(options.mode, RunOptions::Mode::kIdle);
  EXPECT_EQ(options.connections, 10000u);
  EXPECT_EQ(options.time, seconds(30));
  EXPECT_EQ(options.keepalive, Duration(0));
  const RunOptions more =
      ParseRun(Words("idle --to 127.0.0.1:1465 --keepalive 30s --keepalive-share 0.5"));
  EXPECT_EQ(more.time, Duration(0));
  EXPECT_EQ(more.keepalive, seconds(30));
  EXPECT_EQ(more.keepalive_share, 0.5);
}

TEST(CommandLineTest, PasswordsComeFromTheEnvironmentAndFromFiles) {
  const std::vector<std::string> login = {"run", "--to",        "127.0.0.1:1", "--messages",
                                          "1",   "--mechanism", "PLAIN"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), login.begin(), login.end());
    return ParseRun(more).users.At(0);
  };
  setenv("SLUICE_LOAD_PASSWORD", "from the environment", 1);
  EXPECT_EQ(with({"--user", "u"}).password, "from the environment");
  EXPECT_EQ(with({"--user", "u", "--password", "given"}).password, "given");
  unsetenv("SLUICE_LOAD_PASSWORD");

  const std::string file = testing::TempDir() + "/passwords." + std::to_string(getpid());
  std::ofstream(file) << "first line\nsecond\n";
  EXPECT_EQ(with({"--user", "u", "--password-file", file}).password, "first line");
  std::ofstream(file) << "a:1\nb:2\n";
  EXPECT_EQ(with({"--user-file", file}).password, "1");
  unlink(file.c_str());
}

TEST(CommandLineTest, ReportsAndBounds) {
  const RunOptions none = ParseRun({"run", "--to", "127.0.0.1:25", "--messages", "1"});
  EXPECT_FALSE(none.report.bounds.any());
  EXPECT_FALSE(none.report.live.has_value());
  const RunOptions all = ParseRun(
      Words("login --to 127.0.0.1:25 --logins 1 --csv a.csv --html a.html --no-live --server-pid 1 "
            "--server-pid 2 --max-p99 50ms --max-p99.9 1s --max-failures 0.5% --min-rate 1000"));
  EXPECT_EQ(all.report.csv, "a.csv");
  EXPECT_EQ(all.report.html, "a.html");
  EXPECT_EQ(all.report.live, false);
  EXPECT_EQ(all.report.server_pids, (std::vector<pid_t>{1, 2}));
  EXPECT_EQ(all.report.bounds.p99, milliseconds(50));
  EXPECT_EQ(all.report.bounds.p99_9, seconds(1));
  EXPECT_EQ(all.report.bounds.failures->percent, 0.5);
  EXPECT_EQ(all.report.bounds.rate, 1000);
  EXPECT_EQ(ParseRun(Words("idle --to 127.0.0.1:25 --live")).report.live, true);
}

TEST(CommandLineTest, SinkWithTheLeast) {
  const SinkOptions options = ParseSink({"sink", "--listen", "127.0.0.1:2525"});
  ASSERT_EQ(options.listen.size(), 1u);
  EXPECT_EQ(options.tls, SinkOptions::Tls::kNone);
  EXPECT_FALSE(options.auth);
}

TEST(CommandLineTest, SinkWithEverything) {
  std::vector<std::string> arguments = Words(
      "sink --listen 127.0.0.1:2525 --listen [::1]:2525 --threads 2 --tls cert.pem key.pem "
      "--implicit --auth --until 100 --store folder --ledger ledger --json file "
      "--fault data=drop --fault end=2.5ms --fault-messages 5");
  for (const char* argument : {"--fault", "rcpt=550 5.1.1 Nobody@10%"}) {
    arguments.push_back(argument);
  }
  const SinkOptions options = ParseSink(arguments);
  EXPECT_EQ(options.listen.size(), 2u);
  EXPECT_EQ(options.threads, 2u);
  EXPECT_EQ(options.tls, SinkOptions::Tls::kImplicit);
  EXPECT_EQ(options.certificate, "cert.pem");
  EXPECT_EQ(options.key, "key.pem");
  EXPECT_TRUE(options.auth);
  EXPECT_EQ(options.until, 100u);
  EXPECT_EQ(options.store, "folder");
  EXPECT_EQ(options.ledger, "ledger");
  EXPECT_EQ(options.json, "file");
  Prng prng(1);
  EXPECT_EQ(options.faults.Outcome(SinkPhase::kData, prng)->action, SinkFault::Action::kDrop);
  EXPECT_EQ(options.faults.Outcome(SinkPhase::kMail, prng), nullptr);
  EXPECT_EQ(options.faults.Wait(SinkPhase::kEnd, prng), microseconds(2500));
  EXPECT_EQ(options.faults.messages, 5u);
  const SinkOptions self_signed =
      ParseSink({"sink", "--listen", "127.0.0.1:2525", "--tls", "self-signed"});
  EXPECT_EQ(self_signed.tls, SinkOptions::Tls::kStartTls);
  EXPECT_EQ(self_signed.certificate, "");
}

TEST(CommandLineTest, MistakesAreTold) {
  const struct {
    std::vector<std::string> arguments;
    const char* said;
  } cases[] = {
      {{}, "subcommand"},
      {{"run", "--messages", "1"}, "--to"},
      {{"run", "--to", "localhost:25", "--messages", "1"}, "'localhost:25' is no address"},
      {{"run", "--to", "127.0.0.1", "--messages", "1"}, "is no address"},
      {{"run", "--to", "127.0.0.1:1"}, "when is it over?"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "x"}, "--messages"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--tls", "yes"}, "--tls"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--mechanism", "PLAIN"}, "--user"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--user", "u", "--users", "2"}, "%d"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--run", "xyz"}, "--run"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--password-file", "/nonexistent"},
       "/nonexistent"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--speed", "9"}, "--speed"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--rate", "0"}, "--rate"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--warm-up", "1"}, "--rate"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--resume"}, "--tls"},
      {{"idle", "--to", "127.0.0.1:1", "--source", "here"}, "--source: 'here' is no source"},
      {{"idle", "--to", "127.0.0.1:1", "--source", "::1"}, "none of them can reach 127.0.0.1:1"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--size", "1kb"},
       "--size: '1kb' is no size"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--eml", "/nonexistent"},
       "--eml: /nonexistent"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--recipients", "2-1"},
       "--recipients: '2-1'"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--recipients", "0"}, "--recipients: '0'"},
      {{"idle", "--to", "127.0.0.1:1", "--keepalive", "10ms"}, "--keepalive: 1s at least"},
      {{"soak", "--to", "127.0.0.1:1"}, "--hours"},
      {{"soak", "--to", "127.0.0.1:1", "--hours", "1", "--every", "0.1"}, "--every: 1s at least"},
      {{"search", "--to", "127.0.0.1:1"}, "--p99"},
      {{"search", "--to", "127.0.0.1:1", "--p99", "50 ms"}, "--p99: '50 ms' is no time"},
      {{"search", "--to", "127.0.0.1:1", "--p99", "1s", "--needed", "4"}, "--needed"},
      {{"login", "--to", "127.0.0.1:1"}, "--logins or --seconds"},
      {{"login", "--to", "127.0.0.1:1", "--messages", "1"}, "--messages"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--max-p99", "fast"}, "--max-p99"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--max-failures", "few"}, "0.5%"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--live", "--no-live"}, "--no-live"},
      {{"run", "--to", "127.0.0.1:1", "--messages", "1", "--server-pid", "0"}, "--server-pid"},
      {{"sink", "--listen", "127.0.0.1:1", "--tls", "cert.pem"}, "self-signed"},
      {{"sink", "--listen", "127.0.0.1:1", "--implicit"}, "--tls"},
      {{"sink", "--listen", "127.0.0.1:1", "--fault", "end=later"}, "end can: drop, a reply"},
      {{"sink", "--listen", "127.0.0.1:1", "--fault", "end=drop@101%"}, "a share is"},
  };
  for (const auto& c : cases) {
    std::string said;
    const Command parsed = Parse(c.arguments, &said);
    ASSERT_TRUE(std::holds_alternative<ExitCode>(parsed)) << c.said;
    EXPECT_NE(std::get<ExitCode>(parsed).code, 0);
    EXPECT_NE(said.find(c.said), std::string::npos) << said;
  }
}

TEST(CommandLineTest, HelpIsNoMistake) {
  std::string said;
  const Command parsed = Parse({"sink", "--help"}, &said);
  ASSERT_TRUE(std::holds_alternative<ExitCode>(parsed));
  EXPECT_EQ(std::get<ExitCode>(parsed).code, 0);
  EXPECT_NE(said.find("--fault"), std::string::npos);
}

}  // namespace
}  // namespace sluice::load
