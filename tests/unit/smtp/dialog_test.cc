// Runs tests/dialogs/*.dialog against a Session in process; tests/dialogs/README.md describes the
// format.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/smtp/outside.h"

namespace sluice::smtp {
namespace {

struct Step {
  char kind;  // C, S, T or X; adjoining C lines are one step
  std::string text;
  int line;
};

struct Dialog {
  std::string setup;
  bool whole_only = false;
  std::vector<Step> steps;
};

std::string Unescape(ByteView text) {
  std::string octets;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] != '\\') {
      octets += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'r':
        octets += '\r';
        break;
      case 'n':
        octets += '\n';
        break;
      case 't':
        octets += '\t';
        break;
      case '0':
        octets += '\0';
        break;
      case 'x':
        octets += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
        break;
      default:
        octets += text[i];
        break;
    }
  }
  return octets;
}

Dialog Read(const std::filesystem::path& path) {
  Dialog dialog;
  std::ifstream file(path);
  std::string line;
  for (int number = 1; std::getline(file, line); number++) {
    if (line.empty() || line[0] == '#') continue;
    const size_t blank = std::min(line.find(' '), line.size());
    const std::string kind = line.substr(0, blank);
    const std::string text = line.substr(std::min(blank + 1, line.size()));
    if (kind == "setup:") {
      dialog.setup = text;
    } else if (kind == "pieces:") {
      EXPECT_EQ(text, "whole") << path << ":" << number;
      dialog.whole_only = true;
    } else if (kind == "C:" || kind == "C>") {
      const std::string octets = kind == "C:" ? text + "\r\n" : Unescape(text);
      if (dialog.steps.empty() || dialog.steps.back().kind != 'C')
        dialog.steps.push_back({'C', "", number});
      dialog.steps.back().text += octets;
    } else if (kind == "S:" || kind == "T:" || kind == "X:") {
      dialog.steps.push_back({kind[0], text, number});
    } else {
      ADD_FAILURE() << path << ":" << number << ": no such step";
    }
  }
  return dialog;
}

// `*` stands for any text.
bool Matches(ByteView pattern, ByteView text) {
  const size_t star = pattern.find('*');
  if (star == ByteView::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  for (size_t i = star; i <= text.size(); i++) {
    if (Matches(pattern.substr(star + 1), text.substr(i))) return true;
  }
  return false;
}

SessionOptions Setup(const std::string& name) {
  SessionOptions options;
  options.hostname = "submit.example.net";
  options.message_bytes_max = 10000;
  options.recipients_max = 3;
  if (name == "clear") {
    options.mechanisms_clear = {"PLAIN", "LOGIN"};
  } else if (name == "rfc4954") {
    options.starttls = true;
    options.mechanisms_clear = {"GSSAPI", "DIGEST-MD5"};
    options.mechanisms = {"GSSAPI", "DIGEST-MD5", "PLAIN"};
  } else {
    EXPECT_TRUE(name == "submission" || name == "implicit") << "no such setup: " << name;
    options.starttls = name == "submission";
    options.mechanisms = {"PLAIN", "LOGIN"};
  }
  return options;
}

void Converse(const Dialog& dialog, size_t piece_bytes) {
  const SessionConfig config(Setup(dialog.setup));
  Outside outside(config, dialog.setup == "implicit");
  std::string said;  // by the server, and not yet matched
  for (const Step& step : dialog.steps) {
    SCOPED_TRACE("line " + std::to_string(step.line));
    said += outside.TakeReplies();
    switch (step.kind) {
      case 'C':
        ASSERT_EQ(said, "") << "the server said more than the script";
        for (size_t at = 0; at < step.text.size(); at += piece_bytes) {
          outside.Feed(ByteView(step.text).substr(at, piece_bytes));
        }
        break;
      case 'S': {
        const size_t end = said.find("\r\n");
        ASSERT_NE(end, std::string::npos) << "the server said nothing, not: " << step.text;
        ASSERT_TRUE(Matches(step.text, said.substr(0, end)))
            << "the server said: " << said.substr(0, end) << "\nnot: " << step.text;
        said.erase(0, end + 2);
        break;
      }
      case 'T':
        ASSERT_EQ(said, "");
        ASSERT_TRUE(outside.wants_tls());
        outside.StartTls();
        break;
      case 'X':
        ASSERT_EQ(said, "");
        ASSERT_TRUE(outside.closed());
        break;
    }
  }
  EXPECT_EQ(said + outside.TakeReplies(), "");
}

std::vector<std::filesystem::path>
Scripts() {  // from the top of the source, where tests are started
  std::vector<std::filesystem::path> paths;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator("tests/dialogs", absent)) {
    if (entry.path().extension() == ".dialog") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::filesystem::path> ScriptsThatMayBeCut() {
  std::vector<std::filesystem::path> paths = Scripts();
  std::erase_if(paths, [](const auto& path) { return Read(path).whole_only; });
  return paths;
}

class WholeTest : public testing::TestWithParam<std::filesystem::path> {};
TEST_P(WholeTest, Dialog) { Converse(Read(GetParam()), std::string::npos); }

class OctetByOctetTest : public testing::TestWithParam<std::filesystem::path> {};
TEST_P(OctetByOctetTest, Dialog) { Converse(Read(GetParam()), 1); }

std::string ScriptName(const testing::TestParamInfo<std::filesystem::path>& test) {
  return test.param.stem().string();
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WholeTest);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OctetByOctetTest);
INSTANTIATE_TEST_SUITE_P(Scripts, WholeTest, testing::ValuesIn(Scripts()), ScriptName);
INSTANTIATE_TEST_SUITE_P(Scripts, OctetByOctetTest, testing::ValuesIn(ScriptsThatMayBeCut()),
                         ScriptName);

TEST(DialogFormatTest, FindsTheScripts) {
  EXPECT_GT(Scripts().size(), 10u) << "not started from the top";
}

TEST(DialogFormatTest, MatchesAndUnescapes) {
  EXPECT_TRUE(Matches("250 * as *", "250 2.0.0 Ok: queued as 1"));
  EXPECT_FALSE(Matches("250 * as", "250 2.0.0 Ok: queued as 1"));
  EXPECT_FALSE(Matches("250", "250 "));
  EXPECT_EQ(Unescape("a\\r\\n\\x41\\\\"), "a\r\nA\\");
}

}  // namespace
}  // namespace sluice::smtp
