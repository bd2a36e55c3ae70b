// What dialogues (tests/dialogs) cannot show: effects, refusals from outside, parts, limits.
#include "core/smtp/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/unit/smtp/cuts.h"
#include "tests/unit/smtp/outside.h"

namespace sluice::smtp {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kLogin[] =
    "EHLO client.example\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUubmV0AHNlY3JldA==\r\n";
constexpr char kEnvelope[] =
    "MAIL FROM:<alice@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n";

SessionOptions Options() {
  SessionOptions options;
  options.hostname = "submit.example.net";
  options.starttls = true;
  options.mechanisms = {"PLAIN", "LOGIN"};
  options.mechanisms_clear = {"PLAIN"};
  return options;
}

// A session after login, with its effects so far forgotten.
class LoggedIn {
 public:
  explicit LoggedIn(SessionOptions options = Options())
      : config_(std::move(options)), outside(config_) {
    outside.Feed(kLogin);
    EXPECT_TRUE(outside.session().authenticated());
    outside.TakeReplies();
    outside.effects.clear();
  }

  std::string Say(ByteView input) {
    outside.Feed(input);
    return outside.TakeReplies();
  }

 private:
  SessionConfig config_;

 public:
  Outside outside;
};

std::string Numbered(int lines) {
  std::string text;
  for (int i = 0; i < lines; i++) text += "line " + std::to_string(i) + " of some length\r\n";
  return text;
}

TEST(SessionConfigTest, ExternalAndPlusAreOfferedToWhomTheyCanWorkFor) {
  SessionOptions options;
  options.hostname = "h";
  options.mechanisms = {"SCRAM-SHA-256-PLUS", "EXTERNAL", "PLAIN"};
  const SessionConfig config(options);
  const struct {
    SessionOffer offer;
    ByteView line;
  } cases[] = {
      {{}, "250-AUTH PLAIN\r\n"},
      {{.external = true}, "250-AUTH EXTERNAL PLAIN\r\n"},
      {{.plus = true}, "250-AUTH SCRAM-SHA-256-PLUS PLAIN\r\n"},
      {{.external = true, .plus = true}, "250-AUTH SCRAM-SHA-256-PLUS EXTERNAL PLAIN\r\n"},
  };
  for (const auto& c : cases) {
    EXPECT_NE(config.ehlo_reply(true, false, c.offer).find(c.line), ByteView::npos) << c.line;
    EXPECT_EQ(config.ehlo_reply(true, true, c.offer).find("AUTH"), ByteView::npos);
    EXPECT_EQ(config.ehlo_reply(false, false, c.offer).find("AUTH"), ByteView::npos);
  }
  options.mechanisms = {"EXTERNAL"};
  const SessionConfig alone(options);
  EXPECT_EQ(alone.ehlo_reply(true, false).find("AUTH"), ByteView::npos);
}

TEST(SessionTest, TellsTheOutsideWhatItKnows) {
  LoggedIn client;
  client.outside.refuse[Effect::kMessage] = reply::kSpoolFull;
  Session& session = client.outside.session();
  EXPECT_EQ(session.helo(), "client.example");
  EXPECT_TRUE(session.esmtp());
  EXPECT_FALSE(session.tls());
  client.Say("MAIL FROM:<\"a b\"@example.net> SIZE=7 BODY=8BITMIME AUTH=x+40y.example\r\n");
  ASSERT_TRUE(session.in_transaction());
  // The auth parameter must be a mailbox, and +40 is its "@".
  EXPECT_EQ(session.transaction().sender(), "\"a b\"@example.net");
  EXPECT_EQ(session.transaction().declared_bytes, 7u);
  EXPECT_TRUE(session.transaction().eight_bit);
  EXPECT_TRUE(session.transaction().has_auth_parameter);
  EXPECT_EQ(session.transaction().auth_parameter(), "x@y.example");
}

TEST(SessionTest, TakesWhateverIsXtextForASubmitter) {
  const struct {
    ByteView value;
    std::optional<ByteView> submitter;  // none: refused
  } kCases[] = {
      {"<>", ""},
      {"x+40y.example", "x@y.example"},
      {"bob@localhost", "bob@localhost"},
      {"zoe", "zoe"},
      {"a+2Bb", "a+b"},
      {"zoe+20doe", "zoe doe"},
      {"zoe+", std::nullopt},
      {"zoe+4", std::nullopt},
      {"zoe+4x", std::nullopt},
      {"zoe+4a", std::nullopt},
      {"zoe+00", std::nullopt},
      {"zoe+0A", std::nullopt},
      {"zoe+FC", std::nullopt},
      {"zo\xc3\xab", std::nullopt},
      {"z=oe", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& test : kCases) {
    LoggedIn client;
    client.Say("MAIL FROM:<alice@example.net> AUTH=" + std::string(test.value) + "\r\n");
    const Session& session = client.outside.session();
    ASSERT_EQ(session.in_transaction(), test.submitter.has_value()) << test.value;
    if (!test.submitter.has_value()) continue;
    EXPECT_TRUE(session.transaction().has_auth_parameter) << test.value;
    EXPECT_EQ(session.transaction().auth_parameter(), *test.submitter);
  }
}

TEST(SessionTest, MakesTheHeloNameHarmless) {
  LoggedIn client;
  client.Say("EHLO [IPv6:2001:db8::1]\r\n");
  EXPECT_EQ(client.outside.session().helo(), "[IPv6:2001:db8::1]");
  client.Say("HELO my pc (x)\r\n");
  EXPECT_EQ(client.outside.session().helo(), "my?pc??x?");
  EXPECT_FALSE(client.outside.session().esmtp());
  client.Say("EHLO " + std::string(1000, 'a') + "\r\n");
  EXPECT_EQ(client.outside.session().helo().size(), 255u);
}

TEST(SessionTest, TakesAMessageHoweverItIsCut) {
  const std::string input =
      std::string(kLogin) + kEnvelope +
      "Bcc: hidden@example.org\r\n folded\r\nSubject: x\r\n\r\n..a\nb\r\n.\r\nQUIT\r\n";
  const SessionConfig config(Options());
  std::string first_replies;
  ForEachCut(input, [&](const Pieces& pieces) {
    Outside outside(config);
    for (ByteView piece : pieces) outside.Feed(piece);
    const std::string replies = outside.TakeReplies();
    if (first_replies.empty()) first_replies = replies;
    EXPECT_EQ(replies, first_replies);
    EXPECT_TRUE(outside.closed());
    ASSERT_EQ(outside.messages.size(), 1u);
    EXPECT_EQ(outside.messages[0].sender, "alice@example.net");
    EXPECT_THAT(outside.messages[0].recipients, ElementsAre("bob@example.org"));
    EXPECT_EQ(outside.messages[0].body, "Subject: x\r\n\r\n.a\r\nb\r\n");
    EXPECT_THAT(outside.effects, ElementsAre(Effect::kAuthStart, Effect::kMail, Effect::kRcpt,
                                             Effect::kData, Effect::kMessage, Effect::kClose));
  });
  EXPECT_THAT(first_replies, HasSubstr("250 2.0.0 Ok: queued as ID1\r\n221 "));
}

TEST(SessionTest, LeavesInputWhileItWaits) {
  const SessionConfig config(Options());
  TransactionPool pool;
  Session session(config, pool, false);
  Buffer replies;
  ByteView input = "EHLO x\r\nAUTH PLAIN\r\nAAA=\r\nNOOP\r\n";
  EXPECT_EQ(session.OnInput(input, replies), Effect::kAuthStart);
  EXPECT_TRUE(session.waiting());
  EXPECT_FALSE(session.has_auth_response());
  EXPECT_EQ(input, "AAA=\r\nNOOP\r\n");
  session.AuthChallenge("", replies);
  EXPECT_EQ(session.OnInput(input, replies), Effect::kAuthContinue);
  EXPECT_EQ(session.auth_mechanism(), "PLAIN");
  EXPECT_EQ(session.auth_response(), ByteView("\0\0", 2));
  EXPECT_EQ(input, "NOOP\r\n");
  replies.Clear();
  session.AuthFailed(AuthFailure::kTemporary, replies);
  EXPECT_EQ(session.OnInput(input, replies), Effect::kNone);
  EXPECT_EQ(replies.view(), "454 4.7.0 Temporary authentication failure\r\n250 2.0.0 Ok\r\n");
}

TEST(SessionTest, AuthFailuresHaveTheirReplies) {
  const struct {
    AuthFailure failure;
    ByteView reply;
  } kCases[] = {
      {AuthFailure::kBadCredentials, "535 5.7.8 "}, {AuthFailure::kMalformed, "501 5.5.2 "},
      {AuthFailure::kTemporary, "454 4.7.0 "},      {AuthFailure::kTooWeak, "534 5.7.9 "},
      {AuthFailure::kTransition, "432 4.7.12 "},    {AuthFailure::kTooMany, "421 4.7.0 "},
  };
  const SessionConfig config(Options());
  for (const auto& test : kCases) {
    TransactionPool pool;
    Session session(config, pool, false);
    Buffer replies;
    ByteView input = "EHLO x\r\nAUTH PLAIN =\r\n";
    ASSERT_EQ(session.OnInput(input, replies), Effect::kAuthStart);
    EXPECT_TRUE(session.has_auth_response());
    EXPECT_EQ(session.auth_response(), "");
    replies.Clear();
    session.AuthFailed(test.failure, replies);
    EXPECT_TRUE(replies.view().starts_with(test.reply)) << replies.view();
    EXPECT_FALSE(session.authenticated());
    EXPECT_EQ(session.auth_response(), "") << "a secret outlived its exchange";
    input = "";
    EXPECT_EQ(session.OnInput(input, replies),
              test.failure == AuthFailure::kTooMany ? Effect::kClose : Effect::kNone);
  }
}

TEST(SessionTest, CancelAndNonsenseAbortAnExchange) {
  for (const std::string& line : {std::string("*"), std::string("!"), std::string(20000, 'A')}) {
    const SessionConfig config(Options());
    Outside outside(config);
    outside.Feed("EHLO x\r\nAUTH PLAIN\r\n");
    outside.TakeReplies();
    outside.Feed(line + "\r\n");
    EXPECT_THAT(outside.effects, ElementsAre(Effect::kAuthStart, Effect::kAbort));
    EXPECT_THAT(outside.TakeReplies(), HasSubstr("50"));
    outside.Feed("NOOP\r\n");
    EXPECT_EQ(outside.TakeReplies(), "250 2.0.0 Ok\r\n");
  }
}

TEST(SessionTest, TlsForgetsWhatWasSaidBefore) {
  LoggedIn client;
  Session& session = client.outside.session();
  EXPECT_EQ(client.Say("STARTTLS\r\nMAIL FROM:<alice@example.net>\r\n"),
            "220 2.0.0 Ready to start TLS\r\n");
  EXPECT_TRUE(session.waiting());
  client.outside.StartTls();
  EXPECT_TRUE(session.tls());
  EXPECT_FALSE(session.authenticated());
  EXPECT_EQ(session.helo(), "");
  EXPECT_EQ(client.Say("MAIL FROM:<alice@example.net>\r\n"), "503 5.5.1 EHLO first\r\n");
}

TEST(SessionTest, TlsCanBeRefused) {
  LoggedIn client;
  client.outside.refuse[Effect::kStartTls] = reply::kTlsUnavailable;
  EXPECT_EQ(client.Say("STARTTLS\r\n"), reply::kTlsUnavailable.line);
  EXPECT_EQ(client.Say("NOOP\r\n"), "250 2.0.0 Ok\r\n");
  EXPECT_TRUE(client.outside.session().authenticated());
}

TEST(SessionTest, RefusalsFromOutsideAreSaidAndUndone) {
  LoggedIn client;
  client.outside.refuse[Effect::kMail] = reply::kSpoolFailed;
  EXPECT_EQ(client.Say("MAIL FROM:<alice@example.net>\r\n"), reply::kSpoolFailed.line);
  EXPECT_FALSE(client.outside.session().in_transaction());
  client.outside.refuse.clear();

  client.outside.refuse[Effect::kRcpt] = Reply{"450 4.7.1 Throttling failure\r\n"};
  EXPECT_EQ(client.Say("MAIL FROM:<alice@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"),
            "250 2.1.0 Ok\r\n450 4.7.1 Throttling failure\r\n554 5.5.1 No valid recipients\r\n");
  client.outside.refuse.clear();

  client.outside.refuse[Effect::kData] = reply::kSpoolFull;
  EXPECT_EQ(client.Say("RCPT TO:<carol@example.org>\r\nDATA\r\n"),
            "250 2.1.5 Ok\r\n452 4.3.1 Insufficient system storage\r\n");
  client.outside.refuse.clear();

  client.outside.refuse[Effect::kMessage] = reply::kSpoolFailed;
  EXPECT_EQ(client.Say("DATA\r\n"), reply::kStartMail.line);
  EXPECT_EQ(client.Say("x\r\n.\r\n"), reply::kSpoolFailed.line);
  EXPECT_FALSE(client.outside.session().in_transaction());
  client.outside.refuse.clear();

  client.Say(kEnvelope);
  EXPECT_EQ(client.Say(".\r\n"), "250 2.0.0 Ok: queued as ID1\r\n");
  EXPECT_THAT(client.outside.messages[0].recipients, ElementsAre("bob@example.org"));
}

TEST(SessionTest, A421FromOutsideEndsTheSession) {
  LoggedIn client;
  client.outside.refuse[Effect::kMail] = reply::kDisabledLogin;
  EXPECT_EQ(client.Say("MAIL FROM:<alice@example.net>\r\nNOOP\r\n"), reply::kDisabledLogin.line);
  EXPECT_TRUE(client.outside.closed());
}

TEST(SessionTest, RefusedRcptLeavesTheOthers) {
  LoggedIn client;
  client.Say("MAIL FROM:<alice@example.net>\r\nRCPT TO:<a@example.org>\r\n");
  client.outside.refuse[Effect::kRcpt] = Reply{"550 5.1.1 No such user\r\n"};
  client.Say("RCPT TO:<b@example.org>\r\n");
  client.outside.refuse.clear();
  client.Say("RCPT TO:<c@example.org>\r\nDATA\r\n.\r\n");
  EXPECT_THAT(client.outside.messages[0].recipients, ElementsAre("a@example.org", "c@example.org"));
}

TEST(SessionTest, AbortTellsThatATransactionEnded) {
  for (const char* command : {"RSET\r\n", "EHLO x\r\n", "HELO x\r\n"}) {
    LoggedIn client;
    client.Say("MAIL FROM:<alice@example.net>\r\n");
    client.Say(command);
    client.Say(command);  // nothing left to abort
    EXPECT_THAT(client.outside.effects, ElementsAre(Effect::kMail, Effect::kAbort)) << command;
    EXPECT_FALSE(client.outside.session().in_transaction());
  }
}

TEST(SessionTest, LargeBodiesComeInParts) {
  SessionOptions options = Options();
  options.part_bytes = 1000;
  const std::string header = "Subject: x\r\nBcc: y\r\n\r\n";
  const std::string body = Numbered(500);
  for (size_t piece_bytes : {1, 7, 1000, 100000}) {
    LoggedIn client(options);
    client.Say(kEnvelope);
    const std::string text = header + body + ".\r\n";
    for (size_t at = 0; at < text.size(); at += piece_bytes) {
      client.outside.Feed(ByteView(text).substr(at, piece_bytes));
    }
    ASSERT_EQ(client.outside.messages.size(), 1u);
    EXPECT_EQ(client.outside.messages[0].body, "Subject: x\r\n\r\n" + body);
    EXPECT_GE(client.outside.messages[0].parts, body.size() / 2000);
    EXPECT_LE(client.outside.messages[0].parts, body.size() / 1000 + 1);
  }
}

TEST(SessionTest, AHeaderSectionIsNotCut) {
  SessionOptions options = Options();
  options.part_bytes = 100;
  std::string header;
  for (int i = 0; i < 100; i++) header += "X-Field-" + std::to_string(i) + ": value\r\n";
  LoggedIn client(options);
  client.Say(kEnvelope);
  for (char c : header) client.outside.Feed(ByteView(&c, 1));
  EXPECT_THAT(client.outside.effects, testing::Not(testing::Contains(Effect::kBodyPart)));
  client.Say("Bcc: x\r\n\r\nbody\r\n.\r\n");
  EXPECT_EQ(client.outside.messages[0].body, header + "\r\nbody\r\n");
}

TEST(SessionTest, RefusingAPartDrainsTheRest) {
  SessionOptions options = Options();
  options.part_bytes = 1000;
  LoggedIn client(options);
  client.Say(kEnvelope);
  client.outside.refuse[Effect::kBodyPart] = reply::kSpoolFull;
  EXPECT_EQ(client.Say("Subject: x\r\n\r\n" + Numbered(200)), "");
  EXPECT_EQ(client.Say(Numbered(200)), "");
  EXPECT_EQ(client.outside.session().transaction().body.size(), 0u);
  EXPECT_EQ(client.Say(".\r\nNOOP\r\n"),
            "452 4.3.1 Insufficient system storage\r\n250 2.0.0 Ok\r\n");
  EXPECT_THAT(client.outside.effects, ElementsAre(Effect::kMail, Effect::kRcpt, Effect::kData,
                                                  Effect::kBodyPart, Effect::kAbort));
  EXPECT_THAT(client.outside.messages, IsEmpty());
}

TEST(SessionTest, FaultsInABodyAreAnsweredAtItsEnd) {
  const struct {
    BareLf bare_lf;
    std::string body;
    ByteView reply;
  } kCases[] = {
      {BareLf::kNormalize, "a\rb\r\n", reply::kBareCarriageReturn.line},
      {BareLf::kNormalize, std::string("a\0b\r\n", 5), reply::kNulInMessage.line},
      {BareLf::kReject, "Subject: x\r\n\r\na\nb\r\n",
       "550 5.6.0 Bare LF in line 3 of the message: make the client end lines in CR LF\r\n"},
  };
  for (const auto& test : kCases) {
    SessionOptions options = Options();
    options.bare_lf = test.bare_lf;
    LoggedIn client(options);
    client.Say(kEnvelope);
    EXPECT_EQ(client.Say(test.body), "");
    EXPECT_EQ(client.Say(".\r\n"), test.reply);
    EXPECT_EQ(client.outside.effects.back(), Effect::kAbort);
    EXPECT_THAT(client.outside.messages, IsEmpty());
    client.Say(kEnvelope);
    EXPECT_EQ(client.Say("good\r\n.\r\n"), "250 2.0.0 Ok: queued as ID1\r\n");
  }
}

TEST(SessionTest, MailLoopsAndHugeHeadersAreRefused) {
  SessionOptions options = Options();
  options.received_max = 3;
  options.header_bytes_max = 1000;
  const struct {
    std::string header;
    ByteView reply;
  } kCases[] = {
      {"Received: a\r\nReceived: b\r\nReceived: c\r\n\r\nReceived: body\r\n",
       "250 2.0.0 Ok: queued as ID1\r\n"},
      {"Received: a\r\nReceived: b\r\nReceived: c\r\nReceived: d\r\n\r\n", reply::kMailLoop.line},
      {"Subject: " + std::string(980, 'x') + "\r\n\r\n" + Numbered(100),
       "250 2.0.0 Ok: queued as ID1\r\n"},
      {"Subject: " + std::string(1000, 'x') + "\r\n\r\n", reply::kHeaderTooBig.line},
      {"Subject: x\r\n" + Numbered(0) + std::string(2000, 'x') + ":\r\n" + Numbered(100),
       reply::kHeaderTooBig.line},
  };
  for (const auto& test : kCases) {
    LoggedIn client(options);
    client.Say(kEnvelope);
    for (char c : test.header) client.outside.Feed(ByteView(&c, 1));
    EXPECT_EQ(client.Say("\r\n.\r\n"), test.reply);
  }
}

TEST(SessionTest, DrainsToTwiceTheLimitThenGivesUp) {
  SessionOptions options = Options();
  options.message_bytes_max = 1000;
  options.part_bytes = 100;
  LoggedIn client(options);
  client.Say(kEnvelope);
  const std::string line(98, 'x');
  for (int i = 0; i < 20; i++) EXPECT_EQ(client.Say(line + "\r\n"), "");
  EXPECT_FALSE(client.outside.closed());
  EXPECT_EQ(client.Say(line + "\r\n"), reply::kDrainedTooMuch.line);
  EXPECT_TRUE(client.outside.closed());
}

TEST(SessionTest, ABodyBehindAnAcceptedDataIsNoOffence) {
  for (const char* line : {"X\r\n", "NOOP\n\r\n", "RCPT TO:<b@example.org>\r\n"}) {
    LoggedIn client;
    const std::string replies = client.Say(std::string(kEnvelope) + "text\r\n.\r\n" + line);
    EXPECT_THAT(replies, HasSubstr("queued as ID1\r\n50"));
    EXPECT_THAT(replies, testing::Not(HasSubstr("421")));
  }
}

TEST(SessionTest, ErrorsAreForgottenWithAMessage) {
  SessionOptions options = Options();
  options.errors_max = 2;
  LoggedIn client(options);
  for (int round = 0; round < 3; round++) {
    EXPECT_THAT(client.Say("X\r\nX\r\n"), testing::Not(HasSubstr("421")));
    client.Say(kEnvelope);
    client.Say(".\r\n");
  }
  EXPECT_THAT(client.Say("X\r\nX\r\nX\r\n"), EndsWith(reply::kTooManyErrors.line));
  EXPECT_TRUE(client.outside.closed());
}

TEST(SessionTest, TellsOfEachRefusalWhileItsSubjectIsKnown) {
  SessionOptions options = Options();
  options.recipients_max = 2;
  options.message_bytes_max = 100;
  options.received_max = 1;
  LoggedIn client(options);
  const std::string big = std::string(150, 'x') + "\r\n.\r\n";
  const std::string loop = "Received: a\r\nReceived: b\r\n\r\n.\r\n";
  client.Say("X\r\nRCPT TO:<bob@example.org>\r\nMAIL FROM:<alice@example.net> SIZE=101\r\n");
  client.Say(kEnvelope + big + kEnvelope + loop + kEnvelope + "a\rb\r\n.\r\n");
  client.Say(
      "MAIL FROM:<alice@example.net>\r\nRCPT TO:<bob>\r\nRCPT TO:<b@example.org>\r\n"
      "RCPT TO:<c@example.org>\r\nRCPT TO:<d@example.org>\r\nRSET\r\n");
  client.outside.refuse[Effect::kMail] = reply::kSenderNotOwned;
  client.Say("MAIL FROM:<mallory@example.org>\r\n");
  client.outside.refuse.clear();
  client.outside.refuse[Effect::kMessage] = reply::kSpoolFailed;
  client.Say(std::string(kEnvelope) + ".\r\n");
  EXPECT_THAT(client.outside.refusals,
              ElementsAre(" 500", "RCPT 503", "MAIL 552",    // before a transaction
                          ". 552 alice@example.net 1",       // too big
                          ". 554 alice@example.net 1",       // too many hops
                          ". 550 alice@example.net 1",       // bare CR
                          "RCPT 553 alice@example.net 0",    // no domain
                          "RCPT 452 alice@example.net 2",    // too many
                          "MAIL 553 mallory@example.org 0",  // said from outside
                          ". 451 alice@example.net 1"));
}

TEST(SessionTest, TellsOfARefusalWithALineNumberAndOfTheEndOfASession) {
  SessionOptions options = Options();
  options.errors_max = 1;
  options.bare_lf = BareLf::kReject;
  LoggedIn client(options);
  client.Say(std::string(kEnvelope) + "a\nb\r\n.\r\n");
  client.Say("AUTH PLAIN\r\nAUTH PLAIN\r\n");
  EXPECT_THAT(client.outside.refusals,
              ElementsAre(". 550 alice@example.net 1", "AUTH 503", "AUTH 503", "AUTH 421"));
  EXPECT_TRUE(client.outside.closed());
}

TEST(SessionTest, LoginsCanBeOptional) {
  SessionOptions options = Options();
  options.require_auth = false;
  const SessionConfig config(options);
  Outside outside(config);
  outside.Feed("EHLO x\r\nMAIL FROM:<alice@example.net>\r\n");
  EXPECT_THAT(outside.TakeReplies(), EndsWith("250 2.1.0 Ok\r\n"));
}

TEST(SessionTest, RefusedRecipientsOfWhoIsNotKnownAreErrors) {
  SessionOptions options = Options();
  options.require_auth = false;
  options.errors_max = 2;
  const SessionConfig config(options);
  for (const bool known : {false, true}) {
    Outside outside(config);
    outside.session().SetVouchedFor(known);
    outside.refuse[Effect::kRcpt] = reply::kRelayingDenied;
    outside.Feed("EHLO x\r\nMAIL FROM:<>\r\n");
    for (int i = 0; i < 3; i++) outside.Feed("RCPT TO:<a@example.org>\r\n");
    EXPECT_EQ(outside.closed(), !known);
  }
}

TEST(SessionTest, WhoIsVouchedForNeedsNoLoginAndMayHaveOne) {
  const SessionConfig config(Options());
  Outside outside(config);
  outside.Feed("EHLO x\r\nMAIL FROM:<alice@example.net>\r\n");
  EXPECT_THAT(outside.TakeReplies(), EndsWith(std::string(reply::kAuthFirst.line)));
  outside.session().SetVouchedFor(true);
  outside.Feed("MAIL FROM:<alice@example.net>\r\nRSET\r\n");
  EXPECT_THAT(outside.TakeReplies(), EndsWith("250 2.1.0 Ok\r\n250 2.0.0 Ok\r\n"));
  EXPECT_FALSE(outside.session().authenticated());
  outside.Feed("EHLO x\r\n");
  EXPECT_THAT(outside.TakeReplies(), HasSubstr("250-AUTH"));
  outside.Feed("AUTH PLAIN AGFsaWNlQGV4YW1wbGUubmV0AHNlY3JldA==\r\n");
  EXPECT_THAT(outside.TakeReplies(), testing::StartsWith("235"));
  outside.session().SetVouchedFor(false);
  outside.Feed("AUTH PLAIN\r\nMAIL FROM:<alice@example.net>\r\n");
  EXPECT_THAT(outside.TakeReplies(),
              EndsWith("503 5.5.1 Already authenticated\r\n250 2.1.0 Ok\r\n"));
}

TEST(SessionTest, TlsForgetsWhoWasVouchedFor) {
  SessionOptions options = Options();
  options.starttls = true;
  options.mechanisms = {"PLAIN"};
  const SessionConfig config(options);
  Outside outside(config);
  outside.session().SetVouchedFor(true);
  outside.Feed("EHLO x\r\nSTARTTLS\r\n");
  ASSERT_TRUE(outside.wants_tls());
  outside.StartTls();
  outside.TakeReplies();
  outside.Feed("EHLO x\r\nMAIL FROM:<alice@example.net>\r\n");
  EXPECT_THAT(outside.TakeReplies(), EndsWith(std::string(reply::kAuthFirst.line)));
}

TEST(SessionTest, NothingIsOfferedThatIsNotThere) {
  SessionOptions options;
  options.hostname = "h.example";
  const SessionConfig config(options);
  Outside outside(config);
  outside.Feed("EHLO x\r\nAUTH PLAIN\r\nSTARTTLS\r\n");
  const std::string replies = outside.TakeReplies();
  EXPECT_THAT(replies, EndsWith(std::string(reply::kAuthNotOffered.line) +
                                std::string(reply::kTlsNotOffered.line)));
  EXPECT_THAT(replies, testing::Not(HasSubstr("250-AUTH")));
  EXPECT_THAT(replies, testing::Not(HasSubstr("250-STARTTLS")));
}

TEST(TransactionPoolTest, GivesBackMemoryThatWasKept) {
  TransactionPool pool(1);
  Transaction* first;
  const char* body;
  {
    auto transaction = pool.Take();
    first = transaction.get();
    transaction->recipients.Add("a@example.net");
    transaction->body.Append("text");
    body = transaction->body.data();
    transaction->eight_bit = true;
  }
  auto again = pool.Take();
  EXPECT_EQ(again.get(), first);
  EXPECT_TRUE(again->recipients.empty());
  EXPECT_TRUE(again->body.empty());
  EXPECT_FALSE(again->eight_bit);
  again->body.Append("x");
  EXPECT_EQ(again->body.data(), body);
  again->body.Reserve(1 << 20);
  again.reset();
  EXPECT_EQ(pool.Take()->body.capacity(), 0u) << "one huge message is not paid for ever after";
}

}  // namespace
}  // namespace sluice::smtp
