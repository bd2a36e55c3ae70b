// What reads JSON Web Tokens and sets of keys, and the messages that carry tokens.
//
// The first octet chooses; the rest is the input: 't' a token; 'c' the claims of one that is signed
// right; 'j' JSON; 'k' a set of keys; 'o' and 'x' a message of OAUTHBEARER and of XOAUTH2. The
// published tokens have no claims that are for us, and nobody but 'c' can sign, so nobody else may
// succeed; and whoever succeeds has the claims that the rules want.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "auth/bearer_exchange.h"
#include "auth/json_object.h"
#include "auth/jwt.h"
#include "core/base/check.h"
#include "tests/support/token_maker.h"

namespace sluice::auth {
namespace {

constexpr WallTime kNow = WallFromMillis(1'300'000'000'000);

const std::shared_ptr<TokenVerifier>& Tokens() {
  static const auto tokens = [] {
    auto keys =
        Jwks::Parse(absl::StrCat(R"({"keys":[)", kEdJwk, ",", kP256Jwk, ",", kRsaJwk, "]}"));
    CHECK(keys.ok() && keys->keys().size() == 3);
    return std::make_shared<TokenVerifier>(*std::move(keys),
                                           TokenRules{.issuer = "joe", .audience = "a"});
  }();
  return tokens;
}

void RunToken(ByteView token) {
  std::string login;
  CHECK(Tokens()->Verify(token, kNow, login) != TokenFault::kNone && login.empty());
}

void RunClaims(ByteView text) {
  const std::string token = Sign(text);
  std::string login;
  const TokenFault fault = Tokens()->Verify(token, kNow, login);
  CHECK((fault == TokenFault::kNone) == !login.empty());
  CHECK(fault == TokenFault::kMalformed
            ? token.size() > kTokenBytesMax
            : fault == TokenFault::kNone || fault >= TokenFault::kClaims);
  if (fault != TokenFault::kNone) return;
  const auto claims = ParseJsonObject(text);
  CHECK(claims.ok() && *FindText(*claims, "iss") == "joe" && *FindText(*claims, "email") == login);
  CHECK((*claims)["exp"].get<double>() > 1'299'999'940);
}

void RunObject(ByteView text) {
  const auto object = ParseJsonObject(text);
  if (!object.ok()) return;
  CHECK(object->is_object());
  // What was read is written and read as the same.
  const auto again = ParseJsonObject(object->dump());
  CHECK(again.ok() && *again == *object);
}

void RunKeys(ByteView text) {
  const auto keys = Jwks::Parse(text);
  if (!keys.ok()) {
    CHECK(!keys.status().message().empty());
    return;
  }
  CHECK(!keys->keys().empty() && keys->keys().size() <= kJwksKeysMax);
  for (const Jwks::Key& key : keys->keys()) {
    CHECK(!key.key->Verify("message", std::string(64, 's')));
  }
}

void RunMessage(BearerExchange::Form form, ByteView message) {
  BearerExchange exchange(form, {.tokens = Tokens(), .now = kNow});
  Next next = exchange.Start(message);
  CHECK(next == Next::kChallenge || next == Next::kFailure);
  if (next == Next::kFailure) {
    CHECK(exchange.failure() == Failure::kMalformed);
    return;
  }
  CHECK(ParseJsonObject(exchange.challenge()).ok());
  CHECK(exchange.Step(message) == Next::kFailure && exchange.failure() == Failure::kCredentials);
}

}  // namespace
}  // namespace sluice::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::auth;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const sluice::ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 't':
      RunToken(input);
      break;
    case 'c':
      RunClaims(input);
      break;
    case 'j':
      RunObject(input);
      break;
    case 'k':
      RunKeys(input);
      break;
    case 'o':
      RunMessage(BearerExchange::Form::kOauthBearer, input);
      break;
    case 'x':
      RunMessage(BearerExchange::Form::kXoauth2, input);
      break;
    default:
      break;
  }
  return 0;
}
