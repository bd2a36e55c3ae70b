#include "auth/authenticator.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "auth/jwks.h"
#include "auth/jwt.h"
#include "auth/scram_keys.h"
#include "tests/support/token_maker.h"

namespace sluice::auth {
namespace {

using std::string_literals::operator""s;
using Result = Attempt::Result;

class MapSource final : public CredentialSource {
 public:
  LookupStatus Lookup(ByteView login, CredentialRecord& record) override {
    if (broken) return LookupStatus::kError;
    const auto found = records.find(std::string(login));
    if (found == records.end()) return LookupStatus::kNotFound;
    record = found->second;
    return LookupStatus::kFound;
  }
  uint64_t Generation() const override { return generation; }
  bool Shapes(SaltShapes& shapes) override {
    shapes = SaltShapes();
    for (const auto& [login, record] : records) shapes.Add(SaltShapes::Of(record));
    return true;
  }
  std::map<std::string, CredentialRecord> records;
  bool broken = false;
  uint64_t generation = 0;
};

// The verifier of a simulation: jobs wait until the test runs them.
class QueueVerifier final : public PasswordVerifier {
 public:
  bool Submit(VerifyJob&& job) override {
    if (jobs.size() == room) return false;
    jobs.push_back(std::move(job));
    return true;
  }
  std::pair<VerifyToken, Verdict> RunOne() {
    VerifyJob job = std::move(jobs.front());
    jobs.erase(jobs.begin());
    return {job.token, Prove(job)};
  }
  std::vector<VerifyJob> jobs;
  size_t room = 100;
};

const std::string kSecret(32, 's');

class AuthenticatorTest : public testing::Test {
 protected:
  AuthenticatorTest() {
    SetPassword("alice@example.net", "secret", 1);
    store_.records["alice@example.net"].tenant = "acme";
  }
  void SetPassword(const std::string& login, ByteView password, uint64_t version) {
    CredentialRecord& record = store_.records[login];
    record.version = version;
    record.Scram(ScramHash::kSha256) =
        DeriveScramKeys(ScramHash::kSha256, password, "0123456789abcdef", 2);
  }

  // One AUTH PLAIN to its end; `slow` tells whether a verifier was needed.
  Result Plain(ByteView login, ByteView password, bool* slow = nullptr) {
    attempt_ = authenticator_.Begin(Mechanism::kPlain, {.connection = 5, .peer = peer_});
    Result result = attempt_->Start("\0"s.append(login) + "\0"s.append(password), now_);
    if (slow != nullptr) *slow = result == Result::kWait;
    if (result != Result::kWait) return result;
    const auto [token, verdict] = verifier_.RunOne();
    EXPECT_EQ(token.shard, 3u);
    EXPECT_EQ(token.connection, 5u);
    return attempt_->OnVerified(token, verdict, now_);
  }

  MapSource store_;
  GuessGuard guard_{{.login_from_address = 4, .counters = 1024, .known_logins = 1024},
                    {.login = 2, .address = 3},
                    kSecret};
  QueueVerifier verifier_;
  RememberedLogins remembered_{std::string(32, 'k'), {.entries = 64, .keep = minutes(10)}};
  Authenticator authenticator_{store_,
                               remembered_,
                               verifier_,
                               {.process_key = kSecret,
                                .decoy_key = kSecret,
                                .iterations = 4096,
                                .hostname = "h",
                                .guard = &guard_,
                                .tenants = {{"small",
                                             {.recipients = 10,
                                              .message_bytes = 1000,
                                              .networks = {*Network::Parse("192.0.2.0/24")}}}},
                                .shard = 3}};
  std::unique_ptr<Attempt> attempt_;
  SockAddr peer_ = *SockAddr::Parse("192.0.2.7:1234");
  MonoTime now_{std::chrono::hours(5)};
};

TEST_F(AuthenticatorTest, ProvesOnceAndThenRemembers) {
  bool slow = false;
  EXPECT_EQ(Plain("Alice@example.net", "secret", &slow), Result::kSuccess);
  EXPECT_TRUE(slow);
  const Identity identity = attempt_->TakeIdentity();
  EXPECT_EQ(identity.login, "alice@example.net");
  EXPECT_EQ(identity.tenant, "acme");
  EXPECT_EQ(identity.version, 1u);
  EXPECT_TRUE(identity.sender.Allows("alice@example.net"));
  EXPECT_FALSE(identity.sender.Allows("bob@example.net"));

  EXPECT_EQ(Plain("ALICE@EXAMPLE.NET", "secret", &slow), Result::kSuccess);
  EXPECT_FALSE(slow);
  EXPECT_EQ(attempt_->TakeIdentity().login, "alice@example.net");
}

TEST_F(AuthenticatorTest, ARememberedLoginEndsWithItsRecord) {
  bool slow = false;
  ASSERT_EQ(Plain("alice@example.net", "secret"), Result::kSuccess);
  SetPassword("alice@example.net", "changed", 2);
  EXPECT_EQ(Plain("alice@example.net", "secret", &slow), Result::kFailure);
  EXPECT_TRUE(slow);
  EXPECT_EQ(Plain("alice@example.net", "changed", &slow), Result::kSuccess);
  EXPECT_TRUE(slow);

  store_.records["alice@example.net"].disabled = true;  // even if nobody gave it a new version
  EXPECT_EQ(Plain("alice@example.net", "changed", &slow), Result::kFailure);
  EXPECT_TRUE(slow);
  store_.records.clear();
  EXPECT_EQ(Plain("alice@example.net", "changed", &slow), Result::kFailure);
  EXPECT_TRUE(slow);
  EXPECT_EQ(attempt_->failure(), Failure::kCredentials);
}

TEST_F(AuthenticatorTest, ARememberedLoginEndsInTime) {
  bool slow = false;
  ASSERT_EQ(Plain("alice@example.net", "secret"), Result::kSuccess);
  now_ += minutes(10);
  EXPECT_EQ(Plain("alice@example.net", "secret", &slow), Result::kSuccess);
  EXPECT_TRUE(slow);
}

TEST_F(AuthenticatorTest, FailuresAreNotRemembered) {
  bool slow = false;
  for (int i = 0; i < 3; i++) {
    EXPECT_EQ(Plain("alice@example.net", "wrong", &slow), Result::kFailure);
    EXPECT_TRUE(slow);
    EXPECT_EQ(attempt_->failure(), Failure::kCredentials);
    EXPECT_EQ(attempt_->login(), "alice@example.net");
    EXPECT_EQ(attempt_->TakeIdentity().login, "");
  }
}

TEST_F(AuthenticatorTest, NoRoomIsTemporaryForKnownAndUnknown) {
  ASSERT_EQ(Plain("alice@example.net", "secret"), Result::kSuccess);
  verifier_.room = 0;
  for (const char* login : {"alice@example.net", "nobody"}) {
    EXPECT_EQ(Plain(login, "wrong"), Result::kFailure);
    EXPECT_EQ(attempt_->failure(), Failure::kTemporary);
  }
  EXPECT_EQ(Plain("alice@example.net", "secret"), Result::kSuccess)
      << "the remembered are not turned away";
}

// Salt and count, as SCRAM-SHA-256 asks with them.
std::string SaltOf(Authenticator& authenticator, ByteView login) {
  const auto peer = *SockAddr::Parse("192.0.2.7:1234");
  const auto attempt = authenticator.Begin(Mechanism::kScramSha256, {.connection = 5, .peer = peer});
  EXPECT_EQ(attempt->Start("n,,n=" + std::string(login) + ",r=x", MonoTime()), Result::kChallenge);
  return std::string(attempt->challenge().substr(attempt->challenge().find(",s=")));
}

TEST_F(AuthenticatorTest, UnknownUsersHaveSaltsLikeTheStores) {
  const std::string nobody = SaltOf(authenticator_, "nobody");
  EXPECT_TRUE(nobody.ends_with(",i=2")) << nobody;  // and not the configured 4096
  EXPECT_EQ(nobody.size(), SaltOf(authenticator_, "alice@example.net").size());
  // Work for a verifier, too.
  attempt_ = authenticator_.Begin(Mechanism::kPlain, {.connection = 5, .peer = peer_});
  ASSERT_EQ(attempt_->Start("\0nobody\0secret"s, now_), Result::kWait);
  ASSERT_TRUE(verifier_.jobs.front().keys.has_value());
  EXPECT_EQ(verifier_.jobs.front().keys->iterations, 2u);

  // What the store has is seen when it says that it has changed.
  store_.records["alice@example.net"].Scram(ScramHash::kSha256) =
      DeriveScramKeys(ScramHash::kSha256, "secret", "salt", 3);
  EXPECT_EQ(SaltOf(authenticator_, "nobody"), nobody);
  store_.generation++;
  const std::string now = SaltOf(authenticator_, "nobody");
  EXPECT_TRUE(now.ends_with(",i=3")) << now;
  EXPECT_EQ(now.size(), SaltOf(authenticator_, "alice@example.net").size());
}

TEST_F(AuthenticatorTest, ADisabledUserKeepsHisSalt) {
  const std::string salt = SaltOf(authenticator_, "alice@example.net");
  store_.records["alice@example.net"].disabled = true;
  EXPECT_EQ(SaltOf(authenticator_, "alice@example.net"), salt);
}

TEST_F(AuthenticatorTest, AStoreThatCannotSayIsTemporary) {
  store_.broken = true;
  EXPECT_EQ(Plain("alice@example.net", "secret"), Result::kFailure);
  EXPECT_EQ(attempt_->failure(), Failure::kTemporary);
  EXPECT_TRUE(verifier_.jobs.empty());
}

// Another server's hash proves passwords where there are no keys, and nobody who may not log in.
TEST_F(AuthenticatorTest, ProvesByAnotherServersHash) {
  CredentialRecord& bob = store_.records["bob"];
  bob.version = 7;
  bob.foreign_hash = "{SSHA}CI729eCUcjKAizUhZ3o9lcwxel7XLkS0";  // "secret"
  bool slow = false;
  EXPECT_EQ(Plain("bob", "wrong"), Result::kFailure);
  EXPECT_EQ(Plain("bob", "secret", &slow), Result::kSuccess);
  EXPECT_TRUE(slow);
  EXPECT_EQ(Plain("bob", "secret", &slow), Result::kSuccess);
  EXPECT_FALSE(slow) << "remembered like any other";
  bob.disabled = true;
  EXPECT_EQ(Plain("bob", "secret"), Result::kFailure);
  bob.disabled = false;
  bob.Scram(ScramHash::kSha256) = DeriveScramKeys(ScramHash::kSha256, "new", "salt", 2);
  bob.version = 8;
  EXPECT_EQ(Plain("bob", "secret"), Result::kFailure) << "keys come before it";
  EXPECT_EQ(Plain("bob", "new"), Result::kSuccess);
}

// As a user imported from Dovecot's {CRAM-MD5}, where that mechanism is not offered.
TEST_F(AuthenticatorTest, ProvesByTheStatesOfCramMd5WhereThereIsNothingElse) {
  CredentialRecord& bob = store_.records["bob"];
  bob.version = 7;
  bob.cram_md5 = DeriveCramMd5States("secret");
  EXPECT_EQ(Plain("bob", "wrong"), Result::kFailure);
  EXPECT_EQ(Plain("bob", "secret"), Result::kSuccess);
  bob.Scram(ScramHash::kSha256) = DeriveScramKeys(ScramHash::kSha256, "new", "salt", 2);
  bob.version = 8;
  EXPECT_EQ(Plain("bob", "secret"), Result::kFailure) << "keys come before them";
}

TEST_F(AuthenticatorTest, KeysTakeThePlaceOfAnotherServersHash) {
  WantedKeys wanted;
  wanted.cram_md5 = true;
  CredentialRecord record;
  record.foreign_hash = "{SSHA}CI729eCUcjKAizUhZ3o9lcwxel7XLkS0";
  AddKeys(wanted, "bob", "secret", Salts(), 2, record);
  EXPECT_FALSE(record.foreign_hash.empty());  // PLAIN still needs it
  wanted.scram[static_cast<size_t>(ScramHash::kSha1)] = true;
  AddKeys(wanted, "bob", "secret", Salts(), 2, record);
  EXPECT_TRUE(record.foreign_hash.empty());
}

TEST_F(AuthenticatorTest, MalformedReachesNobody) {
  attempt_ = authenticator_.Begin(Mechanism::kPlain, {.connection = 5, .peer = peer_});
  EXPECT_EQ(attempt_->Start("nonsense", now_), Result::kFailure);
  EXPECT_EQ(attempt_->failure(), Failure::kMalformed);
  EXPECT_EQ(attempt_->login(), "");
  EXPECT_TRUE(verifier_.jobs.empty());
}

TEST_F(AuthenticatorTest, RunsLoginByItsChallenges) {
  attempt_ = authenticator_.Begin(Mechanism::kLogin, {.connection = 5, .peer = peer_});
  ASSERT_EQ(attempt_->Start(std::nullopt, now_), Result::kChallenge);
  EXPECT_EQ(attempt_->challenge(), "Username:");
  ASSERT_EQ(attempt_->Continue("alice@example.net", now_), Result::kChallenge);
  EXPECT_EQ(attempt_->challenge(), "Password:");
  ASSERT_EQ(attempt_->Continue("secret", now_), Result::kWait);
  const auto [token, verdict] = verifier_.RunOne();
  EXPECT_EQ(attempt_->OnVerified(token, verdict, now_), Result::kSuccess);
  EXPECT_EQ(attempt_->TakeIdentity().login, "alice@example.net");
}

TEST_F(AuthenticatorTest, AVerdictForAnEarlierAttemptIsIgnored) {
  const auto first = authenticator_.Begin(Mechanism::kPlain, {.connection = 5, .peer = peer_});
  ASSERT_EQ(first->Start("\0alice@example.net\0secret"s, now_), Result::kWait);
  attempt_ = authenticator_.Begin(Mechanism::kPlain, {.connection = 5, .peer = peer_});
  ASSERT_EQ(attempt_->Start("\0alice@example.net\0wrong"s, now_), Result::kWait);
  const auto [token, verdict] = verifier_.RunOne();
  ASSERT_EQ(verdict, Verdict::kMatch);
  EXPECT_EQ(attempt_->OnVerified(token, verdict, now_), Result::kWait);
  const auto [token2, verdict2] = verifier_.RunOne();
  EXPECT_EQ(attempt_->OnVerified(token2, verdict2, now_), Result::kFailure);
}

TEST_F(AuthenticatorTest, AVerdictOfAnOldVersionIsRememberedForThatVersion) {
  attempt_ = authenticator_.Begin(Mechanism::kPlain, {.connection = 5, .peer = peer_});
  ASSERT_EQ(attempt_->Start("\0alice@example.net\0secret"s, now_), Result::kWait);
  SetPassword("alice@example.net", "changed", 2);  // while the verifier works
  const auto [token, verdict] = verifier_.RunOne();
  EXPECT_EQ(attempt_->OnVerified(token, verdict, now_), Result::kSuccess);
  EXPECT_EQ(Plain("alice@example.net", "secret"), Result::kFailure);
}

// RFC 4422 section 3.4.1: an authorization identity.
TEST_F(AuthenticatorTest, ActsForOthersWhereItsRecordSays) {
  SetPassword("webmail", "front", 5);
  store_.records["webmail"].acts_for = {"@example.net", "carol@example.org"};
  store_.records["carol@example.org"].version = 6;
  store_.records["dave@example.net"].disabled = true;
  const auto as = [&](ByteView authorization, ByteView login, ByteView password) {
    attempt_ = authenticator_.Begin(Mechanism::kPlain, {.connection = 5, .peer = peer_});
    const Result result = attempt_->Start(
        std::string(authorization) + "\0"s.append(login) + "\0"s.append(password), now_);
    if (result != Result::kWait) return result;
    const auto [token, verdict] = verifier_.RunOne();
    return attempt_->OnVerified(token, verdict, now_);
  };
  ASSERT_EQ(as("Alice@example.net", "webmail", "front"), Result::kSuccess);
  Identity identity = attempt_->TakeIdentity();
  EXPECT_EQ(identity.login, "alice@example.net");
  EXPECT_EQ(identity.actor, "webmail");
  EXPECT_EQ(identity.tenant, "acme");
  EXPECT_TRUE(identity.sender.Allows("alice@example.net"));
  EXPECT_TRUE(authenticator_.Refresh(identity, peer_));

  EXPECT_EQ(as("carol@example.org", "webmail", "front"), Result::kSuccess);
  EXPECT_EQ(as("webmail", "webmail", "front"), Result::kSuccess) << "itself";
  EXPECT_EQ(attempt_->TakeIdentity().actor, "");
  for (const char* other : {"dave@example.net", "nobody@example.net", "erin@example.org", "\x01"}) {
    EXPECT_EQ(as(other, "webmail", "front"), Result::kFailure) << other;
    EXPECT_EQ(attempt_->failure(), Failure::kCredentials) << other;
    EXPECT_TRUE(attempt_->proved()) << other << ": the password is right, so it is no guess";
    EXPECT_EQ(attempt_->TakeIdentity().login, "");
  }
  EXPECT_EQ(as("alice@example.net", "webmail", "wrong"), Result::kFailure);
  EXPECT_FALSE(attempt_->proved());
  EXPECT_EQ(as("webmail", "alice@example.net", "secret"), Result::kFailure)
      << "not the other way round";
}

TEST_F(AuthenticatorTest, ACertificatesFirstLoginActsForOthersToo) {
  const ExternalIdentity certificate{{"alice@example.net", "bob@example.net"}, ""};
  SetPassword("bob@example.net", "secret", 2);
  SetPassword("carol@example.org", "secret", 3);
  const auto as = [&](ByteView authorization) {
    attempt_ =
        authenticator_.Begin(Mechanism::kExternal, {.peer = peer_, .external = &certificate});
    return attempt_->Start(authorization, now_);
  };
  EXPECT_EQ(as("carol@example.org"), Result::kFailure);
  EXPECT_EQ(attempt_->failure(), Failure::kCredentials);
  EXPECT_EQ(attempt_->detail(), "proved, but it may not act for whom it asked to");

  store_.records["bob@example.net"].acts_for = {"*"};
  EXPECT_EQ(as("carol@example.org"), Result::kFailure) << "that is not the first one's right";
  store_.records["alice@example.net"].acts_for = {"carol@example.org"};
  ASSERT_EQ(as("Carol@example.org"), Result::kSuccess);
  const Identity identity = attempt_->TakeIdentity();
  EXPECT_EQ(identity.login, "carol@example.org");
  EXPECT_EQ(identity.actor, "alice@example.net");
  ASSERT_EQ(as("bob@example.net"), Result::kSuccess);
  EXPECT_EQ(attempt_->TakeIdentity().actor, "") << "its own";
  store_.records.erase("alice@example.net");
  EXPECT_EQ(as("carol@example.org"), Result::kFailure);
}

// RFC 7628 section 3.2.2: a client hears of a refusal, and answers, before it fails.
TEST_F(AuthenticatorTest, WhoShowsATokenHearsOfARefusalFirst) {
  auto keys = Jwks::Parse(SetOf(kEdJwk));
  ASSERT_TRUE(keys.ok());
  authenticator_.set_tokens(std::make_shared<TokenVerifier>(
      *std::move(keys), TokenRules{.issuer = "i", .audience = "a"}));
  const std::string token = Sign(R"({"iss":"i","aud":"a","email":"alice@example.net","exp":1000})");
  const auto show = [&](ByteView head) {
    attempt_ = authenticator_.Begin(Mechanism::kOauthBearer, {.peer = peer_});
    return attempt_->Start(std::string(head) + "\x01" + "auth=Bearer " + token + "\x01\x01", now_);
  };
  const auto refused = [&](ByteView head, Failure failure, ByteView detail) {
    ASSERT_EQ(show(head), Result::kChallenge);
    EXPECT_EQ(attempt_->challenge(), R"({"status":"invalid_token"})");
    EXPECT_EQ(attempt_->failure(), Failure::kNone);
    EXPECT_EQ(attempt_->detail(), detail) << "for the log, should the client cancel";
    ASSERT_EQ(attempt_->Continue("\x01", now_), Result::kFailure);
    EXPECT_EQ(attempt_->failure(), failure);
    EXPECT_EQ(attempt_->detail(), detail);
    EXPECT_EQ(attempt_->TakeIdentity().login, "");
  };
  EXPECT_EQ(show("n,,"), Result::kSuccess);
  refused("n,a=bob@example.net,", Failure::kCredentials,
          "proved, but it may not act for whom it asked to");
  CredentialRecord& alice = store_.records["alice@example.net"];
  alice.mechanisms = MechanismSet::Of(Mechanism::kPlain);
  refused("n,,", Failure::kTooWeak, "proved, but by a mechanism that the login may not use");
  alice.mechanisms = MechanismSet();
  alice.limits.networks = {*Network::Parse("198.51.100.0/24")};
  refused("n,,", Failure::kCredentials, "proved, but not from a network of the login's");
}

TEST_F(AuthenticatorTest, ANetworkThatIsNotTheLoginsIsAWrongPassword) {
  store_.records["alice@example.net"].limits.networks = {*Network::Parse("198.51.100.0/24")};
  EXPECT_EQ(Plain("alice@example.net", "secret"), Result::kFailure);
  EXPECT_EQ(attempt_->failure(), Failure::kCredentials);
  EXPECT_FALSE(attempt_->proved()) << "a guess like any other, or it could be told from them";
  store_.records["alice@example.net"].limits.networks.push_back(*Network::Parse("192.0.2.0/24"));
  EXPECT_EQ(Plain("alice@example.net", "secret"), Result::kSuccess);
}

TEST_F(AuthenticatorTest, ATenantBoundsItsLoginsAndTheStricterCounts) {
  CredentialRecord& alice = store_.records["alice@example.net"];
  struct {
    const char* tenant;
    uint32_t recipients, recipients_in_force;
    uint64_t bytes, bytes_in_force;
  } const cases[] = {
      {"small", 0, 10, 0, 1000},      {"small", 5, 5, 999, 999}, {"small", 20, 10, 2000, 1000},
      {"nosuch", 20, 20, 2000, 2000}, {"", 0, 0, 0, 0},
  };
  for (const auto& one : cases) {
    alice.tenant = one.tenant;
    alice.limits = {.recipients = one.recipients, .message_bytes = one.bytes};
    ASSERT_EQ(Plain("alice@example.net", "secret"), Result::kSuccess) << one.tenant;
    const Identity identity = attempt_->TakeIdentity();
    EXPECT_EQ(identity.limits.recipients, one.recipients_in_force) << one.recipients;
    EXPECT_EQ(identity.limits.message_bytes, one.bytes_in_force) << one.bytes;
  }
}

TEST_F(AuthenticatorTest, WhoLogsInIsInTheNetworksOfTheLoginAndOfItsTenant) {
  struct {
    const char *peer, *own, *tenant;
    bool may;
  } const cases[] = {
      {"192.0.2.7:1", "", "small", true},
      {"198.51.100.7:1", "", "small", false},
      {"192.0.2.7:1", "192.0.2.0/28", "small", true},
      {"192.0.2.99:1", "192.0.2.0/28", "small", false},
      {"198.51.100.7:1", "198.51.100.0/24", "small", false},
      {"198.51.100.7:1", "198.51.100.0/24", "nosuch", true},
      {"[2001:db8::1]:1", "", "small", false},
  };
  CredentialRecord& alice = store_.records["alice@example.net"];
  for (const auto& one : cases) {
    peer_ = *SockAddr::Parse(one.peer);
    alice.tenant = one.tenant;
    alice.limits.networks.clear();
    if (*one.own != 0) alice.limits.networks = {*Network::Parse(one.own)};
    EXPECT_EQ(Plain("alice@example.net", "secret"), one.may ? Result::kSuccess : Result::kFailure)
        << one.peer << ' ' << one.own;
    EXPECT_EQ(attempt_->failure(), one.may ? Failure::kNone : Failure::kCredentials);
    Identity unproved;
    EXPECT_EQ(authenticator_.AdmitUnproved("alice@example.net", peer_, unproved),
              one.may ? Failure::kNone : Failure::kCredentials);
  }
}

TEST_F(AuthenticatorTest, ASessionFromWhereItMayNotComeAnyMoreEnds) {
  SetPassword("webmail", "front", 5);
  store_.records["webmail"].acts_for = {"*"};
  const auto change = [&](const char* login, const auto& how) {
    how(store_.records[login]);
    store_.records[login].version = 100 + ++store_.generation;
  };
  const auto elsewhere = [](CredentialRecord& r) {
    r.limits.networks = {*Network::Parse("10.0.0.0/8")};
  };
  const auto anywhere = [](CredentialRecord& r) { r.limits.networks.clear(); };

  ASSERT_EQ(Plain("webmail", "front"), Result::kSuccess);
  Identity front = attempt_->TakeIdentity();
  Identity alice, acted;
  ASSERT_EQ(authenticator_.AdmitUnproved("alice@example.net", peer_, alice), Failure::kNone);
  ASSERT_EQ(authenticator_.ActFor(front, "alice@example.net", acted), Acting::kAllowed);
  change("alice@example.net", elsewhere);
  EXPECT_TRUE(authenticator_.Refresh(front, peer_));
  EXPECT_TRUE(authenticator_.Refresh(acted, peer_)) << "she comes through the front end";
  EXPECT_EQ(acted.limits.networks.size(), 1u);
  EXPECT_FALSE(authenticator_.Refresh(alice, peer_));

  change("alice@example.net", anywhere);
  ASSERT_EQ(authenticator_.AdmitUnproved("alice@example.net", peer_, alice), Failure::kNone);
  change("alice@example.net", [](CredentialRecord& r) { r.tenant = "small"; });
  EXPECT_TRUE(authenticator_.Refresh(alice, peer_));
  EXPECT_EQ(alice.limits.recipients, 10u);
  change("alice@example.net", anywhere);  // its tenant's still count
  EXPECT_FALSE(authenticator_.Refresh(alice, *SockAddr::Parse("198.51.100.7:1")));

  change("webmail", elsewhere);
  EXPECT_FALSE(authenticator_.Refresh(acted, peer_));
  EXPECT_FALSE(authenticator_.Refresh(front, peer_));
}

TEST_F(AuthenticatorTest, AMechanismThatIsNotTheLoginsIsToldToWhoIsProved) {
  store_.records["alice@example.net"].mechanisms = MechanismSet::Of(Mechanism::kScramSha256);
  EXPECT_EQ(Plain("alice@example.net", "wrong"), Result::kFailure);
  EXPECT_EQ(attempt_->failure(), Failure::kCredentials);
  EXPECT_FALSE(attempt_->proved());
  for (int i = 0; i < 2; i++) {  // remembered, too
    EXPECT_EQ(Plain("alice@example.net", "secret"), Result::kFailure);
    EXPECT_EQ(attempt_->failure(), Failure::kTooWeak);
    EXPECT_TRUE(attempt_->proved());
  }
  store_.records["alice@example.net"].mechanisms.Add(Mechanism::kPlain);
  EXPECT_EQ(Plain("alice@example.net", "secret"), Result::kSuccess);
}

TEST_F(AuthenticatorTest, AMissingKeyIsToldOnlyWhereTheOperatorWantsThat) {
  SetPassword("bob@example.net", "secret", 1);
  store_.records["bob@example.net"].cram_md5.emplace();
  SetPassword("carol@example.net", "secret", 1);
  store_.records["carol@example.net"].disabled = true;
  for (const bool tell : {false, true}) {
    Authenticator authenticator(store_, remembered_, verifier_,
                                {.process_key = kSecret,
                                 .decoy_key = kSecret,
                                 .iterations = 4096,
                                 .hostname = "h",
                                 .tell_transition = tell});
    const auto cram = [&](const std::string& login) {
      attempt_ = authenticator.Begin(Mechanism::kCramMd5, {.connection = 5, .peer = peer_});
      EXPECT_EQ(attempt_->Start(std::nullopt, now_), Result::kChallenge);
      EXPECT_EQ(attempt_->Continue(login + " 0123456789abcdef0123456789abcdef", now_),
                Result::kFailure);
      return attempt_->failure();
    };
    EXPECT_EQ(cram("alice@example.net"), tell ? Failure::kTransition : Failure::kCredentials);
    EXPECT_EQ(cram("bob@example.net"), Failure::kCredentials) << "has the key: the proof was wrong";
    EXPECT_EQ(cram("carol@example.net"), Failure::kCredentials) << "may not log in at all";
    EXPECT_EQ(cram("nobody@example.net"), Failure::kCredentials);
  }
  EXPECT_EQ(Plain("alice@example.net", "wrong"), Result::kFailure);
  EXPECT_EQ(attempt_->failure(), Failure::kCredentials);
}

TEST_F(AuthenticatorTest, SuspendedIsAsDisabled) {
  store_.records["alice@example.net"].suspended = true;
  EXPECT_EQ(Plain("alice@example.net", "secret"), Result::kFailure);
  EXPECT_EQ(attempt_->failure(), Failure::kCredentials);
}

TEST_F(AuthenticatorTest, WhoWasProvedElsewhereMayDoWhatHisRecordSaysOrThePolicyThatCame) {
  CredentialRecord policy;
  policy.domains = {"example.org"};
  policy.tenant = "elsewhere";
  Identity identity;
  ASSERT_EQ(authenticator_.Admit("Bob@Example.NET", peer_, policy, identity), Failure::kNone);
  EXPECT_EQ(identity.login, "bob@example.net");
  EXPECT_EQ(identity.tenant, "elsewhere");
  EXPECT_TRUE(identity.sender.Allows("any@example.org"));
  EXPECT_FALSE(identity.sender.Allows("bob@example.net"));

  ASSERT_EQ(authenticator_.Admit("bob@example.net", peer_, CredentialRecord(), identity), Failure::kNone);
  EXPECT_TRUE(identity.sender.Allows("bob@example.net"));
  EXPECT_FALSE(identity.sender.Allows("any@example.org"));

  ASSERT_EQ(authenticator_.Admit("alice@example.net", peer_, policy, identity), Failure::kNone);
  EXPECT_EQ(identity.tenant, "acme");
  EXPECT_EQ(identity.version, 1u);
  EXPECT_FALSE(identity.sender.Allows("any@example.org"));

  store_.records["alice@example.net"].disabled = true;
  EXPECT_EQ(authenticator_.Admit("alice@example.net", peer_, policy, identity), Failure::kCredentials);
  EXPECT_EQ(authenticator_.Admit("no\nname", peer_, policy, identity), Failure::kCredentials);
  EXPECT_EQ(authenticator_.Admit("", peer_, policy, identity), Failure::kCredentials);
  store_.broken = true;
  EXPECT_EQ(authenticator_.Admit("bob@example.net", peer_, policy, identity), Failure::kTemporary);
}

TEST_F(AuthenticatorTest, WhoWasProvedElsewhereNeedsNoRecordButFollowsOne) {
  Identity bob, alice;
  ASSERT_EQ(authenticator_.Admit("bob@example.net", peer_, CredentialRecord(), bob), Failure::kNone);
  ASSERT_EQ(authenticator_.Admit("alice@example.net", peer_, CredentialRecord(), alice), Failure::kNone);
  store_.generation = 1;
  EXPECT_TRUE(authenticator_.Refresh(bob, peer_));
  EXPECT_TRUE(authenticator_.Refresh(alice, peer_));

  store_.records["bob@example.net"].version = 2;
  store_.records["bob@example.net"].tenant = "new";
  store_.records.erase("alice@example.net");
  store_.generation = 2;
  EXPECT_TRUE(authenticator_.Refresh(bob, peer_));
  EXPECT_EQ(bob.tenant, "new");
  EXPECT_FALSE(authenticator_.Refresh(alice, peer_)) << "her record is gone";
  store_.records["bob@example.net"].disabled = true;
  store_.generation = 3;
  EXPECT_FALSE(authenticator_.Refresh(bob, peer_));
}

// The password is not even looked at: no verifier, no look-up, right or wrong, known or unknown.
TEST_F(AuthenticatorTest, WhoGuessesIsRefusedBeforeThePassword) {
  for (const ByteView login : {ByteView("alice@example.net"), ByteView("nobody@example.net")}) {
    for (int i = 0; i < 4; i++) {
      EXPECT_EQ(Plain(login, "wrong"), Result::kFailure);
      EXPECT_EQ(attempt_->failure(), Failure::kCredentials);
      attempt_->CountFailure(WallTime());
    }
    bool slow = false;
    store_.broken = true;
    EXPECT_EQ(Plain(login, "secret", &slow), Result::kFailure);
    EXPECT_FALSE(slow);
    EXPECT_EQ(attempt_->failure(), Failure::kThrottled);
    EXPECT_EQ(attempt_->throttled_by(), GuessBy::kLoginFromAddress);
    store_.broken = false;
  }
  peer_ = *SockAddr::Parse("192.0.2.8:1234");
  EXPECT_EQ(Plain("alice@example.net", "secret"), Result::kSuccess);
}

// Guesses side by side: the right one among them is told no more than the rest.
TEST_F(AuthenticatorTest, WhatWasUnderWayWhenTheLimitWasReachedIsRefusedToo) {
  const auto last = authenticator_.Begin(Mechanism::kPlain, {.connection = 5, .peer = peer_});
  ASSERT_EQ(last->Start("\0alice@example.net\0secret"s, now_), Result::kWait);
  const auto job = verifier_.RunOne();
  for (int i = 0; i < 4; i++) {
    EXPECT_EQ(Plain("alice@example.net", "wrong"), Result::kFailure);
    attempt_->CountFailure(WallTime());
  }
  EXPECT_EQ(last->OnVerified(job.first, job.second, now_), Result::kFailure);
  EXPECT_EQ(last->failure(), Failure::kThrottled);
}

TEST_F(AuthenticatorTest, OneLoginHasNotTheVerifiersForItself) {
  std::vector<std::unique_ptr<Attempt>> attempts;
  const auto with_nul = [](std::string text) { return std::string(1, '\0') + text; };
  const auto begin = [&](const std::string& login) {
    attempts.push_back(authenticator_.Begin(Mechanism::kPlain, {.connection = 5, .peer = peer_}));
    return attempts.back()->Start(with_nul(login) + with_nul("secret"), now_);
  };
  EXPECT_EQ(begin("alice@example.net"), Result::kWait);
  EXPECT_EQ(begin("alice@example.net"), Result::kWait);
  EXPECT_EQ(begin("alice@example.net"), Result::kFailure);
  EXPECT_EQ(attempts.back()->failure(), Failure::kTemporary);
  EXPECT_EQ(begin("bob@example.net"), Result::kWait);
  EXPECT_EQ(begin("carol@example.net"), Result::kFailure) << "three from that address";
  EXPECT_EQ(attempts.back()->failure(), Failure::kTemporary);
  verifier_.RunOne();
  EXPECT_EQ(begin("carol@example.net"), Result::kWait) << "a place was given back";
}

}  // namespace
}  // namespace sluice::auth
