// The message that is sent, its number, who sends it, and what finds its end.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/buffer.h"
#include "core/smtp/dot_stuff.h"
#include "tools/load/end_of_data.h"
#include "tools/load/message_files.h"
#include "tools/load/message_number.h"
#include "tools/load/message_store.h"
#include "tools/load/message_template.h"
#include "tools/load/sizes.h"
#include "tools/load/users.h"

namespace sluice::load {
namespace {

MessageTemplate::Options TemplateOptions(size_t bytes) {
  return {.run = 0x0badcafe,
          .bytes_max = bytes,
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

std::string Joined(const WireParts& parts) {
  return absl::StrCat(parts.head, parts.body, parts.tail);
}

TEST(MessageTemplateTest, IsAsBigAsAsked) {
  MessageTemplate message(TemplateOptions(640));
  for (size_t bytes = 400; bytes <= 640; bytes++) {
    EXPECT_EQ(message.content_bytes(bytes), bytes);
    EXPECT_EQ(Joined(message.Wire(1, bytes)).size(), bytes + 3);
  }
}

TEST(MessageTemplateTest, ASmallOneIsItsHeaderSection) {
  MessageTemplate message(TemplateOptions(1));
  EXPECT_LT(message.content_bytes(1), 400u);
  const std::string wire = Joined(message.Wire(1, 1));
  EXPECT_EQ(wire.size(), message.content_bytes(1) + 3);
  EXPECT_TRUE(wire.ends_with("\r\n\r\n.\r\n"));
}

TEST(MessageTemplateTest, LinesAreShortEndRightAndNeedNoDots) {
  MessageTemplate message(TemplateOptions(5000));
  for (size_t bytes = 300; bytes <= 5000; bytes += bytes == 600 ? 4400 : 1) {
    const std::string made = Joined(message.Wire(7, bytes));
    ByteView wire = made;
    const ByteView content = wire.substr(0, wire.size() - 3);
    Buffer stuffed;
    smtp::DotStuffer stuffer;
    stuffer.Append(content, stuffed);
    stuffer.Finish(stuffed);
    EXPECT_EQ(stuffed.view(), wire);
    while (!wire.empty()) {
      const size_t end = wire.find("\r\n");
      ASSERT_NE(end, ByteView::npos);
      EXPECT_LE(end, 77u);
      EXPECT_EQ(wire.substr(0, end).find_first_of("\r\n"), ByteView::npos);
      wire.remove_prefix(end + 2);
    }
  }
}

TEST(MessageTemplateTest, OnlyTheNumberChanges) {
  MessageTemplate message(TemplateOptions(1000));
  const std::string first = Joined(message.Wire(1, 1000));
  std::string second = Joined(message.Wire(2, 1000));
  EXPECT_EQ(MessageNumber::Find(first), (MessageNumber{.run = 0x0badcafe, .n = 1}));
  EXPECT_EQ(MessageNumber::Find(second), (MessageNumber{.run = 0x0badcafe, .n = 2}));
  EXPECT_NE(second.find("Message-ID: <0badcafe-000000000002@load.invalid>\r\n"), std::string::npos);
  for (size_t at = second.find("000000000002"); at != std::string::npos;
       at = second.find("000000000002")) {
    second.replace(at, 12, "000000000001");
  }
  EXPECT_EQ(first, second);
}

TEST(MessageFilesTest, AreMadeReadyForTheWire) {
  const struct {
    const char* content;
    const char* wire;
    size_t content_bytes;
    bool eight_bit;
  } cases[] = {
      {"", "\r\n", 2, false},
      {"a", "a\r\n", 3, false},
      {"a\nb\n", "a\r\nb\r\n", 6, false},
      {"a\r\nb\rc\n\r", "a\r\nb\r\nc\r\n\r\n", 11, false},
      {".\n..\na.\n", "..\r\n...\r\na.\r\n", 11, false},
      {"\xc3\xbc\n", "\xc3\xbc\r\n", 4, true},
  };
  for (const auto& c : cases) {
    const MessageFiles::File file = MessageFiles::Prepare(c.content);
    EXPECT_EQ(file.wire, c.wire);
    EXPECT_EQ(file.content_bytes, c.content_bytes) << c.content;
    EXPECT_EQ(file.eight_bit, c.eight_bit);
  }
  EXPECT_FALSE(MessageFiles::Load("/nonexistent").ok());
}

TEST(SizesTest, OneSize) {
  Prng prng(1);
  for (const auto& [text, bytes] : {std::pair("4096", 4096u), {"64k", 65536u}, {"2M", 2u << 20}}) {
    const auto sizes = Sizes::Parse(text);
    ASSERT_TRUE(sizes.ok()) << sizes.status();
    EXPECT_TRUE(sizes->fixed());
    EXPECT_EQ(sizes->Draw(prng), bytes);
    EXPECT_EQ(sizes->max(), bytes);
  }
}

TEST(SizesTest, ARangeHasEachOctaveAsOften) {
  const auto sizes = Sizes::Parse("1k-64k");
  ASSERT_TRUE(sizes.ok()) << sizes.status();
  Prng prng(1);
  int octaves[6] = {};
  for (int i = 0; i < 60'000; i++) {
    const uint64_t size = sizes->Draw(prng);
    ASSERT_TRUE(size >= 1024 && size <= 65536) << size;
    octaves[std::min<size_t>(std::bit_width(size >> 10) - 1, 5)]++;
  }
  for (const int count : octaves) EXPECT_NEAR(count, 10'000, 500);
}

TEST(SizesTest, WeightsDecide) {
  const auto sizes = Sizes::Parse("4k:70,64k:25,1m:5");
  ASSERT_TRUE(sizes.ok()) << sizes.status();
  Prng prng(1);
  std::map<uint64_t, int> counts;
  for (int i = 0; i < 10'000; i++) counts[sizes->Draw(prng)]++;
  EXPECT_EQ(counts.size(), 3u);
  EXPECT_NEAR(counts[4096], 7000, 200);
  EXPECT_NEAR(counts[65536], 2500, 200);
  EXPECT_NEAR(counts[1 << 20], 500, 100);
  EXPECT_EQ(sizes->max(), 1u << 20);
}

TEST(SizesTest, OthersAreRefused) {
  for (const char* text : {"", "0", "k", "1kb", "-1", "1-", "2k-1k", "1k:", "1k:0", "1k,,2k", "1g",
                           "513m", "1k:1:2", "1 k"}) {
    const auto sizes = Sizes::Parse(text);
    EXPECT_FALSE(sizes.ok()) << text;
    EXPECT_NE(sizes.status().message().find("is no size"), std::string::npos);
  }
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
       {"", "a\r\n", ".\r\n", "..\r\n.a\r\nb.\r\n\r\n..\r\n", "a\r\n.\r\n", "...\r\n...\r\n"}) {
    Buffer wire;
    smtp::DotStuffer stuffer;
    stuffer.Append(content, wire);
    stuffer.Finish(wire);
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
