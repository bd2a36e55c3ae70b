#include "core/smtp/line_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/smtp/limits.h"
#include "tests/unit/smtp/cuts.h"

namespace sluice::smtp {
namespace {

// Lines as "=text", one too long as "!", of AUTH as "!auth".
std::vector<std::string> Lines(const Pieces& pieces, bool sasl = false) {
  LineReader reader;
  std::vector<std::string> lines;
  for (ByteView piece : pieces) {
    while (true) {
      Buffer storage;
      ByteView line;
      const LineReader::Result result = reader.Next(piece, sasl, storage, line);
      if (result == LineReader::Result::kPartial) break;
      switch (result) {
        case LineReader::Result::kPartial:
          break;
        case LineReader::Result::kLine:
          lines.push_back("=" + std::string(line));
          break;
        case LineReader::Result::kTooLong:
          lines.push_back("!");
          break;
        case LineReader::Result::kAuthTooLong:
          lines.push_back("!auth");
          break;
      }
    }
    EXPECT_TRUE(piece.empty());
  }
  return lines;
}

TEST(LineReaderTest, CutsAtCrLfAlone) {
  const struct {
    ByteView input;
    std::vector<std::string> lines;
  } kCases[] = {
      {"", {}},
      {"NOOP", {}},
      {"NOOP\r\n", {"=NOOP"}},
      {"\r\n", {"="}},
      {"A\r\nB\r\n", {"=A", "=B"}},
      {"A\nB\r\n", {"=A\nB"}},
      {"A\n\r\n", {"=A\n"}},
      {"A\rB\r\n", {"=A\rB"}},
      {"A\r\r\n", {"=A\r"}},
      {"\nA\r\n", {"=\nA"}},
      {"A\r\nrest", {"=A"}},
      {"A\r\n\r", {"=A"}},
  };
  for (const auto& test : kCases) {
    ForEachCut(test.input,
               [&](const Pieces& pieces) { EXPECT_EQ(Lines(pieces), test.lines) << test.input; });
  }
}

TEST(LineReaderTest, ReportsALineTooLongOnceAndGoesOn) {
  const std::string longest(kCommandLineBytesMax - 2, 'x');
  for (const std::string tail : {"NOOP\r\n", "\n\r\n"}) {
    const std::string fits = longest + "\r\n" + tail;
    const std::string too_long = longest + "x\r\n" + tail;
    const std::string much_too_long = longest + longest + longest + "\r\n" + tail;
    const std::string last = "=" + tail.substr(0, tail.size() - 2);
    const std::vector<std::string> expected_fits = {"=" + longest, last};
    const std::vector<std::string> expected_too_long = {"!", last};
    ForEachCut(fits, [&](const Pieces& pieces) { ASSERT_EQ(Lines(pieces), expected_fits); });
    ForEachCut(too_long,
               [&](const Pieces& pieces) { ASSERT_EQ(Lines(pieces), expected_too_long); });
    ForEachCut(much_too_long,
               [&](const Pieces& pieces) { ASSERT_EQ(Lines(pieces), expected_too_long); });
  }
}

TEST(LineReaderTest, AuthLinesMayBeLonger) {
  const std::string response(kAuthLineBytesMax - 2, 'x');
  EXPECT_EQ(Lines({response, "\r\n"}, /*sasl=*/true), std::vector{"=" + response});
  EXPECT_EQ(Lines({response, "x\r\n"}, /*sasl=*/true), std::vector<std::string>{"!auth"});
  EXPECT_EQ(Lines({response, "\r\n"}, /*sasl=*/false), std::vector<std::string>{"!"});

  const std::string command = "auth plain " + response.substr(11);
  EXPECT_EQ(Lines({command + "\r\n"}), std::vector{"=" + command});
  EXPECT_EQ(Lines({"au", command.substr(2), "\r", "\n"}), std::vector{"=" + command});
  EXPECT_EQ(Lines({command + "x\r\n"}), std::vector<std::string>{"!auth"});
  for (const ByteView last : {"x\r\n", "xxxx\r\n"}) {
    EXPECT_EQ(Lines({"au", command.substr(2), last}), std::vector<std::string>{"!auth"});
  }
  EXPECT_EQ(Lines({command, "xx", "\r", "\nNOOP\r\n"}),
            (std::vector<std::string>{"!auth", "=NOOP"}));
}

TEST(LineReaderTest, FindsForbiddenControls) {
  EXPECT_FALSE(HasForbiddenControl("MAIL FROM:<a@b.example>\t"));
  for (char c : {'\0', '\r', '\n'}) {
    for (size_t at = 0; at < 40; at++) {
      std::string line(40, 'x');
      line[at] = c;
      EXPECT_TRUE(HasForbiddenControl(line));
    }
  }
}

}  // namespace
}  // namespace sluice::smtp
