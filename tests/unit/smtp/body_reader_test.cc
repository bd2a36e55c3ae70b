#include "core/smtp/body_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "core/base/prng.h"
#include "tests/unit/smtp/cuts.h"

namespace sluice::smtp {
namespace {

using namespace std::string_literals;

struct Outcome {
  bool ended = false;
  std::string content;  // empty after a fault: what was kept until then is of no use
  BodyFault fault = BodyFault::kNone;
  uint64_t line = 0;
  uint64_t bytes = 0;
  std::string rest;
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& o) {
  return out << "ended " << o.ended << " content " << testing::PrintToString(o.content) << " fault "
             << static_cast<int>(o.fault) << " line " << o.line << " bytes " << o.bytes << " rest "
             << testing::PrintToString(o.rest);
}

Outcome ReadAll(const Pieces& pieces, BodyReader::Options options = {},
                size_t out_bytes_max = kBufferBytesMax) {
  BodyReader reader(options);
  Outcome outcome;
  Buffer out;
  for (ByteView piece : pieces) {
    while (!outcome.ended && !piece.empty()) {
      outcome.ended = reader.Read(piece, out, out_bytes_max);
      if (out.size() >= out_bytes_max || outcome.ended) {
        outcome.content += out.view();
        out.Clear();
      } else {
        EXPECT_TRUE(piece.empty());
      }
    }
    if (outcome.ended) outcome.rest += piece;
  }
  outcome.content += out.view();
  outcome.fault = reader.fault();
  if (outcome.fault == BodyFault::kBareLf) outcome.line = reader.fault_line();
  if (outcome.fault != BodyFault::kNone) outcome.content.clear();
  outcome.bytes = reader.bytes();
  return outcome;
}

// The same in the plainest words: octet by octet, with the last four kept.
Outcome Reference(ByteView input, BareLf bare_lf) {
  Outcome outcome;
  auto fail = [&](BodyFault fault, uint64_t line) {
    if (outcome.fault != BodyFault::kNone) return;
    outcome.fault = fault;
    outcome.line = line;
  };
  const std::string text =
      "\r\n" + std::string(input);  // DATA's own line end starts the first line
  uint64_t line = 1;
  for (size_t i = 2; i < text.size(); i++) {
    const bool line_start = text[i - 1] == '\n' && text[i - 2] == '\r';
    if (line_start && text.compare(i, 3, ".\r\n") == 0) {
      outcome.ended = true;
      outcome.rest = text.substr(i + 3);
      break;
    }
    if (line_start && text[i] == '.') continue;
    if (text[i] == '\0') fail(BodyFault::kNul, 0);
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] != '\n') fail(BodyFault::kBareCr, 0);
    if (text[i] == '\r' && i + 1 == text.size()) break;  // not known yet
    if (text[i] == '\n' && text[i - 1] != '\r') {
      if (bare_lf == BareLf::kReject) fail(BodyFault::kBareLf, line);
      outcome.content += "\r\n";
      continue;
    }
    if (text[i] == '\n') line++;
    outcome.content += text[i];
  }
  if (outcome.fault != BodyFault::kNone) outcome.content.clear();
  return outcome;
}

TEST(BodyReaderTest, FindsTheEndAndUndoesTransparency) {
  const struct {
    std::string input;
    std::string content;
  } kCases[] = {
      {".\r\n", ""},
      {"\r\n.\r\n", "\r\n"},
      {"a\r\n.\r\n", "a\r\n"},
      {"a\r\n\r\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
      {"..\r\n.\r\n", ".\r\n"},
      {"...\r\n.\r\n", "..\r\n"},
      {"a\r\n..\r\n.\r\n", "a\r\n.\r\n"},
      {".a\r\n.\r\n", "a\r\n"},
      {"a.\r\nb.c\r\n.\r\n", "a.\r\nb.c\r\n"},
      {"a\r\n. \r\n.\r\n", "a\r\n \r\n"},
  };
  for (const auto& test : kCases) {
    const std::string input = test.input + "QUIT\r\n";
    Outcome expected{
        .ended = true, .content = test.content, .bytes = test.content.size(), .rest = "QUIT\r\n"};
    ForEachCut(input, [&](const Pieces& pieces) {
      EXPECT_EQ(ReadAll(pieces), expected) << testing::PrintToString(test.input);
    });
  }
}

TEST(BodyReaderTest, NothingButTheRealEndIsAnEnd) {
  // Spellings that one or another server has taken for an end of data.
  for (const std::string& end : {"\n.\n"s, "\n.\r\n"s, "\r\n.\n"s, "\r.\r"s, "\r.\r\n"s, "\r\n.\r"s,
                                 "\n.\r"s, "\r\n\0.\r\n"s, "\r\n.\0\r\n"s, "\r\r\n.\r\r\n"s,
                                 "\r\n.\r\r\n"s, "\r\n. \r\n"s, "\r\n..\r\n"s, "\n\n.\n\n"s}) {
    const std::string smuggled = "a" + end + "MAIL FROM:<x@example.net>";
    const std::string input = smuggled + "\r\n.\r\nQUIT\r\n";
    ForEachCut(input, [&](const Pieces& pieces) {
      for (BareLf bare_lf : {BareLf::kNormalize, BareLf::kReject}) {
        const Outcome outcome = ReadAll(pieces, {.bare_lf = bare_lf});
        EXPECT_TRUE(outcome.ended);
        EXPECT_EQ(outcome.rest, "QUIT\r\n") << testing::PrintToString(end);
      }
    });
  }
}

TEST(BodyReaderTest, BareLineFeedBecomesCrLf) {
  const struct {
    std::string input;
    std::string content;
  } kCases[] = {
      {"a\nb\r\n.\r\n", "a\r\nb\r\n"},
      {"\n.\r\n.\r\n",
       "\r\n.\r\n"},  // the dot stays: stuffed again on the way out, it ends nothing
      {"a\n..b\r\n.\r\n", "a\r\n..b\r\n"},  // and a LF begins no line of the sender's transparency
      {"a\n\n\n\r\n.\r\n", "a\r\n\r\n\r\n\r\n"},
      {"a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
  };
  for (const auto& test : kCases) {
    Outcome expected{.ended = true, .content = test.content, .bytes = test.content.size()};
    ForEachCut(test.input, [&](const Pieces& pieces) {
      EXPECT_EQ(ReadAll(pieces), expected) << testing::PrintToString(test.input);
    });
  }
}

TEST(BodyReaderTest, FaultsAreKeptUntilTheEnd) {
  const struct {
    std::string input;
    BodyFault fault;
    uint64_t line = 0;
  } kCases[] = {
      {"a\rb\r\n.\r\n", BodyFault::kBareCr},
      {"\r\r\n.\r\n", BodyFault::kBareCr},
      {"a\r\n.\rb\r\n.\r\n", BodyFault::kBareCr},
      {"a\0b\r\n.\r\n"s, BodyFault::kNul},
      {"\0\r\n.\r\n"s, BodyFault::kNul},
      {"a\nb\r\n.\r\n", BodyFault::kBareLf, 1},
      {"a\r\nb\r\nc\nd\ne\r\n.\r\n", BodyFault::kBareLf, 3},
      {"a\r\n.\n\r\n.\r\n", BodyFault::kBareLf, 2},
      {"a\nb\rc\0\r\n.\r\n"s, BodyFault::kBareLf, 1},
  };
  for (const auto& test : kCases) {
    ForEachCut(test.input, [&](const Pieces& pieces) {
      const Outcome outcome = ReadAll(pieces, {.bare_lf = BareLf::kReject});
      EXPECT_TRUE(outcome.ended);
      EXPECT_EQ(outcome.fault, test.fault) << testing::PrintToString(test.input);
      EXPECT_EQ(outcome.line, test.line) << testing::PrintToString(test.input);
    });
  }
}

TEST(BodyReaderTest, LimitsTheSize) {
  const std::string content = "0123456789\r\n";
  ForEachCut(content + ".\r\n", [&](const Pieces& pieces) {
    EXPECT_EQ(ReadAll(pieces, {.bytes_max = content.size()}).fault, BodyFault::kNone);
    const Outcome outcome = ReadAll(pieces, {.bytes_max = content.size() - 1});
    EXPECT_EQ(outcome.fault, BodyFault::kTooBig);
    EXPECT_TRUE(outcome.ended);
    EXPECT_EQ(outcome.bytes, content.size()) << "what is dropped is counted";
  });
}

// Which of two faults is told must not depend on the cut either.
TEST(BodyReaderTest, ABareCrCountsTowardsTheLimit) {
  ForEachCut("0123456789\rx\r\n.\r\n", [&](const Pieces& pieces) {
    EXPECT_EQ(ReadAll(pieces, {.bytes_max = 10}).fault, BodyFault::kTooBig);
    EXPECT_EQ(ReadAll(pieces, {.bytes_max = 11}).fault, BodyFault::kBareCr);
  });
}

TEST(BodyReaderTest, KeepsNothingAfterAFaultOrDrop) {
  BodyReader reader({});
  Buffer out;
  ByteView input = "a\rb";
  EXPECT_FALSE(reader.Read(input, out));
  out.Clear();
  const std::string more(10000, 'x');
  input = more;
  EXPECT_FALSE(reader.Read(input, out));
  EXPECT_EQ(out.size(), 0u);
  EXPECT_EQ(reader.bytes(), more.size() + 3);

  BodyReader dropped({});
  dropped.Drop();
  input = "a\r\n.\r\n";
  EXPECT_TRUE(dropped.Read(input, out));
  EXPECT_EQ(out.size(), 0u);
  EXPECT_EQ(dropped.fault(), BodyFault::kNone);
}

TEST(BodyReaderTest, StopsWhenTheBufferIsFull) {
  std::string content;
  for (int i = 0; i < 300; i++) content += "line " + std::to_string(i) + "\n.x\r\n";
  const Outcome whole = ReadAll({content + ".\r\n"});
  for (size_t out_bytes_max : {1, 2, 7, 64, 1000}) {
    BodyReader reader({});
    Buffer out;
    std::string collected;
    const std::string text = content + ".\r\n";
    ByteView input = text;
    bool ended = false;
    while (!ended) {
      ended = reader.Read(input, out, out_bytes_max);
      EXPECT_LE(out.size(), 2 * out_bytes_max + 1);
      collected += out.view();
      out.Clear();
    }
    EXPECT_EQ(collected, whole.content);
    EXPECT_TRUE(input.empty());
  }
}

// The vector code sees every alignment, block boundary and neighbourhood against the plain
// reference.
TEST(BodyReaderTest, AgreesWithThePlainReference) {
  Prng prng(1);
  for (int round = 0; round < 20000; round++) {
    const char* const alphabet = round % 2 ? "\r\n.a" : "\r\n.a\0";
    const size_t alphabet_bytes = round % 2 ? 4 : 5;
    std::string text;
    const size_t bytes = prng.Below(300);
    const uint64_t plain = prng.Below(60);
    while (text.size() < bytes) {
      text.append(prng.Below(plain + 1), 'x');
      if (prng.Chance(1, 3)) {
        text += alphabet[prng.Below(alphabet_bytes)];
      } else {
        text += prng.Chance(1, 8) ? "\r\n." : "\r\n";
      }
    }
    for (BareLf bare_lf : {BareLf::kNormalize, BareLf::kReject}) {
      const Outcome expected = Reference(text, bare_lf);
      Outcome whole = ReadAll({text}, {.bare_lf = bare_lf});
      const uint64_t whole_bytes = std::exchange(whole.bytes, 0);
      ASSERT_EQ(whole, expected) << "round " << round << " " << testing::PrintToString(text);
      const size_t cut = prng.Below(text.size() + 1);
      Outcome pieces = ReadAll({ByteView(text).substr(0, cut), ByteView(text).substr(cut)},
                               {.bare_lf = bare_lf});
      ASSERT_EQ(std::exchange(pieces.bytes, 0), whole_bytes) << "round " << round << " cut " << cut;
      ASSERT_EQ(pieces, expected) << "round " << round << " cut " << cut;
    }
  }
}

}  // namespace
}  // namespace sluice::smtp
