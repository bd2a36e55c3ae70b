#include "tools/load/sink_session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

namespace sluice::load {
namespace {

// Runs a session as SinkConnection does, and notes what it said.
class Dialogue {
 public:
  explicit Dialogue(SinkOptions options = {})
      : options_(std::move(options)),
        faults_(options_.faults.messages),
        session_(options_, faults_, prng_) {
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
          break;
        case SinkEffect::kBodyPart:
          body.append(session_.part());
          break;
        case SinkEffect::kMessage:
          body.append(session_.part());
          EXPECT_EQ(session_.message_bytes(), body.size());
          bodies += body + "|";
          body.clear();
          if (session_.wait() > Duration(0)) waits.push_back(session_.wait());
          session_.Answer(out_);
          break;
        case SinkEffect::kWait:
          waits.push_back(session_.wait());
          break;
        case SinkEffect::kDrop:
          dropped = true;
          more = false;
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
  std::vector<Duration> waits;
  bool closed = false;
  bool dropped = false;

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

constexpr ByteView kChunks =
    "RSET\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 6\r\n.\r\nab\nbdat 2 last\r\n\r\n";

TEST(SinkSessionTest, TakesMessagesInChunks) {
  Dialogue dialogue;
  dialogue.Send("EHLO relay\r\n");
  EXPECT_NE(dialogue.Said().find("250-CHUNKING\r\n"), std::string::npos);
  for (size_t cut = 0; cut <= kChunks.size(); cut++) {
    dialogue.bodies.clear();
    dialogue.Send(kChunks.substr(0, cut));
    dialogue.Send(kChunks.substr(cut));
    EXPECT_EQ(dialogue.Codes(), "250 250 250 250 250") << cut;
    EXPECT_EQ(dialogue.bodies, ".\r\nab\n\r\n|") << cut;
    EXPECT_TRUE(dialogue.session().chunked());
  }
  dialogue.Send(kTransaction);
  EXPECT_FALSE(dialogue.session().chunked());
  dialogue.Codes();
  dialogue.Send("MAIL FROM:<a@x>\r\nBDAT 6 LAST\r\nQUIT\r\nBDAT 0 LAST\r\nNOOP\r\n");
  EXPECT_EQ(dialogue.Codes(), "250 554 554 250") << "what was refused is read over";
  dialogue.Send("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 0 LAST\r\nNOOP\r\n");
  EXPECT_EQ(dialogue.Codes(), "250 250 250 250");
  dialogue.Send("BDAT many\r\n");
  EXPECT_EQ(dialogue.Codes(), "501");
  EXPECT_TRUE(dialogue.closed);

  SinkOptions options;
  options.chunking = false;
  Dialogue without(options);
  without.Send("EHLO relay\r\n");
  EXPECT_EQ(without.Said().find("CHUNKING"), std::string::npos);
}

TEST(SinkSessionTest, RefusesChunksAsOrdered) {
  SinkOptions options;
  ASSERT_TRUE(options.faults.Add("data=451 4.3.0 Not now").ok());
  Dialogue dialogue(options);
  dialogue.Send("EHLO relay\r\n");
  dialogue.Codes();
  dialogue.Send("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
  EXPECT_EQ(dialogue.Codes(), "250 250 451 250");
  EXPECT_EQ(dialogue.bodies, "");
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

SinkOptions WithFaults(std::initializer_list<const char*> faults, uint64_t messages = 0) {
  SinkOptions options;
  for (const char* fault : faults) EXPECT_TRUE(options.faults.Add(fault).ok()) << fault;
  options.faults.messages = messages;
  return options;
}

TEST(SinkSessionTest, RepliesAtEachPhase) {
  const struct {
    const char* fault;
    const char* codes;
  } cases[] = {
      {"greeting=554 5.7.1 No", "554 250 250 250 354 250"},
      {"ehlo=502 5.5.1 No", "220 502 250 250 354 250"},
      {"mail=450 4.7.1 Slow", "220 250 450 503 503 500 500 500 500 500"},
      {"rcpt=550 5.1.1 Nobody", "220 250 250 550 554 500 500 500 500 500"},
      {"data=451 4.3.0 No", "220 250 250 250 451 500 500 500 500 500"},
      {"end=451 4.3.0 Later", "220 250 250 250 354 451"},
      {"end=250 2.0.0 Queued", "220 250 250 250 354 250"},
  };
  for (const auto& c : cases) {
    Dialogue dialogue(WithFaults({c.fault}));
    dialogue.Send("EHLO x\r\n");
    dialogue.Send(kTransaction);
    EXPECT_EQ(dialogue.Codes(), c.codes);
    EXPECT_FALSE(dialogue.closed || dialogue.dropped);
  }
  SinkOptions options = WithFaults({"auth=535 5.7.8 No", "starttls=454 4.7.0 Not now"});
  options.tls = SinkOptions::Tls::kStartTls;
  options.auth = true;
  Dialogue dialogue(options);
  dialogue.Send("STARTTLS\r\nAUTH PLAIN AA==\r\nNOOP\r\n");
  EXPECT_EQ(dialogue.Codes(), "220 454 535 250");
}

TEST(SinkSessionTest, A421ClosesTheConnection) {
  Dialogue greeting(WithFaults({"greeting=421 4.3.2 Busy"}));
  EXPECT_EQ(greeting.Codes(), "421");
  EXPECT_TRUE(greeting.closed);
  Dialogue data(WithFaults({"end=421 4.3.2 Busy"}));
  data.Send(kTransaction);
  data.Send("MAIL FROM:<a@x>\r\n");
  EXPECT_EQ(data.Codes(), "220 250 250 354 421");
  EXPECT_TRUE(data.closed);
}

TEST(SinkSessionTest, DropsAtEachPhase) {
  const struct {
    const char* fault;
    const char* codes;
  } cases[] = {
      {"connect=drop", ""},
      {"greeting=drop", ""},
      {"ehlo=drop", "220"},
      {"mail=drop", "220 250"},
      {"rcpt=drop", "220 250 250"},
      {"data=drop", "220 250 250 250"},
      {"body=drop", "220 250 250 250 354"},
      {"end=drop", "220 250 250 250 354"},
  };
  for (const auto& c : cases) {
    Dialogue dialogue(WithFaults({c.fault}));
    if (!dialogue.dropped) dialogue.Send("EHLO x\r\n");
    if (!dialogue.dropped) dialogue.Send(kTransaction);
    EXPECT_EQ(dialogue.Codes(), c.codes) << c.fault;
    EXPECT_TRUE(dialogue.dropped) << c.fault;
    EXPECT_EQ(dialogue.bodies, "");
  }
}

TEST(SinkSessionTest, TlsThatIsDroppedOrBroken) {
  for (const char* fault : {"tls=garbage", "tls=drop"}) {
    SinkOptions options = WithFaults({fault});
    options.tls = SinkOptions::Tls::kStartTls;
    Dialogue dialogue(options);
    dialogue.Send("STARTTLS\r\n");
    EXPECT_FALSE(dialogue.dropped);
    EXPECT_EQ(dialogue.Codes(), "220 220");
    dialogue.Send("\x16\x03\x01 ClientHello");
    EXPECT_TRUE(dialogue.dropped);
    const bool garbage = std::string(fault) == "tls=garbage";
    EXPECT_EQ(dialogue.Said(), garbage ? "This is no TLS.\r\n" : "");

    options.tls = SinkOptions::Tls::kImplicit;
    Dialogue implicit(options);
    EXPECT_EQ(implicit.Said(), "");  // no greeting in the clear
    implicit.Send("\x16");
    EXPECT_TRUE(implicit.dropped);
  }
  SinkOptions options = WithFaults({"starttls=drop"});
  options.tls = SinkOptions::Tls::kStartTls;
  Dialogue dialogue(options);
  dialogue.Send("STARTTLS\r\n");
  EXPECT_EQ(dialogue.Codes(), "220");
  EXPECT_TRUE(dialogue.dropped);
}

TEST(SinkSessionTest, ImplicitTlsComesBeforeTheGreeting) {
  Dialogue dialogue(SinkOptions{.tls = SinkOptions::Tls::kImplicit});
  EXPECT_EQ(dialogue.Codes(), "220");  // Dialogue shakes hands at once
}

TEST(SinkSessionTest, WaitsOnceBeforeTheAnswerAndThenGivesIt) {
  for (const char* phase : {"greeting", "ehlo", "mail", "rcpt", "data", "body", "end"}) {
    Dialogue dialogue(WithFaults({(std::string(phase) + "=20ms").c_str()}));
    dialogue.Send("EHLO x\r\n");
    dialogue.Send(kTransaction);
    EXPECT_EQ(dialogue.Codes(), "220 250 250 250 354 250") << phase;
    EXPECT_EQ(dialogue.waits, std::vector<Duration>{milliseconds(20)}) << phase;
  }
}

TEST(SinkSessionTest, WaitsAreOfTheWholeRange) {
  Dialogue dialogue(WithFaults({"end=20ms-80ms"}));
  for (int i = 0; i < 500; i++) dialogue.Send(kTransaction);
  ASSERT_EQ(dialogue.waits.size(), 500u);
  const auto [least, most] = std::minmax_element(dialogue.waits.begin(), dialogue.waits.end());
  EXPECT_GE(*least, milliseconds(20));
  EXPECT_LT(*least, milliseconds(25));
  EXPECT_LE(*most, milliseconds(80));
  EXPECT_GT(*most, milliseconds(75));
}

TEST(SinkSessionTest, ReadsABodyAtTheRateThatWasOrdered) {
  Dialogue dialogue(WithFaults({"body=10KiB/s"}));
  const std::string content = std::string(20'475, 'x') + "\r\n.\r\n";
  dialogue.Send("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
  dialogue.Send(content);
  EXPECT_EQ(dialogue.bodies, content + "|");
  const Duration sum =
      std::accumulate(dialogue.waits.begin(), dialogue.waits.end(), Duration(0));
  EXPECT_EQ(dialogue.waits.size(), 40u);  // twenty a second
  EXPECT_EQ(std::chrono::round<milliseconds>(sum), milliseconds(2000));
  EXPECT_EQ(dialogue.Codes(), "220 250 250 354 250");
}

TEST(SinkSessionTest, FaultsEndAfterTheirMessagesOrWhenSwitchedOff) {
  Dialogue counted(WithFaults({"end=451 4.3.0 Later"}, 2));
  for (int i = 0; i < 3; i++) counted.Send(kTransaction);
  EXPECT_EQ(counted.Codes(), "220 250 250 354 451 250 250 354 451 250 250 354 250");

  Dialogue switched(WithFaults({"end=451 4.3.0 Later", "ehlo=502 5.5.1 No"}));
  switched.Send(kTransaction);
  switched.faults().Off();
  switched.Send(kTransaction);
  switched.Send("EHLO x\r\n");
  EXPECT_EQ(switched.Codes(), "220 250 250 354 451 250 250 354 250 250");
}

TEST(SinkSessionTest, FaultsOfAPhaseShareOneDraw) {
  Dialogue dialogue(WithFaults({"end=451 4.3.0 Later@30%", "end=554 5.0.0 No@60%"}));
  int later = 0;
  int no = 0;
  for (int i = 0; i < 1000; i++) {
    dialogue.Send(kTransaction);
    const std::string codes = dialogue.Codes();
    later += codes.ends_with("451");
    no += codes.ends_with("554");
  }
  EXPECT_NEAR(later, 300, 60);
  EXPECT_NEAR(no, 600, 60);
}

TEST(SinkFaultsTest, MistakesAreTold) {
  const struct {
    const char* fault;
    const char* said;
  } cases[] = {
      {"", "expected PHASE=ACTION"},
      {"drop", "expected PHASE=ACTION"},
      {"helo=drop", "connect, greeting, ehlo"},
      {"rcpt=", "rcpt can: drop, a reply"},
      {"rcpt=later", "rcpt can: drop, a reply"},
      {"rcpt=250 2.0.0 Ok", "rcpt can: drop, a reply"},
      {"end=350 Go", "end can: drop, a reply"},
      {"mail=45x", "mail can"},
      {"mail=450-4.0.0 More", "mail can"},
      {"mail=450 a\r\nb", "mail can"},
      {"end=80ms-20ms", "a time (20ms"},
      {"end=-20ms", "a time (20ms"},
      {"end=0ms", "a time (20ms"},
      {"connect=20ms", "connect can: drop"},
      {"tls=454 No", "tls can: drop, garbage"},
      {"body=450 No", "a rate to read at"},
      {"body=0/s", "a rate to read at"},
      {"data=drop@0%", "a share is"},
      {"data=drop@101%", "a share is"},
      {"data=drop@x%", "a share is"},
  };
  for (const auto& c : cases) {
    SinkFaults faults;
    const absl::Status status = faults.Add(c.fault);
    EXPECT_FALSE(status.ok()) << c.fault;
    EXPECT_NE(status.message().find(c.said), std::string::npos) << status;
    EXPECT_TRUE(faults.empty());
  }
  SinkFaults faults;
  EXPECT_TRUE(faults.Add("end=450 4.0.0 Ask postmaster@example.org@60%").ok());
  EXPECT_TRUE(faults.Add("end=drop@40%").ok());
  EXPECT_FALSE(faults.Add("end=550 5.0.0 No@1%").ok());
}

}  // namespace
}  // namespace sluice::load
