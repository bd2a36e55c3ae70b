// Both sides of each mechanism, talking to each other.
#include "auth/sasl_client.h"

#include <gtest/gtest.h>

#include <string>

#include "auth/digest_md5.h"
#include "auth/exchange.h"
#include "auth/jwt.h"
#include "auth/scram_keys.h"
#include "tests/support/token_maker.h"

namespace sluice::auth {
namespace {

const std::string kSecret(32, 's');
const std::string kUser = "a=b,c@example.net";

class PairTest : public testing::TestWithParam<Mechanism> {
 protected:
  PairTest() : decoys_(kSecret, 3) {
    for (const ScramHash hash : {ScramHash::kSha1, ScramHash::kSha256, ScramHash::kSha512}) {
      record_.Scram(hash) = DeriveScramKeys(hash, "secret", "0123456789abcdef", 3);
    }
    record_.cram_md5 = DeriveCramMd5States("secret");
    record_.digest_md5 = DeriveDigestMd5Key(kUser, "h", "secret");
    bindings_.offered = true;
    bindings_.tls_exporter = std::string(32, 'e');
    client_bindings_ = bindings_;
  }

  std::unique_ptr<SaslClient> Client(const std::string& password) {
    return MakeSaslClient(GetParam(), {.user = kUser,
                                       .password = password,
                                       .nonce = "CLIENT",
                                       .cache = &cache_,
                                       .bindings = &client_bindings_});
  }

  struct Outcome {
    Next server;
    bool client;  // is content
  };
  // `tamper`: changes what the server says in its n-th message.
  Outcome Run(const std::string& password, int tamper = -1) {
    const auto client = Client(password);
    const auto server = MakeExchange(GetParam(), {.nonce = "SERVER",
                                                  .hostname = "h",
                                                  .digest_realm = "h",
                                                  .decoys = &decoys_,
                                                  .bindings = &bindings_});
    EXPECT_EQ(client->mechanism(), Info(GetParam()).name);
    std::string message;
    const bool speaks = client->Begin(message);
    Next next = server->Start(speaks ? std::optional<ByteView>(message) : std::nullopt);
    for (int said = 0;; said++) {
      while (next == Next::kLookup || next == Next::kVerify) next = Fulfil(*server, next);
      if (next != Next::kChallenge) break;
      std::string challenge(server->challenge());
      if (said == tamper && !challenge.empty()) challenge[challenge.size() / 2] ^= 1;
      message.clear();
      if (!client->Answer(challenge, message)) return {next, false};
      next = server->Step(message);
    }
    return {next, next == Next::kSuccess && client->Done()};
  }

  Next Fulfil(Exchange& server, Next wish) {
    if (wish == Next::kLookup) return server.OnRecord(server.login() == kUser ? &record_ : nullptr);
    const bool match = PasswordMatches(server.keys(), server.password());
    return server.OnVerified(match ? Verdict::kMatch : Verdict::kMismatch);
  }

  Decoys decoys_;
  CredentialRecord record_;
  ChannelBindings bindings_;
  ChannelBindings client_bindings_;
  ScramCache cache_;
};

TEST_P(PairTest, TheRightPasswordIsProvedAndAWrongOneIsNot) {
  for (int round = 0; round < 2; round++) {  // the second from the cache
    const Outcome right = Run("secret");
    EXPECT_EQ(right.server, Next::kSuccess);
    EXPECT_TRUE(right.client);
    EXPECT_EQ(Run("Secret").server, Next::kFailure);
  }
  record_.disabled = true;
  EXPECT_EQ(Run("secret").server, Next::kFailure);
}

TEST_P(PairTest, AnotherChannelIsNoticed) {
  client_bindings_.tls_exporter[0] ^= 1;
  EXPECT_EQ(Run("secret").server, Info(GetParam()).plus ? Next::kFailure : Next::kSuccess);
}

// Whoever changes what the server says, or only says that all is well, is found out by SCRAM; by
// DIGEST-MD5 where it matters.
TEST_P(PairTest, TheClientTrustsTheRightServerAlone) {
  if (GetParam() == Mechanism::kDigestMd5) {
    EXPECT_FALSE(Run("secret", 1).client);
  }
  if (!Info(GetParam()).scram.has_value()) return;  // the server proves nothing there
  for (const int message : {0, 1}) EXPECT_FALSE(Run("secret", message).client) << message;
  std::string response;
  const auto client = Client("secret");
  EXPECT_TRUE(client->Begin(response));
  EXPECT_FALSE(client->Done());
  for (const char* wrong :
       {"", "r=CLIENT,s=MDEyMw==,i=1", "r=OTHERSERVER,s=MDEyMw==,i=1",
        "r=CLIENTSERVER,s=MDEyMw==,i=0", "r=CLIENTSERVER,s=MDEyMw==,i=99999999",
        "r=CLIENTSERVER,s=?,i=1", "r=CLIENTSERVER,i=1", "e=other-error"}) {
    EXPECT_FALSE(client->Answer(wrong, response)) << wrong;
  }
  EXPECT_TRUE(client->Answer("r=CLIENTSERVER,s=MDEyMw==,i=1", response));
  EXPECT_FALSE(client->Done());
}

TEST(DigestMd5ClientTest, SpeaksToServersOfItsKindAlone) {
  std::string response;
  const auto make = [&] {
    auto client = MakeSaslClient(Mechanism::kDigestMd5,
                                 {.user = "u", .password = "secret", .nonce = "CLIENT"});
    EXPECT_FALSE(client->Begin(response));
    return client;
  };
  for (const char* wrong :
       {"", "realm=\"h\"", "realm=\"h\",nonce=\"n\",qop=\"auth\"", "rspauth=0", "realm=\"h",
        "realm=\"h\",nonce=\"n\",qop=\"auth-conf\",algorithm=md5-sess",
        "realm=\"h\",nonce=\"n\",qop=\"auth\",algorithm=md5"}) {
    EXPECT_FALSE(make()->Answer(wrong, response)) << wrong;
  }
  const std::string good =
      "realm=\"h\",nonce=\"n\",qop=\"auth-int, auth\",algorithm=md5-sess,realm=\"other\"";
  const auto client = make();
  EXPECT_TRUE(client->Answer(good, response));
  EXPECT_NE(response.find("digest-uri=\"smtp/h\""), std::string::npos) << response;
  EXPECT_FALSE(client->Done());
  EXPECT_FALSE(client->Answer(good, response));
}

// The password is a token: the user's, and one that is none.
TEST(BearerClientTest, IsUnderstood) {
  auto keys = Jwks::Parse(SetOf(kEdJwk));
  ASSERT_TRUE(keys.ok());
  const auto tokens = std::make_shared<TokenVerifier>(
      *std::move(keys), TokenRules{.issuer = "i", .audience = "a", .login_claim = "sub"});
  const std::string token = Sign(R"({"iss":"i","aud":"a","exp":10,"sub":")" + kUser + R"("})");
  for (const Mechanism mechanism : {Mechanism::kOauthBearer, Mechanism::kXoauth2}) {
    for (const bool right : {true, false}) {
      const auto client = MakeSaslClient(mechanism, {.user = kUser, .password = right ? token : "x"});
      EXPECT_EQ(client->mechanism(), Info(mechanism).name);
      const auto server = MakeExchange(mechanism, {.tokens = tokens});
      std::string message;
      ASSERT_TRUE(client->Begin(message));
      const Next next = server->Start(message);
      EXPECT_EQ(next, right ? Next::kLookup : Next::kChallenge);
      if (right) {
        EXPECT_EQ(server->login(), kUser);
        EXPECT_TRUE(client->Done());
        continue;
      }
      ASSERT_TRUE(client->Answer(server->challenge(), message));
      EXPECT_EQ(message, mechanism == Mechanism::kXoauth2 ? "" : "\x01");
      EXPECT_EQ(server->Step(message), Next::kFailure);
      EXPECT_FALSE(client->Done());
      EXPECT_FALSE(client->Answer("more", message));
      EXPECT_TRUE(client->Begin(message));  // anew
      EXPECT_TRUE(client->Done());
    }
  }
}

std::string NameOf(const testing::TestParamInfo<Mechanism>& info) {
  std::string name;
  for (const char c : Info(info.param).name) {
    if (c != '-') name += c;
  }
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, PairTest,
                         testing::Values(Mechanism::kScramSha512Plus, Mechanism::kScramSha512,
                                         Mechanism::kScramSha256Plus, Mechanism::kScramSha256,
                                         Mechanism::kScramSha1Plus, Mechanism::kScramSha1,
                                         Mechanism::kCramMd5, Mechanism::kDigestMd5,
                                         Mechanism::kPlain, Mechanism::kLogin),
                         NameOf);

}  // namespace
}  // namespace sluice::auth
