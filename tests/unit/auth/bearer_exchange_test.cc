#include "auth/bearer_exchange.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/base64.h"
#include "core/base/check.h"
#include "tests/support/freed_memory.h"
#include "tests/support/token_maker.h"

namespace sluice::auth {
namespace {

using std::string_literals::operator""s;

constexpr int64_t kSeconds = 1'800'000'000;

std::string TokenOf(const std::string& login, int64_t expires = kSeconds + 100) {
  return Sign(
      absl::StrCat(R"({"iss":"i","aud":"a","email":")", login, R"(","exp":)", expires, "}"));
}

class BearerExchangeTest : public testing::Test {
 protected:
  BearerExchangeTest() {
    auto keys = Jwks::Parse(SetOf(kEdJwk));
    CHECK(keys.ok());
    tokens_ = std::make_shared<TokenVerifier>(
        *std::move(keys),
        TokenRules{.issuer = "i",
                   .audience = "a",
                   .scope = "example_scope",
                   .openid_configuration = "https://example.com/.well-known/openid-configuration"});
  }

  // A run with its first message, and the record that there is.
  Next Begin(Mechanism mechanism, ByteView message, const CredentialRecord* record) {
    exchange_ =
        MakeExchange(mechanism, {.tokens = tokens_, .now = WallFromMillis(kSeconds * 1000)});
    Next next = exchange_->Start(message);
    if (next == Next::kLookup) next = exchange_->OnRecord(record);
    return next;
  }
  Next Oauth(ByteView message) { return Begin(Mechanism::kOauthBearer, message, &alice_); }
  Next Google(ByteView message) { return Begin(Mechanism::kXoauth2, message, &alice_); }

  // The refusal was told, and what the client then says ends it.
  void ExpectRefused(Next next, ByteView answer = "\x01") {
    ASSERT_EQ(next, Next::kChallenge);
    EXPECT_FALSE(exchange_->detail().empty());
    EXPECT_EQ(exchange_->Step(answer), Next::kFailure);
    EXPECT_EQ(exchange_->failure(), Failure::kCredentials);
  }

  std::shared_ptr<TokenVerifier> tokens_;
  CredentialRecord alice_;
  std::unique_ptr<Exchange> exchange_;
  const std::string token_ = TokenOf("Alice@Example.net");
};

TEST_F(BearerExchangeTest, ARightTokenIsALogin) {
  // The last has all keys of RFC 7628 section 3.1; the token's name is prepared like any other.
  for (
      const std::string& head :
      {"n,,\x01"s, "y,,\x01"s, "n,a=alice@example.net,\x01"s, "n,a=ALICE@EXAMPLE.NET,\x01"s,
       "n,a=,\x01"s,
       "n,a=alice@example.net,\x01host=h\x01port=587\x01mthd=POST\x01path=/\x01post=a=b\x01qs=\x01unknown=x\x01"s}) {
    EXPECT_EQ(Oauth(absl::StrCat(head, "auth=Bearer ", token_, "\x01\x01")), Next::kSuccess)
        << head;
    EXPECT_EQ(exchange_->login(), "alice@example.net");
  }
  for (const char* scheme : {"Bearer ", "bearer ", "BEARER   "}) {
    EXPECT_EQ(Oauth(absl::StrCat("n,,\x01", "auth=", scheme, token_, "\x01host=h\x01\x01")),
              Next::kSuccess)
        << scheme;
  }
  for (const char* user : {"alice@example.net", "Alice@Example.NET", ""}) {
    EXPECT_EQ(Google(absl::StrCat("user=", user, "\x01", "auth=Bearer ", token_, "\x01\x01")),
              Next::kSuccess)
        << user;
    EXPECT_EQ(exchange_->login(), "alice@example.net");
  }
}

TEST_F(BearerExchangeTest, TheTokenMayComeInASecondStep) {
  for (const Mechanism mechanism : {Mechanism::kOauthBearer, Mechanism::kXoauth2}) {
    exchange_ =
        MakeExchange(mechanism, {.tokens = tokens_, .now = WallFromMillis(kSeconds * 1000)});
    ASSERT_EQ(exchange_->Start(std::nullopt), Next::kChallenge);
    EXPECT_EQ(exchange_->challenge(), "");
    const std::string head = mechanism == Mechanism::kXoauth2 ? "user=\x01" : "n,,\x01";
    EXPECT_EQ(exchange_->Step(absl::StrCat(head, "auth=Bearer ", token_, "\x01\x01")),
              Next::kLookup);
    EXPECT_EQ(exchange_->OnRecord(&alice_), Next::kSuccess);
  }
}

// RFC 7628 section 4.1, whose token is opaque, and 4.3, what is answered.
TEST_F(BearerExchangeTest, ARefusalIsToldAsTheRfcHasIt) {
  ASSERT_EQ(Oauth("n,a=user@example.com,\x01host=server.example.com\x01port=143\x01"
                  "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"),
            Next::kChallenge);
  EXPECT_EQ(exchange_->challenge(),
            R"({"status":"invalid_token","scope":"example_scope",)"
            R"("openid-configuration":"https://example.com/.well-known/openid-configuration"})");
  EXPECT_EQ(exchange_->login(), "user@example.com");  // for the log
  ExpectRefused(Next::kChallenge);

  ASSERT_EQ(Google("user=someuser@example.com\x01"
                   "auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01"),
            Next::kChallenge);
  EXPECT_EQ(exchange_->challenge(),
            R"({"status":"400","schemes":"Bearer","scope":"example_scope"})");
  ExpectRefused(Next::kChallenge, "");

  auto keys = Jwks::Parse(SetOf(kEdJwk));
  tokens_ =
      std::make_shared<TokenVerifier>(*std::move(keys), TokenRules{.issuer = "i", .audience = "a"});
  ASSERT_EQ(Oauth("n,,\x01"
                  "auth=Bearer x\x01\x01"),
            Next::kChallenge);
  EXPECT_EQ(exchange_->challenge(), R"({"status":"invalid_token"})");
}

TEST_F(BearerExchangeTest, WhoIsNotTheBearerIsRefused) {
  const auto oauth = [&](const std::string& head, const std::string& token) {
    return Oauth(absl::StrCat(head, "auth=Bearer ", token, "\x01\x01"));
  };
  ExpectRefused(oauth("n,,\x01", TokenOf("alice@example.net", kSeconds - 100)));
  ExpectRefused(oauth("n,,\x01", token_.substr(1)));
  ExpectRefused(oauth("n,,\x01", TokenOf("alice\\u0000@example.net")));
  ExpectRefused(oauth("n,,\x01", TokenOf(std::string(300, 'a'))));
  // Another name than the token's is for others to judge.
  EXPECT_EQ(oauth("n,a=bob@example.net,\x01", token_), Next::kSuccess);
  EXPECT_EQ(exchange_->authorization(), "bob@example.net");
  EXPECT_EQ(exchange_->login(), "alice@example.net");
  EXPECT_EQ(Google(absl::StrCat("user=bob@example.net\x01", "auth=Bearer ", token_, "\x01\x01")),
            Next::kSuccess);
  EXPECT_EQ(exchange_->authorization(), "bob@example.net");
  // Nobody's, and whatever the client answers.
  for (const char* answer : {"\x01", "", "anything", "n,,\x01\x01"}) {
    ExpectRefused(Begin(Mechanism::kOauthBearer,
                        absl::StrCat("n,,\x01", "auth=Bearer ", token_, "\x01\x01"), nullptr),
                  answer);
  }
  alice_.disabled = true;
  ExpectRefused(oauth("n,,\x01", token_));
  EXPECT_EQ(exchange_->login(), "alice@example.net");
}

TEST_F(BearerExchangeTest, WhoMayNotWhatItAsksForIsToldLikeABadToken) {
  const std::string auth = absl::StrCat("auth=Bearer ", token_, "\x01\x01");
  for (const bool google : {false, true}) {
    ASSERT_EQ(google ? Google("user=bob@example.net\x01" + auth)
                     : Oauth("n,a=bob@example.net,\x01" + auth),
              Next::kSuccess);
    ASSERT_EQ(exchange_->OnRefused(), Next::kChallenge);
    EXPECT_TRUE(exchange_->challenge().starts_with(google ? R"({"status":"400")"
                                                          : R"({"status":"invalid_token")"));
    EXPECT_EQ(exchange_->Step("\x01"), Next::kFailure);
    EXPECT_EQ(exchange_->failure(), Failure::kCredentials);
  }
}

// A client that asks where tokens are to be had, and one with another scheme.
TEST_F(BearerExchangeTest, WithoutATokenTheRefusalIsTold) {
  for (const char* message : {"n,,\x01\x01",
                              "n,,\x01"
                              "auth=\x01\x01",
                              "n,,\x01host=h\x01\x01",
                              "n,,\x01"
                              "auth=Bearer\x01\x01",
                              "n,,\x01"
                              "auth=Bearer \x01\x01",
                              "n,,\x01"
                              "auth=Basic YTpi\x01\x01"}) {
    ExpectRefused(Oauth(message));
  }
  ExpectRefused(
      Google("user=\x01"
             "auth=Bearer \x01\x01"));
}

TEST_F(BearerExchangeTest, WhatIsNotOfTheFormIsMalformed) {
  const std::string auth = absl::StrCat("auth=Bearer ", token_, "\x01");
  const std::string oauth[] = {
      "",
      "\x01",
      "n",
      "n,",
      "n,,",
      "n,,\x01",
      auth + "\x01",
      "n,,\x01" + auth,
      "n,," + auth + "\x01",
      "p=tls-exporter,,\x01" + auth + "\x01",
      ",,\x01" + auth + "\x01",
      "N,,\x01" + auth + "\x01",
      "n,alice,\x01" + auth + "\x01",
      "n,a=al=ice,\x01" + auth + "\x01",
      "n,a=alice\x01" + auth + "\x01",
      "n,user=someuser@example.com,\x01" + auth +
          "\x01",  // RFC 7628 section 4.3 has it, its grammar not
      "n,,\x01" + auth + "\x01\x01",
      "n,,\x01" + auth + "\x01x",
      "n,,\x01" + auth + auth + "\x01",
      "n,,\x01=x\x01" + auth + "\x01",
      "n,,\x01host\x01" + auth + "\x01",
      "n,,\x01ho st=x\x01" + auth + "\x01",
      "n,a=" + std::string(2000, 'a') + ",\x01" + auth + "\x01",
  };
  for (const std::string& message : oauth) {
    EXPECT_EQ(Oauth(message), Next::kFailure) << message;
    EXPECT_EQ(exchange_->failure(), Failure::kMalformed) << message;
  }
  const std::string google[] = {
      "",
      "user=a",
      "user=a\x01\x01",
      "user=a\x01" + auth,
      "user=a" + auth + "\x01",
      "a\x01" + auth + "\x01",
      "user=a\x01" + auth + "\x01\x01",
      "user=a\x01x=y\x01" + auth + "\x01",
      "user=a\x01host=h\x01\x01",
      "n,,\x01" + auth + "\x01",
  };
  for (const std::string& message : google) {
    EXPECT_EQ(Google(message), Next::kFailure) << message;
    EXPECT_EQ(exchange_->failure(), Failure::kMalformed) << message;
  }
}

// The signature, as text and as octets, which make the token a secret.
TEST_F(BearerExchangeTest, TheTokenIsNotLeftInMemory) {
  if (!FreedMemory::Works()) GTEST_SKIP();
  const std::string text = token_.substr(token_.rfind('.') + 1);
  std::string octets(Base64UrlDecodedBytesMax(text.size()), '\0');
  ASSERT_GT(Base64UrlDecode(text, octets), 0);
  for (const std::string& secret : {text, octets}) {
    const std::string messages[] = {
        absl::StrCat("n,a=alice@example.net,\x01", "auth=Bearer ", token_, "\x01\x01"),
        absl::StrCat("n,a=bob@example.net,\x01", "auth=Bearer ", token_, "\x01\x01")};
    const FreedMemory watch(secret);
    for (const std::string& message : messages) {
      Oauth(message);
      exchange_.reset();
    }
    EXPECT_EQ(watch.found(), 0);
  }
}

TEST_F(BearerExchangeTest, EveryCutFails) {
  const std::string oauth =
      absl::StrCat("n,a=alice@example.net,\x01host=h\x01", "auth=Bearer ", token_, "\x01\x01");
  const std::string google =
      absl::StrCat("user=alice@example.net\x01", "auth=Bearer ", token_, "\x01\x01");
  for (size_t size = 0; size < oauth.size(); size++)
    EXPECT_NE(Oauth(oauth.substr(0, size)), Next::kSuccess) << size;
  for (size_t size = 0; size < google.size(); size++)
    EXPECT_NE(Google(google.substr(0, size)), Next::kSuccess) << size;
}

}  // namespace
}  // namespace sluice::auth
