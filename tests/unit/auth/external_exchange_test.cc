#include "auth/external_exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auth/certificate_logins.h"
#include "auth/prepare.h"

namespace sluice::auth {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const ExternalIdentity& AliceAndBob() {
  static const ExternalIdentity identity{{"alice@example.net", "bob@example.net"}, ""};
  return identity;
}

TEST(ExternalExchangeTest, TheAuthorizationIdentityChooses) {
  const struct {
    std::string asked;
    std::string login;  // "": a failure
    std::string as = {};  // for whom it asks to act
  } cases[] = {
      {"", "alice@example.net"},
      {"alice@example.net", "alice@example.net"},
      {"Bob@Example.net", "bob@example.net"},
      {"bob@example.net ", "alice@example.net", "bob@example.net "},
      {"Eve@example.net", "alice@example.net", "eve@example.net"},
      {"bob", "alice@example.net", "bob"},
      {std::string("bob@example.net\0", 16), ""},
      {"\xff", ""},
      {std::string(kLoginBytesMax + 1, 'a'), ""},
  };
  for (const auto& c : cases) {
    for (const bool initial : {true, false}) {
      ExternalExchange exchange({.external = &AliceAndBob()});
      Next next = exchange.Start(initial ? std::optional<ByteView>(c.asked) : std::nullopt);
      if (!initial) {
        ASSERT_EQ(next, Next::kChallenge);
        EXPECT_EQ(exchange.challenge(), "");
        next = exchange.Step(c.asked);
      }
      if (c.login.empty()) {
        EXPECT_EQ(next, Next::kFailure) << c.asked;
        EXPECT_EQ(exchange.failure(), Failure::kCredentials);
        EXPECT_NE(exchange.detail(), "");
        continue;
      }
      ASSERT_EQ(next, Next::kLookup) << c.asked;
      EXPECT_EQ(exchange.login(), c.login);
      const CredentialRecord record;
      EXPECT_EQ(exchange.OnRecord(&record), Next::kSuccess);
      EXPECT_EQ(exchange.authorization(), c.as) << c.asked;
    }
  }
}

TEST(ExternalExchangeTest, TheLoginMustBeAUserWhoMayLogIn) {
  CredentialRecord disabled;
  disabled.disabled = true;
  for (const CredentialRecord* record : {static_cast<const CredentialRecord*>(nullptr),
                                         static_cast<const CredentialRecord*>(&disabled)}) {
    ExternalExchange exchange({.external = &AliceAndBob()});
    ASSERT_EQ(exchange.Start(""), Next::kLookup);
    EXPECT_EQ(exchange.OnRecord(record), Next::kFailure);
    EXPECT_EQ(exchange.failure(), Failure::kCredentials);
  }
}

TEST(ExternalExchangeTest, WithoutAGoodCertificateNobodyIsLookedUp) {
  const ExternalIdentity nobody{{}, "it is revoked"};
  for (const ByteView asked : {ByteView(), ByteView("alice@example.net")}) {
    ExternalExchange bad({.external = &nobody});
    EXPECT_EQ(bad.Start(asked), Next::kFailure);
    EXPECT_EQ(bad.failure(), Failure::kCredentials);
    EXPECT_EQ(bad.detail(), "it is revoked");
    ExternalExchange none({});
    EXPECT_EQ(none.Start(asked), Next::kFailure);
    EXPECT_EQ(none.failure(), Failure::kCredentials);
  }
}

TEST(CertificateLoginsTest, FingerprintThenSubjectThenAddresses) {
  const std::string print(64, 'a'), other(64, 'b');
  CertificateLogins logins;
  ASSERT_TRUE(logins.AddFingerprint(print, "Carol"));
  ASSERT_TRUE(logins.AddSubject("CN=x", "dave"));
  EXPECT_FALSE(logins.AddFingerprint(print, "eve"));
  EXPECT_FALSE(logins.AddSubject("CN=x", "eve"));
  EXPECT_FALSE(logins.AddSubject("", "eve"));
  EXPECT_FALSE(logins.AddSubject("CN=y", ""));
  const std::vector<std::string> emails = {"A@b", "\xff", "a@B", "c@d"};
  EXPECT_THAT(logins.Of(print, "CN=x", emails), ElementsAre("carol"));
  EXPECT_THAT(logins.Of(other, "CN=x", emails), ElementsAre("dave"));
  EXPECT_THAT(logins.Of(other, "cn=x", emails), ElementsAre("a@b", "c@d"));
  EXPECT_THAT(logins.Of(other, "", {}), IsEmpty());
}

TEST(CertificateLoginsTest, Fingerprints) {
  std::string colons, plain;
  for (int i = 0; i < 32; i++) {
    colons += i == 0 ? "AB" : ":AB";
    plain += "ab";
  }
  EXPECT_EQ(ParseFingerprint(colons), plain);
  EXPECT_EQ(ParseFingerprint(plain), plain);
  for (size_t i = 0; i < colons.size(); i++) {
    EXPECT_EQ(ParseFingerprint(colons.substr(0, i)), std::nullopt);
    std::string wrong = colons;
    wrong[i] = 'g';
    EXPECT_EQ(ParseFingerprint(wrong), std::nullopt) << i;
  }
}

}  // namespace
}  // namespace sluice::auth
