// init, check and queue as an operator runs them: arguments in, files, words and exit code out.
#include "tools/sluice/init.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/server/options.h"
#include "tools/sluice/check.h"
#include "tools/sluice/queue.h"
#include "tools/sluice/stats.h"

namespace sluice {
namespace {

struct Result {
  int exit_code = 0;
  std::string out, err;
};

class InitTest : public testing::Test {
 protected:
  InitTest() {
    char name[] = "/tmp/init_test.XXXXXX";
    dir_ = mkdtemp(name);
  }
  ~InitTest() override { std::filesystem::remove_all(dir_); }

  static Result Run(std::vector<std::string> arguments) {
    CLI::App app("test", "sluice");
    RegisterInit(app);
    RegisterCheck(app);
    RegisterQueue(app);
    RegisterStats(app);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    Result result;
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    try {
      app.parse(arguments);
    } catch (const CLI::RuntimeError& error) {
      result.exit_code = error.get_exit_code();
    } catch (const CLI::ParseError&) {
      result.exit_code = EX_USAGE;
    }
    std::fflush(stdout);
    result.out = testing::internal::GetCapturedStdout();
    result.err = testing::internal::GetCapturedStderr();
    return result;
  }

  Result Init(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {
        "init", "--dir", dir_ + "/s", "--hostname", "mail.example.net", "--run-as", "root"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }

  std::string Config() const { return dir_ + "/s/sluice.toml"; }

  static mode_t ModeOf(const std::string& path) {
    struct stat status = {};
    EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 0777;
  }

  static std::string Read(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string dir_;
};

TEST_F(InitTest, MakesWhatCheckAccepts) {
  const Result init = Init({"--listen-starttls", "127.0.0.1:1587", "--listen-implicit",
                            "127.0.0.1:1465", "--next-hop", "127.0.0.1:2525"});
  EXPECT_EQ(init.exit_code, 0) << init.err;
  EXPECT_NE(init.out.find("sluice user add NAME --config " + Config()), std::string::npos)
      << init.out;
  EXPECT_EQ(ModeOf(dir_ + "/s/state"), 0700u);
  EXPECT_EQ(ModeOf(dir_ + "/s/spool"), 0700u);
  EXPECT_EQ(ModeOf(dir_ + "/s/key.pem"), 0600u);

  const auto options = server::LoadOptions(Config());
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->hostname, "mail.example.net");
  ASSERT_EQ(options->listener.size(), 2u);
  EXPECT_EQ(options->listener[0].address.ToString(), "127.0.0.1:1587");
  EXPECT_EQ(options->listener[1].mode, server::ListenerMode::kImplicit);
  EXPECT_EQ(options->relay.next_hop[0].ToString(), "127.0.0.1:2525");
  EXPECT_EQ(options->state_dir, dir_ + "/s/state");

  const Result check = Run({"check", "--config", Config()});
  EXPECT_EQ(check.exit_code, 0) << check.err;
  EXPECT_EQ(check.out, Config() + ": OK\n");
}

TEST_F(InitTest, TheFolderCanBeMoved) {
  ASSERT_EQ(Init().exit_code, 0);
  std::filesystem::rename(dir_ + "/s", dir_ + "/t");
  EXPECT_EQ(Run({"check", "--config", dir_ + "/t/sluice.toml"}).exit_code, 0);
}

TEST_F(InitTest, NeverOverwrites) {
  ASSERT_EQ(Init().exit_code, 0);
  const std::string config = Read(Config()), key = Read(dir_ + "/s/key.pem");
  const Result again = Init({"--next-hop", "127.0.0.1:9"});
  EXPECT_EQ(again.exit_code, EX_CANTCREAT);
  EXPECT_NE(again.err.find("is there already"), std::string::npos);
  EXPECT_EQ(Read(Config()), config);

  std::filesystem::remove(Config());
  EXPECT_EQ(Init().exit_code, 0);
  EXPECT_EQ(Read(dir_ + "/s/key.pem"), key);

  std::filesystem::remove(Config());
  std::filesystem::remove(dir_ + "/s/cert.pem");
  EXPECT_EQ(Init().exit_code, EX_CANTCREAT);
  EXPECT_EQ(Read(dir_ + "/s/key.pem"), key);
}

TEST_F(InitTest, WrongValuesAreToldBeforeAnythingIsMade) {
  const Result init = Init({"--listen-starttls", "localhost:1587"});
  EXPECT_EQ(init.exit_code, EX_CONFIG);
  EXPECT_NE(init.err.find("listener.address: \"localhost:1587\" is not understood"),
            std::string::npos)
      << init.err;
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/s"));
  EXPECT_EQ(Init({"--password-stdin"}).exit_code, EX_USAGE);
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/s"));
}

TEST_F(InitTest, ListenersAndNextHopsMayBeSeveral) {
  const Result init =
      Init({"--listen-starttls", "127.0.0.1:1587", "--listen-starttls", "[::1]:1587", "--next-hop",
            "127.0.0.1:1", "--next-hop", "127.0.0.1:2"});
  ASSERT_EQ(init.exit_code, 0) << init.err;
  const auto options = server::LoadOptions(Config());
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->listener.size(), 2u);  // and none for implicit TLS, which was not asked for
  EXPECT_EQ(options->relay.next_hop.size(), 2u);
}

TEST_F(InitTest, CheckFindsWhatTheFileDoesNotShow) {
  ASSERT_EQ(Init().exit_code, 0);
  std::filesystem::remove_all(dir_ + "/s/spool");
  std::ofstream(dir_ + "/s/key.pem") << "nonsense";
  const Result check = Run({"check", "--config", Config()});
  EXPECT_EQ(check.exit_code, EX_CONFIG);
  EXPECT_NE(check.err.find("problem: spool_dir: " + dir_ + "/s/spool is no folder"),
            std::string::npos)
      << check.err;
  EXPECT_NE(check.err.find("key.pem"), std::string::npos) << check.err;
  EXPECT_EQ(check.out, "");
}

TEST_F(InitTest, CheckWarnsOfWhatIsProbablyNotMeant) {
  ASSERT_EQ(Init().exit_code, 0);
  std::string text = Read(Config());
  text.replace(text.find("mail.example.net"), 16, "other");
  text += "[auth]\nmechanisms_clear = [\"PLAIN\"]\n";
  std::ofstream(Config()) << text;
  const Result check = Run({"check", "--config", Config()});
  EXPECT_EQ(check.exit_code, 0);
  EXPECT_NE(check.err.find("does not cover other"), std::string::npos) << check.err;
  EXPECT_NE(check.err.find("hostname: has no dot"), std::string::npos) << check.err;
  EXPECT_NE(check.err.find("0.0.0.0:587: takes passwords without TLS"), std::string::npos)
      << check.err;
}

TEST_F(InitTest, CheckWarnsOfAListenerThatCanOfferNoLogin) {
  ASSERT_EQ(Init({"--listen-starttls", "127.0.0.1:1587"}).exit_code, 0);
  std::ofstream(Config(), std::ios::app)
      << "[[listener]]\naddress = \"127.0.0.1:1588\"\nmode = \"plain\"\n"
         "mechanisms = [\"PLAIN\"]\n";
  const Result check = Run({"check", "--config", Config()});
  EXPECT_EQ(check.exit_code, 0);
  EXPECT_THAT(
      check.err,
      testing::HasSubstr(
          "warning: listener 127.0.0.1:1588: mode = \"plain\" has no TLS and `mechanisms` are "
          "offered only under "
          "TLS, so nobody can log in and send; set mechanisms_clear, or mode = \"starttls\"\n"));
}

TEST_F(InitTest, NoTicketsIsAConfigurationThatServes) {
  ASSERT_EQ(Init().exit_code, 0);
  std::ofstream(Config(), std::ios::app) << "[tls]\nticket_lifetime = \"0s\"\n";
  const Result check = Run({"check", "--config", Config()});
  EXPECT_EQ(check.exit_code, 0) << check.err;
}

TEST_F(InitTest, CheckTellsEveryProblemOfTheFile) {
  std::ofstream(dir_ + "/bad.toml") << "hostnam = \"x\"\n";
  const Result check = Run({"check", "--config", dir_ + "/bad.toml"});
  EXPECT_EQ(check.exit_code, EX_CONFIG);
  EXPECT_NE(check.err.find("bad.toml:1:1: hostnam: is not a key, did you mean \"hostname\"?\n"),
            std::string::npos)
      << check.err;
  EXPECT_NE(check.err.find("listener: there is none"), std::string::npos);
}

TEST_F(InitTest, CheckShowsAConfigurationThatReadsBack) {
  ASSERT_EQ(Init().exit_code, 0);
  const Result shown = Run({"check", "--show", "--config", Config()});
  EXPECT_EQ(shown.exit_code, 0);
  EXPECT_TRUE(server::ParseOptions(shown.out, "/shown").ok()) << shown.out;
}

TEST_F(InitTest, WithoutAServerStatsSaySoAndTheQueueIsReadFromTheSpool) {
  ASSERT_EQ(Init().exit_code, 0);
  const Result stats = Run({"stats", "--config", Config()});
  EXPECT_EQ(stats.exit_code, EX_UNAVAILABLE);
  EXPECT_THAT(stats.err, testing::HasSubstr("is `sluice serve` running"));
  EXPECT_EQ(Run({"queue", "list", "--config", Config()}).out, "The queue is empty.\n");
  EXPECT_EQ(Run({"queue", "list", "--json", "--config", Config()}).out,
            "{\"messages\":[],\"more\":false}\n");
  EXPECT_EQ(Run({"queue", "list", "--after", "!", "--config", Config()}).exit_code, EX_USAGE);
  EXPECT_EQ(Run({"queue", "list", "--limit", "0", "--config", Config()}).exit_code, EX_USAGE);
}

TEST_F(InitTest, AMissingConfigurationIsNoInputAndInitIsNamed) {
  const Result stats = Run({"stats", "--config", dir_ + "/none"});
  EXPECT_EQ(stats.exit_code, EX_NOINPUT);
  EXPECT_THAT(stats.err, testing::HasSubstr("`sluice init` makes one"));
}

TEST_F(InitTest, CheckLooksAsTheAccountThatWillServe) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  std::filesystem::permissions(dir_, std::filesystem::perms(0755));
  ASSERT_EQ(Init().exit_code, 0);  // for root
  std::string text = Read(Config());
  text.replace(text.find("user      = \"root\""), 18, "user      = \"nobody\"");
  std::ofstream(Config()) << text;
  const Result check = Run({"check", "--config", Config()});
  EXPECT_EQ(check.exit_code, EX_CONFIG);
  EXPECT_THAT(check.err, testing::HasSubstr("problem: spool_dir: " + dir_ +
                                            "/s/spool cannot be written by nobody"));
  EXPECT_THAT(check.err, testing::HasSubstr("key.pem: Permission denied"));

  std::filesystem::permissions(dir_, std::filesystem::perms(0700));
  EXPECT_THAT(
      Run({"check", "--config", Config()}).err,
      testing::HasSubstr("problem: state_dir: " + dir_ + "/s/state cannot be reached by nobody"));
}

}  // namespace
}  // namespace sluice
