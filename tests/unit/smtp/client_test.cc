// The client against a script of the server's octets, and against our own Session.
#include "core/smtp/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "auth/sasl_client.h"
#include "core/base/prng.h"
#include "core/smtp/dot_stuff.h"
#include "tests/unit/smtp/cuts.h"
#include "tests/unit/smtp/outside.h"

namespace sluice::smtp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kEhlo[] = "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 8BITMIME\r\n";
constexpr char kChunkingEhlo[] = "250-mx.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
constexpr char kPlainEhlo[] = "250-mx.example\r\n250 8BITMIME\r\n";

struct Mail {
  explicit Mail(std::vector<ByteView> to, std::string text = "Subject: x\r\n\r\n.text\r\n")
      : recipients(std::move(to)), body(std::move(text)) {
    outgoing = {.sender = "a@example.net", .recipients = recipients, .bytes = body.size()};
  }
  Mail(const Mail&) = delete;

  std::vector<ByteView> recipients;
  std::string body;
  OutgoingMessage outgoing;
};

// A client whose outside sends the mails of a queue as soon as it may, and writes a line for each
// effect.
class Sender {
 public:
  explicit Sender(ClientOptions options, bool tls = false)
      : options_(std::move(options)), client(options_, tls) {}

  Mail& Queue(std::vector<ByteView> recipients, bool at_hand = false) {
    Mail& mail = mails_.emplace_back(std::move(recipients));
    mail.outgoing.at_hand = at_hand;
    waiting_.push_back(&mail);
    return mail;
  }

  // What the client sends in answer to this.
  std::string Hear(ByteView input) {
    while (true) {
      const ClientEffect effect = client.OnInput(input, out_);
      if (effect == ClientEffect::kNone) break;
      Do(effect);
    }
    EXPECT_TRUE(input.empty());
    while (started_ && client.can_start() && !waiting_.empty()) {
      const OutgoingMessage* message = &waiting_.front()->outgoing;
      waiting_.pop_front();
      if (client.Start(message, out_)) SendBody(message);
    }
    return Take();
  }

  std::string Take() {
    std::string text(out_.view());
    out_.Clear();
    return text;
  }

  std::string StartTls() {
    client.TlsStarted(out_);
    return Take();
  }
  std::string Quit() {
    client.Quit(out_);
    return Take();
  }

 private:
  void Do(ClientEffect effect) {
    const std::string reply = std::to_string(client.reply().code());
    switch (effect) {
      case ClientEffect::kNone:
        break;
      case ClientEffect::kStartTls:
        log.push_back("tls");
        break;
      case ClientEffect::kReady:
        log.push_back("ready");
        started_ = true;
        break;
      case ClientEffect::kRecipientFailed:
        log.push_back("failed " + std::string(client.message()->recipients[client.recipient()]) +
                      " " + reply);
        break;
      case ClientEffect::kSendBody:
        SendBody(client.message());
        log.push_back("body");
        break;
      case ClientEffect::kMessageResult:
        log.push_back("result " + std::string(client.message()->recipients[0]) + " " + reply);
        break;
      case ClientEffect::kFailed:
        log.push_back("down " + std::to_string(static_cast<int>(client.failure())));
        break;
      case ClientEffect::kClosed:
        log.push_back("closed");
        break;
    }
  }

  void SendBody(const OutgoingMessage* message) {
    const auto mail = std::find_if(mails_.begin(), mails_.end(),
                                   [&](const Mail& m) { return &m.outgoing == message; });
    if (client.chunking()) {
      out_.Append(mail->body);
    } else {
      DotStuffer stuffer;
      stuffer.Append(mail->body, out_);
      stuffer.Finish(out_);
    }
    client.BodySent();
  }

  const ClientOptions options_;
  std::deque<Mail> mails_;
  std::deque<Mail*> waiting_;
  Buffer out_;
  bool started_ = false;

 public:
  Client client;
  std::vector<std::string> log;
};

// A SASL client of alice's; lives to the end of the test.
SaslClient* Alice(auth::Mechanism mechanism) {
  static std::deque<std::unique_ptr<SaslClient>> clients;
  clients.push_back(
      auth::MakeSaslClient(mechanism, {.user = "alice@example.net", .password = "secret"}));
  return clients.back().get();
}

ClientOptions Options(SaslClient* sasl = nullptr,
                      ClientOptions::Tls tls = ClientOptions::Tls::kIfOffered) {
  ClientOptions options;
  options.ehlo_name = "client.example";
  options.tls = tls;
  options.sasl = sasl;
  return options;
}

std::string Down(ClientFailure failure) {
  return "down " + std::to_string(static_cast<int>(failure));
}

TEST(ClientTest, SendsOneGroupWherePipeliningIsOffered) {
  Sender sender(Options());
  sender.Queue({"b@example.org", "c@example.org"});
  EXPECT_EQ(sender.Hear("220 mx.example ESMTP\r\n"), "EHLO client.example\r\n");
  EXPECT_EQ(sender.Hear(kEhlo),
            "MAIL FROM:<a@example.net> SIZE=21\r\nRCPT TO:<b@example.org>\r\nRCPT "
            "TO:<c@example.org>\r\nDATA\r\n");
  EXPECT_EQ(sender.Hear("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
            "Subject: x\r\n\r\n..text\r\n.\r\n");
  EXPECT_EQ(sender.Hear("250 2.0.0 taken\r\n"), "");
  EXPECT_EQ(sender.Quit(), "QUIT\r\n");
  sender.Hear("221 bye\r\n");
  EXPECT_THAT(sender.log, ElementsAre("ready", "body", "result b@example.org 250", "closed"));
}

TEST(ClientTest, WaitsForEachReplyWhereItIsNot) {
  Sender sender(Options());
  sender.Queue({"b@example.org", "c@example.org"});
  sender.Queue({"d@example.org"});
  sender.Hear("220 mx.example\r\n");
  EXPECT_EQ(sender.Hear(kPlainEhlo), "MAIL FROM:<a@example.net>\r\n");
  EXPECT_EQ(sender.Hear("250 ok\r\n"), "RCPT TO:<b@example.org>\r\n");
  EXPECT_EQ(sender.Hear("550 no\r\n"), "RCPT TO:<c@example.org>\r\n");
  EXPECT_EQ(sender.Hear("250 ok\r\n"), "DATA\r\n");
  EXPECT_EQ(sender.Hear("354 go\r\n"), "Subject: x\r\n\r\n..text\r\n.\r\n");
  EXPECT_EQ(sender.Hear("250 ok\r\n"), "MAIL FROM:<a@example.net>\r\n");
  EXPECT_EQ(sender.Hear("250 ok\r\n"), "RCPT TO:<d@example.org>\r\n");
  EXPECT_EQ(sender.Hear("450 later\r\n"), "RSET\r\n");
  EXPECT_EQ(sender.Hear("250 ok\r\n"), "");
  EXPECT_TRUE(sender.client.can_start());
  EXPECT_THAT(sender.log,
              ElementsAre("ready", "failed b@example.org 550", "body", "result b@example.org 250",
                          "failed d@example.org 450", "result d@example.org 250"));
}

TEST(ClientTest, SendsTheNextGroupBehindABody) {
  Sender sender(Options());
  sender.Queue({"b@example.org"});
  sender.Queue({"c@example.org"});
  sender.Queue({"d@example.org"});
  sender.Hear("220 x\r\n");
  sender.Hear(kEhlo);
  EXPECT_EQ(sender.Hear("250 ok\r\n250 ok\r\n354 go\r\n"),
            "Subject: x\r\n\r\n..text\r\n.\r\nMAIL FROM:<a@example.net> SIZE=21\r\nRCPT "
            "TO:<c@example.org>\r\nDATA\r\n");
  EXPECT_EQ(sender.client.under_way(), 2u);
  EXPECT_FALSE(sender.client.can_start());
  EXPECT_THAT(sender.Hear("250 first\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
              HasSubstr("RCPT TO:<d@example.org>"));
  EXPECT_THAT(sender.log, ElementsAre("ready", "body", "result b@example.org 250", "body"));
  sender.Hear("450 second\r\n550 no\r\n503 no\r\n503 no\r\n");
  EXPECT_THAT(sender.log, ElementsAre("ready", "body", "result b@example.org 250", "body",
                                      "result c@example.org 450", "result d@example.org 550"));
}

TEST(ClientTest, ResetsAfterARefusedGroupBeforeTheNext) {
  Sender sender(Options());
  sender.Queue({"b@example.org"});
  sender.Queue({"c@example.org"});
  sender.Hear("220 x\r\n");
  sender.Hear(kEhlo);
  EXPECT_EQ(sender.Hear("451 not now\r\n503 no\r\n"), "")
      << "DATA may still be accepted: no MAIL now";
  EXPECT_EQ(sender.Hear("503 no\r\n"), "RSET\r\n");
  EXPECT_EQ(sender.Hear("250 ok\r\n"),
            "MAIL FROM:<a@example.net> SIZE=21\r\nRCPT TO:<c@example.org>\r\nDATA\r\n");
  EXPECT_EQ(sender.Hear("250 ok\r\n550 no\r\n554 no recipients\r\n"), "RSET\r\n");
  EXPECT_THAT(sender.log, ElementsAre("ready", "result b@example.org 451",
                                      "failed c@example.org 550", "result c@example.org 554"));
}

TEST(ClientTest, SendsNothingWhereDataIsAcceptedForNobody) {
  Sender sender(Options());
  sender.Queue({"b@example.org"});
  sender.Hear("220 x\r\n");
  sender.Hear(kEhlo);
  EXPECT_EQ(sender.Hear("250 ok\r\n550 no\r\n354 go\r\n"), ".\r\n");
  EXPECT_EQ(sender.Hear("554 empty\r\n"), "");
  EXPECT_THAT(sender.log,
              ElementsAre("ready", "failed b@example.org 550", "result b@example.org 554"));
  EXPECT_TRUE(sender.client.can_start());

  sender.Queue({"c@example.org"});
  sender.Hear("");
  EXPECT_EQ(sender.Hear("550 no\r\n503 no\r\n354 go all the same\r\n"), ".\r\n");
  EXPECT_EQ(sender.Hear("250 thanks for nothing\r\n"), "RSET\r\n");
  EXPECT_FALSE(sender.client.can_start());
  sender.Hear("250 ok\r\n");
  EXPECT_TRUE(sender.client.can_start());
  EXPECT_EQ(sender.log.back(), "result c@example.org 550");
}

ClientOptions Chunking() {
  ClientOptions options = Options();
  options.chunking = true;
  return options;
}

// What a small message to one goes out as, and the replies to it.
std::string Chunk(const std::string& recipient) {
  return "MAIL FROM:<a@example.net>\r\nRCPT TO:<" + recipient +
         ">\r\nBDAT 21 LAST\r\nSubject: x\r\n\r\n.text\r\n";
}
constexpr char kTaken[] = "250 ok\r\n250 ok\r\n250 taken\r\n";

TEST(ClientTest, SendsWholeMessagesOneBehindTheOtherWhereChunkingIsOffered) {
  Sender sender(Chunking());
  for (int i = 0; i < 20; i++) sender.Queue({"b@example.org"}, true);
  sender.Hear("220 x\r\n");
  std::string expected = Chunk("b@example.org");
  for (int i = 1; i < 16; i++) expected += "RSET\r\n" + Chunk("b@example.org");
  EXPECT_EQ(sender.Hear(kChunkingEhlo), expected);
  EXPECT_EQ(sender.client.under_way(), kClientUnderWayMax);
  EXPECT_EQ(sender.Hear(kTaken), "RSET\r\n" + Chunk("b@example.org"));
  EXPECT_FALSE(sender.client.oldest_heard());
  EXPECT_EQ(sender.Hear("250 cleared\r\n"), "");
  EXPECT_FALSE(sender.client.oldest_heard());
  sender.Hear("250 sender\r\n");
  EXPECT_TRUE(sender.client.oldest_heard());
  EXPECT_THAT(sender.log, ElementsAre("ready", "result b@example.org 250"));
}

TEST(ClientTest, AsksTheRecipientsBeforeALargeChunk) {
  const std::string kGroup =
      "MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\n";
  Sender sender(Chunking());
  sender.Queue({"b@example.org", "c@example.org"});
  sender.Queue({"d@example.org"}, true);
  sender.Hear("220 x\r\n");
  EXPECT_EQ(sender.Hear(kChunkingEhlo), kGroup);
  EXPECT_EQ(sender.Hear("250 ok\r\n250 ok\r\n"), "");
  EXPECT_EQ(sender.Hear("550 no\r\n"),
            "BDAT 21 LAST\r\nSubject: x\r\n\r\n.text\r\nRSET\r\n" + Chunk("d@example.org"));
  sender.Hear(std::string("250 taken\r\n250 cleared\r\n") + kTaken);
  EXPECT_THAT(sender.log, ElementsAre("ready", "failed c@example.org 550", "body",
                                      "result b@example.org 250", "result d@example.org 250"));

  sender.log.clear();
  sender.Queue({"b@example.org", "c@example.org"});
  EXPECT_EQ(sender.Hear(""), kGroup);
  EXPECT_EQ(sender.Hear("250 ok\r\n550 no\r\n450 later\r\n"), "RSET\r\n");
  EXPECT_EQ(sender.Hear("250 cleared\r\n"), "");
  EXPECT_TRUE(sender.client.can_start());

  sender.Queue({"b@example.org", "c@example.org"});
  EXPECT_EQ(sender.Hear(""), kGroup);
  EXPECT_EQ(sender.Hear("451 later\r\n503 no\r\n"), "");
  EXPECT_EQ(sender.Hear("503 no\r\n"), "RSET\r\n");
  sender.Hear("250 cleared\r\n");
  EXPECT_TRUE(sender.client.can_start());
  EXPECT_THAT(sender.log, ElementsAre("failed b@example.org 550", "failed c@example.org 450",
                                      "result b@example.org 250", "result b@example.org 451"));
}

// Each of three chunks is refused in some way; those behind it begin with RSET, and the last is
// followed by one.
TEST(ClientTest, RefusedChunksDoNotTouchThoseBehind) {
  const struct {
    std::string replies;  // to MAIL, RCPT, BDAT
    std::vector<std::string> log;
  } kCases[] = {
      {"451 later\r\n503 no\r\n503 no\r\n", {"result 451"}},
      {"250 ok\r\n550 no\r\n554 nobody\r\n", {"failed 550", "result 554"}},
      {"250 ok\r\n250 ok\r\n552 too big\r\n", {"result 552"}},
      {"250 ok\r\n550 no\r\n250 for nobody\r\n", {"failed 550", "result 250"}},
  };
  for (const auto& test : kCases) {
    const std::string replies =
        test.replies + "250 cleared\r\n" + kTaken + "250 cleared\r\n" + test.replies;
    ForEachCut(replies, [&](const Pieces& pieces) {
      Sender sender(Chunking());
      for (const char* recipient : {"b", "c", "d"}) sender.Queue({recipient}, true);
      sender.Hear("220 x\r\n");
      sender.Hear(kChunkingEhlo);
      sender.log.clear();
      std::string sent;
      for (ByteView piece : pieces) sent += sender.Hear(piece);
      std::vector<std::string> expected;
      for (const char* recipient : {"b", "c", "d"}) {
        if (*recipient == 'c') {
          expected.push_back("result c 250");
          continue;
        }
        for (std::string line : test.log)
          expected.push_back(line.insert(line.find(' ') + 1, std::string(recipient) + " "));
      }
      EXPECT_EQ(sender.log, expected) << replies;
      EXPECT_EQ(sent, "RSET\r\n") << replies;
      EXPECT_FALSE(sender.client.can_start());
      sender.Hear("250 cleared\r\n");
      EXPECT_TRUE(sender.client.can_start());
    });
  }
}

TEST(ClientTest, AConnectionWithChunksUnderWayEnds) {
  Sender sender(Chunking());
  for (const char* recipient : {"b", "c", "d"}) sender.Queue({recipient}, true);
  sender.Hear("220 x\r\n");
  sender.Hear(kChunkingEhlo);
  sender.Hear(std::string(kTaken) + "250 cleared\r\n250 ok\r\n421 bye\r\n");
  EXPECT_THAT(sender.log,
              ElementsAre("ready", "result b 250", "result c 421", Down(ClientFailure::kClosing)));
  EXPECT_EQ(sender.client.under_way(), 1u) << "what was not answered is the outside's to give up";

  Sender deaf(Chunking());
  for (const char* recipient : {"b", "c"}) deaf.Queue({recipient}, true);
  deaf.Hear("220 x\r\n");
  deaf.Hear(kChunkingEhlo);
  deaf.Hear(std::string(kTaken) + "502 what is RSET?\r\n");
  EXPECT_THAT(deaf.log, ElementsAre("ready", "result b 250", Down(ClientFailure::kProtocol)));
}

TEST(ClientTest, ChunkingNeedsPipeliningAndIsNotUsedWhenIgnored) {
  Sender alone(Chunking());
  alone.Queue({"b@example.org"}, true);
  alone.Hear("220 x\r\n");
  EXPECT_EQ(alone.Hear("250-mx\r\n250 CHUNKING\r\n"), "MAIL FROM:<a@example.net>\r\n");

  ClientOptions options = Chunking();
  options.ignored = {"chunking"};
  Sender ignored(options);
  ignored.Queue({"b@example.org"}, true);
  ignored.Hear("220 x\r\n");
  EXPECT_THAT(ignored.Hear(kChunkingEhlo), HasSubstr("RCPT TO:<b@example.org>\r\nDATA\r\n"));
}

TEST(ClientTest, EndsOnAServerThatCloses) {
  const struct {
    std::string replies;
    std::vector<std::string> log;
  } kCases[] = {
      {"421 bye\r\n", {"result b@example.org 421", Down(ClientFailure::kClosing)}},
      {"250 ok\r\n421 bye\r\n", {"result b@example.org 421", Down(ClientFailure::kClosing)}},
      {"250 ok\r\n250 ok\r\n421 bye\r\n",
       {"result b@example.org 421", Down(ClientFailure::kClosing)}},
      {"250 ok\r\n250 ok\r\n354 go\r\n421 bye\r\n",
       {"body", "result b@example.org 421", Down(ClientFailure::kClosing)}},
      {"250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n421 idle\r\n",
       {"body", "result b@example.org 250", Down(ClientFailure::kClosing)}},
      {"250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n250 what?\r\n",
       {"body", "result b@example.org 250", Down(ClientFailure::kProtocol)}},
      {"250 ok\r\n250 ok\r\n250 no body?\r\n", {Down(ClientFailure::kProtocol)}},
      {"garbage\r\n", {Down(ClientFailure::kProtocol)}},
  };
  for (const auto& test : kCases) {
    ForEachCut(test.replies, [&](const Pieces& pieces) {
      Sender sender(Options());
      sender.Queue({"b@example.org"});
      sender.Hear("220 x\r\n");
      sender.Hear(kEhlo);
      sender.log.clear();
      for (ByteView piece : pieces) sender.Hear(piece);
      EXPECT_EQ(sender.log, test.log) << test.replies;
      EXPECT_FALSE(sender.client.can_start());
    });
  }
}

// The outside has got kSendBody but has not sent all of it when the server answers.
TEST(ClientTest, AnAnswerBeforeTheEndOfTheBody) {
  for (const bool refused : {true, false}) {
    const ClientOptions options = Options();
    Client client(options, false);
    Mail mail({"b@example.org"});
    Buffer out;
    const std::string head = std::string("220 x\r\n") + kEhlo;
    ByteView input = head;
    ASSERT_EQ(client.OnInput(input, out), ClientEffect::kReady);
    ASSERT_FALSE(client.Start(&mail.outgoing, out));
    input = "250 ok\r\n250 ok\r\n354 go\r\n";
    ASSERT_EQ(client.OnInput(input, out), ClientEffect::kSendBody);
    input = refused ? "552 too big\r\n" : "250 taken?\r\n";
    if (refused) {
      EXPECT_EQ(client.OnInput(input, out), ClientEffect::kMessageResult);
      EXPECT_EQ(client.reply().code(), 552);
      EXPECT_EQ(client.OnInput(input, out), ClientEffect::kFailed);
    } else {
      EXPECT_EQ(client.OnInput(input, out), ClientEffect::kFailed);
      EXPECT_EQ(client.failure(), ClientFailure::kProtocol);
      EXPECT_EQ(client.under_way(), 1u) << "its fate is unknown";
    }
  }
}

TEST(ClientTest, ANoopKeepsAnIdleSessionAlive) {
  Sender sender({.ehlo_name = "me.example"});
  sender.Hear(std::string("220 x\r\n") + kEhlo);
  Buffer out;
  sender.client.Noop(out);
  EXPECT_EQ(out.view(), "NOOP\r\n");
  EXPECT_FALSE(sender.client.can_start());
  EXPECT_NE(sender.client.awaits(), ClientAwaits::kNothing);
  EXPECT_EQ(sender.Hear("250 2.0.0 ok\r\n"), "");
  EXPECT_TRUE(sender.client.can_start());
  EXPECT_EQ(sender.client.awaits(), ClientAwaits::kNothing);
  sender.client.Noop(out);
  sender.Hear("421 4.3.2 going\r\n");
  EXPECT_EQ(sender.client.failure(), ClientFailure::kClosing);
}

TEST(ClientTest, StartsTlsAndForgetsWhatTheClearSaid) {
  Sender sender(Options());
  sender.Hear("220 x\r\n");
  EXPECT_EQ(sender.Hear("250-mx\r\n250-PIPELINING\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"),
            "STARTTLS\r\n");
  EXPECT_EQ(sender.Hear("220 go\r\n250-injected\r\n250 SIZE\r\n"), "");
  EXPECT_EQ(sender.StartTls(), "EHLO client.example\r\n");
  EXPECT_TRUE(sender.client.tls());
  sender.Hear("250-mx\r\n250 SIZE 77\r\n");
  EXPECT_THAT(sender.log, ElementsAre("tls", "ready"));
  EXPECT_FALSE(sender.client.features().pipelining);
  EXPECT_FALSE(sender.client.features().sasl);
  EXPECT_EQ(sender.client.features().size_max, 77u);
}

TEST(ClientTest, TlsPolicies) {
  const std::string offered = "250-mx\r\n250 STARTTLS\r\n";
  const std::string absent = "250 mx\r\n";
  const struct {
    ClientOptions::Tls tls;
    std::string ehlo;
    std::string answer;  // to STARTTLS, where it is sent
    std::vector<std::string> log;
  } kCases[] = {
      {ClientOptions::Tls::kNever, offered, "", {"ready"}},
      {ClientOptions::Tls::kIfOffered, absent, "", {"ready"}},
      {ClientOptions::Tls::kIfOffered, offered, "454 no\r\n", {"ready"}},
      {ClientOptions::Tls::kIfOffered, offered, "421 bye\r\n", {Down(ClientFailure::kTls)}},
      {ClientOptions::Tls::kIfOffered, offered, "220 go\r\n", {"tls"}},
      {ClientOptions::Tls::kRequired, absent, "", {Down(ClientFailure::kTls)}},
      {ClientOptions::Tls::kRequired, offered, "454 no\r\n", {Down(ClientFailure::kTls)}},
      {ClientOptions::Tls::kRequired, offered, "220 go\r\n", {"tls"}},
  };
  for (const auto& test : kCases) {
    Sender sender(Options(nullptr, test.tls));
    sender.Hear("220 x\r\n");
    EXPECT_EQ(sender.Hear(test.ehlo), test.answer.empty() ? "" : "STARTTLS\r\n");
    sender.Hear(test.answer);
    EXPECT_EQ(sender.log, test.log);
  }
}

TEST(ClientTest, Authenticates) {
  Sender plain(Options(Alice(auth::Mechanism::kPlain)));
  plain.Hear("220 x\r\n");
  EXPECT_EQ(plain.Hear("250-mx\r\n250 AUTH LOGIN PLAIN\r\n"),
            "AUTH PLAIN AGFsaWNlQGV4YW1wbGUubmV0AHNlY3JldA==\r\n");
  plain.Hear("235 in\r\n");
  EXPECT_THAT(plain.log, ElementsAre("ready"));

  Sender login(Options(Alice(auth::Mechanism::kLogin)));
  login.Hear("220 x\r\n");
  EXPECT_EQ(login.Hear("250-mx\r\n250-AUTH=LOGIN\r\n250 SIZE\r\n"), "AUTH LOGIN\r\n");
  EXPECT_EQ(login.Hear("334 VXNlcm5hbWU6\r\n"), "YWxpY2VAZXhhbXBsZS5uZXQ=\r\n");
  EXPECT_EQ(login.Hear("334 UGFzc3dvcmQ6\r\n"), "c2VjcmV0\r\n");
  login.Hear("235 in\r\n");
  EXPECT_THAT(login.log, ElementsAre("ready"));
}

// RFC 4954 section 5.
TEST(ClientTest, TellsWhoSubmittedToWhomItHasLoggedInTo) {
  const auto mail = [](SaslClient* sasl, bool tell, ByteView ehlo, ByteView submitter) {
    ClientOptions options = Options(sasl);
    options.tell_submitter = tell;
    Sender sender(options);
    sender.Queue({"b@example.org"}).outgoing.submitter = submitter;
    sender.Hear("220 x\r\n");
    std::string sent = sender.Hear(ehlo);
    if (sasl != nullptr) sent = sender.Hear("235 in\r\n");
    return sent.substr(0, sent.find("\r\n"));
  };
  constexpr ByteView kAuth = "250-mx\r\n250 AUTH PLAIN\r\n";
  const auto sasl = [] { return Alice(auth::Mechanism::kPlain); };
  EXPECT_EQ(mail(sasl(), true, kAuth, "ann@example.net"),
            "MAIL FROM:<a@example.net> AUTH=ann@example.net");
  EXPECT_EQ(mail(sasl(), true, kAuth, "e+mc2=@example.net"),
            "MAIL FROM:<a@example.net> AUTH=e+2Bmc2+3D@example.net");
  for (const ByteView other : {"", "webmail", "ann\xc3\xa9@example.net", "x@y z", "a@\r\nDATA"}) {
    EXPECT_EQ(mail(sasl(), true, kAuth, other), "MAIL FROM:<a@example.net> AUTH=<>") << other;
  }
  EXPECT_EQ(mail(sasl(), true, kAuth, std::string(200, 'a') + "@example.net"),
            "MAIL FROM:<a@example.net> AUTH=<>");
  EXPECT_EQ(mail(nullptr, true, kAuth, "ann@example.net"), "MAIL FROM:<a@example.net> AUTH=<>");
  EXPECT_EQ(mail(nullptr, true, "250-mx\r\n250 8BITMIME\r\n", "ann@example.net"),
            "MAIL FROM:<a@example.net>");
  EXPECT_EQ(mail(sasl(), false, kAuth, "ann@example.net"), "MAIL FROM:<a@example.net>");
}

TEST(ClientTest, FailsToAuthenticate) {
  Sender absent(Options(Alice(auth::Mechanism::kPlain)));
  absent.Hear("220 x\r\n");
  absent.Hear("250-mx\r\n250 AUTH LOGIN\r\n");
  EXPECT_THAT(absent.log, ElementsAre(Down(ClientFailure::kAuth)));

  Sender refused(Options(Alice(auth::Mechanism::kPlain)));
  refused.Hear("220 x\r\n");
  refused.Hear("250-mx\r\n250 AUTH PLAIN\r\n");
  refused.Hear("535 5.7.8 no\r\n");
  EXPECT_THAT(refused.log, ElementsAre(Down(ClientFailure::kAuth)));
  EXPECT_EQ(refused.client.reply().code(), 535);

  Sender early(Options(Alice(auth::Mechanism::kLogin)));
  early.Hear("220 x\r\n");
  early.Hear("250-mx\r\n250 AUTH LOGIN\r\n");
  EXPECT_EQ(early.Hear("454 later\r\n"), "");
  EXPECT_THAT(early.log, ElementsAre(Down(ClientFailure::kAuth)));
}

TEST(ClientTest, Greetings) {
  Sender refused(Options());
  EXPECT_EQ(refused.Hear("554 go away\r\n"), "");
  EXPECT_THAT(refused.log, ElementsAre(Down(ClientFailure::kGreeting)));

  Sender old(Options());
  old.Hear("220-hello\r\n220 there\r\n");
  EXPECT_TRUE(old.client.esmtp());
  EXPECT_EQ(old.Hear("502 what?\r\n"), "HELO client.example\r\n");
  EXPECT_FALSE(old.client.esmtp());
  old.Hear("250 hi\r\n");
  EXPECT_THAT(old.log, ElementsAre("ready"));

  Sender busy(Options());
  busy.Hear("220 x\r\n");
  EXPECT_EQ(busy.Hear("421 busy\r\n"), "");
  EXPECT_THAT(busy.log, ElementsAre(Down(ClientFailure::kGreeting)));
}

TEST(ClientTest, KeepsTheServersWords) {
  Sender sender(Options());
  sender.Queue({"b@example.org"});
  sender.Hear("220 x\r\n");
  sender.Hear(kEhlo);
  sender.Hear("250 ok\r\n550-5.1.1 no such\r\n550 5.1.1 user\r\n");
  EXPECT_EQ(sender.client.reply().text(), "5.1.1 no such 5.1.1 user");
  EXPECT_EQ(sender.client.reply().enhanced(), (EnhancedStatus{5, 1, 1}));
}

// Both sides of this library talk to each other; the octets are cut at random in both directions.
TEST(ClientTest, SpeaksWithOurSession) {
  for (uint64_t seed = 0; seed < 200; seed++) {
    Prng prng(seed);
    SessionOptions server;
    server.hostname = "submit.example.net";
    server.starttls = true;
    server.mechanisms = {"PLAIN", "LOGIN"};
    const SessionConfig config(server);
    Outside outside(config);
    ClientOptions options =
        Options(Alice(prng.Chance(1, 2) ? auth::Mechanism::kPlain : auth::Mechanism::kLogin),
                ClientOptions::Tls::kRequired);
    options.pipelining = prng.Chance(1, 2);
    Sender sender(options);
    std::vector<std::string> bodies;
    for (int i = 0; i < 5; i++)
      bodies.push_back(sender.Queue({"b@example.org", "bad", "c@example.org"}).body);

    std::string to_client = outside.TakeReplies(), to_server;
    while (!to_client.empty() || !to_server.empty()) {
      const size_t down = prng.Below(to_client.size() + 1);
      to_server += sender.Hear(to_client.substr(0, down));
      to_client.erase(0, down);
      const size_t up = prng.Below(to_server.size() + 1);
      outside.Feed(ByteView(to_server).substr(0, up));
      to_server.erase(0, up);
      to_client += outside.TakeReplies();
      if (!sender.log.empty() && sender.log.back() == "tls") {
        sender.log.clear();
        outside.StartTls();
        to_server += sender.StartTls();
      }
    }
    ASSERT_EQ(outside.messages.size(), 5u) << "seed " << seed;
    for (size_t i = 0; i < bodies.size(); i++) EXPECT_EQ(outside.messages[i].body, bodies[i]);
    EXPECT_THAT(outside.messages[0].recipients, ElementsAre("b@example.org", "c@example.org"));
    EXPECT_THAT(sender.log, testing::Contains("failed bad 553").Times(5));
    EXPECT_THAT(sender.log, testing::Contains("result b@example.org 250").Times(5));
    EXPECT_EQ(sender.client.under_way(), 0);
  }
}

}  // namespace
}  // namespace sluice::smtp
