// SCRAM and CRAM-MD5 by the RFCs' own dialogues, and what happens when they are bent.
#include "auth/scram_exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "auth/cram_md5_exchange.h"
#include "auth/scram_keys.h"
#include "core/base/base64.h"

namespace sluice::auth {
namespace {

using testing::HasSubstr;

const std::string kSecret(32, 's');

std::string Decoded(ByteView base64) {
  std::string octets(Base64DecodedBytesMax(base64.size()), '\0');
  const ptrdiff_t bytes = Base64Decode(base64, octets);
  EXPECT_GE(bytes, 0);
  octets.resize(static_cast<size_t>(bytes));
  return octets;
}

// A dialogue of an RFC.
struct Vector {
  ScramHash hash;
  const char* name;
  const char* salt;  // base64
  const char* server_nonce;
  const char* client_first;
  const char* server_first;
  const char* client_final;
  const char* server_final;
};
constexpr Vector kRfc5802 = {
    ScramHash::kSha1,
    "user",
    "QSXCR+Q6sek8bf92",
    "3rfcNHYJY1ZVvWVs7j",
    "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
    "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="};
constexpr Vector kRfc7677 = {
    ScramHash::kSha256,
    "user",
    "W22ZaJ0SNY7soEsUEjb6gQ==",
    "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="};

class ScramTest : public testing::Test {
 protected:
  ScramTest() : decoys_(kSecret, 4096) {
    context_.decoys = &decoys_;
    context_.hostname = "mail.example.net";
  }

  ScramExchange Make(const Vector& vector, bool plus = false) {
    context_.nonce = vector.server_nonce;
    record_.Scram(vector.hash) = DeriveScramKeys(vector.hash, "pencil", Decoded(vector.salt), 4096);
    return ScramExchange(vector.hash, plus, context_);
  }
  const CredentialRecord* Find(const ScramExchange& exchange) {
    return exchange.login() == "user" ? &record_ : nullptr;
  }
  // Up to the client's last message, with its own nonce and whatever first and final it has.
  Next Run(ScramExchange& exchange, ByteView first, ByteView final_message) {
    Next next = exchange.Start(first);
    if (next != Next::kLookup) return next;
    next = exchange.OnRecord(Find(exchange));
    EXPECT_EQ(next, Next::kChallenge);
    return exchange.Step(final_message);
  }

  Decoys decoys_;
  ExchangeContext context_;
  CredentialRecord record_;
};

TEST_F(ScramTest, SpeaksAsTheRfcsDo) {
  for (const Vector& vector : {kRfc5802, kRfc7677}) {
    for (const bool with_initial : {true, false}) {
      ScramExchange exchange = Make(vector);
      Next next = exchange.Start(with_initial ? std::optional<ByteView>(vector.client_first)
                                              : std::nullopt);
      if (!with_initial) {
        ASSERT_EQ(next, Next::kChallenge);
        EXPECT_EQ(exchange.challenge(), "");
        next = exchange.Step(vector.client_first);
      }
      ASSERT_EQ(next, Next::kLookup);
      EXPECT_EQ(exchange.login(), "user");
      ASSERT_EQ(exchange.OnRecord(&record_), Next::kChallenge);
      EXPECT_EQ(exchange.challenge(), vector.server_first);
      ASSERT_EQ(exchange.Step(vector.client_final), Next::kChallenge);
      EXPECT_EQ(exchange.challenge(), vector.server_final);
      EXPECT_EQ(exchange.Step(""), Next::kSuccess);
    }
  }
}

TEST_F(ScramTest, SomethingBehindTheEndIsMalformed) {
  ScramExchange exchange = Make(kRfc7677);
  ASSERT_EQ(Run(exchange, kRfc7677.client_first, kRfc7677.client_final), Next::kChallenge);
  EXPECT_EQ(exchange.Step("x"), Next::kFailure);
  EXPECT_EQ(exchange.failure(), Failure::kMalformed);
}

// Every octet of the last message, changed or cut, fails: as bad syntax or as a wrong proof.
TEST_F(ScramTest, NothingOfTheProofMayChange) {
  const std::string right = kRfc5802.client_final;
  for (size_t i = 0; i < right.size(); i++) {
    for (const char c : {'A', ',', '='}) {
      if (right[i] == c) continue;
      std::string wrong = right;
      wrong[i] = c;
      ScramExchange exchange = Make(kRfc5802);
      ASSERT_EQ(Run(exchange, kRfc5802.client_first, wrong), Next::kFailure) << wrong;
    }
    ScramExchange exchange = Make(kRfc5802);
    ASSERT_EQ(Run(exchange, kRfc5802.client_first, right.substr(0, i)), Next::kFailure) << i;
  }
}

TEST_F(ScramTest, EveryCutOfTheFirstMessageFails) {
  const std::string right = kRfc5802.client_first;
  const size_t nonce_at = right.find(",r=") + 3;
  for (size_t i = 0; i <= nonce_at; i++) {
    ScramExchange exchange = Make(kRfc5802);
    ASSERT_EQ(exchange.Start(right.substr(0, i)), Next::kFailure) << i;
    EXPECT_EQ(exchange.failure(), Failure::kMalformed);
  }
}

TEST_F(ScramTest, AnswersByTheTable) {
  const struct {
    const char* first;
    Failure failure;  // kNone: looks the user up
    const char* login;
  } kCases[] = {
      {"n,,n=user,r=x", Failure::kNone, "user"},
      {"y,,n=user,r=x", Failure::kNone, "user"},
      {"n,a=user,n=user,r=x", Failure::kNone, "user"},
      {"n,a=USER,n=User,r=x", Failure::kNone, "user"},
      {"n,,n=a=2Cb=3Dc,r=x", Failure::kNone, "a,b=c"},
      {"n,,n=user,r=x,ext=1", Failure::kNone, "user"},
      {"n,a=other,n=user,r=x", Failure::kNone, "user"},
      {"n,,n=\xff,r=x", Failure::kCredentials, ""},
      {"n,,n=,r=x", Failure::kCredentials, ""},
      {"n,,m=must,n=user,r=x", Failure::kMalformed, ""},
      {"n,,n=us=2cer,r=x", Failure::kMalformed, ""},
      {"n,,n=user=,r=x", Failure::kMalformed, ""},
      {"n,,n=user,r=", Failure::kMalformed, ""},
      {"n,,n=user,r=a b", Failure::kMalformed, ""},
      {"n,a=,n=user,r=x", Failure::kNone, "user"},
      {"n,b=x,n=user,r=x", Failure::kMalformed, ""},
      {"x,,n=user,r=x", Failure::kMalformed, ""},
      {",,n=user,r=x", Failure::kMalformed, ""},
      {"p=tls-exporter,,n=user,r=x", Failure::kMalformed, ""},  // without -PLUS
      {"n,n=user,r=x", Failure::kMalformed, ""},
      {"", Failure::kMalformed, ""},
  };
  for (const auto& test : kCases) {
    ScramExchange exchange = Make(kRfc7677);
    const Next next = exchange.Start(test.first);
    EXPECT_EQ(next, test.failure == Failure::kNone ? Next::kLookup : Next::kFailure) << test.first;
    EXPECT_EQ(exchange.failure(), test.failure) << test.first;
    EXPECT_EQ(exchange.login(), test.login) << test.first;
  }
}

// A client of the same keys, for what the RFCs have no dialogue of.
std::string FinalMessage(ByteView first, ByteView server_first, ByteView bound, ByteView password) {
  const ByteView bare = first.substr(first.find(',', first.find(',') + 1) + 1);
  const ByteView nonce = server_first.substr(0, server_first.find(','));
  const size_t salt_at = server_first.find(",s=") + 3;
  const size_t count_at = server_first.find(",i=");
  const std::string salt = Decoded(server_first.substr(salt_at, count_at - salt_at));
  const auto count =
      static_cast<uint32_t>(std::stoul(std::string(server_first.substr(count_at + 3))));
  std::string message = "c=" + Base64Encode(bound) + "," + std::string(nonce);
  const std::string signed_text =
      std::string(bare) + "," + std::string(server_first) + "," + message;
  const HmacSha256Key salted(View(HmacSha256Key(password).Stretch(salt, count)));
  Sha256Digest proof = salted.Sign("Client Key");
  const Sha256Digest signature = HmacSha256Key(View(HashSha256(View(proof)))).Sign(signed_text);
  for (size_t i = 0; i < proof.size(); i++) proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  return message + ",p=" + Base64Encode(View(proof));
}

struct Outcome {
  Next next;
  Failure failure;
  std::string detail;
  bool proved;  // with a failure
};

class ScramPlusTest : public ScramTest {
 protected:
  ScramPlusTest() {
    bindings_.offered = true;
    bindings_.tls_exporter = std::string(32, 'e');
    bindings_.tls_server_end_point = std::string(32, 'c');
    context_.bindings = &bindings_;
  }
  Outcome Try(bool plus, const std::string& header, const std::string& bound,
              ByteView password = "pencil") {
    const std::string first = header + "n=user,r=abc";
    ScramExchange exchange = Make(kRfc7677, plus);
    Next next = exchange.Start(first);
    if (next == Next::kLookup) {
      next = exchange.OnRecord(Find(exchange));
      next = exchange.Step(FinalMessage(first, exchange.challenge(), bound, password));
    }
    if (next == Next::kChallenge) next = exchange.Step("");
    return {next, exchange.failure(), std::string(exchange.detail()), exchange.proved()};
  }

  ChannelBindings bindings_;
};

TEST_F(ScramPlusTest, TheChannelMustBeTheSameAtBothEnds) {
  const std::string exporter = "p=tls-exporter,,", end_point = "p=tls-server-end-point,,";
  EXPECT_EQ(Try(true, exporter, exporter + bindings_.tls_exporter).next, Next::kSuccess);
  EXPECT_EQ(Try(true, end_point, end_point + bindings_.tls_server_end_point).next, Next::kSuccess);

  // Somebody in the middle has a channel of his own with each of both.
  const Outcome outcomes[] = {Try(true, exporter, exporter + std::string(32, 'x')),
                              Try(true, exporter, exporter),
                              Try(true, end_point, exporter + bindings_.tls_exporter)};
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.failure, Failure::kCredentials);
    EXPECT_TRUE(outcome.proved);
    EXPECT_THAT(outcome.detail, HasSubstr("another TLS channel"));
  }
  // Of a wrong password nothing is said.
  for (const std::string& bound :
       {exporter + bindings_.tls_exporter, exporter + std::string(32, 'x')}) {
    const Outcome outcome = Try(true, exporter, bound, "wrong");
    EXPECT_EQ(outcome.failure, Failure::kCredentials);
    EXPECT_FALSE(outcome.proved);
    EXPECT_EQ(outcome.detail, "");
  }
}

TEST_F(ScramPlusTest, OnlyBindingsThatThereAreAreTaken) {
  const Outcome unknown = Try(true, "p=tls-unique,,", "p=tls-unique,,");
  EXPECT_EQ(unknown.failure, Failure::kCredentials);  // RFC 5802 section 6: it fails
  EXPECT_THAT(unknown.detail, HasSubstr("by tls-unique, which there is not here"));
  EXPECT_FALSE(unknown.proved);
  for (const std::string header : {"p=,,", "p=tls unique,,", "p=tls_unique,,", "p=\xc3\xa4,,"}) {
    EXPECT_EQ(Try(true, header, header).failure, Failure::kMalformed) << header;
  }
  EXPECT_EQ(Try(true, "n,,", "n,,").failure, Failure::kMalformed);
  EXPECT_EQ(Try(true, "y,,", "y,,").failure, Failure::kMalformed);
  bindings_.tls_exporter.clear();
  const Outcome unavailable = Try(true, "p=tls-exporter,,", "p=tls-exporter,,");
  EXPECT_EQ(unavailable.failure, Failure::kCredentials);
  EXPECT_THAT(unavailable.detail, HasSubstr("by tls-exporter, which there is not here"));
  // The client's message is looked at as any other.
  ScramExchange exchange = Make(kRfc7677, /*plus=*/true);
  EXPECT_EQ(exchange.Start("p=tls-exporter,,n=user,r="), Next::kFailure);
  EXPECT_EQ(exchange.failure(), Failure::kMalformed);
}

TEST_F(ScramPlusTest, ADowngradeIsSeen) {
  EXPECT_EQ(Try(false, "n,,", "n,,").next, Next::kSuccess);  // it can not do it
  Outcome outcome = Try(false, "y,,", "y,,");                // it saw no -PLUS, but there was
  EXPECT_EQ(outcome.failure, Failure::kCredentials);
  EXPECT_TRUE(outcome.proved);
  EXPECT_THAT(outcome.detail, HasSubstr("saw no -PLUS"));
  outcome = Try(false, "n,,", "y,,");  // somebody wrote `n` for it
  EXPECT_EQ(outcome.failure, Failure::kCredentials);
  EXPECT_TRUE(outcome.proved);
  EXPECT_THAT(outcome.detail, HasSubstr("did not come as it was sent"));
  outcome = Try(false, "y,,", "y,,", "wrong");
  EXPECT_EQ(outcome.failure, Failure::kCredentials);
  EXPECT_FALSE(outcome.proved);
  EXPECT_EQ(outcome.detail, "");
  record_.disabled = true;  // whose password is nobody's business
  outcome = Try(false, "y,,", "y,,");
  EXPECT_FALSE(outcome.proved);
  EXPECT_EQ(outcome.detail, "");
  record_.disabled = false;
  bindings_.offered = false;
  EXPECT_EQ(Try(false, "y,,", "y,,").next, Next::kSuccess);
  context_.bindings = nullptr;
  EXPECT_EQ(Try(false, "y,,", "y,,").next, Next::kSuccess);
}

TEST_F(ScramTest, AnUnknownUserIsAskedLikeAnyOther) {
  const auto ask = [&](ByteView name, const CredentialRecord* record) {
    ScramExchange exchange = Make(kRfc7677);
    EXPECT_EQ(exchange.Start("n,,n=" + std::string(name) + ",r=x"), Next::kLookup);
    EXPECT_EQ(exchange.OnRecord(record), Next::kChallenge);
    return std::string(exchange.challenge());
  };
  const std::string nobody = ask("nobody", nullptr);
  EXPECT_EQ(nobody, ask("nobody", nullptr));
  EXPECT_EQ(nobody, ask("NoBody", nullptr));  // one name, one salt
  EXPECT_NE(nobody, ask("nobody2", nullptr));
  const std::string user = ask("user", &record_);
  EXPECT_EQ(nobody.size(), user.size());
  EXPECT_EQ(nobody.substr(nobody.find(",i=")), user.substr(user.find(",i=")));

  // A user without keys for this hash looks as before he existed; one who is disabled as before.
  CredentialRecord other;
  EXPECT_EQ(ask("nobody", &other), nobody);
  other.Scram(ScramHash::kSha1) = DeriveScramKeys(ScramHash::kSha1, "pencil", "salt", 4096);
  EXPECT_EQ(ask("nobody", &other), nobody);
  other = record_;
  other.disabled = true;
  EXPECT_EQ(ask("user", &other), user);
  other.disabled = false;
  other.suspended = true;
  EXPECT_EQ(ask("user", &other), user);
}

TEST_F(ScramTest, NobodyCanProveAnything) {
  for (const bool disabled : {false, true}) {
    record_.disabled = disabled;
    ScramExchange exchange = Make(kRfc7677);
    ASSERT_EQ(exchange.Start("n,,n=nobody,r=x"), Next::kLookup);
    ASSERT_EQ(exchange.OnRecord(disabled ? &record_ : nullptr), Next::kChallenge);
    const std::string last = FinalMessage("n,,n=nobody,r=x", exchange.challenge(), "n,,", "pencil");
    EXPECT_EQ(exchange.Step(last), Next::kFailure);
    EXPECT_EQ(exchange.failure(), Failure::kCredentials);
  }
}

TEST(CramMd5Test, SpeaksAsTheRfcDoes) {
  const ExchangeContext context{.nonce = "1896.697170952", .hostname = "postoffice.reston.mci.net"};
  CredentialRecord tim;
  tim.cram_md5 = DeriveCramMd5States("tanstaaftanstaaf");
  const struct {
    const char* response;
    bool known;
    Failure failure;
  } kCases[] = {
      {"tim b913a602c7eda7a495b4e6e7334d3890", true, Failure::kNone},
      {"Tim B913A602C7EDA7A495B4E6E7334D3890", true, Failure::kNone},
      {"tim b913a602c7eda7a495b4e6e7334d3891", true, Failure::kCredentials},
      {"tim b913a602c7eda7a495b4e6e7334d3890", false, Failure::kCredentials},
      {"tim b913a602c7eda7a495b4e6e7334d389", true, Failure::kMalformed},
      {"tim", true, Failure::kMalformed},
      {"", true, Failure::kMalformed},
      {" b913a602c7eda7a495b4e6e7334d3890", true, Failure::kCredentials},
  };
  for (const auto& test : kCases) {
    CramMd5Exchange exchange(context);
    ASSERT_EQ(exchange.Start(std::nullopt), Next::kChallenge);
    EXPECT_EQ(exchange.challenge(), "<1896.697170952@postoffice.reston.mci.net>");
    Next next = exchange.Step(test.response);
    if (next == Next::kLookup) next = exchange.OnRecord(test.known ? &tim : nullptr);
    EXPECT_EQ(next, test.failure == Failure::kNone ? Next::kSuccess : Next::kFailure)
        << test.response;
    EXPECT_EQ(exchange.failure(), test.failure) << test.response;
  }
}

TEST(CramMd5Test, TheServerSpeaksFirst) {
  CramMd5Exchange exchange({.nonce = "1", .hostname = "h"});
  EXPECT_EQ(exchange.Start("tim b913a602c7eda7a495b4e6e7334d3890"), Next::kFailure);
  EXPECT_EQ(exchange.failure(), Failure::kMalformed);
}

}  // namespace
}  // namespace sluice::auth
