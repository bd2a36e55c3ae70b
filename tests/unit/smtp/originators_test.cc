#include "core/smtp/originators.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/smtp/mailbox_list.h"

namespace sluice::smtp {
namespace {

using List = std::vector<std::string>;

TEST(MailboxListTest, ReadsWhatTheGrammarAllows) {
  const struct {
    const char* value;
    List addresses;
  } kCases[] = {
      {" a@example.net", {"a@example.net"}},
      {"A <a@example.net>", {"a@example.net"}},
      {"a@example.net, B <b@example.org>\r\n", {"a@example.net", "b@example.org"}},
      {"\"Doe, J.\" <j@example.net>", {"j@example.net"}},
      {"J. R. Doe <j@example.net>", {"j@example.net"}},
      {"\"a b\"@example.net", {"\"a b\"@example.net"}},
      {"\"a\\\"@evil\"@example.net", {"\"a\\\"@evil\"@example.net"}},
      {"(b@evil.example) a@example.net", {"a@example.net"}},
      {"a@(c (nested \\) ) d)example.net", {"a@example.net"}},
      {"a@example.net (<b@evil.example>)", {"a@example.net"}},
      {"\r\n a . b @ example . net", {"a.b@example.net"}},
      {"<@x.example,@y.example:a@example.net>", {"a@example.net"}},
      {"a@[192.0.2.1]", {"a@[192.0.2.1]"}},
      {"a@[IPv6:2001:db8::1]", {"a@[IPv6:2001:db8::1]"}},
      {"Team: a@example.net, B <b@example.org>;", {"a@example.net", "b@example.org"}},
      {"Team: a@example.net;, c@example.org", {"a@example.net", "c@example.org"}},
      {"undisclosed:;", {}},
      {", a@example.net,,", {"a@example.net"}},
      {"gr\xc3\xbc\xc3\x9f@example.net", {"gr\xc3\xbc\xc3\x9f@example.net"}},
      {"=?utf-8?q?b=40evil.example?= <a@example.net>", {"a@example.net"}},
      {"", {}},
  };
  for (const auto& test : kCases) {
    List addresses;
    ASSERT_TRUE(ParseMailboxList(test.value, addresses)) << test.value;
    EXPECT_EQ(addresses, test.addresses) << test.value;
  }
}

TEST(MailboxListTest, RefusesWhatItCannotRead) {
  for (const char* value : {"a",
                            "a@",
                            "@example.net",
                            "a@example.net b@example.org",
                            "a@example.net <b@example.org>",
                            "<a@example.net",
                            "a@example.net>",
                            "<a>",
                            "A <a@example.net> B",
                            "A <a@example.net> <b@example.org>",
                            "\"a@example.net",
                            "(a@example.net",
                            "a@example.net)",
                            "a@[192.0.2.1",
                            "a..b@example.net",
                            "a@example..net",
                            "a@example.net.",
                            "Team: a@example.net",
                            "Team: Group: a@example.net;;",
                            "a@b@c",
                            "a;b@c",
                            "a@\"b\"",
                            "<@x.example a@example.net>",
                            "a\x01@example.net",
                            "a@example.net;",
                            ":a@example.net;",
                            "\\a@example.net"}) {
    List addresses;
    EXPECT_FALSE(ParseMailboxList(value, addresses)) << value;
  }
  std::string many;
  for (size_t i = 0; i <= kMailboxesMax; i++) many += "a@example.net,";
  List addresses;
  EXPECT_FALSE(ParseMailboxList(many, addresses));
  EXPECT_FALSE(ParseMailboxList(std::string(100'000, '('), addresses));
}

// Cut anywhere, a list is read or refused, and never gives an address that was not there.
TEST(MailboxListTest, EveryCut) {
  const std::string value =
      "\"D\\\"oe\" (c (d)) <@r.example:a@example.net>, T: b@[192.0.2.1], \"x y\"@example.org;";
  for (size_t i = 0; i <= value.size(); i++) {
    List addresses;
    if (!ParseMailboxList(ByteView(value).substr(0, i), addresses)) continue;
    for (const std::string& address : addresses) {
      EXPECT_NE(value.find(address), std::string::npos) << i;
    }
  }
}

TEST(OriginatorsTest, EachAddressMustBeOwned) {
  const struct {
    const char* header;
    Originators found;
  } kCases[] = {
      {"From: me@example.net\r\n", Originators::kOwned},
      {"Subject: x\r\nfrom : Me\r\n <me@example.net>\r\nTo: b@c\r\n", Originators::kOwned},
      {"From: me@example.net\r\nSender: me@example.net\r\n", Originators::kOwned},
      {"From: you@example.net\r\n", Originators::kForeignFrom},
      {"From: me@example.net, you@example.net\r\n", Originators::kForeignFrom},
      {"From: me@example.net\r\nFrom: you@example.net\r\n", Originators::kForeignFrom},
      {"From: me@example.net\r\nSender: you@example.net\r\n", Originators::kForeignSender},
      {"Sender: you@example.net\r\nFrom: me@example.net\r\n", Originators::kForeignSender},
      {"Sender: me@example.net\r\nFrom: you@example.net\r\n", Originators::kForeignFrom},
      {"From: \"me@example.net\" <you@example.net>\r\n", Originators::kForeignFrom},
      {"From: me@example.net <you@example.net>\r\n", Originators::kUnreadable},
      {"From: nobody:;\r\n", Originators::kUnreadable},
      {"From:\r\n", Originators::kUnreadable},
      {"From: me@example.net\r\nSender: ?@\r\n", Originators::kUnreadable},
      {"X-From: me@example.net\r\nFromage: me@example.net\r\n", Originators::kNone},
      {"Subject: x\r\n From: me@example.net\r\n", Originators::kNone},
      {"", Originators::kNone},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(
        CheckOriginators(test.header, [](ByteView address) { return address == "me@example.net"; }),
        test.found)
        << test.header;
  }
}

TEST(OriginatorsTest, OfManyFieldsToo) {
  std::string header;
  for (size_t i = 0; i < kMailboxesMax; i++) header += "From: me@example.net\r\n";
  const auto owned = [](ByteView) { return true; };
  EXPECT_EQ(CheckOriginators(header, owned), Originators::kOwned);
  EXPECT_EQ(CheckOriginators(header + "Sender: me@example.net\r\n", owned),
            Originators::kUnreadable);
}

TEST(OriginatorsTest, RemoveFieldsLeavesAllElse) {
  Buffer body;
  const std::string header =
      "sender: a@b\r\n folded\r\nFrom: me@example.net\r\nSender : c@d\r\nTo: x\r\nSENDER:\r\n";
  body.Append(header);
  body.Append("\r\nSender: in the body\r\n");
  RemoveFields(body, header.size(), "Sender");
  EXPECT_EQ(body.view(), "From: me@example.net\r\nTo: x\r\n\r\nSender: in the body\r\n");
}

}  // namespace
}  // namespace sluice::smtp
