#include "auth/exchange.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "auth/prepare.h"
#include "auth/scram_keys.h"

namespace sluice::auth {
namespace {

using std::string_literals::operator""s;

CredentialRecord RecordOf(ByteView password) {
  CredentialRecord record;
  record.version = 1;
  record.Scram(ScramHash::kSha256) =
      DeriveScramKeys(ScramHash::kSha256, password, "0123456789abcdef", 1);
  return record;
}

// A store of one user, and everything that the exchange wishes fulfilled at once. Returns the last
// answer; `steps` is what happened, for comparing what an attacker could see.
Next Finish(Exchange& exchange, Next next, const CredentialRecord& alice,
            std::vector<Next>* steps = nullptr) {
  for (;;) {
    if (steps != nullptr) steps->push_back(next);
    if (next == Next::kLookup) {
      next = exchange.OnRecord(exchange.login() == "alice" ? &alice : nullptr);
    } else if (next == Next::kVerify) {
      const bool match = PasswordMatches(exchange.keys(), exchange.password());
      next = exchange.OnVerified(match ? Verdict::kMatch : Verdict::kMismatch);
    } else {
      return next;
    }
  }
}

TEST(PlainTest, AnswersByTheTable) {
  const CredentialRecord alice = RecordOf("secret");
  const struct {
    std::string response;
    Failure failure;
  } kCases[] = {
      {"\0alice\0secret"s, Failure::kNone},
      {"alice\0alice\0secret"s, Failure::kNone},
      {"ALICE\0Alice\0secret"s, Failure::kNone},
      {"\0\xef\xbc\xa1lice\0secret"s, Failure::kNone},  // a full-width A
      {"\0alice\0sec\xc2\xadret"s, Failure::kNone},     // a soft hyphen
      {"\0alice\0Secret"s, Failure::kCredentials},
      {"\0alice\0secret "s, Failure::kCredentials},
      {"\0alice\0secret\0"s, Failure::kCredentials},
      {"\0alice\0secret\0x"s, Failure::kCredentials},
      {"\0bob\0secret"s, Failure::kCredentials},
      {"bob\0alice\0secret"s, Failure::kNone},  // acting for another: not judged here
      {"\xff\0alice\0secret"s, Failure::kNone},
      {"\0alice\0"s, Failure::kCredentials},
      {"\0\0secret"s, Failure::kCredentials},
      {"\0\0"s, Failure::kCredentials},
      {"\0al\nice\0secret"s, Failure::kCredentials},
      {"\0alice\0\xff\xfe"s, Failure::kCredentials},
      {"\0"s + std::string(kLoginBytesMax + 1, 'a') + "\0secret"s, Failure::kCredentials},
      {"\0alice\0"s + std::string(kPasswordBytesMax + 1, 'a'), Failure::kCredentials},
      {"\0alice\0"s + std::string(9000, 'a'), Failure::kCredentials},
      {""s, Failure::kMalformed},
      {"\0"s, Failure::kMalformed},
      {"alice"s, Failure::kMalformed},
      {"alice\0secret"s, Failure::kMalformed},
      {std::string(9000, 'a'), Failure::kMalformed},
  };
  for (const auto& test : kCases) {
    for (const bool with_initial : {true, false}) {
      const auto exchange = MakeExchange(Mechanism::kPlain, {});
      Next next =
          exchange->Start(with_initial ? std::optional<ByteView>(test.response) : std::nullopt);
      if (!with_initial) {
        ASSERT_EQ(next, Next::kChallenge);
        EXPECT_EQ(exchange->challenge(), "");
        next = exchange->Step(test.response);
      }
      next = Finish(*exchange, next, alice);
      EXPECT_EQ(next, test.failure == Failure::kNone ? Next::kSuccess : Next::kFailure)
          << test.response;
      EXPECT_EQ(exchange->failure(), test.failure) << test.response;
      if (next == Next::kSuccess) {
        EXPECT_EQ(exchange->login(), "alice");
      }
    }
  }
}

TEST(PlainTest, CutOrChangedAnywhereNeverSucceeds) {
  const CredentialRecord alice = RecordOf("secret");
  const std::string whole = "\0alice\0secret"s;
  for (size_t i = 0; i < whole.size(); i++) {
    const auto cut = MakeExchange(Mechanism::kPlain, {});
    EXPECT_EQ(Finish(*cut, cut->Start(ByteView(whole).substr(0, i)), alice), Next::kFailure) << i;
    for (int value = 0; value < 256; value++) {
      std::string changed = whole;
      changed[i] = static_cast<char>(value);
      const bool same = changed == whole || (i >= 1 && i <= 5 && EqualsIgnoreCase(changed, whole));
      const auto exchange = MakeExchange(Mechanism::kPlain, {});
      EXPECT_EQ(Finish(*exchange, exchange->Start(changed), alice),
                same ? Next::kSuccess : Next::kFailure)
          << i << ' ' << value;
    }
  }
}

Next RunLogin(std::optional<ByteView> initial, ByteView name, ByteView password,
              const CredentialRecord& alice, std::vector<std::string>* challenges = nullptr,
              std::vector<Next>* steps = nullptr) {
  const auto exchange = MakeExchange(Mechanism::kLogin, {});
  Next next = exchange->Start(initial);
  if (!initial.has_value()) {
    EXPECT_EQ(next, Next::kChallenge);
    if (challenges != nullptr) challenges->emplace_back(exchange->challenge());
    next = exchange->Step(name);
  }
  EXPECT_EQ(next, Next::kChallenge);
  if (challenges != nullptr) challenges->emplace_back(exchange->challenge());
  next = Finish(*exchange, exchange->Step(password), alice, steps);
  EXPECT_EQ(exchange->failure(), next == Next::kSuccess ? Failure::kNone : Failure::kCredentials);
  return next;
}

TEST(LoginTest, AsksForNameAndPassword) {
  const CredentialRecord alice = RecordOf("secret");
  std::vector<std::string> challenges;
  EXPECT_EQ(RunLogin(std::nullopt, "Alice", "secret", alice, &challenges), Next::kSuccess);
  EXPECT_EQ(challenges, (std::vector<std::string>{"Username:", "Password:"}));
}

TEST(LoginTest, TakesTheNameAsInitialResponse) {
  const CredentialRecord alice = RecordOf("secret");
  std::vector<std::string> challenges;
  EXPECT_EQ(RunLogin("alice", "", "secret", alice, &challenges), Next::kSuccess);
  EXPECT_EQ(challenges, (std::vector<std::string>{"Password:"}));
}

TEST(LoginTest, AnswersByTheTable) {
  const CredentialRecord alice = RecordOf("secret");
  const struct {
    std::string name;
    std::string password;
  } kWrong[] = {
      {"alice", "Secret"},
      {"alice", ""},
      {"", "secret"},
      {"", ""},
      {"bob", "secret"},
      {"alice\0"s, "secret"},
      {"alice", "secret\0"s},
      {"\xff", "secret"},
      {"alice", "\xff"},
      {std::string(9000, 'a'), "secret"},
      {"alice", std::string(9000, 'a')},
  };
  for (const auto& test : kWrong) {
    EXPECT_EQ(RunLogin(std::nullopt, test.name, test.password, alice), Next::kFailure) << test.name;
    EXPECT_EQ(RunLogin(test.name, "", test.password, alice), Next::kFailure) << test.name;
  }
}

TEST(LoginTest, CutAnywhereNeverSucceeds) {
  const CredentialRecord alice = RecordOf("secret");
  for (size_t i = 0; i < 5; i++) {
    EXPECT_EQ(RunLogin(std::nullopt, ByteView("alice").substr(0, i), "secret", alice),
              Next::kFailure);
  }
  for (size_t i = 0; i < 6; i++) {
    EXPECT_EQ(RunLogin(std::nullopt, "alice", ByteView("secret").substr(0, i), alice),
              Next::kFailure);
  }
}

TEST(ExchangeTest, UnknownDisabledAndWrongTakeTheSameSteps) {
  CredentialRecord alice = RecordOf("secret");
  const auto steps = [&](ByteView name, ByteView password) {
    std::vector<Next> plain;
    const auto exchange = MakeExchange(Mechanism::kPlain, {});
    const std::string response = "\0"s + std::string(name) + "\0"s + std::string(password);
    EXPECT_EQ(Finish(*exchange, exchange->Start(response), alice, &plain), Next::kFailure);
    EXPECT_EQ(exchange->failure(), Failure::kCredentials);
    std::vector<Next> login;
    EXPECT_EQ(RunLogin(std::nullopt, name, password, alice, nullptr, &login), Next::kFailure);
    EXPECT_EQ(plain, login);
    return plain;
  };
  const std::vector<Next> wrong = steps("alice", "wrong");
  EXPECT_EQ(wrong, (std::vector<Next>{Next::kLookup, Next::kVerify, Next::kFailure}));
  EXPECT_EQ(steps("nobody", "secret"), wrong);
  alice.disabled = true;
  EXPECT_EQ(steps("alice", "secret"), wrong);
  alice.disabled = false;
  alice.Scram(ScramHash::kSha256).reset();
  EXPECT_EQ(steps("alice", "secret"), wrong);
}

TEST(ExchangeTest, ATemporaryVerdictIsNoWrongPassword) {
  const CredentialRecord alice = RecordOf("secret");
  const auto exchange = MakeExchange(Mechanism::kPlain, {});
  ASSERT_EQ(exchange->Start("\0alice\0secret"s), Next::kLookup);
  ASSERT_EQ(exchange->OnRecord(&alice), Next::kVerify);
  EXPECT_EQ(exchange->OnVerified(Verdict::kTemporary), Next::kFailure);
  EXPECT_EQ(exchange->failure(), Failure::kTemporary);
}

TEST(MechanismTest, IsFoundByNameInAnyCase) {
  EXPECT_EQ(FindMechanism("plain"), Mechanism::kPlain);
  EXPECT_EQ(FindMechanism("LOGIN"), Mechanism::kLogin);
  EXPECT_EQ(FindMechanism("Scram-Sha-256"), Mechanism::kScramSha256);
  EXPECT_EQ(FindMechanism("PLAI"), std::nullopt);
  EXPECT_EQ(FindMechanism("PLAINX"), std::nullopt);
  EXPECT_EQ(FindMechanism(""), std::nullopt);
  for (const MechanismInfo& info : Mechanisms())
    EXPECT_EQ(FindMechanism(info.name), info.mechanism);
}

TEST(MechanismTest, EachScramHasItsPlus) {
  EXPECT_EQ(PlusOf(Mechanism::kScramSha256), Mechanism::kScramSha256Plus);
  EXPECT_EQ(PlusOf(Mechanism::kScramSha1), Mechanism::kScramSha1Plus);
  EXPECT_EQ(PlusOf(Mechanism::kScramSha256Plus), std::nullopt);
  EXPECT_EQ(PlusOf(Mechanism::kPlain), std::nullopt);
  MechanismSet set;
  EXPECT_TRUE(set.empty());
  set.Add(Mechanism::kScramSha256);
  EXPECT_TRUE(set.Has(Mechanism::kScramSha256));
  EXPECT_FALSE(set.Has(Mechanism::kScramSha256Plus));
}

}  // namespace
}  // namespace sluice::auth
