#include "tools/sluice/user.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "auth/lmdb_store.h"
#include "auth/scram_keys.h"

namespace sluice {
namespace {

class UserTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "sluice-user-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    WriteConfig("");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void WriteConfig(const std::string& auth) {
    std::ofstream(folder_ + "/sluice.toml")
        << "hostname = \"submit.example.net\"\nstate_dir = \"" << folder_ << "\"\nspool_dir = \""
        << folder_ << "/spool\"\n"
        << "[[listener]]\naddress = \"127.0.0.1:1587\"\n"
        << "client_ca_file = \"ca.pem\"\n"
        << "[[certificate]]\nchain = \"c.pem\"\nkey = \"k.pem\"\n"
        << "[auth]\niterations = 4096\n"
        << auth << "\n[relay]\nnext_hop = [\"discard\"]\n";
  }

  // `sluice user ...`; what it printed is in out_ and err_.
  int Run(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), "user");
    arguments.insert(arguments.end(), {"--config", folder_ + "/sluice.toml"});
    const int saved = dup(STDIN_FILENO);
    std::ofstream(folder_ + "/stdin") << input;
    const int fd = open((folder_ + "/stdin").c_str(), O_RDONLY);
    dup2(fd, STDIN_FILENO);
    close(fd);
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    CLI::App app;
    RegisterUser(app);
    int code = 0;
    try {
      std::reverse(arguments.begin(), arguments.end());
      app.parse(arguments);
    } catch (const CLI::ParseError& error) {
      code = app.exit(error);
    }
    std::cout.flush();
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    dup2(saved, STDIN_FILENO);
    close(saved);
    return code;
  }

  bool HasPassword(ByteView login, ByteView password) {
    const auto store = *auth::LmdbStore::Open(auth::LmdbStore::PathIn(folder_));
    const auto record = store->Get(login);
    return record.ok() && auth::PasswordMatches(record->Scram(auth::ScramHash::kSha256), password);
  }

  std::string folder_;
  std::string out_;
  std::string err_;
};

TEST_F(UserTest, AddStoresKeysOfThePasswordAndNotThePassword) {
  ASSERT_EQ(Run({"add", "Alice@Example.net", "--password-stdin"}, "secret of alice\n"), 0) << err_;
  EXPECT_EQ(out_ + err_, "");
  EXPECT_TRUE(HasPassword("alice@example.net", "secret of alice"));
  std::ifstream file(auth::LmdbStore::PathIn(folder_), std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
  EXPECT_NE(content.find("alice@example.net"), std::string::npos);
  EXPECT_EQ(content.find("secret of alice"), std::string::npos);
}

TEST_F(UserTest, ATenantThatTheConfigurationLacksIsToldAndStored) {
  WriteConfig("[[tenant]]\nname = \"acme\"\n");
  ASSERT_EQ(Run({"add", "a@b", "--no-password", "--tenant", "acme"}), 0);
  EXPECT_EQ(err_, "");
  ASSERT_EQ(Run({"add", "c@b", "--no-password", "--tenant", "Acme"}), 0);
  EXPECT_NE(err_.find("sluice user add: warning: "), std::string::npos) << err_;
  EXPECT_NE(err_.find("has no [[tenant]] named Acme"), std::string::npos) << err_;
  ASSERT_EQ(Run({"set", "a@b", "--tenant", "nosuch"}), 0);
  EXPECT_NE(err_.find("sluice user set: warning: "), std::string::npos) << err_;
  ASSERT_EQ(Run({"show", "a@b", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_)["tenant"], "nosuch");
  ASSERT_EQ(Run({"set", "a@b", "--recipients", "3"}), 0);
  EXPECT_EQ(err_, "") << "not asked about";
  ASSERT_EQ(Run({"set", "a@b", "--tenant", ""}), 0);
  EXPECT_EQ(err_, "");
}

TEST_F(UserTest, AddDropsOneLineEnd) {
  ASSERT_EQ(Run({"add", "a@b", "--password-stdin"}, "secret"), 0);
  EXPECT_TRUE(HasPassword("a@b", "secret"));
  ASSERT_EQ(Run({"add", "c@b", "--password-stdin"}, "secret\r\n"), 0);
  EXPECT_TRUE(HasPassword("c@b", "secret"));
  EXPECT_EQ(Run({"add", "d@b", "--password-stdin"}, "secret\n\n"), EX_DATAERR);
  EXPECT_NE(err_.find("the password has a character that SASLprep"), std::string::npos) << err_;
  EXPECT_EQ(Run({"add", "d@b", "--password-stdin"}, "\n"), EX_DATAERR);
  EXPECT_NE(err_.find("the password is empty"), std::string::npos) << err_;
  EXPECT_EQ(Run({"add", "d@b", "--password-stdin"}, std::string(2000, 'x')), EX_DATAERR);
  EXPECT_NE(err_.find("too long"), std::string::npos) << err_;
}

TEST_F(UserTest, AddTakesTheLongestPasswordWithItsLineEnd) {
  const std::string longest(1024, 'x');
  EXPECT_EQ(Run({"add", "a@b", "--password-stdin"}, longest + "\r\n"), 0) << err_;
  EXPECT_TRUE(HasPassword("a@b", longest));
  EXPECT_EQ(Run({"add", "c@b", "--password-stdin"}, longest + "x\n"), EX_DATAERR);
}

TEST_F(UserTest, AddKeepsGrantsInCanonicalForm) {
  WriteConfig("[[tenant]]\nname = \"acme\"\n");
  ASSERT_EQ(
      Run({"add", "--address", "\"Sales\"@Example.NET", "--address", "b@example.net", "alice",
           "--domain", "Example.ORG", "--tenant", "acme", "--no-null-sender", "--password-stdin"},
          "secret"),
      0)
      << err_;
  EXPECT_EQ(err_, "");
  ASSERT_EQ(Run({"show", "ALICE", "--json"}), 0);
  const nlohmann::json shown = nlohmann::json::parse(out_);
  EXPECT_EQ(shown["login"], "alice");
  EXPECT_EQ(shown["addresses"], (std::vector<std::string>{"sales@example.net", "b@example.net"}));
  EXPECT_EQ(shown["domains"], std::vector<std::string>{"example.org"});
  EXPECT_EQ(shown["tenant"], "acme");
  EXPECT_EQ(shown["null_sender"], false);
  EXPECT_EQ(shown["disabled"], false);
  EXPECT_EQ(shown["keys"][0]["hash"], "SCRAM-SHA-256");
  EXPECT_EQ(shown["keys"][0]["iterations"], 4096);
}

TEST_F(UserTest, AddSaysWhatIsWrong) {
  ASSERT_EQ(Run({"add", "alice@example.net", "--password-stdin"}, "x"), 0);
  EXPECT_EQ(Run({"add", "ALICE@example.net", "--password-stdin"}, "y"), EX_CANTCREAT);
  EXPECT_NE(err_.find("alice@example.net exists already"), std::string::npos) << err_;
  EXPECT_TRUE(HasPassword("alice@example.net", "x"));
  EXPECT_EQ(Run({"add", "a\tb", "--password-stdin"}, "x"), EX_DATAERR);
  EXPECT_NE(err_.find("control character"), std::string::npos) << err_;
  EXPECT_EQ(Run({"add", "a@b", "--address", "nonsense", "--password-stdin"}, "x"), EX_DATAERR);
  EXPECT_NE(err_.find("'nonsense'"), std::string::npos) << err_;
  EXPECT_EQ(Run({"add", "a@b", "--domain", "a@b", "--password-stdin"}, "x"), EX_DATAERR);
  EXPECT_EQ(Run({"add", "--password-stdin"}, "x"), static_cast<int>(CLI::ExitCodes::RequiredError));
}

TEST_F(UserTest, AddWarnsOfAUserWhoMaySendAsNobody) {
  EXPECT_EQ(Run({"add", "alice", "--password-stdin"}, "x"), 0);
  EXPECT_NE(err_.find("may send as nobody"), std::string::npos) << err_;
}

TEST_F(UserTest, AddStoresWhatTheMechanismsNeed) {
  for (const std::string mechanism : {"PLAIN", "LOGIN", "SCRAM-SHA-256"}) {
    WriteConfig("mechanisms = [\"" + mechanism + "\"]");
    EXPECT_EQ(Run({"add", mechanism + "@b", "--password-stdin"}, "x"), 0) << err_;
    ASSERT_EQ(Run({"show", mechanism + "@b", "--json"}), 0);
    EXPECT_EQ(nlohmann::json::parse(out_)["keys"][0]["hash"], "SCRAM-SHA-256") << mechanism;
  }
  WriteConfig("mechanisms = []");
  EXPECT_EQ(Run({"add", "c@b", "--password-stdin"}, "x"), EX_USAGE);
  EXPECT_NE(err_.find("mechanisms"), std::string::npos) << err_;
}

TEST_F(UserTest, AMissingStateFolderNamesTheRemedy) {
  std::filesystem::create_directory(folder_ + "/sub");
  std::filesystem::rename(folder_ + "/sluice.toml", folder_ + "/sub/sluice.toml");
  std::ifstream from(folder_ + "/sub/sluice.toml");
  std::string text((std::istreambuf_iterator<char>(from)), std::istreambuf_iterator<char>());
  text.replace(text.find("state_dir = \"" + folder_), 13 + folder_.size(),
               "state_dir = \"" + folder_ + "/absent");
  std::ofstream(folder_ + "/sluice.toml") << text;
  EXPECT_EQ(Run({"add", "a@b", "--password-stdin"}, "x"), EX_NOINPUT);
  EXPECT_NE(err_.find("sluice init"), std::string::npos) << err_;
  EXPECT_EQ(Run({"list"}), EX_NOINPUT);
}

TEST_F(UserTest, ABadConfigurationIsReported) {
  WriteConfig("mechanism = []");
  EXPECT_EQ(Run({"list"}), EX_CONFIG);
  EXPECT_NE(err_.find("mechanism"), std::string::npos) << err_;
}

TEST_F(UserTest, PasswdChangesThePasswordAndNothingElse) {
  ASSERT_EQ(Run({"add", "alice", "--address", "a@b", "--password-stdin"}, "old"), 0);
  ASSERT_EQ(Run({"show", "alice", "--json"}), 0);
  nlohmann::json before = nlohmann::json::parse(out_);
  ASSERT_EQ(Run({"passwd", "Alice", "--password-stdin"}, "new"), 0) << err_;
  EXPECT_TRUE(HasPassword("alice", "new"));
  EXPECT_FALSE(HasPassword("alice", "old"));
  ASSERT_EQ(Run({"show", "alice", "--json"}), 0);
  nlohmann::json after = nlohmann::json::parse(out_);
  EXPECT_GT(after["version"], before["version"]);
  after["version"] = before["version"];
  EXPECT_EQ(after, before);
  EXPECT_EQ(Run({"passwd", "bob", "--password-stdin"}, "new"), EX_NOUSER);
  EXPECT_NE(err_.find("no user bob"), std::string::npos) << err_;
}

TEST_F(UserTest, ShowAndListForPeople) {
  ASSERT_EQ(Run({"list"}), 0);
  EXPECT_EQ(out_, "");
  ASSERT_EQ(Run({"add", "bob@example.net", "--password-stdin"}, "x"), 0);
  ASSERT_EQ(Run({"add", "alice", "--domain", "example.org", "--password-stdin"}, "x"), 0);
  ASSERT_EQ(Run({"list"}), 0);
  EXPECT_EQ(out_, "alice  sends as *@example.org\nbob@example.net  sends as itself\n");
  ASSERT_EQ(Run({"list", "--match", "*@example.net"}), 0);
  EXPECT_EQ(out_, "bob@example.net  sends as itself\n");
  ASSERT_EQ(Run({"list", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_).size(), 2u);
  ASSERT_EQ(Run({"list", "--json", "--match", "nobody"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_).size(), 0u);
  ASSERT_EQ(Run({"show", "alice"}), 0);
  EXPECT_NE(out_.find("may send as  *@example.org"), std::string::npos) << out_;
  EXPECT_EQ(Run({"show", "carol"}), EX_NOUSER);
}

TEST_F(UserTest, RemoveTakesNamesOrAPattern) {
  for (const char* name : {"a@x", "b@x", "c@y"})
    ASSERT_EQ(Run({"add", name, "--password-stdin"}, "p"), 0);
  ASSERT_EQ(Run({"remove", "--match", "*@x", "--dry-run"}), 0);
  EXPECT_EQ(out_, "would remove a@x\nwould remove b@x\n");
  EXPECT_EQ(Run({"remove", "a@x", "nobody", "b@x"}), EX_NOUSER);
  EXPECT_EQ(out_, "");
  EXPECT_NE(err_.find("no user nobody"), std::string::npos) << err_;
  ASSERT_EQ(Run({"show", "a@x"}), 0) << "all or none";
  ASSERT_EQ(Run({"remove", "C@y"}), 0);
  EXPECT_EQ(out_, "removed c@y\n");
  EXPECT_EQ(Run({"remove", "c@y"}), EX_NOUSER);
  EXPECT_EQ(Run({"remove", "c@y", "--dry-run"}), EX_NOUSER);
  ASSERT_EQ(Run({"remove", "--match", "*@x"}), 0);
  ASSERT_EQ(Run({"list"}), 0);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(Run({"remove"}), EX_USAGE);
  EXPECT_EQ(Run({"remove", "a", "--match", "b"}), EX_USAGE);
}

TEST_F(UserTest, DisableAndEnableTakeNamesOrAPattern) {
  for (const char* name : {"a@x", "b@x"}) ASSERT_EQ(Run({"add", name, "--password-stdin"}, "p"), 0);
  ASSERT_EQ(Run({"disable", "--match", "*@x", "--dry-run"}), 0);
  EXPECT_EQ(out_, "would disable a@x\nwould disable b@x\n");
  ASSERT_EQ(Run({"list"}), 0);
  EXPECT_EQ(out_, "a@x  sends as itself\nb@x  sends as itself\n");
  ASSERT_EQ(Run({"disable", "A@x"}), 0);
  EXPECT_EQ(out_, "disabled a@x\n");
  ASSERT_EQ(Run({"list"}), 0);
  EXPECT_EQ(out_, "a@x  sends as itself  (disabled)\nb@x  sends as itself\n");
  EXPECT_EQ(Run({"enable", "a@x", "nobody"}), EX_NOUSER);
  ASSERT_EQ(Run({"enable", "a@x"}), 0);
  EXPECT_EQ(out_, "enabled a@x\n");
  EXPECT_TRUE(HasPassword("a@x", "p"));
  EXPECT_EQ(Run({"disable"}), EX_USAGE);
}

TEST_F(UserTest, SetReplacesWhatIsGivenAndNothingElse) {
  ASSERT_EQ(Run({"add", "a@x", "--tenant", "t", "--address", "b@y", "--password-stdin"}, "p"), 0);
  const auto shown = [&] {
    EXPECT_EQ(Run({"show", "a@x", "--json"}), 0);
    return nlohmann::json::parse(out_);
  };
  ASSERT_EQ(Run({"set", "a@x", "--domain", "Z.example", "--null-sender", "no"}), 0) << err_;
  EXPECT_EQ(shown()["domains"], nlohmann::json({"z.example"}));
  EXPECT_EQ(shown()["addresses"], nlohmann::json::array());
  EXPECT_EQ(shown()["null_sender"], false);
  EXPECT_EQ(shown()["tenant"], "t");
  ASSERT_EQ(Run({"set", "a@x", "--tenant", "", "--null-sender", "yes"}), 0) << err_;
  EXPECT_EQ(shown()["domains"], nlohmann::json({"z.example"}));
  EXPECT_EQ(shown()["null_sender"], true);
  EXPECT_EQ(shown()["tenant"], "");
  ASSERT_EQ(Run({"set", "a@x", "--itself"}), 0) << err_;
  EXPECT_EQ(shown()["domains"], nlohmann::json::array());
  EXPECT_TRUE(HasPassword("a@x", "p"));
  EXPECT_EQ(Run({"set", "a@x"}), EX_USAGE);
  EXPECT_EQ(Run({"set", "a@x", "--itself", "--address", "b@y"}), EX_USAGE);
  EXPECT_EQ(Run({"set", "a@x", "--address", "nonsense"}), EX_DATAERR);
  EXPECT_EQ(Run({"set", "nobody", "--itself"}), EX_NOUSER);
}

TEST_F(UserTest, KeysAreMadeForTheMechanismsThatAreListed) {
  WriteConfig(
      R"(mechanisms = ["SCRAM-SHA-512", "SCRAM-SHA-1", "CRAM-MD5", "DIGEST-MD5", "PLAIN"])");
  ASSERT_EQ(Run({"add", "a@x", "--password-stdin"}, "p"), 0) << err_;
  ASSERT_EQ(Run({"show", "a@x", "--json"}), 0);
  const auto shown = nlohmann::json::parse(out_);
  std::vector<std::string> hashes;
  for (const auto& key : shown["keys"]) hashes.push_back(key["hash"]);
  EXPECT_EQ(hashes,
            (std::vector<std::string>{"SCRAM-SHA-1", "SCRAM-SHA-512", "CRAM-MD5", "DIGEST-MD5"}));
}

TEST_F(UserTest, ImportIsAllOrNothingWhereTheFileIsWrong) {
  const std::string file = folder_ + "/users.csv";
  const auto write = [&](const std::string& text) { std::ofstream(file) << text; };
  write("login,password\na@x,one\nb@x,two\n");
  ASSERT_EQ(Run({"import", file, "--dry-run"}), 0) << err_;
  EXPECT_EQ(out_, "would import 2 users; 0 exist already\n");
  ASSERT_EQ(Run({"list"}), 0);
  EXPECT_EQ(out_, "");
  ASSERT_EQ(Run({"import", file}), 0) << err_;
  EXPECT_EQ(out_, "imported 2 users\n");
  EXPECT_TRUE(HasPassword("a@x", "one"));
  EXPECT_TRUE(HasPassword("b@x", "two"));

  write("login,password\nc@x,three\nA@x,new\n");
  EXPECT_EQ(Run({"import", file}), EX_DATAERR);
  EXPECT_NE(err_.find("line 3: user a@x exists already"), std::string::npos) << err_;
  EXPECT_EQ(Run({"show", "c@x"}), EX_NOUSER);
  ASSERT_EQ(Run({"import", file, "--existing", "skip"}), 0) << err_;
  EXPECT_EQ(out_, "imported 1 users; 1 existed already and stayed as they were\n");
  EXPECT_TRUE(HasPassword("a@x", "one"));
  ASSERT_EQ(Run({"import", file, "--existing", "replace"}), 0) << err_;
  EXPECT_TRUE(HasPassword("a@x", "new"));

  for (const char* wrong : {"login,password\nd@x,p\nd@x,p\n", "login,password\nd@x\n",
                            "name\nd@x\n", "login,password\nd@x,p\n\xff,p\n"}) {
    write(wrong);
    EXPECT_EQ(Run({"import", file}), EX_DATAERR) << wrong;
    EXPECT_NE(err_.find("nothing was imported"), std::string::npos) << err_;
    EXPECT_EQ(Run({"show", "d@x"}), EX_NOUSER);
  }
  EXPECT_EQ(Run({"import", folder_ + "/none"}), EX_NOINPUT);
}

TEST_F(UserTest, WhatIsExportedIsImportedTheSame) {
  WriteConfig(R"(mechanisms = ["SCRAM-SHA-512", "SCRAM-SHA-256", "CRAM-MD5", "DIGEST-MD5"])");
  ASSERT_EQ(
      Run({"add", "a,b@x", "--password-stdin", "--tenant", "say \"t\"", "--no-null-sender"}, "p"),
      0);
  ASSERT_EQ(Run({"add", "c@x", "--password-stdin", "--address", "d@y", "--domain", "z"}, "q"), 0);
  ASSERT_EQ(Run({"disable", "c@x"}), 0);
  const auto shown = [&](const char* login) {
    EXPECT_EQ(Run({"show", login, "--json"}), 0);
    auto json = nlohmann::json::parse(out_);
    json.erase("version");
    return json;
  };
  const auto first = shown("a,b@x"), second = shown("c@x");
  const std::string file = folder_ + "/all.csv";
  ASSERT_EQ(Run({"export", file}), 0) << err_;
  EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600));
  ASSERT_EQ(Run({"remove", "a,b@x", "c@x"}), 0);
  ASSERT_EQ(Run({"import", file}), 0) << err_;
  EXPECT_EQ(shown("a,b@x"), first);
  EXPECT_EQ(shown("c@x"), second);
  EXPECT_TRUE(HasPassword("a,b@x", "p"));
  EXPECT_TRUE(HasPassword("c@x", "q"));
}

TEST_F(UserTest, SuspendedUntilResume) {
  for (const char* name : {"a@x", "b@x"}) ASSERT_EQ(Run({"add", name, "--no-password"}), 0);
  const auto shown = [&] {
    EXPECT_EQ(Run({"show", "a@x", "--json"}), 0);
    return nlohmann::json::parse(out_);
  };
  ASSERT_EQ(Run({"suspend", "a@x", "--reason", "spam"}), 0);
  EXPECT_EQ(out_, "suspended a@x\n");
  const auto first = shown();
  EXPECT_EQ(first["suspended_why"], "spam");
  ASSERT_EQ(Run({"suspend", "a@x", "b@x", "--reason", "again"}), 0);
  EXPECT_EQ(out_, "suspended a@x; it was already, and keeps its time and reason\nsuspended b@x\n");
  EXPECT_EQ(shown()["suspended_why"], "spam");
  EXPECT_EQ(shown()["suspended_at"], first["suspended_at"]);
  ASSERT_EQ(Run({"enable", "a@x"}), 0);
  EXPECT_EQ(out_, "enabled a@x; it stays suspended until `sluice user resume`\n");
  EXPECT_EQ(shown()["suspended"], true);
  ASSERT_EQ(Run({"resume", "a@x", "--dry-run"}), 0);
  EXPECT_EQ(out_, "would resume a@x\n");
  ASSERT_EQ(Run({"resume", "a@x"}), 0);
  EXPECT_EQ(out_, "resumed a@x\n");
  EXPECT_EQ(shown()["suspended"], false);
}

TEST_F(UserTest, ImportLooksAtPasswordsBeforeItWrites) {
  const std::string file = folder_ + "/users.csv";
  const auto write = [&](const std::string& text) { std::ofstream(file) << text; };
  write("login,password\nz@x,good\na@x,bad\x01\n");
  for (const bool dry_run : {true, false}) {
    std::vector<std::string> arguments = {"import", file};
    if (dry_run) arguments.push_back("--dry-run");
    EXPECT_EQ(Run(arguments), EX_DATAERR);
    EXPECT_NE(err_.find("line 3: a@x: the password has a character"), std::string::npos) << err_;
    EXPECT_NE(err_.find("nothing was imported"), std::string::npos) << err_;
  }
  write("login,password\n\" a@x\",good\n");
  EXPECT_EQ(Run({"import", file}), EX_DATAERR);
  EXPECT_NE(err_.find("line 2: the name ' a@x' begins or ends with a blank"), std::string::npos)
      << err_;
  WriteConfig("mechanisms = [\"EXTERNAL\"]");
  write("login,password\na@x,good\n");
  EXPECT_EQ(Run({"import", file, "--dry-run"}), EX_DATAERR);
  EXPECT_NE(err_.find("line 2: a@x: no listener offers a mechanism"), std::string::npos) << err_;
  ASSERT_EQ(Run({"list"}), 0);
  EXPECT_EQ(out_, "");
}

TEST_F(UserTest, ANightlyImportOfPasswordsLeavesTheRest) {
  ASSERT_EQ(Run({"add", "a@x", "--tenant", "acme", "--network", "192.0.2.0/24", "--connections",
                 "3", "--password-stdin"},
                "old"),
            0)
      << err_;
  ASSERT_EQ(Run({"suspend", "a@x", "--reason", "spam"}), 0);
  ASSERT_EQ(Run({"disable", "a@x"}), 0);
  const auto shown = [&] {
    EXPECT_EQ(Run({"show", "a@x", "--json"}), 0);
    auto json = nlohmann::json::parse(out_);
    json.erase("version");
    return json;
  };
  const auto before = shown();
  std::ofstream(folder_ + "/users.csv") << "login,password\na@x,new\n";
  ASSERT_EQ(Run({"import", folder_ + "/users.csv", "--existing", "replace"}), 0) << err_;
  EXPECT_EQ(shown(), before);
  EXPECT_TRUE(HasPassword("a@x", "new"));
}

TEST_F(UserTest, ImportTellsWhatItLeftOutAndWhoCannotLogIn) {
  const std::string file = folder_ + "/passwd";
  const std::string digest = "{DIGEST-MD5}" + std::string(32, 'a') + ",x";
  std::ofstream(file) << "a@x:" << digest << "::::::host=h\nb@x:" << digest
                      << "::::::host=h\nc@x:{PLAIN}p\n";
  for (const bool dry_run : {true, false}) {
    std::vector<std::string> arguments = {"import", "--format", "dovecot", file};
    if (dry_run) arguments.push_back("--dry-run");
    ASSERT_EQ(Run(arguments), 0) << err_;
    EXPECT_NE(err_.find("extra field host of 2 lines"), std::string::npos) << err_;
    EXPECT_NE(err_.find("2 users, a@x for one, have keys of no mechanism"), std::string::npos)
        << err_;
  }
  // Those who keep their keys are judged by them.
  std::ofstream(folder_ + "/users.csv") << "login\na@x\nc@x\nd@x\n";
  ASSERT_EQ(Run({"import", folder_ + "/users.csv", "--existing", "replace"}), 0) << err_;
  EXPECT_NE(err_.find("2 users, a@x for one"), std::string::npos) << err_;
  ASSERT_EQ(Run({"import", folder_ + "/users.csv", "--existing", "skip"}), 0) << err_;
  EXPECT_EQ(err_, "");
  // Where a mechanism wants no keys nobody needs some, but those of {DIGEST-MD5} serve it alone.
  WriteConfig("mechanisms = [\"EXTERNAL\", \"PLAIN\"]");
  ASSERT_EQ(Run({"import", folder_ + "/users.csv", "--existing", "replace"}), 0) << err_;
  EXPECT_NE(err_.find("1 users, a@x for one"), std::string::npos) << err_;
  WriteConfig("mechanisms = [\"DIGEST-MD5\", \"PLAIN\"]\ndigest_realm = \"x\"");
  ASSERT_EQ(Run({"import", "--format", "dovecot", file, "--existing", "replace"}), 0) << err_;
  EXPECT_EQ(err_.find("for one"), std::string::npos) << err_;
  // Those of {CRAM-MD5} prove PLAIN as well.
  WriteConfig("mechanisms = [\"PLAIN\"]");
  std::ofstream(file) << "a@x:{CRAM-MD5}" << std::string(64, 'a') << "\n";
  ASSERT_EQ(Run({"import", "--format", "dovecot", file, "--existing", "replace"}), 0) << err_;
  EXPECT_EQ(err_.find("for one"), std::string::npos) << err_;
}

TEST_F(UserTest, SetTakesTheAddressesThatShowPrints) {
  const std::vector<std::string> addresses = {"\"a b\"@x.example", "\"a@b\"@x.example",
                                              "\"a\\\"b\"@x.example", "a@[192.0.2.1]",
                                              "gr\u00fcn@x.example"};
  std::vector<std::string> arguments = {"set", "a@x"};
  std::string printed;
  for (const std::string& address : addresses) {
    arguments.insert(arguments.end(), {"--address", address});
    printed += (printed.empty() ? "" : ", ") + address;
  }
  ASSERT_EQ(Run({"add", "a@x", "--no-password"}), 0) << err_;
  ASSERT_EQ(Run(arguments), 0) << err_;
  ASSERT_EQ(Run({"show", "a@x"}), 0);
  EXPECT_NE(out_.find("may send as  " + printed + "\n"), std::string::npos) << out_;
  ASSERT_EQ(Run({"show", "a@x", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_)["addresses"], addresses);
  const std::string file = folder_ + "/all.csv";
  ASSERT_EQ(Run({"export", file}), 0) << err_;
  ASSERT_EQ(Run({"remove", "a@x"}), 0);
  ASSERT_EQ(Run({"import", file}), 0) << err_;
  ASSERT_EQ(Run({"show", "a@x", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_)["addresses"], addresses);
}

TEST_F(UserTest, WithoutATerminalItAsksForStdin) {
  // A session of its own has no terminal to ask.
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    const int code = Run({"add", "a@b"});
    _exit(code == EX_USAGE && err_.find("--password-stdin") != std::string::npos ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// A child whose terminal is ours to type at.
class AtTerminal {
 public:
  explicit AtTerminal(const std::function<int()>& run) {
    pid_ = forkpty(&fd_, nullptr, nullptr, nullptr);
    if (pid_ == 0) _exit(run());
  }
  ~AtTerminal() { close(fd_); }

  // Waits until `prompt` is shown, then types.
  void Answer(const std::string& prompt, const std::string& typed) {
    char buffer[256];
    while (shown_.find(prompt, answered_) == std::string::npos) {
      const ssize_t bytes = read(fd_, buffer, sizeof buffer);
      ASSERT_GT(bytes, 0) << "shown so far: " << shown_;
      shown_.append(buffer, static_cast<size_t>(bytes));
    }
    answered_ = shown_.size();
    ASSERT_EQ(write(fd_, typed.data(), typed.size()), static_cast<ssize_t>(typed.size()));
  }
  // The status for waitpid's macros; `shown` is all that the terminal showed.
  int Wait(std::string& shown) {
    char buffer[256];
    ssize_t bytes = 0;
    while ((bytes = read(fd_, buffer, sizeof buffer)) > 0)
      shown_.append(buffer, static_cast<size_t>(bytes));
    shown = shown_;
    int status = -1;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    return status;
  }
  bool Echoes() const {
    termios settings;
    EXPECT_EQ(tcgetattr(fd_, &settings), 0);
    return (settings.c_lflag & ECHO) != 0;
  }

 private:
  pid_t pid_ = -1;
  int fd_ = -1;
  std::string shown_;
  size_t answered_ = 0;
};

TEST_F(UserTest, OnATerminalItAsksTwiceWithoutEcho) {
  AtTerminal terminal([this] { return Run({"add", "a@b"}); });
  terminal.Answer("password of a@b: ", "secret\n");
  EXPECT_FALSE(terminal.Echoes());
  terminal.Answer("again: ", "secret\n");
  std::string shown;
  EXPECT_EQ(terminal.Wait(shown), 0);
  EXPECT_EQ(shown.find("secret"), std::string::npos) << shown;
  EXPECT_TRUE(HasPassword("a@b", "secret"));
}

TEST_F(UserTest, OnATerminalTheTwoMustAgree) {
  AtTerminal terminal([this] { return Run({"add", "a@b"}); });
  terminal.Answer("password of a@b: ", "secret\n");
  terminal.Answer("again: ", "secreT\n");
  std::string shown;
  const int status = terminal.Wait(shown);
  EXPECT_EQ(WEXITSTATUS(status), EX_DATAERR);
  EXPECT_FALSE(HasPassword("a@b", "secret"));
}

TEST_F(UserTest, AnInterruptLeavesTheTerminalAsItWas) {
  AtTerminal terminal([this] { return Run({"add", "a@b"}); });
  terminal.Answer("password of a@b: ", "sec\x03");
  std::string shown;
  const int status = terminal.Wait(shown);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) << status;
  EXPECT_TRUE(terminal.Echoes());
}

}  // namespace
}  // namespace sluice
