// Hashes as doveadm pw (2.3.19) made them of "secret".
#include "auth/foreign_hash.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace sluice::auth {
namespace {

const std::string kSsha512 =
    "{SSHA512}N8JJTZxCvlKqe4zz1u9/"
    "tqxjv8vLMiq1p70ml+hAU5KjJ/WKCo1sBO93aw1Qzwl+8bb1GbyPGygvbHpHZYnijy4XSLE=";
const std::string kArgon2 =
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$+8c1/WqAVdxF1GaT1v/S+g$"
    "YOHoP13FzRhKsZhL5VvdUatq6v5aBJhgP6ICoRQlesA";
const std::string kBcrypt =
    "{BLF-CRYPT}$2y$05$m4x3OzC67LNio7ISz2EWx.G2CG9KANzQ6eEyacbJjjZ/spbVNuRNm";
const std::string kAll[] = {
    kSsha512,
    "{SSHA256}yLgV4tsNr2lU0SgYofVPGOObN7j7ADEY+yh2PtYWFLt3wAqm",
    "{SSHA}CI729eCUcjKAizUhZ3o9lcwxel7XLkS0",
    kArgon2,
    kBcrypt,
    "{CRYPT}$2y$05$/dVpBTesr7CmlmOeHSAZCuOIHs26y92lIcctd2elEdCwl.GhZ9hEG",
    "{SHA512-CRYPT}$6$rounds=1000$B35NZz5D1dzEpwoq$51.ilZFYj8MT2SrQnYPdn."
    "IEhoqutUhXNDyGg75nyMAA6/1Ho6OmlYlkad3GJt30pm5xB1FaWyyjc174m0FrB/",
    "{SHA512-CRYPT}$6$VvfBUxLjzaYQBOyL$9KfxH2kfQJzmNEZ8B68M.YgVKp1SeM1/"
    "J8N.d/NHa6Lm24UamsjFKbXqAoCWBdD.hnHSw1E4DitdUU3aa8sbt/",
    "{SHA256-CRYPT}$5$rounds=1000$TC.LxDby805eSozF$Q8lWKglOu./gDr3ksycDFM6fnrGfvuGQfpDfq.wjKaD",
    "{CRYPT}$5$rounds=1000$TC.LxDby805eSozF$Q8lWKglOu./gDr3ksycDFM6fnrGfvuGQfpDfq.wjKaD",
    "{CRAM-MD5}cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56",
};

TEST(ForeignHashTest, OnlyThePasswordMatches) {
  for (const std::string& hash : kAll) {
    EXPECT_EQ(ProblemOfForeignHash(hash), "");
    EXPECT_EQ(ProveForeignHash(hash, "secret"), Verdict::kMatch) << hash;
    for (const char* wrong : {"secreT", "secret ", "secre", ""}) {
      EXPECT_EQ(ProveForeignHash(hash, wrong), Verdict::kMismatch) << hash << wrong;
    }
  }
  EXPECT_EQ(ProveForeignHash("{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$iMs8F5ixf5Uuehf1GJSSWw$"
                             "agvUeS1MwE2ahlt5DqIrwoEmEgUBsyobvodHMUUjylY",
                             "gr\xc3\xbcn & pass"),
            Verdict::kMatch);
}

// Every octet changed and every cut: refused, or another hash.
TEST(ForeignHashTest, NothingOfItMayChange) {
  for (const std::string& hash : kAll) {
    const bool dear = hash == kArgon2;
    const size_t value = hash.find('}') + 1;
    for (size_t i = 0; i < hash.size(); i++) {
      EXPECT_NE(ProveForeignHash(hash.substr(0, i), "secret"), Verdict::kMatch) << i << hash;
      if (dear && i % 8 != 0) continue;
      std::string wrong = hash;
      wrong[i] = static_cast<char>(wrong[i] == 'x' ? 'y' : 'x');
      // Bits of the last character of bcrypt's salt and hash have no meaning.
      if (wrong.starts_with("{BLF") || wrong.starts_with("{CRYPT}$2")) {
        if (i == value + 7 + 21 || i == hash.size() - 1) continue;
      }
      EXPECT_NE(ProveForeignHash(wrong, "secret"), Verdict::kMatch) << i << wrong;
    }
  }
}

TEST(ForeignHashTest, WhatIsWrongIsSaid) {
  const auto argon2 = [](const std::string& costs) {
    return "{ARGON2ID}$argon2id$v=19$" + costs +
           "$+8c1/WqAVdxF1GaT1v/S+g$YOHoP13FzRhKsZhL5VvdUatq6v5aBJhgP6ICoRQlesA";
  };
  EXPECT_EQ(ProblemOfForeignHash(argon2("m=262144,t=4,p=64")), "");
  EXPECT_EQ(ProblemOfForeignHash(argon2("m=32,t=32768,p=4")), "");
  const std::pair<std::string, const char*> kCases[] = {
      {argon2("m=262145,t=1,p=1"), "costs more"},
      {argon2("m=262144,t=5,p=1"), "costs more"},
      {argon2("m=65536,t=4294967295,p=1"), "costs more"},
      {argon2("m=65536,t=3,p=65"), "costs more"},
      {argon2("m=4294967296,t=1,p=1"), "is not $argon2id"},
      {argon2("m=65536,t=0,p=1"), "is not $argon2id"},
      {argon2("m=65536,t=3,p=0"), "is not $argon2id"},
      {argon2("m=15,t=3,p=2"), "is not $argon2id"},
      {argon2("m=65536,t=3"), "is not $argon2id"},
      {argon2("t=3,m=65536,p=1"), "is not $argon2id"},
      {argon2("m=65536,t=3,p=1,data=x"), "is not $argon2id"},
      {argon2("m=+65536,t=3,p=1"), "is not $argon2id"},
      {"{ARGON2ID}$argon2i$v=19$m=65536,t=3,p=1$+8c1/WqAVdxF1GaT1v/S+g$YOHoP13FzRhKsZhL5VvdUQ",
       "is not $argon2id"},
      {"{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$+8c1/WqAVQ$YOHoP13FzRhKsZhL5VvdUQ",
       "salt of less"},
      {"{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$+8c1/WqAVdxF1GaT1v/S+g$YOHoPw", "salt of less"},
      {"{ARGON2ID}", "is not $argon2id"},
      {"{SSHA}vSsar3708Jvp9Szi2NWZZ02Bqp0=", "is not base64 of 20 octets and a salt"},
      {"{SSHA512}", "is not base64 of 64"},
      {"{SSHA512}N8JJ!", "is not base64 of 64"},
      {"{SHA512-CRYPT}$6$rounds=1000001$B35NZz5D1dzEpwoq$51", "rounds"},
      {"{SHA512-CRYPT}$6$rounds=x$B35NZz5D1dzEpwoq$51", "rounds"},
      {"{SHA512-CRYPT}$5$a$b", "does not begin with $6$"},
      {"{SHA512-CRYPT}$6$salt$short", "is not $6$salt$hash"},
      {"{BLF-CRYPT}$2y$15$m4x3OzC67LNio7ISz2EWx.G2CG9KANzQ6eEyacbJjjZ/spbVNuRNm", "cost above 14"},
      {"{BLF-CRYPT}$2x$05$m4x3OzC67LNio7ISz2EWx.G2CG9KANzQ6eEyacbJjjZ/spbVNuRNm", "is not $2y$"},
      {"{CRYPT}$1$salt$abc", "none of the kinds"},
      {"{CRYPT}ab01FAX.bQRSU", "none of the kinds"},
      {"{SSHA512}" + std::string(kForeignHashBytesMax, 'A'), "too long"},
      {"{PLAIN}secret", "no scheme"},
      {"SSHA", "no scheme"},
      {"", "no scheme"},
  };
  for (const auto& [hash, problem] : kCases) {
    EXPECT_NE(ProblemOfForeignHash(hash).find(problem), std::string::npos)
        << hash << ": " << ProblemOfForeignHash(hash);
    EXPECT_EQ(ProveForeignHash(hash, "secret"), Verdict::kMismatch) << hash;
  }
}

TEST(ForeignHashTest, SchemesAreNamed) {
  EXPECT_TRUE(IsForeignScheme("SSHA512"));
  EXPECT_FALSE(IsForeignScheme("PLAIN"));
  EXPECT_FALSE(IsForeignScheme(""));
  EXPECT_NE(ForeignSchemes().find("{SSHA512}, {ARGON2ID}, "), std::string::npos);
}

TEST(ForeignHashTest, AreProvedOnSeveralThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([] {
      for (const std::string& hash : {kSsha512, kBcrypt}) {
        EXPECT_EQ(ProveForeignHash(hash, "secret"), Verdict::kMatch);
        EXPECT_EQ(ProveForeignHash(hash, "wrong"), Verdict::kMismatch);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sluice::auth
