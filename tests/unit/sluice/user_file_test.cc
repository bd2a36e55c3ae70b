#include "tools/sluice/user_file.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "auth/scram_keys.h"

namespace sluice {
namespace {

using auth::ScramHash;

std::vector<FileUser> ReadAll(ByteView text, UserFormat format) {
  UserFile file(text, format);
  std::vector<FileUser> users;
  for (;;) {
    auto user = file.Next();
    EXPECT_TRUE(user.ok()) << user.status();
    if (!user.ok() || !user->has_value()) return users;
    users.push_back(**std::move(user));
  }
}

std::string ProblemOf(ByteView text, UserFormat format) {
  UserFile file(text, format);
  for (;;) {
    const auto user = file.Next();
    if (!user.ok()) return std::string(user.status().message());
    if (!user->has_value()) return "";
  }
}

// The values are what doveadm pw (2.3.19) made of "secret".
constexpr char kPasswdFile[] =
    "# a comment\n"
    "\n"
    "alice@example.net:{SCRAM-SHA-256}4096,twvasK2bnE79MA+SaxLz6A==,"
    "XybXYgcHkZsPJ94YdQ0xuOP2uqR1JQ6PXOWOg61Kfi8=,ZdDhR1bTmXITodBDBSUOGJD7nAIkSMe6v50R/"
    "F6fur4=:1000:1000::/home::\r\n"
    "bob:{SCRAM-SHA-1}4096,1E8TNdqNPEaSZOpYp3Wxxg==,zpB6fd2/"
    "BCFSxUexUV2oC1tA36o=,tczk+gVx1pP7ML1ynnSbXDZStPY=:\n"
    "carol:{CRAM-MD5}cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56\n"
    "dave:{plain}secret";

TEST(UserFileTest, DovecotsPasswdFile) {
  const auto users = ReadAll(kPasswdFile, UserFormat::kDovecot);
  ASSERT_EQ(users.size(), 4u);
  EXPECT_EQ(users[0].name, "alice@example.net");
  EXPECT_TRUE(auth::PasswordMatches(users[0].record.Scram(ScramHash::kSha256), "secret"));
  EXPECT_EQ(users[0].record.Scram(ScramHash::kSha256),
            auth::DeriveScramKeys(ScramHash::kSha256, "secret",
                                  users[0].record.Scram(ScramHash::kSha256)->salt_view(), 4096));
  EXPECT_TRUE(users[0].password.empty());
  EXPECT_TRUE(auth::PasswordMatches(users[1].record.Scram(ScramHash::kSha1), "secret"));
  EXPECT_EQ(users[2].record.cram_md5, auth::DeriveCramMd5States("secret"));
  EXPECT_EQ(users[3].password.view(), "secret");
}

TEST(UserFileTest, WhatIsWrongIsToldWithItsLine) {
  const struct {
    const char* text;
    UserFormat format;
    const char* problem;
  } kCases[] = {
      {"a:{PLAIN}x\nb\n", UserFormat::kDovecot, "line 2: no password"},
      {"a:secret", UserFormat::kDovecot, "line 1: no {SCHEME}"},
      {"a:{SMD5}abc", UserFormat::kDovecot, "line 1: {SMD5} is not known; known are"},
      {"a:{SSHA}abc", UserFormat::kDovecot, "line 1: {SSHA} is not base64 of 20 octets"},
      {"a:{ARGON2ID}$argon2id$v=19$m=1048576,t=5,p=1$6pTD8hV8qmiAg3GhTtljAA$"
       "3gqh5gCYcaYehJB1TUxImMATEE25sjwozYK526gDbgs",
       UserFormat::kDovecot, "{ARGON2ID} costs more than may be: m at most 262144"},
      {"a:{PLAIN}", UserFormat::kDovecot, "the password is empty"},
      {"a:{CRAM-MD5}cd3b", UserFormat::kDovecot, "64 hexadecimal"},
      {"a:{DIGEST-MD5}0123456789abcdef0123456789abcdef", UserFormat::kDovecot, "and a realm"},
      {"a:{DIGEST-MD5}0123456789abcdef0123456789abcdeg,r", UserFormat::kDovecot, "and a realm"},
      {"a:{SCRAM-SHA-256}4096,twvasK2bnE79MA+SaxLz6A==,AAAA,AAAA", UserFormat::kDovecot,
       "of the right sizes"},
      {"a:{SCRAM-SHA-1}0,1E8TNdqNPEaSZOpYp3Wxxg==,zpB6fd2/"
       "BCFSxUexUV2oC1tA36o=,tczk+gVx1pP7ML1ynnSbXDZStPY=",
       UserFormat::kDovecot, "of the right sizes"},
      {"name,password\n", UserFormat::kCsv, "line 1: 'name' is no column; columns are login, keys"},
      {"password\n", UserFormat::kCsv, "there is no column login"},
      {"login,password\na\n", UserFormat::kCsv, "line 2: 1 fields where there are 2 columns"},
      {"login\n\"a\n", UserFormat::kCsv, "a quoted field does not end"},
      {"login\n\"a\"b\n", UserFormat::kCsv, "a quoted field does not end"},
      {"login,disabled\na,maybe\n", UserFormat::kCsv, "disabled is maybe, expected yes or no"},
      {"login,suspended,suspended_at\na,yes,now\n", UserFormat::kCsv,
       "suspended_at is now, expected"},
      {"login,suspended,suspended_at\na,no,2026-01-31T12:00:00Z\n", UserFormat::kCsv,
       "suspended_at stands there, but suspended is not yes"},
      {"login,suspended,suspended_why\na,yes,spam\n", UserFormat::kCsv, "without suspended_at"},
      {"login,addresses\na,\"\"\"a b@x\"\n", UserFormat::kCsv, "'\"a b@x' is no mail address"},
      {"login,addresses\na,nonsense\n", UserFormat::kCsv, "'nonsense' is no mail address"},
      {"login,tenant,tenant\na,b,c\n", UserFormat::kCsv,
       "line 1: the column tenant stands there twice"},
      {"a:{PLAIN}x::::::allow_nets=192.0.2.1,local", UserFormat::kDovecot,
       "line 1: allow_nets: 'local' is no network"},
      {"a:{PLAIN}x::::::allow_nets=", UserFormat::kDovecot, "allow_nets names no network"},
      {"a:{PLAIN}x::::::sluice_address=nonsense", UserFormat::kDovecot,
       "'nonsense' is no mail address"},
      {"format=print\nHEADER=END\n a\\00b\\00userPassword\n c\n", UserFormat::kSasldb,
       "line 4: there is no DATA=END"},
      {"HEADER=END\n", UserFormat::kSasldb, "there is no DATA=END"},
      {"no dump", UserFormat::kSasldb, "no HEADER=END"},
      {"HEADER=END\n 61\n", UserFormat::kSasldb, "a key without its value"},
      {"HEADER=END\n 6\n 61\n", UserFormat::kSasldb, "octets that db_dump does not write"},
      {"format=print\nHEADER=END\n a\\0\n b\n", UserFormat::kSasldb,
       "octets that db_dump does not write"},
  };
  for (const auto& test : kCases) {
    const std::string problem = ProblemOf(test.text, test.format);
    EXPECT_NE(problem.find(test.problem), std::string::npos) << test.text << ": " << problem;
  }
}

TEST(UserFileTest, CsvWithItsQuotes) {
  const auto users = ReadAll(
      "login,password,addresses,tenant,null_sender,disabled,domains\r\n"
      "\"a,b\",\"se\"\"cret\",a@X b@y,,no,yes,\r\n"
      "\n"
      "c,,,,,,example.org z\n",
      UserFormat::kCsv);
  ASSERT_EQ(users.size(), 2u);
  EXPECT_EQ(users[0].name, "a,b");
  EXPECT_EQ(users[0].password.view(), "se\"cret");
  EXPECT_EQ(users[0].record.addresses, (std::vector<std::string>{"a@x", "b@y"}));
  EXPECT_TRUE(users[0].record.null_sender_forbidden);
  EXPECT_TRUE(users[0].record.disabled);
  EXPECT_EQ(users[1].record.domains, (std::vector<std::string>{"example.org", "z"}));
  EXPECT_TRUE(users[1].password.empty());
  EXPECT_FALSE(users[1].record.disabled);
}

TEST(UserFileTest, HashesOfOtherServersComeBackFromCsv) {
  const std::string argon2 =
      "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$+8c1/WqAVdxF1GaT1v/S+g$"
      "YOHoP13FzRhKsZhL5VvdUatq6v5aBJhgP6ICoRQlesA";
  const std::string file = "a:" + argon2 + ":1000\nb:{ssha}CI729eCUcjKAizUhZ3o9lcwxel7XLkS0\n";
  const auto users = ReadAll(file, UserFormat::kDovecot);
  ASSERT_EQ(users.size(), 2u);
  EXPECT_EQ(users[0].record.foreign_hash, argon2);
  EXPECT_EQ(users[1].record.foreign_hash, "{SSHA}CI729eCUcjKAizUhZ3o9lcwxel7XLkS0");
  const auto again =
      ReadAll(CsvColumns() + CsvLine("a", users[0].record) + CsvLine("b", users[1].record),
              UserFormat::kCsv);
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again[0].record, users[0].record);
  EXPECT_EQ(again[1].record, users[1].record);
}

TEST(UserFileTest, ARecordComesBackFromCsvAsItWas) {
  auth::CredentialRecord full;
  full.addresses = {"a b@x.example",       "a@b@x.example",        "a\"b@x.example",
                    "a\\b@x.example",      "a,b;c@x.example",      "\"@x.example",
                    ".a@x.example",        "plain@x.example",      "a@[192.0.2.1]",
                    "c d@[192.0.2.1]",     "a@[ipv6:2001:db8::1]", "gr\u00fcn@x.example",
                    "gr\u00fc n@x.example"};
  full.domains = {"example.org", "[192.0.2.1]"};
  full.acts_for = {"john doe", "dom\\user",         "a\\ b\\\\c", "\"quote",
                   "q\"uote",  "\"a b\"@x.example", "*"};
  full.digest_md5.emplace().realm = "a realm of words";
  full.tenant = "two\r\nlines, \"quoted\"";
  full.suspended = true;
  full.suspended_at = WallFromMillis(1'800'000'000'123);
  full.suspended_why = "by an operator,\nafter \"1000\" messages";
  auth::CredentialRecord suspended;
  suspended.suspended = true;
  const std::string csv = CsvColumns() + CsvLine("full", full) + CsvLine("suspended", suspended) +
                          CsvLine("new", auth::CredentialRecord());
  const auto users = ReadAll(csv, UserFormat::kCsv);
  ASSERT_EQ(users.size(), 3u);
  EXPECT_EQ(users[0].record, full);
  EXPECT_EQ(users[1].record, suspended);
  EXPECT_EQ(users[2].record, auth::CredentialRecord());
}

TEST(UserFileTest, LinesInsideOfQuotesCount) {
  EXPECT_EQ(ProblemOf("login,tenant\na,\"t\n\nu\"\nb,x\nc\n", UserFormat::kCsv),
            "line 6: 1 fields where there are 2 columns");
  const auto users = ReadAll("login,password\na,pa\"ss\nb,\"\"\"\"\n", UserFormat::kCsv);
  ASSERT_EQ(users.size(), 2u);
  EXPECT_EQ(users[0].password.view(), "pa\"ss");
  EXPECT_EQ(users[1].password.view(), "\"");
}

TEST(UserFileTest, DovecotsExtraFields) {
  UserFile file(
      "a:{PLAIN}p:1000:1000::/home/a:/bin/sh:userdb_quota_rule=*:bytes=1G "
      "allow_nets=192.0.2.0/24,2001:db8::/32 nodelay nopassword=y\n"
      "b:{PLAIN}p::::::nologin sluice_address=B@x.example,c@x.example sluice_address=d@x.example "
      "sluice_domain=X.example,y.example sluice_tenant=acme reason=moved host=h host=i\n"
      "c:{PLAIN}p::::::nologin=no host=h\n"
      "d:{PLAIN}p:::::\n",
      UserFormat::kDovecot);
  std::vector<FileUser> users;
  for (auto user = file.Next(); user.ok() && user->has_value(); user = file.Next())
    users.push_back(**std::move(user));
  ASSERT_EQ(users.size(), 4u);
  ASSERT_EQ(users[0].record.limits.networks.size(), 2u);
  EXPECT_EQ(users[0].record.limits.networks[0].ToString(), "192.0.2.0/24");
  EXPECT_EQ(users[0].record.limits.networks[1].ToString(), "2001:db8::/32");
  EXPECT_FALSE(users[0].says_disabled);
  EXPECT_TRUE(users[1].record.disabled);
  EXPECT_EQ(users[1].record.addresses,
            (std::vector<std::string>{"b@x.example", "c@x.example", "d@x.example"}));
  EXPECT_EQ(users[1].record.domains, (std::vector<std::string>{"x.example", "y.example"}));
  EXPECT_EQ(users[1].record.tenant, "acme");
  EXPECT_FALSE(users[2].record.disabled);
  EXPECT_TRUE(users[2].says_disabled);
  EXPECT_EQ(users[3].record, auth::CredentialRecord());
  const std::map<std::string, size_t> ignored = {{"host", 2}, {"nopassword", 1}, {"reason", 1}};
  EXPECT_EQ(file.ignored(), ignored);
  file.Seek(0);
  while (file.Next()->has_value()) continue;
  EXPECT_EQ(file.ignored(), ignored);
}

TEST(UserFileTest, AByteOrderMarkIsPassedOver) {
  const auto users = ReadAll("\xef\xbb\xbflogin,tenant\na,t\n", UserFormat::kCsv);
  ASSERT_EQ(users.size(), 1u);
  EXPECT_EQ(users[0].record.tenant, "t");
}

TEST(UserFileTest, ReplaceLeavesWhatTheFileDoesNotSay) {
  auth::CredentialRecord full;
  full.cram_md5 = auth::DeriveCramMd5States("secret");
  full.addresses = {"a b@x.example"};
  full.tenant = "acme";
  full.limits.connections = 3;
  full.limits.networks = {*Network::Parse("192.0.2.0/24")};
  full.disabled = full.suspended = true;
  full.suspended_at = WallFromMillis(1'800'000'000'000);
  full.suspended_why = "spam";
  const auto with = [&full](auto change) {
    auth::CredentialRecord record = full;
    change(record);
    return record;
  };
  using Record = auth::CredentialRecord;
  const struct {
    const char* csv;
    Record after;
  } kCases[] = {
      {"login\na\n", full},
      {"login,password\na,\n", full},
      {"login,disabled,suspended\na,,\n", full},
      {"login,keys\na,\n", with([](Record& record) { record.cram_md5.reset(); })},
      {"login,password\na,p\n", with([](Record& record) { record.cram_md5.reset(); })},
      {"login,tenant,connections\na,,5\n", with([](Record& record) {
         record.tenant.clear();
         record.limits.connections = 5;
       })},
      {"login,addresses\na,\"\"\"c d\"\"@x.example\"\n",
       with([](Record& record) { record.addresses = {"c d@x.example"}; })},
      {"login,disabled\na,no\n", with([](Record& record) { record.disabled = false; })},
      {"login,suspended\na,yes\n", full},
      {"login,suspended\na,no\n", with([](Record& record) {
         record.suspended = false;
         record.suspended_at = WallTime();
         record.suspended_why.clear();
       })},
      {"login,suspended,suspended_at,suspended_why\na,yes,1970-01-01T00:00:01Z,w\n",
       with([](Record& record) {
         record.suspended_at = WallFromMillis(1000);
         record.suspended_why = "w";
       })},
  };
  for (const auto& test : kCases) {
    auto users = ReadAll(test.csv, UserFormat::kCsv);
    ASSERT_EQ(users.size(), 1u);
    auth::CredentialRecord record = full;
    Replace(users[0], record);
    EXPECT_EQ(record, test.after) << test.csv;
  }
}

// What saslpasswd2 and db_dump wrote, in both of its forms.
TEST(UserFileTest, DumpsOfSasldb) {
  for (const char* dump :
       {"VERSION=3\nformat=print\ntype=hash\nh_nelem=2\ndb_pagesize=4096\nHEADER=END\n"
        " bob\\00example.net\\00userPassword\n two\n"
        " bob\\00example.net\\00cmusaslsecretOTP\n x\n"
        " alice\\00example.net\\00userPassword\n pa:ss w\\c3\\b6rd\\\\\nDATA=END\n",
        "VERSION=3\nformat=bytevalue\ntype=hash\nh_nelem=2\ndb_pagesize=4096\nHEADER=END\n"
        " 626f62006578616d706c652e6e6574007573657250617373776f7264\n 74776f\n"
        " 616c696365006578616d706c652e6e6574007573657250617373776f7264\n"
        " 70613a73732077c3b672645c\nDATA=END\n"}) {
    const auto users = ReadAll(dump, UserFormat::kSasldb);
    ASSERT_EQ(users.size(), 2u);
    EXPECT_EQ(users[0].name, "bob@example.net");
    EXPECT_EQ(users[0].password.view(), "two");
    EXPECT_EQ(users[1].name, "alice@example.net");
    EXPECT_EQ(users[1].password.view(), "pa:ss w\xc3\xb6rd\\");
  }
}

TEST(UserFileTest, EveryCutOfAFileIsReadOrRefused) {
  const std::string csv =
      "login,keys,tenant\n\"a\",\"{CRAM-MD5}" + std::string(64, 'a') + "\",\"x\"\n";
  for (const auto& [text, format] : {std::pair(csv, UserFormat::kCsv),
                                     std::pair(std::string(kPasswdFile), UserFormat::kDovecot)}) {
    for (size_t i = 0; i <= text.size(); i++) (void)ProblemOf(ByteView(text).substr(0, i), format);
  }
}

}  // namespace
}  // namespace sluice
