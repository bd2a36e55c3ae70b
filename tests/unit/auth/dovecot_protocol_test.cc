// Dovecot's authentication protocol: each line, each way to cut the input, what breaks it, and what
// we say.
#include "auth/dovecot_protocol.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/base64.h"

namespace sluice::auth {
namespace {

using Event = DovecotReader::Event;

// As Dovecot 2.3.19 says it.
const std::string kHello =
    "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tCRAM-"
    "MD5\tdictionary\tactive\n"
    "MECH\tSCRAM-SHA-256\tmutual-auth\nSPID\t17349\nCUID\t1\nCOOKIE\t82371421ff16b592\nDONE\n";

std::string Describe(const DovecotReader& reader, Event event) {
  std::string text;
  switch (event) {
    case Event::kNone:
      return "";
    case Event::kReady:
      return "ready\n";
    case Event::kContinue:
      return "continue " + std::to_string(reader.id()) + " '" + std::string(reader.challenge()) +
             "'\n";
    case Event::kOk:
      text = "ok ";
      break;
    case Event::kFail:
      text = "fail ";
      break;
    case Event::kBroken:
      return "broken: " + std::string(reader.error()) + "\n";
  }
  text += std::to_string(reader.id()) + " '" + std::string(reader.user()) + "'";
  if (reader.temporary()) text += " temporary";
  if (reader.elsewhere()) text += " elsewhere";
  for (const std::string& address : reader.addresses()) text += " address '" + address + "'";
  for (const std::string& domain : reader.domains()) text += " domain '" + domain + "'";
  if (!reader.tenant().empty()) text += " tenant '" + std::string(reader.tenant()) + "'";
  return text + "\n";
}

// All that comes of `pieces`, one behind the other.
std::string Read(const std::vector<std::string>& pieces) {
  DovecotReader reader;
  std::string held, story;
  for (const std::string& piece : pieces) {
    held += piece;
    ByteView input = held;
    Event event;
    while ((event = reader.OnInput(input)) != Event::kNone) {
      story += Describe(reader, event);
      if (event == Event::kBroken) return story;
    }
    held = std::string(input);
  }
  return story + held;
}

std::string ReadAnswer(const std::string& line) {
  const std::string story = Read({kHello + line + "\n"});
  EXPECT_TRUE(story.starts_with("ready\n")) << story;
  return story.substr(std::min<size_t>(story.size(), 6));
}

TEST(DovecotProtocolTest, MechanismsAreThoseThatWeKnowAndMayShow) {
  DovecotReader reader;
  ByteView input =
      "VERSION\t1\t1\nMECH\tplain\tplaintext\nMECH\tAPOP\tprivate\nMECH\tLOGIN\tplaintext\tprivate"
      "\n"
      "MECH\tNTLM\tdictionary\nMECH\tCRAM-MD5\nFUTURE\tx\nMECH\tSCRAM-SHA-1\tanonymous\nDONE\nmore";
  ASSERT_EQ(reader.OnInput(input), Event::kReady);
  EXPECT_EQ(input, "more");
  MechanismSet expected;
  expected.Add(Mechanism::kPlain);
  expected.Add(Mechanism::kCramMd5);
  EXPECT_EQ(reader.offered(), expected);
}

TEST(DovecotProtocolTest, Answers) {
  const struct {
    const char* line;
    const char* expected;
  } cases[] = {
      {"OK\t1\tuser=ann@example.net", "ok 1 'ann@example.net'\n"},
      {"OK\t4294967295\tuser=a", "ok 4294967295 'a'\n"},
      {"OK\t1", "ok 1 ''\n"},
      {"OK\t1\tuser=a=b\tother=x\tflag", "ok 1 'a=b'\n"},
      {"OK\t1\tuser=a\tsluice_address=a@b,c@d\tsluice_address=e@f\tsluice_domain=x,,y,\tsluice_"
       "tenant=acme",
       "ok 1 'a' address 'a@b' address 'c@d' address 'e@f' domain 'x' domain 'y' tenant 'acme'\n"},
      {"OK\t1\tuser=a\tnologin", "ok 1 'a' elsewhere\n"},
      {"OK\t1\tuser=a\tproxy=y\thost=h", "ok 1 'a' elsewhere\n"},
      {"OK\t1\tuser=a\tproxy=n\tproxy_host=h", "ok 1 'a'\n"},
      {"FAIL\t7\tuser=ann", "fail 7 'ann'\n"},
      {"FAIL\t7\tuser=ann\ttemp", "fail 7 'ann' temporary\n"},
      {"FAIL\t7\tcode=temp_fail\tuser=ann", "fail 7 'ann' temporary\n"},
      {"FAIL\t7\tcode=user_disabled", "fail 7 ''\n"},
      {"FAIL\t7\tuser_disabled", "fail 7 ''\n"},
      {"FAIL\t7\tcode=pass_expired", "fail 7 ''\n"},
      {"FAIL\t7\tauthz", "fail 7 ''\n"},
      {"FAIL\t7\treason=temp\tnodelay", "fail 7 ''\n"},
      {"FAIL\t7", "fail 7 ''\n"},
      {"CONT\t3\tVXNlcm5hbWU6", "continue 3 'Username:'\n"},
      {"CONT\t3\t", "continue 3 ''\n"},
      {"CONT\t3", "continue 3 ''\n"},
      {"OK\t2\tuser=a\1tb\1n\1r\1"
       "1\1xc",
       "ok 2 'a\tb\n\r\1xc'\n"},
      {"OK\t2\tuser=cut\1", "ok 2 'cut\1'\n"},
      {"NOTICE\twhat", ""},
      {"", ""},
  };
  for (const auto& c : cases) EXPECT_EQ(ReadAnswer(c.line), c.expected) << c.line;
  EXPECT_EQ(ReadAnswer(std::string("OK\t2\tuser=a\1") + "0b"), std::string("ok 2 'a\0b'\n", 11));
}

TEST(DovecotProtocolTest, NothingOfAnAnswerStaysForTheNext) {
  EXPECT_EQ(ReadAnswer("OK\t1\tuser=a\tsluice_address=x@y\tsluice_domain=d\tsluice_tenant="
                       "t\tnologin\nOK\t2\tuser=b\n"
                       "FAIL\t3\ttemp\nFAIL\t4"),
            "ok 1 'a' elsewhere address 'x@y' domain 'd' tenant 't'\nok 2 'b'\nfail 3 '' "
            "temporary\nfail 4 ''\n");
}

TEST(DovecotProtocolTest, WhatIsNoSuchServerBreaks) {
  const std::string hello = "ready\n";
  EXPECT_EQ(Read({"VERSION\t2\t0\n"}), "broken: speaks another version of the protocol\n");
  EXPECT_EQ(Read({"VERSION\n"}), "broken: speaks another version of the protocol\n");
  for (const char* first : {"220 mail ESMTP\r\n", "MECH\tPLAIN\n", "\n", "VERSIO\t1\t1\n"}) {
    EXPECT_EQ(Read({first}), "broken: does not speak Dovecot's authentication protocol\n") << first;
  }
  for (const char* line :
       {"OK", "OK\t", "OK\tuser=a", "FAIL\t-1", "FAIL\t4294967296", "CONT\t1x\tYQ==", "OK\t 1"}) {
    EXPECT_EQ(ReadAnswer(line), "broken: answered without a request's number\n") << line;
  }
  for (const char* line : {"CONT\t1\tYQ", "CONT\t1\tY!==", "CONT\t1\tYR=="}) {
    EXPECT_EQ(ReadAnswer(line), "broken: sent a challenge that is no base64\n") << line;
  }
  // Answers before the introduction has ended are none.
  EXPECT_EQ(Read({"VERSION\t1\t2\nOK\t1\tuser=a\nDONE\n"}), "ready\n");
}

TEST(DovecotProtocolTest, LinesAreBounded) {
  const std::string head = "OK\t1\tuser=";
  const auto answer_of = [&](size_t bytes) { return head + std::string(bytes - head.size(), 'x'); };
  EXPECT_TRUE(ReadAnswer(answer_of(kDovecotReadBytesMax - 1)).starts_with("ok 1 'xxx"));
  EXPECT_EQ(ReadAnswer(answer_of(kDovecotReadBytesMax)), "broken: sent a line that is too long\n");
  // Without an end as well, and no sooner than at the bound.
  EXPECT_EQ(Read({kHello, std::string(kDovecotReadBytesMax - 1, 'x')}).substr(0, 9), "ready\nxxx");
  EXPECT_EQ(Read({kHello, std::string(kDovecotReadBytesMax, 'x')}),
            "ready\nbroken: sent a line that is too long\n");
}

TEST(DovecotProtocolTest, AnyCutOfTheInputReadsTheSame) {
  const std::string whole =
      kHello +
      "CONT\t1\tVXNlcm5hbWU6\nFAIL\t2\ttemp\n\nOK\t1\tuser=a\1tb\tsluice_domain=x\nOK\tz\n";
  const std::string expected = Read({whole});
  EXPECT_EQ(expected,
            "ready\ncontinue 1 'Username:'\nfail 2 '' temporary\nok 1 'a\tb' domain 'x'\n"
            "broken: answered without a request's number\n");
  for (size_t cut = 0; cut <= whole.size(); cut++) {
    EXPECT_EQ(Read({whole.substr(0, cut), whole.substr(cut)}), expected) << cut;
  }
  std::vector<std::string> octets;
  for (const char c : whole) octets.emplace_back(1, c);
  EXPECT_EQ(Read(octets), expected);
}

TEST(DovecotProtocolTest, WhatWeSay) {
  Buffer out;
  AppendDovecotHello(4711, out);
  EXPECT_EQ(out.view(), "VERSION\t1\t2\nCPID\t4711\n");
  out.Clear();
  DovecotRequest request{.id = 9,
                         .mechanism = "PLAIN",
                         .tls = true,
                         .session = "0001",
                         .local_ip = "192.0.2.1",
                         .local_port = 587,
                         .remote_ip = "2001:db8::7",
                         .remote_port = 50001,
                         .response = ByteView("\0ann\0secret", 11)};
  ASSERT_TRUE(AppendDovecotAuth(request, out));
  EXPECT_EQ(
      out.view(),
      "AUTH\t9\tPLAIN\tservice=smtp\tsecured=tls\tsession=0001\tlip=192.0.2.1\trip=2001:db8::7\t"
      "lport=587\trport=50001\tresp=AGFubgBzZWNyZXQ=\n");
  out.Clear();
  ASSERT_TRUE(AppendDovecotAuth({.id = 10, .mechanism = "LOGIN", .response = ByteView()}, out));
  ASSERT_TRUE(AppendDovecotAuth({.id = 11, .mechanism = "LOGIN"}, out));
  ASSERT_TRUE(AppendDovecotContinue(11, "ann", out));
  ASSERT_TRUE(AppendDovecotContinue(11, "", out));
  AppendDovecotCancel(11, out);
  EXPECT_EQ(out.view(),
            "AUTH\t10\tLOGIN\tservice=smtp\tresp==\nAUTH\t11\tLOGIN\tservice="
            "smtp\nCONT\t11\tYW5u\nCONT\t11\t\n"
            "CANCEL\t11\n");
}

TEST(DovecotProtocolTest, NoFieldCanEndItsLineOrBeginAnother) {
  Buffer out;
  ASSERT_TRUE(AppendDovecotAuth(
      {.id = 1, .mechanism = "X", .session = ByteView("a\tresp=\n\r\1\0b", 12)}, out));
  EXPECT_EQ(out.view(),
            "AUTH\t1\tX\tservice=smtp\tsession=a\1tresp=\1n\1r\1"
            "1\1"
            "0b\n");
}

TEST(DovecotProtocolTest, WhatDovecotWouldNotTakeIsNotSaid) {
  const size_t head = std::string("CONT\t1\t\n").size();
  const std::string fits((kDovecotSentBytesMax - head) / 4 * 3, 'p');
  Buffer out;
  out.Append("before\n");
  EXPECT_TRUE(AppendDovecotContinue(1, fits, out));
  EXPECT_EQ(out.size(), 7 + kDovecotSentBytesMax);
  out.Truncate(7);
  EXPECT_FALSE(AppendDovecotContinue(1, fits + "p", out));
  EXPECT_FALSE(AppendDovecotAuth({.id = 1, .mechanism = "PLAIN", .response = fits}, out));
  EXPECT_EQ(out.view(), "before\n");
}

}  // namespace
}  // namespace sluice::auth
