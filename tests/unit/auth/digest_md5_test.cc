// DIGEST-MD5 by the RFC's own dialogues, and what happens when they are bent.
#include "auth/digest_md5.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "auth/digest_md5_exchange.h"

namespace sluice::auth {
namespace {

using std::string_literals::operator""s;

// RFC 2831 section 4: the password is "secret".
struct Vector {
  const char* service;
  const char* nonce;
  const char* cnonce;
  const char* response;
  const char* response_auth;
};
constexpr Vector kVectors[] = {
    {"imap", "OA6MG9tEQGm2hh", "OA6MHXh6VqTrRk", "d388dad90d4bbd760a152321f2143af7",
     "ea40f60335c427b5527b84dbabcdfffd"},
    {"acap", "OA9BSXrbuRhWay", "OA9BSuZWMSpW8m", "6084c6db3fede7352c551284490fd0fc",
     "2f0b3d7c3c2e486600ef710726aa2eae"},
};
constexpr ByteView kHost = "elwood.innosoft.com";

std::string ResponseOf(const Vector& vector) {
  return absl::StrCat("charset=utf-8,username=\"chris\",realm=\"", kHost, "\",nonce=\"",
                      vector.nonce, "\",nc=00000001,cnonce=\"", vector.cnonce, "\",digest-uri=\"",
                      vector.service, "/", kHost, "\",response=", vector.response, ",qop=auth");
}

class DigestMd5Test : public testing::Test {
 protected:
  DigestMd5Test() { record_.digest_md5 = DeriveDigestMd5Key("chris", kHost, "secret"); }

  DigestMd5Exchange Make(const Vector& vector = kVectors[0]) {
    return DigestMd5Exchange(vector.service,
                             {.nonce = vector.nonce, .hostname = kHost, .digest_realm = kHost});
  }
  // What comes of `response` to the first challenge.
  Next Run(DigestMd5Exchange& exchange, ByteView response) {
    EXPECT_EQ(exchange.Start(std::nullopt), Next::kChallenge);
    Next next = exchange.Step(response);
    if (next == Next::kLookup) {
      next = exchange.OnRecord(exchange.login() == "chris" ? &record_ : nullptr);
    }
    return next;
  }
  Failure FailureOf(ByteView response) {
    DigestMd5Exchange exchange = Make();
    EXPECT_EQ(Run(exchange, response), Next::kFailure) << response;
    return exchange.failure();
  }
  // What a client that knows the password would say, over whatever it chooses.
  std::string Signed(DigestMd5Context context, const std::string& more = "") {
    return absl::StrCat("username=\"chris\",realm=\"", kHost,
                        "\",nonce=", QuoteDigest(context.nonce),
                        ",cnonce=", QuoteDigest(context.cnonce), ",nc=", context.nc,
                        ",digest-uri=", QuoteDigest(context.uri), ",qop=", context.qop,
                        ",response=", ProofsOf(*record_.digest_md5, context).response, more);
  }
  const DigestMd5Context good_ = {.nonce = kVectors[0].nonce,
                                  .cnonce = "C",
                                  .nc = "00000001",
                                  .qop = "auth",
                                  .uri = "imap/elwood.innosoft.com"};

  CredentialRecord record_;
};

TEST_F(DigestMd5Test, SpeaksAsTheRfcDoes) {
  for (const Vector& vector : kVectors) {
    DigestMd5Exchange exchange = Make(vector);
    ASSERT_EQ(exchange.Start(std::nullopt), Next::kChallenge);
    EXPECT_EQ(exchange.challenge(),
              absl::StrCat("realm=\"elwood.innosoft.com\",nonce=\"", vector.nonce,
                           "\",qop=\"auth\",charset=utf-8,algorithm=md5-sess"));
    ASSERT_EQ(exchange.Step(ResponseOf(vector)), Next::kLookup);
    EXPECT_EQ(exchange.login(), "chris");
    ASSERT_EQ(exchange.OnRecord(&record_), Next::kChallenge);
    EXPECT_EQ(exchange.challenge(), absl::StrCat("rspauth=", vector.response_auth));
    EXPECT_EQ(exchange.Step(""), Next::kSuccess);
  }
}

TEST_F(DigestMd5Test, SomethingBehindTheEndIsMalformed) {
  DigestMd5Exchange exchange = Make();
  ASSERT_EQ(Run(exchange, ResponseOf(kVectors[0])), Next::kChallenge);
  EXPECT_EQ(exchange.Step("x"), Next::kFailure);
  EXPECT_EQ(exchange.failure(), Failure::kMalformed);
}

TEST_F(DigestMd5Test, EachOctetOfTheResponseCounts) {
  const std::string whole = ResponseOf(kVectors[0]);
  const size_t optional_from = whole.size() - ",qop=auth"s.size();
  // Names of directives, the charset and the login are the same in any case.
  std::vector<bool> in_any_case(whole.size(), true);
  for (const char* name : {"realm=", "nonce=", "nc=", "cnonce=", "digest-uri=", "response="}) {
    const size_t from = whole.find(","s + name) + 1 + std::strlen(name);
    for (size_t i = from; whole[i] != ','; i++) in_any_case[i] = false;
  }
  for (size_t i = 0; i < whole.size(); i++) {
    DigestMd5Exchange cut = Make();
    if (i < optional_from) {
      EXPECT_EQ(Run(cut, whole.substr(0, i)), Next::kFailure) << i;
    }
    for (int value = 0; value < 256; value++) {
      std::string changed = whole;
      changed[i] = static_cast<char>(value);
      if (EqualsIgnoreCase(changed, whole) && in_any_case[i]) continue;
      if (changed == whole) continue;
      // A charset or qop by another name is one that is not known: as if it were not there.
      if (i < "charset"s.size() || i >= optional_from) continue;
      DigestMd5Exchange exchange = Make();
      EXPECT_EQ(Run(exchange, changed), Next::kFailure) << changed;
    }
  }
}

// The client knows the password each time, and still it is not let in.
TEST_F(DigestMd5Test, OnlyTheFirstUseOfThisNonceForThisServerCounts) {
  DigestMd5Exchange exchange = Make();
  ASSERT_EQ(Run(exchange, Signed(good_)), Next::kChallenge);
  DigestMd5Context bent = good_;
  bent.nonce = kVectors[1].nonce;  // a replay of what was said to another challenge
  EXPECT_EQ(FailureOf(Signed(bent)), Failure::kCredentials);
  bent = good_;
  bent.nc = "00000002";
  EXPECT_EQ(FailureOf(Signed(bent)), Failure::kCredentials);
  for (const char* uri : {"smtp/elwood.innosoft.com", "imap/mail.innosoft.com", "imap", "imap/",
                          "elwood.innosoft.com"}) {
    bent = good_;
    bent.uri = uri;
    DigestMd5Exchange elsewhere = Make();
    EXPECT_EQ(Run(elsewhere, Signed(bent)), Next::kFailure) << uri;
    EXPECT_EQ(elsewhere.failure(), Failure::kCredentials) << uri;
    EXPECT_TRUE(elsewhere.proved()) << uri;
    EXPECT_TRUE(absl::StartsWith(elsewhere.detail(), "proved, but for another server")) << uri;
    DigestMd5Exchange guessed = Make();  // only who proves the password is worth the word
    std::string wrong = Signed(bent);
    wrong.replace(wrong.size() - 32, 32, 32, '0');
    EXPECT_EQ(Run(guessed, wrong), Next::kFailure) << uri;
    EXPECT_EQ(guessed.detail(), "") << uri;
  }
  for (const char* uri : {"IMAP/Elwood.innosoft.com", "imap/elwood.innosoft.com/innosoft.com"}) {
    bent = good_;
    bent.uri = uri;
    DigestMd5Exchange fine = Make();
    EXPECT_EQ(Run(fine, Signed(bent)), Next::kChallenge) << uri;
  }
}

TEST_F(DigestMd5Test, AnotherQopIsNotSpoken) {
  for (const char* qop : {"auth-int", "auth-conf", "AUTH", "\"\""}) {
    DigestMd5Context bent = good_;
    bent.qop = qop;
    EXPECT_EQ(FailureOf(Signed(bent)), Failure::kMalformed) << qop;
  }
}

TEST_F(DigestMd5Test, WhatIsMissingTwiceOrOfNoSyntaxIsMalformed) {
  const std::string whole = ResponseOf(kVectors[0]);
  const auto without = [&](const std::string& part) {
    return absl::StrReplaceAll(whole, {{part, ""}});
  };
  const std::string kCases[] = {
      "",
      without("username=\"chris\","),
      without("nonce=\"OA6MG9tEQGm2hh\","),
      without("cnonce=\"OA6MHXh6VqTrRk\","),
      without("nc=00000001,"),
      without("digest-uri=\"imap/elwood.innosoft.com\","),
      without("response=d388dad90d4bbd760a152321f2143af7,"),
      absl::StrReplaceAll(whole, {{"utf-8", "utf-16"}}),
      absl::StrReplaceAll(whole, {{"nc=00000001", "nc=1"}}),
      absl::StrReplaceAll(whole, {{"OA6MHXh6VqTrRk", ""}}),
      absl::StrReplaceAll(whole, {{"OA6MHXh6VqTrRk", std::string(513, 'x')}}),
      absl::StrReplaceAll(whole, {{"d388dad9", "D388DAD9"}}),
      whole + ",authzid=\"\"",
      whole + ",authzid=\"chris",
      whole + ",authzid=\"chris\\",
      whole + ",authzid=\"\0\""s,
      whole + ",authzid",
      whole + ",=x",
      whole + ",a=b c=d",
      whole + ",a=@",
      whole + ",a=\"" + std::string(4000, 'x') + "\"",
  };
  for (const std::string& response : kCases) {
    EXPECT_EQ(FailureOf(response), Failure::kMalformed) << response;
  }
  for (const char* name : {"username", "realm", "nonce", "cnonce", "nc", "qop", "digest-uri",
                           "response", "maxbuf", "charset", "cipher", "authzid"}) {
    const std::string twice = absl::StrCat(whole, ",", name, "=1,", name, "=1");
    EXPECT_EQ(FailureOf(twice), Failure::kMalformed) << name;
  }
}

TEST_F(DigestMd5Test, WhatDoesNotMatterIsPassedOver) {
  const std::string whole = ResponseOf(kVectors[0]);
  for (const std::string& response :
       {whole + ",maxbuf=65536,cipher=rc4,other=\"a\\\"b\",other=2", " ,, " + whole + " ,\r\n",
        absl::StrReplaceAll(whole, {{",qop=auth", ""}}),
        absl::StrReplaceAll(whole, {{"qop=auth", "qop = \"auth\""}}),
        absl::StrReplaceAll(whole, {{"charset=utf-8,", ""}}),
        absl::StrReplaceAll(whole, {{"username=\"chris\"", "username=\"ch\\ris\""}}),
        absl::StrReplaceAll(whole, {{"username=\"chris\"", "USERNAME=chris"}})}) {
    DigestMd5Exchange exchange = Make();
    EXPECT_EQ(Run(exchange, response), Next::kChallenge) << response;
  }
}

TEST_F(DigestMd5Test, TheAuthorizationIdentityIsSignedAndNotJudgedHere) {
  for (const std::string authorization : {"chris", "bob"}) {
    DigestMd5Context context = good_;
    context.authorization = authorization;
    DigestMd5Exchange exchange = Make();
    const std::string response = Signed(context, ",authzid=\"" + authorization + "\"");
    EXPECT_EQ(Run(exchange, response), Next::kChallenge);
    EXPECT_EQ(exchange.authorization(), authorization);
  }
  // One that was not signed for.
  EXPECT_EQ(FailureOf(Signed(good_, ",authzid=\"chris\"")), Failure::kCredentials);
}

TEST_F(DigestMd5Test, NobodyCanProveAnything) {
  const CredentialRecord known = record_;
  const auto fails = [&](const CredentialRecord* record, const DigestMd5Key& key) {
    record_.digest_md5 = key;
    DigestMd5Exchange exchange = Make();
    EXPECT_EQ(exchange.Start(std::nullopt), Next::kChallenge);
    EXPECT_EQ(exchange.Step(Signed(good_)), Next::kLookup);
    EXPECT_EQ(exchange.OnRecord(record), Next::kFailure);
    EXPECT_EQ(exchange.failure(), Failure::kCredentials);
  };
  CredentialRecord disabled = known;
  disabled.disabled = true;
  fails(&disabled, *known.digest_md5);
  fails(nullptr, DigestMd5Key());  // what an unknown user is tried against
  const CredentialRecord without;
  fails(&without, DigestMd5Key());
  CredentialRecord elsewhere = known;
  elsewhere.digest_md5->realm = "another";
  fails(&elsewhere, *known.digest_md5);
}

TEST_F(DigestMd5Test, AnInitialResponseIsAnsweredByAChallenge) {
  DigestMd5Exchange exchange = Make();
  DigestMd5Exchange empty = Make();
  EXPECT_EQ(empty.Start(""), Next::kFailure);
  EXPECT_EQ(empty.failure(), Failure::kMalformed);
  ASSERT_EQ(exchange.Start(ResponseOf(kVectors[0])), Next::kChallenge);
  EXPECT_TRUE(exchange.challenge().starts_with("realm="));
}

TEST_F(DigestMd5Test, NamesAndPasswordsAreHashedInLatin1WherePossible) {
  EXPECT_EQ(Latin1WherePossible("a\xc3\xbf\xc2\x80"), "a\xff\x80");
  EXPECT_EQ(Utf8OfLatin1("a\xff\x80"), "a\xc3\xbf\xc2\x80");
  for (const char* kept : {"\xc3\xbf\xc4\x80", "\xe2\x82\xac", "\xc3", "\xc3\x28", "\xff"}) {
    EXPECT_EQ(Latin1WherePossible(kept), kept);
  }
  EXPECT_EQ(DeriveDigestMd5Key("\xc3\xbc", "r", "\xc3\xa4").hash,
            HashOf<Md5>(ByteView("\xfc:r:\xe4")));
  EXPECT_EQ(DeriveDigestMd5Key("\xc3\xbc", "r", "\xe2\x82\xac").hash,
            HashOf<Md5>(ByteView("\xfc:r:\xe2\x82\xac")));
  record_.digest_md5 = DeriveDigestMd5Key("j\xc3\xbcrg", kHost, "secret");
  for (const auto& [charset, name] :
       {std::pair<std::string, std::string>{"", "j\xfcrg"}, {"charset=utf-8,", "j\xc3\xbcrg"}}) {
    DigestMd5Exchange exchange = Make();
    ASSERT_EQ(exchange.Start(std::nullopt), Next::kChallenge);
    ASSERT_EQ(exchange.Step(charset + absl::StrReplaceAll(Signed(good_), {{"chris", name}})),
              Next::kLookup);
    EXPECT_EQ(exchange.login(), "j\xc3\xbcrg");
    EXPECT_EQ(exchange.OnRecord(&record_), Next::kChallenge);
  }
}

}  // namespace
}  // namespace sluice::auth
