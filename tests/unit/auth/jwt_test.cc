#include "auth/jwt.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "auth/json_object.h"
#include "core/base/base64.h"
#include "tests/support/token_maker.h"

namespace sluice::auth {
namespace {

constexpr int64_t kSeconds = 1'800'000'000;
constexpr WallTime kNow = WallFromMillis(kSeconds * 1000);

TokenVerifier MakeVerifier(const std::string& jwks, TokenRules rules = {}) {
  auto keys = Jwks::Parse(jwks);
  CHECK(keys.ok());
  if (rules.issuer.empty()) rules.issuer = "https://id.example.net/";
  if (rules.audience.empty()) rules.audience = "smtp";
  return TokenVerifier(*std::move(keys), std::move(rules));
}

TokenFault Verify(TokenVerifier& verifier, ByteView token, std::string* login = nullptr) {
  std::string found;
  const TokenFault fault = verifier.Verify(token, kNow, found);
  EXPECT_EQ(found.empty(), fault != TokenFault::kNone);
  if (login != nullptr) *login = found;
  return fault;
}

// Claims that are right, with members changed or added; `value` is JSON, empty: the member is gone.
std::string Claims(ByteView name = "", ByteView value = "") {
  nlohmann::json claims = {{"iss", "https://id.example.net/"},
                           {"aud", "smtp"},
                           {"exp", kSeconds + 100},
                           {"sub", "42"},
                           {"email", "alice@example.net"}};
  if (name.empty()) return claims.dump();
  claims.erase(std::string(name));
  if (!value.empty()) claims[std::string(name)] = nlohmann::json::parse(value);
  return claims.dump();
}

struct Example {
  const char* name;
  ByteView jwk;
  ByteView token;
};
const Example kExamples[] = {
    {"RFC 7515 A.2", kRsaJwk, kRsaToken},
    {"RFC 7515 A.3", kP256Jwk, kP256Token},
    {"RFC 8037 A.4", kEdJwk, kEdToken},
};

// The claims of the examples are not for us; that they are looked at says that the signature is
// right.
TEST(JwtTest, PublishedSignaturesAreRight) {
  for (const Example& example : kExamples) {
    TokenVerifier verifier = MakeVerifier(SetOf(example.jwk));
    EXPECT_EQ(Verify(verifier, example.token), TokenFault::kClaims) << example.name;
  }
}

TEST(JwtTest, EachBitOfASignatureCounts) {
  for (const Example& example : kExamples) {
    const auto jwks = Jwks::Parse(SetOf(example.jwk));
    ASSERT_TRUE(jwks.ok());
    JwsKey& key = *jwks->keys()[0].key;
    const size_t dot = example.token.rfind('.');
    const ByteView message = example.token.substr(0, dot);
    const ByteView text = example.token.substr(dot + 1);
    std::string signature(Base64UrlDecodedBytesMax(text.size()), '\0');
    ASSERT_EQ(Base64UrlDecode(text, signature), static_cast<ptrdiff_t>(signature.size()));
    ASSERT_TRUE(key.Verify(message, signature));
    for (size_t bit = 0; bit < 8 * signature.size(); bit++) {
      std::string other = signature;
      other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << bit % 8));
      EXPECT_FALSE(key.Verify(message, other)) << example.name << " bit " << bit;
    }
    for (size_t size = 0; size < signature.size(); size++) {
      EXPECT_FALSE(key.Verify(message, signature.substr(0, size))) << example.name;
    }
    EXPECT_FALSE(key.Verify(message, signature + '\0')) << example.name;
    EXPECT_FALSE(key.Verify(message, '\0' + signature)) << example.name;
    EXPECT_FALSE(key.Verify(message, std::string(signature.size(), '\0'))) << example.name;
    EXPECT_FALSE(key.Verify(message, std::string(signature.size(), '\xff'))) << example.name;
    EXPECT_FALSE(key.Verify(message.substr(1), signature)) << example.name;
  }
}

TEST(JwtTest, EachOctetOfATokenCounts) {
  for (const Example& example : kExamples) {
    TokenVerifier verifier = MakeVerifier(SetOf(example.jwk));
    for (size_t i = 0; i < example.token.size(); i++) {
      for (const char c : {'A', '_', '=', '.', '\n', '\0'}) {
        std::string other(example.token);
        if (other[i] == c) continue;
        other[i] = c;
        const TokenFault fault = Verify(verifier, other);
        EXPECT_TRUE(fault == TokenFault::kMalformed || fault == TokenFault::kSignature ||
                    fault == TokenFault::kAlgorithm)
            << example.name << " octet " << i << ": " << Explain(fault);
      }
      EXPECT_NE(Verify(verifier, example.token.substr(0, i)), TokenFault::kClaims) << i;
    }
  }
}

// All made with the private key of RFC 7515 A.2: only what the padding holds is wrong.
TEST(JwtTest, AnRsaSignatureHasOneEncoding) {
  const auto jwks = Jwks::Parse(SetOf(kRsaJwk));
  ASSERT_TRUE(jwks.ok());
  const auto verify = [&](ByteView message, ByteView text) {
    std::string signature(256, '\0');
    EXPECT_EQ(Base64UrlDecode(text, signature), 256);
    return jwks->keys()[0].key->Verify(message, signature);
  };
  EXPECT_TRUE(verify("message",
                     "ha9E_-"
                     "kJZ6S7KC5m8XjICr7rXagkSrzzMtWDWnncsxn5lX7otzTFkKJlTY332IlLcknDJFhR93hJs66DCu5"
                     "XuAfCfopdcyye2zdK"
                     "G47qP3cZ1EC87_yEbUTJwomGU3htM-94vB_jxnOJZUzm4hlQwpw8-RarFqHqj8rWGrx-"
                     "CuulnHeOEe_L3cdktJQkg491AqqTxrC9"
                     "NyBOtbJiIwIA7_YP65ZZshzRLLe4eMv508Dol7uhnFJe3-"
                     "taaiA2m5wbTlczkwpd9T3BSWUs5JhW2LtfVpVOr8WlbHEhmqxiQdjB"
                     "b0TJkrw4TtJhFv5xrxGULRSeMbjyRrmGBe87dF8kmg"));
  const std::pair<const char*, const char*> wrong[] = {
      {"garbage behind",
       "So-HoVD4ca1G5_H3142nusEaGXUzBSFtAr5O3njnBXB-"
       "c9u72mlzuAk80IPldqwsqq8RK10ojZrgoDVTXj3x0XOnjO3Twv1h7nef"
       "zufk3J4Bqv52pUCWkAdLmznKvZ2AAxnRjxaAJa-rLlr7Gbr_y_AEuN9KGXq8pphKnVQkWloM8ouiYsvmG-_AZOFO-"
       "PaL8R-FQ2hV"
       "4R1YdWmzJez9ePCW1rh1P2DYMDgLlNL0hs0dC0jm9OxrGuJMZGv8N8Qkp1gGwLkIe6SnSVlYE9m_"
       "sO990yJNQW4hrSkWUjnX-rD3"
       "BFsbL6YGjrtoys3zCjaq-XaDqAXzMb2GzXzZBBB8nA"},
      {"no NULL",
       "UELDisXDq7y78eDKnSTKZVl28xr35JaEiJeHGFiDajKtWoaSD2CoTTabDmola6WmMWNzVIM41HZfuyqzsVpPSw7-"
       "L2iEGOAWRqq9"
       "XnlWA2eNxpHmB1xi69GzAQ2_jBbF01fAEqcl2odf7I7ecrIakTOUPuZOJTmXPG6_"
       "IjUfE1otx7US1jNR66RiafBua9eK7mvkI5zK"
       "F7s9P4dE7qGsYYkTE5N49ljI9FXVveoezdtbvavBU5qeH8tqbCb17TfpHCzs7UIqEwAVjg1De2e1rDn5wypC48SYYsW"
       "34alCMzBI"
       "yUGwOJtFjGz1GaujDsnhLrcEHRbaTFj_OC06vqa12A"},
      {"padding not ff",
       "OYXgpR8GOgspYkBktcLnhL-JAc7g_CrTEV9FrABiC4rqXb-"
       "YjOVWjYrUmRnggPRk0J27q6HS5aE12o1ofAQEcoSzph8ppYGmBqlL"
       "p2qFd1UdRr7_aKh1lv-1YEHurwmBjFSFDFtJ0pPUjiiymABA7Fp1FtT-"
       "9gfTOaRSiKJpCcZBTiaPjQVMAgUqojCcNaUMkmUI5z0P"
       "jBzsw-JKYJLkaKzGamoByG8VC8WXs0DJIJfP0oEyvVv2lKRs_"
       "QUGkAmhBGHFCDlNJU4D79TnrBE5On2oe3O5XGbXNr5JuSIufcou"
       "r2Th3_NAim6Ztzisjuv66DkzSMmrTqNS0TSHCLuvKw"},
      {"type 2",
       "K2OOA6fTMppsObuFBJZL5ZNkyJk-Dj9gSI_"
       "2iKyqG5NbM2PE4dPO4OCWtS7F0LreZsx5IgMNVJ2JqJNkOEZWn0kJ4vXgipazDkei"
       "KkgSq5P3bfjiM6K4Ez8DZS_ISKm908bSskmEl6UCl0xT4dn3HS6Nvo_"
       "pKdpvoKxPIk7GEBQ0PJ7r8wD69N18jDqtqlquR435ppU6"
       "lkNoq8nV3GpCvYFl_X0SnKB2RwRCovzysNgQT4yF5_Gxnc4cEthPZos_Ema0M2j09HoFPCsnR6KPal8o-"
       "ZLQBygXIVeO8zWLXX2N"
       "ytxAiB5hfnym28VMC6fnHScSXnS_WI-CN8bmLPZegQ"},
      {"SHA-1",
       "azwbeMh4ZLGYG00xB4UsdiBNzYqM9m2palojNBq6s9cjHbrXNQAOg6ZxHRnlHxAaeJBCLhic2Abpq_"
       "Ksauze9wwnDzdtv8DlaiMY"
       "j5val65yfuevi_BC_PEimSirB_1xVvQfKrQ3EEvUsDY9KvC7WhuweO7zpsPNajeegj5YUgJu_veYLQPfi_9_"
       "3TNQQkQM_0P3aIuy"
       "M7IDXGO0KTQv4mmkQ2Jye2DMi5Fz2R8-dC9cGUQJKeAavcVGp6aanmPgaPB6VMUnaQVxjrn5bWWEsXIPcwgDBEinR4-"
       "hU5Yr5mm4"
       "BTmn42M2bAc9B_ApUxdRJ9B6T1DgzpwDFFgIE-Bi7A"},
  };
  for (const auto& [name, text] : wrong) EXPECT_FALSE(verify("message", text)) << name;

  // s, and s plus the modulus, which is the same to the arithmetic.
  EXPECT_TRUE(verify("message 0",
                     "NoP-JPWLnSIOm7kfSV4B88FghDm-29u2pOUbHj6lKPCwY6lLhBRSMhusn4bBB-db27ld4g_"
                     "YqBuDpapSFpw2-fzNI8pdHd0eaJe-"
                     "gaLAisxMGaNaHp6puF7rz85fZBhsfkB5KMjqouVE_1N6ndE-"
                     "q3OgTsbOnEqwwNESFVhrnx9RXCeW7K5nCn9T6ZdDRseJoDdDj074"
                     "1n16JbU7LEQzhEguL8D1akaQcvfBbdTE_phDHOZ7ZwlVXIvBLNncqCXRdo1KNeWXLW35cYi_"
                     "B4NG8S0gL8gxBE5vzdPTGRlHd76U"
                     "82tppJwwXBaylAsQXEjBIcuvkaxN-ICA7S_fCAB5Kw"));
  EXPECT_FALSE(verify("message 0",
                      "2HwUL9hvZtZ0akZMrsBlKezzAffovcvbHOExRAs1yieT74KAG9oJHH-"
                      "KFpinhFuF1RAO3ZpnsLZf8RPbU11qOVC68-QVlWFDmIRP"
                      "0YdGAjWlZY2cn3HVx7SrMmKudxwDOq8VCDeodaLoZuJnPpenonVT3IbJ1RLk7bQQgoBmfWmrpJwu"
                      "ioMg2hoyrl6eTEy1zEaih_S6"
                      "S4ENHvokGaj0lQ7kdyGQDr7LXpQuCKwaL8iTgHH-zWXEzAZD0HBM0kU1khAeIdfQT4dCkT9Fjq-"
                      "eCCIrJ_2-ntoM5ZcTi6jG_5cv"
                      "DERmUAPd4G--wtqF74H3XdKy3xuuaB6izYQ10uZizA"));
}

TEST(JwtTest, ARightTokenNamesItsLogin) {
  TokenVerifier verifier = MakeVerifier(SetOf(kEdJwk));
  std::string login;
  EXPECT_EQ(Verify(verifier, Sign(Claims()), &login), TokenFault::kNone);
  EXPECT_EQ(login, "alice@example.net");
  TokenVerifier by_subject = MakeVerifier(SetOf(kEdJwk), {.login_claim = "sub"});
  EXPECT_EQ(Verify(by_subject, Sign(Claims()), &login), TokenFault::kNone);
  EXPECT_EQ(login, "42");
  // An address that is not the login need not be verified.
  EXPECT_EQ(Verify(by_subject, Sign(Claims("email_verified", "false"))), TokenFault::kNone);
}

TEST(JwtTest, EveryClaimCounts) {
  struct Case {
    const char* name;
    std::string value;
    TokenFault fault;
  };
  const auto at = [](int64_t seconds) { return std::to_string(kSeconds + seconds); };
  const Case cases[] = {
      {"iss", "", TokenFault::kClaims},
      {"iss", "7", TokenFault::kClaims},
      {"iss", R"(["https://id.example.net/"])", TokenFault::kClaims},
      {"iss", R"("https://id.example.net")", TokenFault::kIssuer},
      {"iss", R"("HTTPS://id.example.net/")", TokenFault::kIssuer},
      {"iss", R"("https://id.example.net/\u0000")", TokenFault::kIssuer},
      {"aud", "", TokenFault::kClaims},
      {"aud", R"("imap")", TokenFault::kAudience},
      {"aud", R"("smtp2")", TokenFault::kAudience},
      {"aud", "[]", TokenFault::kAudience},
      {"aud", R"(["imap",["smtp"],{"smtp":1},7])", TokenFault::kAudience},
      {"aud", R"({"smtp":"smtp"})", TokenFault::kAudience},
      {"aud", R"(["imap","smtp"])", TokenFault::kNone},
      {"exp", "", TokenFault::kClaims},
      {"exp", R"("1900000000")", TokenFault::kClaims},
      {"exp", "true", TokenFault::kClaims},
      {"exp", "null", TokenFault::kClaims},
      {"exp", at(-61), TokenFault::kExpired},
      {"exp", at(-60), TokenFault::kExpired},
      {"exp", at(-59), TokenFault::kNone},
      {"exp", at(-60) + ".5", TokenFault::kNone},
      {"exp", "0", TokenFault::kExpired},
      {"exp", "-1", TokenFault::kExpired},
      {"exp", "1e300", TokenFault::kNone},
      {"exp", "18446744073709551615", TokenFault::kNone},
      {"nbf", at(61), TokenFault::kNotYet},
      {"nbf", at(60), TokenFault::kNone},
      {"nbf", at(-9999), TokenFault::kNone},
      {"nbf", R"("now")", TokenFault::kClaims},
      {"iat", at(61), TokenFault::kNotYet},
      {"iat", at(60), TokenFault::kNone},
      {"iat", "null", TokenFault::kClaims},
      {"email", "", TokenFault::kLogin},
      {"email", R"("")", TokenFault::kLogin},
      {"email", "42", TokenFault::kLogin},
      {"email", R"(["alice@example.net"])", TokenFault::kLogin},
      {"email_verified", "true", TokenFault::kNone},
      {"email_verified", R"("true")", TokenFault::kNone},
      {"email_verified", "false", TokenFault::kUnverified},
      {"email_verified", "1", TokenFault::kUnverified},
      {"crit", R"(["exp"])", TokenFault::kNone},  // of the header alone
  };
  TokenVerifier verifier = MakeVerifier(SetOf(kEdJwk));
  for (const Case& c : cases) {
    EXPECT_EQ(Verify(verifier, Sign(Claims(c.name, c.value))), c.fault) << c.name << " " << c.value;
  }
}

TEST(JwtTest, TheClockSkewIsTheConfiguredOne) {
  TokenVerifier exact = MakeVerifier(SetOf(kEdJwk), {.clock_skew = Duration(0)});
  EXPECT_EQ(Verify(exact, Sign(Claims("exp", std::to_string(kSeconds)))), TokenFault::kExpired);
  EXPECT_EQ(Verify(exact, Sign(Claims("exp", std::to_string(kSeconds + 1)))), TokenFault::kNone);
  EXPECT_EQ(Verify(exact, Sign(Claims("nbf", std::to_string(kSeconds + 1)))), TokenFault::kNotYet);
}

TEST(JwtTest, ClaimsAreOneStrictObject) {
  TokenVerifier verifier = MakeVerifier(SetOf(kEdJwk));
  const std::string right = Claims();
  ASSERT_EQ(Verify(verifier, Sign(right)), TokenFault::kNone);
  const auto with = [&](const std::string& more) {
    return right.substr(0, right.size() - 1) + "," + more + "}";
  };
  EXPECT_EQ(Verify(verifier, Sign(with(R"("x":{"y":[1,2,{"z":"a"}]})"))), TokenFault::kNone);
  for (const std::string& wrong :
       {std::string(), std::string("null"), "[" + right + "]", right + right, right + "x",
        right.substr(1), with(R"("aud":"smtp")"), with(R"("\u0061ud":"smtp")"),
        with(R"("x":{"y":1,"y":1})"), with("\"x\":\"\xff\""), with(R"("x":1e999)"),
        with("\"x\":\"\x01\""), with("/*x*/\"x\":1"), with(R"("x":NaN)"),
        with("\"x\":" + std::string(16, '[') + std::string(16, ']')),
        with("\"x\":" + std::string(3000, '[')),
        absl::StrReplaceAll(right, {{"\"aud\"", "'aud'"}})}) {
    EXPECT_EQ(Verify(verifier, Sign(wrong)), TokenFault::kClaims) << wrong;
  }
  EXPECT_EQ(Verify(verifier, Sign(with("\"x\":" + std::string(15, '[') + std::string(15, ']')))),
            TokenFault::kNone);
}

TEST(JwtTest, TheHeaderCannotChooseHowItIsVerified) {
  TokenVerifier verifier = MakeVerifier(SetOf(kEdJwk));
  struct Case {
    const char* header;
    TokenFault fault;
  };
  const Case cases[] = {
      {R"({"alg":"EdDSA","typ":"at+jwt"})", TokenFault::kNone},
      {R"({"alg":"none"})", TokenFault::kAlgorithm},
      {R"({"alg":"None"})", TokenFault::kAlgorithm},
      {R"({"alg":""})", TokenFault::kAlgorithm},
      {R"({"alg":"HS256"})", TokenFault::kAlgorithm},
      {R"({"alg":"HS512"})", TokenFault::kAlgorithm},
      {R"({"alg":"PS256"})", TokenFault::kAlgorithm},
      {R"({"alg":"RS1"})", TokenFault::kAlgorithm},
      {R"({"alg":"eddsa"})", TokenFault::kAlgorithm},
      {R"({"alg":["EdDSA"]})", TokenFault::kAlgorithm},
      {R"({"typ":"JWT"})", TokenFault::kAlgorithm},
      {R"({"alg":"RS256"})", TokenFault::kKey},
      {R"({"alg":"ES256"})", TokenFault::kKey},
      {R"({"alg":"EdDSA","crit":["b64"],"b64":false})", TokenFault::kAlgorithm},
      {R"({"alg":"EdDSA","crit":[]})", TokenFault::kAlgorithm},
      {R"({"alg":"EdDSA","kid":"1"})", TokenFault::kKey},
      {R"({"alg":"EdDSA","kid":1})", TokenFault::kMalformed},
      {R"({"alg":"EdDSA","alg":"EdDSA"})", TokenFault::kMalformed},
      {R"({"alg":"none","alg":"EdDSA"})", TokenFault::kMalformed},
      {R"(["EdDSA"])", TokenFault::kMalformed},
      {"", TokenFault::kMalformed},
  };
  for (const Case& c : cases)
    EXPECT_EQ(Verify(verifier, Sign(c.header, Claims())), c.fault) << c.header;
}

// A key of the sender's own in the header is not taken for the issuer's.
TEST(JwtTest, AKeyInTheHeaderIsNotTrusted) {
  const std::string header = absl::StrCat(R"({"alg":"EdDSA","jwk":)", kEdJwk,
                                          R"(,"jku":"https://evil.example/","x5c":["AAAA"]})");
  TokenVerifier others = MakeVerifier(absl::StrCat(R"({"keys":[)", kP256Jwk, ",", kRsaJwk, "]}"));
  EXPECT_EQ(Verify(others, Sign(header, Claims())), TokenFault::kKey);
}

// The public key, which everybody knows, as the secret of a MAC: the classic confusion.
TEST(JwtTest, AnUnsignedTokenIsRefused) {
  TokenVerifier verifier = MakeVerifier(SetOf(kRsaJwk));
  for (const char* algorithm : {"none", "HS256", "RS256", "EdDSA"}) {
    const std::string header = absl::StrCat(R"({"alg":")", algorithm, R"("})");
    const std::string unsigned_token = Base64Url(header) + "." + Base64Url(Claims()) + ".";
    EXPECT_NE(Verify(verifier, unsigned_token), TokenFault::kNone) << algorithm;
    EXPECT_NE(Verify(verifier, unsigned_token.substr(0, unsigned_token.size() - 1)),
              TokenFault::kNone);
  }
}

std::string Named(ByteView jwk, ByteView id) {
  return absl::StrCat(jwk.substr(0, jwk.size() - 1), R"(,"kid":")", id, R"("})");
}

TEST(JwtTest, TheKidPicksTheKey) {
  TokenVerifier verifier =
      MakeVerifier(absl::StrCat(R"({"keys":[)", Named(kRsaJwk, "a"), ",", Named(kEdJwk, "b"), ",",
                                Named(kP256Jwk, "c"), "]}"));
  EXPECT_EQ(Verify(verifier, Sign(R"({"alg":"EdDSA","kid":"b"})", Claims())), TokenFault::kNone);
  EXPECT_EQ(Verify(verifier, Sign(R"({"alg":"EdDSA"})", Claims())), TokenFault::kNone);
  // Of another algorithm, of none, of another case.
  for (const char* id : {"a", "c", "d", "B", ""}) {
    EXPECT_EQ(
        Verify(verifier, Sign(absl::StrCat(R"({"alg":"EdDSA","kid":")", id, R"("})"), Claims())),
        TokenFault::kKey)
        << id;
  }
}

TEST(JwtTest, WithoutKidAFewKeysAreTried) {
  const char* const others[] = {
      // RFC 8032 section 7.1, tests 2 and 3, TEST 1024, TEST SHA(abc)
      "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw", "_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU",
      "J4EX_BRMcjQPZ9DyMW6Dhs7_vyskKMnFH-98WX8dQm4", "7Bcrk61eVjv0kyxw4SRQNMNUZ-8u_U1k6_gZaDRn4r8"};
  for (size_t before = 0; before <= std::size(others); before++) {
    std::string list;
    for (size_t i = 0; i < before; i++) {
      absl::StrAppend(&list, R"({"kty":"OKP","crv":"Ed25519","x":")", others[i], R"("},)", kRsaJwk,
                      ",");
    }
    TokenVerifier verifier = MakeVerifier(absl::StrCat(R"({"keys":[)", list, kEdJwk, "]}"));
    EXPECT_EQ(Verify(verifier, Sign(Claims())),
              before < kKeysTriedMax ? TokenFault::kNone : TokenFault::kSignature)
        << before;
  }
}

TEST(JwtTest, SizesAreBounded) {
  TokenVerifier verifier = MakeVerifier(SetOf(kEdJwk));
  const auto padded = [](size_t size) {
    return Sign(Claims("x", "\"" + std::string(size, 'x') + "\""));
  };
  size_t size = 5000;
  while (padded(size + 1).size() <= kTokenBytesMax) size++;
  EXPECT_EQ(Verify(verifier, padded(size)), TokenFault::kNone);
  EXPECT_EQ(Verify(verifier, padded(size + 1)), TokenFault::kMalformed);
  EXPECT_EQ(Verify(verifier, std::string(1 << 20, 'a')), TokenFault::kMalformed);
  EXPECT_EQ(Verify(verifier, "e30.e30." + std::string(4000, 'A')), TokenFault::kMalformed);
  for (const char* wrong : {"", ".", "..", "...", "a.b", "a.b.c.d.e", "e30..", ".e30."}) {
    EXPECT_NE(Verify(verifier, wrong), TokenFault::kNone) << wrong;
  }
}

TEST(JwtTest, EachFaultIsExplained) {
  for (int fault = 0; fault <= static_cast<int>(TokenFault::kLogin); fault++) {
    EXPECT_FALSE(Explain(static_cast<TokenFault>(fault)).empty());
  }
}

}  // namespace
}  // namespace sluice::auth
