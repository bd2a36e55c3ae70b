// The message that is sent, its number, who sends it, and what finds its end.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/buffer.h"
#include "core/smtp/dot_stuff.h"
#include "tools/load/end_of_data.h"
#include "tools/load/message_number.h"
#include "tools/load/message_store.h"
#include "tools/load/message_template.h"
#include "tools/load/users.h"

namespace sluice::load {
namespace {

MessageTemplate::Options TemplateOptions(size_t bytes) {
  return {.run = 0x0badcafe,
          .bytes = bytes,
          .from = "a@load.example",
          .to = "b@sink.example",
          .date = WallFromMillis(1'700'000'000'000)};
}

TEST(MessageNumberTest, TextIsReadBack) {
  for (const MessageNumber number :
       {MessageNumber{.run = 0, .n = 0}, MessageNumber{.run = 0x0badcafe, .n = 42},
        MessageNumber{.run = UINT32_MAX, .n = 999'999'999'999}}) {
    std::string text(MessageNumber::kTextBytes, '?');
    number.Write(text.data());
    EXPECT_EQ(MessageNumber::Parse(text), number) << text;
  }
  EXPECT_EQ(MessageNumber::Parse("0badcafe-000000000042"),
            (MessageNumber{.run = 0x0badcafe, .n = 42}));
}

TEST(MessageNumberTest, OtherTextIsNone) {
  for (const char* text :
       {"", "0badcafe-00000000004", "0badcafe-0000000000422", "0badcafe 000000000042",
        "0badcafg-000000000042", "0badcafe-00000000004x", "-badcafe-000000000042"}) {
    EXPECT_EQ(MessageNumber::Parse(text), std::nullopt) << text;
  }
}

TEST(MessageNumberTest, IsFoundInTheHeaderSectionOnly) {
  const std::string field = "x-sluice-load: 0badcafe-000000000042\r\n";
  const MessageNumber number{.run = 0x0badcafe, .n = 42};
  EXPECT_EQ(MessageNumber::Find(field), number);
  EXPECT_EQ(MessageNumber::Find("Received: from x\r\n\tby y\r\n" + field + "\r\ntext\r\n"), number);
  EXPECT_EQ(MessageNumber::Find("Subject: x\r\n\r\n" + field), std::nullopt);
  EXPECT_EQ(MessageNumber::Find("Subject: x\r\nX-Sluice-Loader: y\r\n"), std::nullopt);
  EXPECT_EQ(MessageNumber::Find(field.substr(0, field.size() - 1)), std::nullopt);
  EXPECT_EQ(MessageNumber::Find(""), std::nullopt);
}

TEST(MessageTemplateTest, IsAsBigAsAsked) {
  for (size_t bytes = 400; bytes < 640; bytes++) {
    MessageTemplate message(TemplateOptions(bytes));
    EXPECT_EQ(message.content_bytes(), bytes);
    EXPECT_EQ(message.Wire(1).size(), bytes + 3);
  }
}

TEST(MessageTemplateTest, ASmallOneIsItsHeaderSection) {
  MessageTemplate message(TemplateOptions(1));
  EXPECT_LT(message.content_bytes(), 400u);
  EXPECT_TRUE(message.Wire(1).ends_with("\r\n\r\n.\r\n"));
}

TEST(MessageTemplateTest, LinesAreShortEndRightAndNeedNoDots) {
  MessageTemplate message(TemplateOptions(5000));
  ByteView wire = message.Wire(7);
  const ByteView content = wire.substr(0, wire.size() - 3);
  Buffer stuffed;
  smtp::DotStuffer stuffer;
  stuffer.Append(content, stuffed);
  stuffer.Finish(stuffed);
  EXPECT_EQ(stuffed.view(), wire);
  while (!wire.empty()) {
    const size_t end = wire.find("\r\n");
    ASSERT_NE(end, ByteView::npos);
    EXPECT_LE(end, 76u);
    EXPECT_EQ(wire.substr(0, end).find_first_of("\r\n"), ByteView::npos);
    wire.remove_prefix(end + 2);
  }
}

TEST(MessageTemplateTest, OnlyTheNumberChanges) {
  MessageTemplate message(TemplateOptions(1000));
  const std::string first(message.Wire(1));
  std::string second(message.Wire(2));
  EXPECT_EQ(MessageNumber::Find(first), (MessageNumber{.run = 0x0badcafe, .n = 1}));
  EXPECT_EQ(MessageNumber::Find(second), (MessageNumber{.run = 0x0badcafe, .n = 2}));
  EXPECT_NE(second.find("Message-ID: <0badcafe-000000000002@load.invalid>\r\n"), std::string::npos);
  for (size_t at = second.find("000000000002"); at != std::string::npos;
       at = second.find("000000000002")) {
    second.replace(at, 12, "000000000001");
  }
  EXPECT_EQ(first, second);
}

// Where the body ends when `body` comes in the parts that `cuts` makes: -1 when it does not.
int EndIn(ByteView body, std::vector<size_t> cuts) {
  EndOfData end;
  end.Reset();
  size_t from = 0;
  cuts.push_back(body.size());
  for (size_t cut : cuts) {
    bool ended = false;
    const ByteView part = body.substr(from, cut - from);
    const size_t taken = end.Take(part, ended);
    if (ended) return static_cast<int>(from + taken);
    EXPECT_EQ(taken, part.size());
    from = cut;
  }
  return -1;
}

TEST(EndOfDataTest, IsFoundHoweverTheBodyIsCut) {
  const struct {
    ByteView body;
    int end;
  } cases[] = {
      {".\r\n", 3},
      {".\r\nQUIT\r\n", 3},
      {"\r\n.\r\n", 5},
      {"a\r\n.\r\n", 6},
      {"a\r\n..\r\n.\r\nx", 10},
      {"a.\r\n.b\r\n.\r\n", 11},
      {"a\r\r\n.\r\n", 7},
      {"a\r\n.\r\r\n.\r\n", 10},
      {"a\r\n\r\n.\r\n", 8},
      {"a\n.\n", -1},
      {"a\n.\r\n", -1},
      {"a\r\n.\n", -1},
      {"a\r\n.\r", -1},
      {"a\r.\r\n", -1},
      {"...", -1},
      {"", -1},
  };
  for (const auto& c : cases) {
    for (size_t first = 0; first <= c.body.size(); first++) {
      for (size_t second = first; second <= c.body.size(); second++) {
        EXPECT_EQ(EndIn(c.body, {first, second}), c.end)
            << c.body << " cut at " << first << ", " << second;
      }
    }
    std::vector<size_t> everywhere;
    for (size_t i = 1; i < c.body.size(); i++) everywhere.push_back(i);
    EXPECT_EQ(EndIn(c.body, everywhere), c.end) << c.body;
  }
}

TEST(UnstuffDotsTest, UndoesDotStuffing) {
  for (const char* content :
       {"", "a\r\n", ".\r\n", "..\r\n.a\r\nb.\r\n\r\n..\r\n", "a\r\n.", "...\r\n...\r\n"}) {
    Buffer wire;
    smtp::DotStuffer stuffer;
    stuffer.Append(content, wire);
    EXPECT_EQ(UnstuffDots(wire.view()), content);
  }
}

TEST(UsersTest, APatternNamesManyInTurn) {
  const Users users = Users::FromPattern("user%d@load.example", "secret%d", 3);
  EXPECT_EQ(users.count(), 3u);
  EXPECT_EQ(users.At(0).name, "user1@load.example");
  EXPECT_EQ(users.At(0).password, "secret1");
  EXPECT_EQ(users.At(2).name, "user3@load.example");
  EXPECT_EQ(users.At(3).name, "user1@load.example");
  EXPECT_EQ(users.At(4).number, 2u);
}

TEST(UsersTest, LinesOfAFile) {
  const auto users = Users::FromLines("# who\n\na@x:se:cret\r\nb@x\n", "common");
  ASSERT_TRUE(users.ok()) << users.status();
  EXPECT_EQ(users->count(), 2u);
  EXPECT_EQ(users->At(0).name, "a@x");
  EXPECT_EQ(users->At(0).password, "se:cret");
  EXPECT_EQ(users->At(1).name, "b@x");
  EXPECT_EQ(users->At(1).password, "common");
  EXPECT_EQ(users->At(3).name, "b@x");
  EXPECT_FALSE(Users::FromLines("a:b\n:c\n", "").ok());
  EXPECT_FALSE(Users::FromLines("\n", "").ok());
}

}  // namespace
}  // namespace sluice::load
