#include "tools/load/sink_session.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::load {
namespace {

// Runs a session as SinkConnection does, and notes what it said.
class Dialogue {
 public:
  explicit Dialogue(SinkOptions options = {})
      : options_(std::move(options)),
        faults_(options_.faults.messages),
        session_(options_, faults_, prng_, false) {
    session_.Greet(out_);
    Send("");
  }

  void Send(ByteView bytes) {
    waiting_.append(bytes);
    ByteView input = waiting_;
    for (bool more = true; more;) {
      switch (session_.OnInput(input, out_)) {
        case SinkEffect::kNone:
          more = false;
          break;
        case SinkEffect::kStartTls:
          input = ByteView();
          session_.TlsStarted();
          more = false;
          break;
        case SinkEffect::kBodyPart:
          body.append(session_.part());
          break;
        case SinkEffect::kMessage:
          body.append(session_.part());
          EXPECT_EQ(session_.message_bytes(), body.size());
          bodies += body + "|";
          body.clear();
          session_.Answer(out_);
          break;
        case SinkEffect::kClose:
          closed = true;
          more = false;
          break;
      }
    }
    waiting_ = std::string(input);
  }

  // The codes of all replies since the last call: "250 354".
  std::string Codes() {
    std::string codes;
    for (ByteView text = out_.view(); !text.empty(); text.remove_prefix(text.find('\n') + 1)) {
      if (text.size() > 3 && text[3] == '-') continue;
      codes += (codes.empty() ? "" : " ") + std::string(text.substr(0, 3));
    }
    out_.Clear();
    return codes;
  }
  std::string Said() {
    std::string said(out_.view());
    out_.Clear();
    return said;
  }
  FaultSwitch& faults() { return faults_; }
  const SinkSession& session() const { return session_; }

  std::string body;
  std::string bodies;
  bool closed = false;

 private:
  SinkOptions options_;
  FaultSwitch faults_;
  Prng prng_{1};
  SinkSession session_;
  Buffer out_;
  std::string waiting_;
};

constexpr ByteView kTransaction =
    "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\nSubject: x\r\n\r\n..\r\ntext\r\n.\r\n";

TEST(SinkSessionTest, TakesMessagesOneAfterTheOther) {
  Dialogue dialogue;
  dialogue.Send("EHLO relay\r\n");
  dialogue.Send(kTransaction);
  dialogue.Send(kTransaction);
  dialogue.Send("QUIT\r\n");
  EXPECT_EQ(dialogue.Codes(), "220 250 250 250 354 250 250 250 354 250 221");
  const std::string body = "Subject: x\r\n\r\n..\r\ntext\r\n.\r\n|";
  EXPECT_EQ(dialogue.bodies, body + body);
  EXPECT_TRUE(dialogue.closed);
}

TEST(SinkSessionTest, AnswersTheSameHoweverTheInputIsCut) {
  const std::string all = "ehlo relay\r\n" + std::string(kTransaction) + "RSET\r\nNOOP\r\n" +
                          std::string(kTransaction) + "QUIT\r\n";
  for (size_t cut = 0; cut <= all.size(); cut++) {
    Dialogue dialogue;
    dialogue.Send(ByteView(all).substr(0, cut));
    dialogue.Send(ByteView(all).substr(cut));
    EXPECT_EQ(dialogue.Codes(), "220 250 250 250 354 250 250 250 250 250 354 250 221") << cut;
    EXPECT_TRUE(dialogue.closed);
  }
}

TEST(SinkSessionTest, CommandsOutOfOrderAreRefused) {
  Dialogue dialogue;
  dialogue.Send(
      "RCPT TO:<b@y>\r\nDATA\r\nMAIL FROM:<a@x>\r\nDATA\r\nSTARTTLS\r\nAUTH PLAIN "
      "AA==\r\nWHAT\r\nX\r\n");
  EXPECT_EQ(dialogue.Codes(), "220 503 503 250 554 503 502 500 500");
}

TEST(SinkSessionTest, ALineWithoutEndClosesTheConnection) {
  Dialogue dialogue;
  dialogue.Send(std::string(20'000, 'x'));
  EXPECT_EQ(dialogue.Codes(), "220 500");
  EXPECT_TRUE(dialogue.closed);
}

TEST(SinkSessionTest, StartTlsIsOfferedOnlyWithTlsAndOnlyOnce) {
  Dialogue plain;
  plain.Send("EHLO relay\r\n");
  EXPECT_EQ(plain.Said().find("STARTTLS"), std::string::npos);

  Dialogue dialogue(SinkOptions{.tls = SinkOptions::Tls::kStartTls});
  dialogue.Send("EHLO relay\r\n");
  EXPECT_NE(dialogue.Said().find("250-STARTTLS\r\n"), std::string::npos);
  dialogue.Send(
      "STARTTLS\r\nMAIL FROM:<injected@x>\r\n");  // what came in the clear behind it is dropped
  EXPECT_EQ(dialogue.Codes(), "220");
  dialogue.Send("EHLO relay\r\n");
  EXPECT_EQ(dialogue.Said().find("STARTTLS"), std::string::npos);
  dialogue.Send("STARTTLS\r\n");
  EXPECT_EQ(dialogue.Codes(), "503");
}

TEST(SinkSessionTest, BelievesEverybodyWhenAsked) {
  Dialogue dialogue(SinkOptions{.auth = true});
  dialogue.Send("EHLO x\r\n");
  EXPECT_NE(dialogue.Said().find("AUTH PLAIN LOGIN"), std::string::npos);
  dialogue.Send(
      "AUTH PLAIN AA==\r\nAUTH PLAIN\r\nAA==\r\nAUTH LOGIN\r\nAA==\r\nAA==\r\nAUTH X\r\n");
  EXPECT_EQ(dialogue.Codes(), "235 334 235 334 334 235 504");
}

TEST(SinkSessionTest, KeepsTheEnvelopeForTheStore) {
  Dialogue dialogue(SinkOptions{.store = "folder"});
  dialogue.Send(kTransaction);
  EXPECT_EQ(dialogue.session().envelope(), "MAIL FROM:<a@x>\nRCPT TO:<b@y>\n");
}

TEST(SinkSessionTest, FaultsAtEachPlace) {
  struct Case {
    SinkFaults faults;
    const char* codes;
  };
  const Case cases[] = {
      {{.greeting = "554 5.7.1 No"}, "554 250 250 354 250"},
      {{.mail = "450 4.7.1 Slow"}, "220 450 503 503 500 500 500 500 500"},
      {{.rcpt = "550 5.1.1 Nobody"}, "220 250 550 554 500 500 500 500 500"},
      {{.data_command = "451 4.3.0 No"}, "220 250 250 451 500 500 500 500 500"},
      {{.data = "451 4.3.0 Later"}, "220 250 250 354 451"},
  };
  for (const Case& c : cases) {
    Dialogue dialogue(SinkOptions{.faults = c.faults});
    dialogue.Send(kTransaction);
    EXPECT_EQ(dialogue.Codes(), c.codes);
    EXPECT_FALSE(dialogue.closed);
  }
}

TEST(SinkSessionTest, A421ClosesTheConnection) {
  Dialogue greeting(SinkOptions{.faults = {.greeting = "421 4.3.2 Busy"}});
  EXPECT_EQ(greeting.Codes(), "421");
  EXPECT_TRUE(greeting.closed);
  Dialogue data(SinkOptions{.faults = {.data = "421 4.3.2 Busy"}});
  data.Send(kTransaction);
  data.Send("MAIL FROM:<a@x>\r\n");
  EXPECT_EQ(data.Codes(), "220 250 250 354 421");
  EXPECT_TRUE(data.closed);
}

TEST(SinkSessionTest, FaultsEndAfterTheirMessagesOrWhenSwitchedOff) {
  Dialogue counted(SinkOptions{.faults = {.data = "451 4.3.0 Later", .messages = 2}});
  for (int i = 0; i < 3; i++) counted.Send(kTransaction);
  EXPECT_EQ(counted.Codes(), "220 250 250 354 451 250 250 354 451 250 250 354 250");

  Dialogue switched(SinkOptions{.faults = {.data = "451 4.3.0 Later"}});
  switched.Send(kTransaction);
  switched.faults().Off();
  switched.Send(kTransaction);
  EXPECT_EQ(switched.Codes(), "220 250 250 354 451 250 250 354 250");
}

TEST(SinkSessionTest, FaultsComeInTheirShare) {
  Dialogue dialogue(SinkOptions{.faults = {.data = "451 4.3.0 Later", .percent = 30}});
  int refused = 0;
  for (int i = 0; i < 1000; i++) {
    dialogue.Send(kTransaction);
    refused += dialogue.Codes().ends_with("451");
  }
  EXPECT_GT(refused, 200);
  EXPECT_LT(refused, 400);
}

}  // namespace
}  // namespace sluice::load
