#include "core/smtp/address.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::smtp {
namespace {

using enum AddressError;

std::string Repeat(size_t count, char c) { return std::string(count, c); }

TEST(AddressTest, ReversePaths) {
  const struct {
    std::string text;
    AddressError error;
    std::string address;  // when kNone
    std::string rest;
  } kCases[] = {
      {"<a@example.net>", kNone, "a@example.net", ""},
      {"<a@example.net> SIZE=1", kNone, "a@example.net", " SIZE=1"},
      {"<>", kNone, "", ""},
      {"<> BODY=7BIT", kNone, "", " BODY=7BIT"},
      {"<first.last+tag@sub.example.net>", kNone, "first.last+tag@sub.example.net", ""},
      {"<!#$%&'*+-/=?^_`{|}~@example.net>", kNone, "!#$%&'*+-/=?^_`{|}~@example.net", ""},
      {"<a@EXAMPLE.Net>", kNone, "a@EXAMPLE.Net", ""},
      {"<a@under_score.example.net>", kNone, "a@under_score.example.net", ""},
      {"<a@xn--bcher-kva.example>", kNone, "a@xn--bcher-kva.example", ""},
      {"<\"a b\"@example.net>", kNone, "\"a b\"@example.net", ""},
      {"<\"a>b@c\"@example.net>x", kNone, "\"a>b@c\"@example.net", "x"},
      {"<\"a\\\"b\\\\\"@example.net>", kNone, "\"a\\\"b\\\\\"@example.net", ""},
      {"<\"\"@example.net>", kNone, "\"\"@example.net", ""},
      {"<a@[192.0.2.1]>", kNone, "a@[192.0.2.1]", ""},
      {"<a@[IPv6:2001:db8::1]>", kNone, "a@[IPv6:2001:db8::1]", ""},
      {"<a@[ipv6:::ffff:192.0.2.1]>", kNone, "a@[ipv6:::ffff:192.0.2.1]", ""},
      {"<@one.example,@two.example:a@example.net>", kNone, "a@example.net", ""},
      {"<@one.example:a@example.net>", kNone, "a@example.net", ""},

      {"", kSyntax, "", ""},
      {"a@example.net", kSyntax, "", ""},
      {"<a@example.net", kSyntax, "", ""},
      {"<\"a@example.net>", kSyntax, "", ""},
      {"< a@example.net>", kSyntax, "", ""},
      {"<a@example.net >", kSyntax, "", ""},
      {"<a b@example.net>", kSyntax, "", ""},
      {"<.a@example.net>", kSyntax, "", ""},
      {"<a.@example.net>", kSyntax, "", ""},
      {"<a..b@example.net>", kSyntax, "", ""},
      {"<@example.net>", kSyntax, "", ""},
      {"<a@>", kSyntax, "", ""},
      {"<a@@example.net>", kSyntax, "", ""},
      {"<a@b@example.net>", kSyntax, "", ""},
      {"<a@.example.net>", kSyntax, "", ""},
      {"<a@example.net.>", kSyntax, "", ""},
      {"<a@example..net>", kSyntax, "", ""},
      {"<a@-example.net>", kSyntax, "", ""},
      {"<a@example-.net>", kSyntax, "", ""},
      {"<a@exa mple.net>", kSyntax, "", ""},
      {"<a@exa!mple.net>", kSyntax, "", ""},
      {"<\"a\"b@example.net>", kSyntax, "", ""},
      {"<\"a\tb\"@example.net>", kSyntax, "", ""},
      {"<\"a\\\x01\"@example.net>", kSyntax, "", ""},
      {"<a@[192.0.2.256]>", kSyntax, "", ""},
      {"<a@[192.0.2]>", kSyntax, "", ""},
      {"<a@[192.0.2.1.5]>", kSyntax, "", ""},
      {"<a@[192.0.2.1>", kSyntax, "", ""},
      {"<a@192.0.2.1]>", kSyntax, "", ""},
      {"<a@[2001:db8::1]>", kSyntax, "", ""},
      {"<a@[IPv6:2001:db8::zz]>", kSyntax, "", ""},
      {"<a@[]>", kSyntax, "", ""},
      {std::string("<a@[IPv6:2001:db8::1\0]>", 23), kSyntax, "", ""},
      {"<a@[X-tag:anything]>", kSyntax, "", ""},
      {"<@one.example:>", kSyntax, "", ""},
      {"<@one.example,two.example:a@example.net>", kSyntax, "", ""},
      {"<@one.example a@example.net>", kSyntax, "", ""},
      {"<@:a@example.net>", kSyntax, "", ""},
      {"<@one.example,:a@example.net>", kSyntax, "", ""},

      {"<a>", kUnqualified, "", ""},
      {"<postmaster>", kUnqualified, "", ""},
      {"<a@localhost>", kNotFqdn, "", ""},
      {"<a@1.2.3.4>", kNotFqdn, "", ""},
      {"<\xc3\xbc@example.net>", kNotAscii, "", ""},
      {"<a@b\xc3\xbc\x63her.example>", kNotAscii, "", ""},

      {"<" + Repeat(64, 'a') + "@example.net>", kNone, Repeat(64, 'a') + "@example.net", ""},
      {"<" + Repeat(65, 'a') + "@example.net>", kTooLong, "", ""},
      {"<a@" + Repeat(63, 'b') + ".net>", kNone, "a@" + Repeat(63, 'b') + ".net", ""},
      {"<a@" + Repeat(64, 'b') + ".net>", kTooLong, "", ""},
      // 254 octets between the angle brackets are the most, 256 with them.
      {"<a@" + Repeat(62, 'b') + "." + Repeat(62, 'c') + "." + Repeat(62, 'd') + "." +
           Repeat(63, 'e') + ">",
       kNone,
       "a@" + Repeat(62, 'b') + "." + Repeat(62, 'c') + "." + Repeat(62, 'd') + "." +
           Repeat(63, 'e'),
       ""},
      {"<a@" + Repeat(63, 'b') + "." + Repeat(62, 'c') + "." + Repeat(62, 'd') + "." +
           Repeat(63, 'e') + ">",
       kTooLong, "", ""},
  };
  for (const auto& test : kCases) {
    ByteView text = test.text;
    Mailbox mailbox;
    EXPECT_EQ(ParseReversePath(text, mailbox), test.error) << test.text;
    if (test.error == kNone) {
      EXPECT_EQ(mailbox.address, test.address) << test.text;
      EXPECT_EQ(text, test.rest) << test.text;
    } else {
      EXPECT_EQ(text, test.text) << "a failed parse must leave its input";
    }
  }
}

TEST(AddressTest, PartsOfAMailbox) {
  Mailbox mailbox;
  ASSERT_EQ(ParseMailbox("\"a@b\"@example.net", mailbox), kNone);
  EXPECT_EQ(mailbox.local, "\"a@b\"");
  EXPECT_EQ(mailbox.domain, "example.net");
  EXPECT_FALSE(mailbox.is_literal());
  ASSERT_EQ(ParseMailbox("a@[192.0.2.1]", mailbox), kNone);
  EXPECT_EQ(mailbox.domain, "[192.0.2.1]");
  EXPECT_TRUE(mailbox.is_literal());
  EXPECT_EQ(ParseMailbox("a@example.net ", mailbox), kSyntax);
  EXPECT_EQ(ParseMailbox("", mailbox), kSyntax);
}

TEST(AddressTest, PostmasterNeedsNoDomainAsRecipient) {
  for (ByteView text : {"<postmaster>", "<POSTMASTER>", "<Postmaster>"}) {
    ByteView rest = text;
    Mailbox mailbox;
    ASSERT_EQ(ParseForwardPath(rest, mailbox), kNone) << text;
    EXPECT_EQ(mailbox.address, text.substr(1, 10));
    EXPECT_EQ(mailbox.domain, "");
    EXPECT_EQ(rest, "");
  }
  ByteView text = "<>";
  Mailbox mailbox;
  EXPECT_EQ(ParseForwardPath(text, mailbox), kSyntax);
  text = "<postmasters>";
  EXPECT_EQ(ParseForwardPath(text, mailbox), kUnqualified);
}

// Nothing behind the end of a view may be read: each prefix is parsed from a block of just its
// size.
TEST(AddressTest, ReadsNothingBehindTheEnd) {
  const std::string text =
      "<@one.example:\"a\\\"\"@[IPv6:2001:db8::1]> SIZE=10 AUTH=a+2Bb BODY=8BITMIME";
  for (size_t bytes = 0; bytes <= text.size(); bytes++) {
    const std::vector<char> copy(text.begin(), text.begin() + static_cast<ptrdiff_t>(bytes));
    ByteView view(copy.data(), copy.size());
    Mailbox mailbox;
    const AddressError error = ParseReversePath(view, mailbox);
    EXPECT_EQ(error == kNone, bytes >= text.find("> ") + 1) << bytes;
    MailParameters parameters;
    if (error == kNone) (void)ParseMailParameters(view, parameters);
  }
}

TEST(AddressTest, MailParameters) {
  using enum ParameterError;
  const struct {
    ByteView text;
    ParameterError error;
    uint64_t size = 0;
    bool eight_bit = false;
    ByteView auth = {};
  } kCases[] = {
      {"", kNone},
      {" ", kNone},
      {" SIZE=1000", kNone, 1000},
      {" size=1000 body=8bitmime", kNone, 1000, true},
      {" BODY=7BIT", kNone},
      {"  SIZE=1  BODY=7BIT ", kNone, 1},
      {" AUTH=<>", kNone, 0, false, "<>"},
      {" AUTH=a+40example.net", kNone, 0, false, "a+40example.net"},
      {" SIZE=99999999999999999999", kNone, UINT64_MAX},
      {" SIZE=0", kNone, 0},
      {"SIZE=1", kMalformed},
      {" SIZE", kMalformed},
      {" SIZE=", kMalformed},
      {" SIZE=-1", kMalformed},
      {" SIZE=1x", kMalformed},
      {" SIZE=999999999999999999999", kMalformed},
      {" SIZE=1 SIZE=1", kMalformed},
      {" BODY=9BIT", kMalformed},
      {" BODY", kMalformed},
      {" BODY=7BIT BODY=7BIT", kMalformed},
      {" AUTH=", kMalformed},
      {" AUTH=<> AUTH=<>", kMalformed},
      {" SIZE=1=2", kMalformed},
      {" =1", kMalformed},
      {" -X=1", kMalformed},
      {" X=a\tb", kMalformed},
      {" SMTPUTF8", kUnknown},
      {" RET=HDRS", kUnknown},
      {" BODY=BINARYMIME", kMalformed},
      {" X-THING=a", kUnknown},
  };
  for (const auto& test : kCases) {
    MailParameters parameters;
    EXPECT_EQ(ParseMailParameters(test.text, parameters), test.error) << test.text;
    if (test.error != kNone) continue;
    EXPECT_EQ(parameters.size, test.size) << test.text;
    EXPECT_EQ(parameters.eight_bit, test.eight_bit) << test.text;
    EXPECT_EQ(parameters.auth, test.auth) << test.text;
    EXPECT_EQ(parameters.has_auth, !test.auth.empty()) << test.text;
  }
}

TEST(AddressTest, RcptParameters) {
  EXPECT_EQ(ParseRcptParameters(""), ParameterError::kNone);
  EXPECT_EQ(ParseRcptParameters("  "), ParameterError::kNone);
  EXPECT_EQ(ParseRcptParameters(" NOTIFY=NEVER"), ParameterError::kUnknown);
  EXPECT_EQ(ParseRcptParameters("x"), ParameterError::kMalformed);
}

TEST(AddressTest, Xtext) {
  const struct {
    ByteView text;
    bool valid;
    ByteView decoded;
  } kCases[] = {
      {"", true, ""},
      {"abc", true, "abc"},
      {"e+3Dmc2@example.com", true, "e=mc2@example.com"},
      {"a+2Bb", true, "a+b"},
      {"+20", true, " "},
      {"+", false, ""},
      {"a+2", false, ""},
      {"a+2b", false, ""},
      {"a+GG", false, ""},
      {"+0D+0A", false, ""},
      {"+00", false, ""},
      {"+FF", false, ""},
      {"a=b", false, ""},
      {"a\tb", false, ""},
      {"\xff", false, ""},
  };
  for (const auto& test : kCases) {
    Buffer out;
    out.Append("before ");
    EXPECT_EQ(DecodeXtext(test.text, out), test.valid) << test.text;
    EXPECT_EQ(out.view(), "before " + std::string(test.decoded)) << test.text;
  }
}

}  // namespace
}  // namespace sluice::smtp
