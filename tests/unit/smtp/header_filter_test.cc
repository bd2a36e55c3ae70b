#include "core/smtp/header_filter.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/smtp/cuts.h"

namespace sluice::smtp {
namespace {

struct Filtered {
  HeaderFilter filter;
  std::string body;
};

Filtered Filter(const Pieces& pieces, uint32_t bytes_max = UINT32_MAX) {
  Filtered result{.filter = HeaderFilter(bytes_max), .body = {}};
  Buffer body;
  for (ByteView piece : pieces) {
    body.Append(piece);
    result.filter.Scan(body, false);
  }
  result.filter.Scan(body, true);
  result.body = body.view();
  return result;
}

TEST(HeaderFilterTest, RemovesBccAndReturnPathAndNothingElse) {
  const struct {
    std::string input;
    std::string output;
  } kCases[] = {
      {"", ""},
      {"Subject: x\r\n\r\nbody\r\n", "Subject: x\r\n\r\nbody\r\n"},
      {"Bcc: a@example.net\r\n\r\nbody\r\n", "\r\nbody\r\n"},
      {"Bcc: a@example.net,\r\n b@example.net\r\n\tc@example.net\r\nTo: d@example.net\r\n\r\nBcc: "
       "in body\r\n",
       "To: d@example.net\r\n\r\nBcc: in body\r\n"},
      {"To: a\r\nBCC: b\r\nSubject: x\r\n y\r\nbcc : c\r\n d\r\n\r\n",
       "To: a\r\nSubject: x\r\n y\r\n\r\n"},
      {"Return-Path: <a@b>\r\nResent-Bcc: x\r\nFrom: y\r\n\r\n", "From: y\r\n\r\n"},
      {"Bcc:\r\n\r\n", "\r\n"},
      {"Bccc: x\r\nBc: y\r\nX-Bcc: z\r\n\r\n", "Bccc: x\r\nBc: y\r\nX-Bcc: z\r\n\r\n"},
      {"Bcc: a\r\n", ""},
      {"To: a\r\nBcc: b\r\n c\r\n", "To: a\r\n"},
      {"no field\r\nBcc: body\r\n", "no field\r\nBcc: body\r\n"},
      {" leading blank\r\nBcc: body\r\n", " leading blank\r\nBcc: body\r\n"},
      {"To: a\r\nno field\r\nBcc: body\r\n", "To: a\r\nno field\r\nBcc: body\r\n"},
      {"Bcc: a\r\n \r\nTo: b\r\n\r\n", "To: b\r\n\r\n"},  // a line of blanks continues a field
      {": x\r\nBcc: body\r\n", ": x\r\nBcc: body\r\n"},
      {"Bcc\r\n", "Bcc\r\n"},
      {"B\xc3\xbc: x\r\nBcc: body\r\n", "B\xc3\xbc: x\r\nBcc: body\r\n"},
  };
  for (const auto& test : kCases) {
    ForEachCut(test.input, [&](const Pieces& pieces) {
      const Filtered result = Filter(pieces);
      EXPECT_EQ(result.body, test.output) << testing::PrintToString(test.input);
      EXPECT_TRUE(result.filter.done());
    });
  }
}

TEST(HeaderFilterTest, NotesFields) {
  const std::string input =
      "Received: a\r\n b\r\nRECEIVED: c\r\nfrom : x\r\nMessage-Id: <y>\r\nX-Date: z\r\n\r\nDate: "
      "body\r\n";
  ForEachCut(input, [&](const Pieces& pieces) {
    const HeaderFilter filter = Filter(pieces).filter;
    EXPECT_EQ(filter.received_count(), 2u);
    EXPECT_TRUE(filter.has_from());
    EXPECT_TRUE(filter.has_message_id());
    EXPECT_FALSE(filter.has_date());
    EXPECT_FALSE(filter.needs_separator());
    EXPECT_EQ(filter.header_bytes(), input.find("\r\n\r\n") + 2);
  });
  EXPECT_TRUE(Filter({"Date: x\r\n\r\n"}).filter.has_date());
  EXPECT_FALSE(Filter({"Date: x\r\n\r\n"}).filter.has_message_id());
}

TEST(HeaderFilterTest, TellsWhenOurFieldsNeedASeparator) {
  EXPECT_TRUE(Filter({"just text\r\n"}).filter.needs_separator());
  EXPECT_TRUE(Filter({"Bcc: x\r\njust text\r\n"}).filter.needs_separator());
  EXPECT_FALSE(Filter({"To: x\r\njust text\r\n"}).filter.needs_separator());
  EXPECT_FALSE(Filter({"\r\njust text\r\n"}).filter.needs_separator());
  EXPECT_FALSE(Filter({""}).filter.needs_separator());
  EXPECT_FALSE(Filter({"To: x\r\n"}).filter.needs_separator());
}

TEST(HeaderFilterTest, BoundsTheSectionAndTheLineThatEndsIt) {
  const struct {
    ByteView input;
    uint32_t bytes;  // that must be allowed
  } kCases[] = {
      {"To: a\r\nSubject: b\r\n\r\nbody of any length\r\n", 7 + 12 + 2},
      {"To: a\r\nnot a field\r\nbody of any length\r\n", 7 + 13},
      {"not a field\r\nbody of any length\r\n", 13},
      {"Bcc: removed\r\nTo: a\r\n\r\nbody of any length\r\n", 14},
      {"To: a\r\n", 7},
  };
  for (const auto& test : kCases) {
    ForEachCut(test.input, [&](const Pieces& pieces) {
      EXPECT_FALSE(Filter(pieces, test.bytes).filter.too_big()) << test.input;
      EXPECT_TRUE(Filter(pieces, test.bytes - 1).filter.too_big()) << test.input;
    });
  }
}

TEST(HeaderFilterTest, WaitsForWholeLines) {
  HeaderFilter filter;
  Buffer body;
  body.Append("Bcc: a");
  filter.Scan(body, false);
  EXPECT_EQ(body.view(), "Bcc: a");
  body.Append("\r\nTo: ");
  filter.Scan(body, false);
  EXPECT_EQ(body.view(), "To: ");
  EXPECT_FALSE(filter.done());
  body.Append("b\r\n\r\n");
  filter.Scan(body, false);
  EXPECT_TRUE(filter.done());
  EXPECT_EQ(filter.header_bytes(), 7u);
  body.Append("Bcc: in body\r\n");
  filter.Scan(body, true);
  EXPECT_EQ(body.view(), "To: b\r\n\r\nBcc: in body\r\n");
}

}  // namespace
}  // namespace sluice::smtp
