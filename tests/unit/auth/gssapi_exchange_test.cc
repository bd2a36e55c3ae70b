// GSSAPI's dialogue over a library that says what it is told to; tests/process/gssapi_test.py has
// the real one.
#include "auth/gssapi_exchange.h"

#include <gtest/gtest.h>

#include <string>

#include "auth/authenticator.h"

namespace sluice::auth {
namespace {

using std::string_literals::operator""s;

// Takes "ticket", or "first" and then "ticket"; a message M is wrapped as "<M>".
class FakeContext final : public GssContext {
 public:
  explicit FakeContext(const std::string& principal, bool mutual)
      : client_(principal), mutual_(mutual) {}
  Accepted Accept(ByteView token, std::string& output) override {
    if (token == "first") {
      output = "more";
      return Accepted::kMore;
    }
    if (token != "ticket") return Accepted::kRefused;
    if (mutual_) output = "reply";
    principal_ = client_;
    own_realm_ = "EXAMPLE.NET";
    return Accepted::kDone;
  }
  bool Wrap(ByteView message, std::string& token) override {
    token = "<" + std::string(message) + ">";
    return true;
  }
  bool Unwrap(ByteView token, std::string& message) override {
    if (!token.starts_with('<') || !token.ends_with('>') || token.size() < 2) return false;
    message = token.substr(1, token.size() - 2);
    return true;
  }

 private:
  const std::string client_;
  const bool mutual_;
};

class FakeAcceptor final : public GssAcceptor {
 public:
  std::unique_ptr<GssContext> NewContext() const override {
    return std::make_unique<FakeContext>(principal, mutual);
  }
  std::string principal = "alice@EXAMPLE.NET";
  bool mutual = true;
};

const std::string kOffer = "<\x01\0\0\0>"s;
const std::string kNoLayer = "<\x01\0\0\0>"s;

class GssapiTest : public testing::Test {
 protected:
  GssapiExchange Make() { return GssapiExchange(acceptor_, rule_); }

  // Runs the work, and finds alice@example.net's record.
  Next Settle(GssapiExchange& exchange, Next next) {
    while (next == Next::kVerify || next == Next::kLookup) {
      if (next == Next::kVerify) {
        exchange.work()->Run();
        next = exchange.OnVerified(Verdict::kMatch);
      } else {
        next = exchange.OnRecord(exchange.login() == "alice@example.net" ? &record_ : nullptr);
      }
    }
    return next;
  }
  Next Start(GssapiExchange& exchange, std::optional<ByteView> initial) {
    return Settle(exchange, exchange.Start(initial));
  }
  Next Step(GssapiExchange& exchange, ByteView response) {
    return Settle(exchange, exchange.Step(response));
  }
  // To the offer of layers.
  std::unique_ptr<GssapiExchange> Established() {
    auto exchange = std::make_unique<GssapiExchange>(acceptor_, rule_);
    EXPECT_EQ(Start(*exchange, "ticket"), Next::kChallenge);
    EXPECT_EQ(Step(*exchange, ""), Next::kChallenge);
    EXPECT_EQ(exchange->challenge(), kOffer);
    return exchange;
  }

  FakeAcceptor acceptor_;
  PrincipalRule rule_;
  CredentialRecord record_;
};

TEST_F(GssapiTest, TellsWhoItIs) {
  for (const bool with_initial : {true, false}) {
    GssapiExchange exchange = Make();
    Next next = Start(exchange, with_initial ? std::optional<ByteView>("first") : std::nullopt);
    if (!with_initial) {
      ASSERT_EQ(next, Next::kChallenge);
      EXPECT_EQ(exchange.challenge(), "");
      next = Step(exchange, "first");
    }
    ASSERT_EQ(next, Next::kChallenge);
    EXPECT_EQ(exchange.challenge(), "more");
    ASSERT_EQ(Step(exchange, "ticket"), Next::kChallenge);
    EXPECT_EQ(exchange.challenge(), "reply");
    ASSERT_EQ(Step(exchange, ""), Next::kChallenge);
    EXPECT_EQ(exchange.challenge(), kOffer);
    EXPECT_EQ(Step(exchange, kNoLayer), Next::kSuccess);
    EXPECT_EQ(exchange.login(), "alice@example.net");
  }
}

TEST_F(GssapiTest, WithoutMutualAuthenticationTheOfferComesAtOnce) {
  acceptor_.mutual = false;
  GssapiExchange exchange = Make();
  ASSERT_EQ(Start(exchange, "ticket"), Next::kChallenge);
  EXPECT_EQ(exchange.challenge(), kOffer);
  EXPECT_EQ(Step(exchange, kNoLayer), Next::kSuccess);
}

TEST_F(GssapiTest, NoLayerButNoneIsSpoken) {
  for (int layer = 0; layer < 256; layer++) {
    const auto exchange = Established();
    const std::string choice = "<"s + static_cast<char>(layer) + "\0\x10\0>"s;
    EXPECT_EQ(Step(*exchange, choice), layer == 1 ? Next::kSuccess : Next::kFailure) << layer;
    EXPECT_EQ(exchange->failure(), layer == 1 ? Failure::kNone : Failure::kCredentials) << layer;
  }
}

TEST_F(GssapiTest, WhatIsCutBentOrNotWrappedFails) {
  for (const std::string& choice :
       {""s, "<>"s, "<\x01>"s, "<\x01\0\0>"s, "\x01\0\0\0"s, "ticket"s, "<\x01\0\0\0"s}) {
    const auto exchange = Established();
    EXPECT_EQ(Step(*exchange, choice), Next::kFailure) << choice;
    EXPECT_EQ(exchange->failure(), Failure::kCredentials);
  }
  for (const char* token : {"ticke", "Ticket", "reply"}) {
    GssapiExchange exchange = Make();
    EXPECT_EQ(Start(exchange, token), Next::kFailure) << token;
    EXPECT_EQ(exchange.failure(), Failure::kCredentials);
  }
  GssapiExchange nothing = Make();
  EXPECT_EQ(Start(nothing, ""), Next::kFailure);
  EXPECT_EQ(nothing.failure(), Failure::kMalformed);
  GssapiExchange something = Make();
  ASSERT_EQ(Start(something, "ticket"), Next::kChallenge);
  EXPECT_EQ(Step(something, "ticket"), Next::kFailure);  // where nothing is to be said
  EXPECT_EQ(something.failure(), Failure::kMalformed);
}

TEST_F(GssapiTest, ItIsOverAfterAFewTokens) {
  GssapiExchange exchange = Make();
  Next next = Start(exchange, "first");
  int tokens = 1;
  for (; next == Next::kChallenge && tokens < 100; tokens++) next = Step(exchange, "first");
  EXPECT_EQ(next, Next::kFailure);
  EXPECT_LE(tokens, 5);
}

TEST_F(GssapiTest, OnlyWhoHasARecordAndWhomItActsForIsForOthersToSay) {
  const struct {
    const char* principal;
    const char* authorization;
    bool disabled;
    bool allowed;
  } kCases[] = {
      {"alice@EXAMPLE.NET", "", false, true},
      {"alice@EXAMPLE.NET", "Alice@Example.net", false, true},
      {"alice@EXAMPLE.NET", "bob@example.net", false, true},
      {"alice@EXAMPLE.NET", "bob@example.net", true, false},
      {"alice@EXAMPLE.NET", "", true, false},
      {"bob@EXAMPLE.NET", "", false, false},
      {"alice@OTHER.NET", "", false, false},
  };
  for (const auto& test : kCases) {
    acceptor_.principal = test.principal;
    record_.disabled = test.disabled;
    const auto exchange = Established();
    const std::string choice = "<\x01\0\0\0"s + test.authorization + ">";
    EXPECT_EQ(Step(*exchange, choice), test.allowed ? Next::kSuccess : Next::kFailure);
    EXPECT_EQ(exchange->failure(), test.allowed ? Failure::kNone : Failure::kCredentials)
        << test.principal << ' ' << test.authorization;
    if (test.allowed) {
      EXPECT_EQ(exchange->authorization(), test.authorization);
    }
  }
}

TEST_F(GssapiTest, NoRoomForTheWorkIsTemporary) {
  GssapiExchange exchange = Make();
  ASSERT_EQ(exchange.Start("ticket"), Next::kVerify);
  EXPECT_EQ(exchange.OnVerified(Verdict::kTemporary), Next::kFailure);
  EXPECT_EQ(exchange.failure(), Failure::kTemporary);
}

TEST_F(GssapiTest, TheWorkOutlivesItsExchange) {
  std::shared_ptr<OffShardWork> work;
  {
    GssapiExchange exchange = Make();
    ASSERT_EQ(exchange.Start("ticket"), Next::kVerify);
    work = exchange.work();
  }
  work->Run();
  EXPECT_EQ(work.use_count(), 1);
}

// By the parts that a server has: an attempt, a verifier's thread, a verdict.
TEST_F(GssapiTest, RunsOnAVerifiersThread) {
  class AliceOnly final : public CredentialSource {
   public:
    LookupStatus Lookup(ByteView login, CredentialRecord& record) override {
      if (login != "alice@example.net") return LookupStatus::kNotFound;
      record.version = 7;
      record.tenant = "acme";
      return LookupStatus::kFound;
    }
  };
  AliceOnly store;
  const std::string secret(32, 's');
  RememberedLogins remembered(secret, {.entries = 64, .keep = minutes(10)});
  sem_t posted;
  ASSERT_EQ(sem_init(&posted, 0, 0), 0);
  VerifyToken token;
  VerifierThreads verifier({}, [&](VerifyToken of, Verdict verdict) {
    EXPECT_EQ(verdict, Verdict::kMatch);
    token = of;
    sem_post(&posted);
  });
  Authenticator authenticator(
      store, remembered, verifier,
      {.process_key = secret, .decoy_key = secret, .hostname = "h", .gss = &acceptor_});
  const auto attempt = authenticator.Begin(Mechanism::kGssapi, {.connection = 5});
  const auto settle = [&](Attempt::Result result) {
    while (result == Attempt::Result::kWait) {
      while (sem_wait(&posted) != 0) {
      }
      result = attempt->OnVerified(token, Verdict::kMatch, MonoTime());
    }
    return result;
  };
  ASSERT_EQ(settle(attempt->Start("ticket", MonoTime())), Attempt::Result::kChallenge);
  EXPECT_EQ(attempt->challenge(), "reply");
  ASSERT_EQ(settle(attempt->Continue("", MonoTime())), Attempt::Result::kChallenge);
  ASSERT_EQ(settle(attempt->Continue(kNoLayer, MonoTime())), Attempt::Result::kSuccess);
  const Identity identity = attempt->TakeIdentity();
  EXPECT_EQ(identity.login, "alice@example.net");
  EXPECT_EQ(identity.tenant, "acme");
  EXPECT_EQ(identity.version, 7u);
  verifier.Stop();
  sem_destroy(&posted);
}

TEST(PrincipalLoginTest, FollowsTheRule) {
  using Login = PrincipalRule::Login;
  const struct {
    PrincipalRule rule;
    const char* principal;
    const char* login;  // nullptr: none
  } kCases[] = {
      {{}, "alice@EXAMPLE.NET", "alice@example.net"},
      {{}, "Alice@EXAMPLE.NET", "alice@example.net"},
      {{}, "alice/admin@EXAMPLE.NET", "alice/admin@example.net"},
      {{}, "alice@example.net", nullptr},  // another realm
      {{}, "alice@OTHER.NET", nullptr},
      {{}, "alice", nullptr},
      {{}, "@EXAMPLE.NET", nullptr},
      {{}, "alice@", nullptr},
      {{}, "", nullptr},
      {{}, "alice\\@x@EXAMPLE.NET", nullptr},
      {{}, "alice@EXAMPLE.NET@EXAMPLE.NET", nullptr},
      {{}, "\xff@EXAMPLE.NET", nullptr},
      {{.login = Login::kLocal}, "alice@EXAMPLE.NET", "alice"},
      {{.login = Login::kLocal}, "alice@OTHER.NET", nullptr},
      {{.realms = {"OTHER.NET", "THIRD.NET"}}, "alice@OTHER.NET", "alice@other.net"},
      {{.realms = {"OTHER.NET", "THIRD.NET"}}, "alice@EXAMPLE.NET", nullptr},
      {{.login = Login::kLocal, .realms = {"OTHER.NET"}}, "alice@OTHER.NET", "alice"},
  };
  for (const auto& test : kCases) {
    const auto login = LoginOfPrincipal(test.rule, test.principal, "EXAMPLE.NET");
    EXPECT_EQ(login.value_or("none"), test.login == nullptr ? "none" : test.login)
        << test.principal;
  }
}

}  // namespace
}  // namespace sluice::auth
