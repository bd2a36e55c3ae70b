#include "auth/jwks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/base64.h"
#include "core/base/check.h"
#include "tests/support/token_maker.h"

namespace sluice::auth {
namespace {

using testing::HasSubstr;

std::string With(ByteView jwk, const std::string& member) {
  return absl::StrCat(jwk.substr(0, jwk.size() - 1), ",", member, "}");
}
std::string List(std::initializer_list<std::string> keys) {
  std::string list;
  for (const std::string& key : keys) absl::StrAppend(&list, list.empty() ? "" : ",", key);
  return R"({"keys":[)" + list + "]}";
}
std::string Error(const std::string& text) {
  const auto jwks = Jwks::Parse(text);
  return jwks.ok() ? "" : std::string(jwks.status().message());
}

TEST(JwksTest, TakesTheThreeAlgorithms) {
  const auto jwks =
      Jwks::Parse(List({With(kRsaJwk, R"("kid":"1","alg":"RS256","use":"sig")"),
                        With(kP256Jwk, R"("kid":"2","key_ops":["verify"])"),
                        With(kEdJwk, R"("alg":"EdDSA")"), With(kEdJwk, R"("x5t":"A")")}));
  ASSERT_TRUE(jwks.ok()) << jwks.status();
  ASSERT_EQ(jwks->keys().size(), 4u);
  EXPECT_EQ(jwks->left_out(), 0u);
  EXPECT_EQ(jwks->keys()[0].id, "1");
  EXPECT_EQ(jwks->keys()[0].key->algorithm(), JwsAlgorithm::kRs256);
  EXPECT_EQ(jwks->keys()[1].id, "2");
  EXPECT_EQ(jwks->keys()[1].key->algorithm(), JwsAlgorithm::kEs256);
  EXPECT_EQ(jwks->keys()[2].id, "");
  EXPECT_EQ(jwks->keys()[3].key->algorithm(), JwsAlgorithm::kEdDsa);
}

TEST(JwksTest, LeavesOutWhatIsForOthers) {
  const auto jwks = Jwks::Parse(List({
      With(kRsaJwk, R"("use":"enc")"),
      With(kRsaJwk, R"("alg":"RS512")"),
      With(kRsaJwk, R"("alg":"PS256","kid":"1")"),
      With(kRsaJwk, R"("key_ops":["encrypt"])"),
      With(kP256Jwk, R"("key_ops":[])"),
      R"({"kty":"oct","k":"AAAA","alg":"HS256"})",
      R"({"kty":"EC","crv":"P-521","x":"A","y":"A"})",
      R"({"kty":"OKP","crv":"X25519","x":"A"})",
      R"({"kty":"AKP"})",
      With(kEdJwk, R"("kid":"1")"),
  }));
  ASSERT_TRUE(jwks.ok()) << jwks.status();
  EXPECT_EQ(jwks->keys().size(), 1u);
  EXPECT_EQ(jwks->left_out(), 9u);
}

TEST(JwksTest, SaysWhichKeyIsWrongAndHow) {
  const std::string good(kEdJwk);
  const auto changed = [](ByteView jwk, const std::string& from, const std::string& to) {
    CHECK(jwk.find(from) != jwk.npos);
    return absl::StrReplaceAll(jwk, {{from, to}});
  };
  const std::pair<std::string, std::string> cases[] = {
      {"", "is not JSON"},
      {"{", "is not JSON"},
      {"[]", "not an object"},
      {R"({"keys":[],"keys":[]})", "name twice"},
      {"{}", "has no list \"keys\""},
      {R"({"keys":{}})", "has no list \"keys\""},
      {List({}), "has no key for RS256"},
      {List({R"({"kty":"oct","k":"A"})"}), "1 others are left out"},
      {List({good, "7"}), "key 2: is no object"},
      {List({"{}"}), "key 1: kty is missing"},
      {List({R"({"kty":7})"}), "key 1: kty is missing"},
      {List({With(kEdJwk, R"("kid":7)")}), "key 1: kid is no text"},
      {List({With(kEdJwk, R"("kid":"")")}), "key 1: kid is no text, or empty"},
      {List({With(kEdJwk, "\"kid\":\"" + std::string(257, 'k') + "\"")}), "kid is too long"},
      {List({With(kEdJwk, R"("kid":"k","use":1)")}), "key 1 (\"k\"): use is no text"},
      {List({With(kEdJwk, R"("key_ops":"verify")")}), "key_ops is no list"},
      {List({With(kEdJwk, R"("alg":1)")}), "alg is no text"},
      {List({With(kEdJwk, R"("d":"AAAA")")}), "private key"},
      {List({With(kRsaJwk, R"("d":"AAAA")")}), "private key"},
      {List({With(kEdJwk, R"("kid":"k")"), With(kP256Jwk, R"("kid":"k")")}),
       "key 2 (\"k\"): another key has this kid"},
      {List({R"({"kty":"RSA","e":"AQAB"})"}), "n is missing"},
      {List({R"({"kty":"RSA","n":"AQAB"})"}), "e is missing"},
      {List({R"({"kty":"RSA","n":"AQAB","e":"AQAB"})"}), "RSA with 17 bits; expected 2048 to 4096"},
      {List({R"({"kty":"RSA","n":"","e":"AQAB"})"}), "RSA with 0 bits"},
      {List({absl::StrCat(R"({"kty":"RSA","e":"AQAB","n":")",
                          Base64Url("\x7f" + std::string(255, '\xff')), "\"}")}),
       "RSA with 2047 bits"},
      {List({absl::StrCat(R"({"kty":"RSA","e":"AQAB","n":")",
                          Base64Url("\x01" + std::string(512, '\xff')), "\"}")}),
       "RSA with 4097 bits"},
      {List({absl::StrCat(R"({"kty":"RSA","e":"AQAB","n":")",
                          Base64Url(std::string(255, '\xff') + '\xfe'), "\"}")}),
       "no RSA key"},
      {List({changed(kRsaJwk, "AQAB", "AQ")}), "e is no exponent"},
      {List({changed(kRsaJwk, "AQAB", "AQAA")}), "e is no exponent"},
      {List({changed(kRsaJwk, "AQAB", "")}), "e is no exponent"},
      {List({changed(kRsaJwk, "AQAB", "AQAAAAE")}), "e is no exponent"},
      {List({changed(kRsaJwk, "AQAB", "AQAB=")}), "e is not base64url"},
      {List({changed(kRsaJwk, "\"AQAB\"", "65537")}), "e is missing"},
      {List({changed(kP256Jwk, "\"y\"", "\"z\"")}), "y is missing"},
      {List({changed(kP256Jwk, "\"x\":\"f", "\"x\":\"g")}), "no point of P-256"},
      {List({changed(kP256Jwk, "5a0", "")}), "y has 30 octets; expected 32"},
      {List({changed(kEdJwk, "11qY", "1+qY")}), "x is not base64url"},
      {List({changed(kEdJwk, "11qY", "")}), "x has 29 octets; expected 32"},
      {List({R"({"kty":"OKP","crv":"Ed25519","x":"AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})"}),
       "no point of Ed25519"},
      {std::string(kJwksBytesMax + 1, ' '), "larger than"},
      {R"({"keys":)" + std::string(200, '[') + std::string(200, ']') + "}", "nested too deep"},
  };
  for (const auto& [text, words] : cases) {
    EXPECT_THAT(Error(text), HasSubstr(words)) << text.substr(0, 300);
  }
}

TEST(JwksTest, ALeadingZeroOfTheModulusIsNoHarm) {
  const size_t at = kRsaJwk.find("\"n\":\"") + 5;
  std::string modulus(256, '\0');
  ASSERT_EQ(Base64UrlDecode(kRsaJwk.substr(at, 342), modulus), 256);
  const auto jwks = Jwks::Parse(
      List({absl::StrCat(R"({"kty":"RSA","e":"AAEAAQ","n":")", Base64Url('\0' + modulus), "\"}")}));
  ASSERT_TRUE(jwks.ok()) << jwks.status();
  const size_t dot = kRsaToken.rfind('.');
  std::string signature(256, '\0');
  ASSERT_EQ(Base64UrlDecode(kRsaToken.substr(dot + 1), signature), 256);
  EXPECT_TRUE(jwks->keys()[0].key->Verify(kRsaToken.substr(0, dot), signature));
}

TEST(JwksTest, TheNumberOfKeysIsBounded) {
  std::string list;
  for (size_t i = 0; i < kJwksKeysMax; i++) absl::StrAppend(&list, i > 0 ? "," : "", kEdJwk);
  EXPECT_EQ(Error(R"({"keys":[)" + list + "]}"), "");
  EXPECT_THAT(Error(absl::StrCat(R"({"keys":[)", list, ",", kEdJwk, "]}")),
              HasSubstr("more than 64 keys"));
  EXPECT_EQ(Error(absl::StrCat(R"({"keys":[)", list, R"(,{"kty":"oct"}]})")), "");
}

TEST(JwksTest, EveryCutIsRefused) {
  const std::string text = List({std::string(kRsaJwk), std::string(kP256Jwk), std::string(kEdJwk)});
  for (size_t size = 0; size < text.size(); size++)
    EXPECT_NE(Error(text.substr(0, size)), "") << size;
  EXPECT_EQ(Error(text), "");
}

}  // namespace
}  // namespace sluice::auth
