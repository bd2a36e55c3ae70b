#include "core/server/usage.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "core/server/line_file.h"

namespace sluice::server {
namespace {

using auth::Counted;
using auth::Window;

const std::string kSecret(32, 's');
constexpr WallTime kNow = WallFromMillis(1'800'000'000'000);

auth::Identity IdentityOf(const std::string& login, const std::string& tenant = "") {
  auth::Identity identity;
  identity.login = login;
  identity.tenant = tenant;
  return identity;
}

class UsageTest : public testing::Test {
 protected:
  UsageTest() {
    options_.limits.meters = 1024;
    options_.login_limits = {.rates = {{Counted::kMessages, Window::kMinute, 3}}, .connections = 2};
    options_.server_limits.rates = {{Counted::kRecipients, Window::kDay, 100}};
    options_.tenant = {
        {.name = "acme", .rates = {{Counted::kMessages, Window::kHour, 4}}, .connections = 3}};
  }
  Options options_;
};

TEST_F(UsageTest, WhoHasNotLoggedInCountsForTheServer) {
  options_.server_limits.connections = 1;
  Usage usage(options_, kSecret);
  const Account anybody = usage.OfAnybody();
  const Account alice = *usage.Open(IdentityOf("alice"));  // anybody is no connection
  for (int i = 0; i < 4; i++) {
    EXPECT_FALSE(usage.Charge(anybody, {.messages = 1, .recipients = 20}, kNow).has_value());
  }
  EXPECT_FALSE(usage.Charge(alice, {.messages = 1, .recipients = 20}, kNow).has_value());
  const auto over = usage.Charge(anybody, {.messages = 1, .recipients = 1}, kNow);
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->scope, Scope::kServer);
  EXPECT_TRUE(usage.Find(alice, {.recipients = 1}, kNow).has_value());
}

TEST_F(UsageTest, EachScopeHasItsOwnCount) {
  Usage usage(options_, kSecret);
  const Account alice = *usage.Open(IdentityOf("alice", "acme"));
  const Account bob = *usage.Open(IdentityOf("bob", "acme"));
  const Account carol = *usage.Open(IdentityOf("carol"));
  const Amount one{.messages = 1, .recipients = 2, .bytes = 10};
  for (int i = 0; i < 3; i++) EXPECT_FALSE(usage.Charge(alice, one, kNow).has_value());
  auto over = usage.Charge(alice, one, kNow);
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->scope, Scope::kLogin);
  EXPECT_EQ(over->until, kNow + seconds(70));
  EXPECT_EQ(over->Describe(),
            "Throttling failure: more than 3 messages/minute of this login; try again after "
            "2027-01-15T08:01:10Z");

  EXPECT_FALSE(usage.Charge(bob, one, kNow).has_value());
  over = usage.Charge(bob, one, kNow);
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->scope, Scope::kTenant);
  over = usage.Find(alice, one, kNow);
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->scope, Scope::kTenant) << "the one that holds longest";

  EXPECT_FALSE(usage.Charge(carol, one, kNow).has_value());
  EXPECT_FALSE(usage.Find(carol, {.recipients = 90}, kNow).has_value());
  over = usage.Find(carol, {.recipients = 91}, kNow);
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->scope, Scope::kServer);
  EXPECT_TRUE(usage.Find(carol, {.recipients = 101}, kNow).has_value())
      << "more than the limit by itself";
}

TEST_F(UsageTest, WhatIsRefusedDoesNotCountAndWhatFailsIsGivenBack) {
  Usage usage(options_, kSecret);
  const Account alice = *usage.Open(IdentityOf("alice"));
  EXPECT_TRUE(usage.Charge(alice, {.messages = 1, .recipients = 101}, kNow).has_value());
  for (int i = 0; i < 3; i++) EXPECT_FALSE(usage.Charge(alice, {.messages = 1}, kNow).has_value());
  EXPECT_TRUE(usage.Find(alice, {.messages = 1}, kNow).has_value());
  usage.Refund(alice, {.messages = 1}, kNow);
  EXPECT_FALSE(usage.Charge(alice, {.messages = 1}, kNow).has_value());
  EXPECT_TRUE(usage.Find(alice, {.messages = 1}, kNow).has_value());
  EXPECT_FALSE(usage.Find(alice, {.messages = 1}, kNow + seconds(70)).has_value());
}

TEST_F(UsageTest, ALoginsOwnLimitStandsForTheCommonOneOfItsKind) {
  Usage usage(options_, kSecret);
  auth::Identity identity = IdentityOf("alice");
  identity.limits.rates = {{Counted::kMessages, Window::kMinute, 10},
                           {Counted::kBytes, Window::kDay, 1000}};
  identity.limits.connections = 1;
  const Account alice = *usage.Open(identity);
  EXPECT_FALSE(usage.Charge(alice, {.messages = 10, .bytes = 1000}, kNow).has_value());
  EXPECT_TRUE(usage.Find(alice, {.messages = 1}, kNow).has_value());
  EXPECT_TRUE(usage.Find(alice, {.bytes = 1}, kNow).has_value());
  EXPECT_FALSE(usage.Open(identity).has_value());
}

TEST_F(UsageTest, ConnectionsAreLeftWithTheirAccount) {
  Usage usage(options_, kSecret);
  {
    const auto first = usage.Open(IdentityOf("alice", "acme"));
    auto second = usage.Open(IdentityOf("alice", "acme"));
    ASSERT_TRUE(second.has_value());
    EXPECT_FALSE(usage.Open(IdentityOf("alice", "acme")).has_value());
    Account moved = *std::move(second);
    second.reset();
    EXPECT_FALSE(usage.Open(IdentityOf("alice", "acme")).has_value())
        << "it is still there, elsewhere";
    EXPECT_TRUE(usage.Open(IdentityOf("bob", "acme")).has_value());
  }
  EXPECT_TRUE(usage.Open(IdentityOf("alice", "acme")).has_value());
}

TEST_F(UsageTest, ALimitThatIsSetLaterCountsWhoIsThere) {
  options_.login_limits.connections = 0;
  Usage usage(options_, kSecret);
  std::vector<Account> before;
  for (int i = 0; i < 3; i++) before.push_back(*usage.Open(IdentityOf("alice")));
  auth::Identity limited = IdentityOf("alice");
  limited.limits.connections = 3;
  EXPECT_FALSE(usage.Open(limited).has_value());
  usage.Renew(before.front(), limited);  // goes on, and is counted once as before
  EXPECT_FALSE(usage.Open(limited).has_value());
  before.pop_back();
  EXPECT_TRUE(usage.Open(limited).has_value());
  before.erase(before.begin());
  limited.limits.connections = 2;
  const auto second = usage.Open(limited);
  EXPECT_TRUE(second.has_value());
  EXPECT_FALSE(usage.Open(limited).has_value());
}

TEST_F(UsageTest, ASessionThatIsRenewedCountsForItsTenantOfNow) {
  options_.login_limits = {};
  options_.tenant = {
      {.name = "acme", .rates = {{Counted::kMessages, Window::kHour, 1}}, .connections = 1},
      {.name = "other", .connections = 1}};
  Usage usage(options_, kSecret);
  Account alice = *usage.Open(IdentityOf("alice", "acme"));
  const auto full = [&](const char* tenant) {
    return !usage.Open(IdentityOf("bob", tenant)).has_value();
  };
  EXPECT_TRUE(full("acme"));
  usage.Renew(alice, IdentityOf("alice", "other"));
  EXPECT_FALSE(full("acme"));
  EXPECT_TRUE(full("other"));
  EXPECT_FALSE(usage.Find(alice, {.messages = 2}, kNow).has_value());
  usage.Renew(alice, IdentityOf("alice"));
  EXPECT_FALSE(full("other"));
  usage.Renew(alice, IdentityOf("alice", "acme"));
  EXPECT_TRUE(usage.Find(alice, {.messages = 2}, kNow).has_value());
  EXPECT_TRUE(full("acme"));
}

TEST_F(UsageTest, WhoseMailAnotherBringsHasNoConnection) {
  options_.tenant[0].connections = 1;
  Usage usage(options_, kSecret);
  const auth::Identity alice = IdentityOf("alice", "acme");
  std::vector<Account> brought;
  for (int i = 0; i < 5; i++) brought.push_back(usage.Of(alice));
  EXPECT_TRUE(usage.Open(alice).has_value());
  for (int i = 0; i < 3; i++) {
    EXPECT_FALSE(usage.Charge(brought[0], {.messages = 1}, kNow).has_value());
  }
  EXPECT_TRUE(usage.Charge(brought[1], {.messages = 1}, kNow).has_value()) << "its rates count";
}

TEST_F(UsageTest, WhatCanNeverFitIsSo) {
  options_.login_limits.rates.push_back({Counted::kBytes, Window::kDay, 1000});
  Usage usage(options_, kSecret);
  const Account alice = *usage.Open(IdentityOf("alice"));
  EXPECT_EQ(Usage::MessageBytesMax(alice), 1000u);
  EXPECT_FALSE(usage.Find(alice, {.messages = 1, .bytes = 1000}, kNow).has_value());
  for (int i = 0; i < 4; i++) {
    const auto over = usage.Find(alice, {.messages = 1, .bytes = 1001}, kNow);
    ASSERT_TRUE(over.has_value());
    EXPECT_TRUE(over->never) << "before one that time would help";
    EXPECT_EQ(over->policy, auth::OverPolicy::kReject);
    EXPECT_EQ(over->Describe(), "By itself more than 1000 bytes/day of this login");
    (void)usage.Charge(alice, {.messages = 1}, kNow);
  }
  EXPECT_TRUE(usage.Find(alice, {.recipients = 101}, kNow)->never);
}

TEST_F(UsageTest, WhatIsHeldCountsUpToAsMuchAgain) {
  options_.login_limits.over_limit = auth::OverPolicy::kHold;
  Usage usage(options_, kSecret);
  const Account alice = *usage.Open(IdentityOf("alice"));
  for (int i = 0; i < 3; i++) EXPECT_FALSE(usage.Charge(alice, {.messages = 1}, kNow).has_value());
  for (int i = 0; i < 3; i++) {
    const auto over = usage.Charge(alice, {.messages = 1}, kNow);
    ASSERT_TRUE(over.has_value());
    EXPECT_EQ(over->policy, auth::OverPolicy::kHold);
    EXPECT_EQ(over->Name(), "3 messages/minute of this login");
  }
  const auto over = usage.Charge(alice, {.messages = 1}, kNow);
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->policy, auth::OverPolicy::kThrottle);
  EXPECT_EQ(over->until, kNow + seconds(70));
}

TEST_F(UsageTest, EachScopeHasItsPolicyAndTheWorstCounts) {
  options_.login_limits.over_limit = auth::OverPolicy::kHold;
  options_.tenant[0].rates = {{Counted::kMessages, Window::kMinute, 3}};
  options_.tenant[0].over_limit = auth::OverPolicy::kReject;
  options_.server_limits = {.rates = {{Counted::kMessages, Window::kMinute, 4}}};
  Usage usage(options_, kSecret);
  const Account alice = *usage.Open(IdentityOf("alice", "acme"));
  const Account carol = *usage.Open(IdentityOf("carol"));
  auth::Identity identity = IdentityOf("dave");
  identity.limits.over_limit = auth::OverPolicy::kReject;
  identity.limits.rates = {{Counted::kMessages, Window::kMinute, 0}};
  const Account dave = *usage.Open(identity);
  for (int i = 0; i < 3; i++) EXPECT_FALSE(usage.Charge(alice, {.messages = 1}, kNow).has_value());
  const auto policy = [&](const Account& account) {
    return usage.Find(account, {.messages = 1}, kNow)->policy;
  };
  EXPECT_EQ(policy(alice), auth::OverPolicy::kReject);
  EXPECT_FALSE(usage.Charge(carol, {.messages = 1}, kNow).has_value());
  EXPECT_EQ(policy(carol), auth::OverPolicy::kThrottle) << "the server's; her own is not reached";
  EXPECT_EQ(policy(dave), auth::OverPolicy::kReject);
  EXPECT_EQ(usage.Charge(alice, {.messages = 1}, kNow)->scope, Scope::kTenant);
}

class LineFileTest : public UsageTest {
 protected:
  LineFileTest() {
    char name[] = "/tmp/sluice-usage-XXXXXX";
    folder_ = mkdtemp(name);
    fresh_.fill('f');
  }
  ~LineFileTest() override { std::filesystem::remove_all(folder_); }
  std::unique_ptr<LineFile> Open() {
    note_.clear();
    auto file = LineFile::Open(path(), "SluiceUs", fresh_, note_);
    EXPECT_TRUE(file.ok()) << file.status();
    return file.ok() ? *std::move(file) : nullptr;
  }
  std::string path() const { return folder_ + "/usage"; }
  static ByteView View(const LineFile& file) {
    return ByteView(file.secret().data(), file.secret().size());
  }

  std::string folder_;
  LineFile::Secret fresh_;
  std::string note_;
};

TEST_F(LineFileTest, CountsOutliveTheProcess) {
  for (const uint32_t meters : {1024u, 4096u, 1024u}) {  // by the table's size, too
    options_.limits.meters = meters;
    const auto file = Open();
    EXPECT_EQ(note_, "");
    Usage usage(options_, View(*file));
    ASSERT_TRUE(file->Restore(usage.meters(), kNow).ok());
    const Account alice = *usage.Open(IdentityOf("alice"));
    EXPECT_FALSE(usage.Charge(alice, {.messages = 1}, kNow).has_value()) << meters;
    ASSERT_TRUE(file->Save(usage.meters()).ok());
    fresh_.fill(static_cast<char>('g' + meters % 7));  // another process would have another
  }
  const auto file = Open();
  Usage usage(options_, View(*file));
  ASSERT_TRUE(file->Restore(usage.meters(), kNow).ok());
  const Account alice = *usage.Open(IdentityOf("alice"));
  EXPECT_TRUE(usage.Find(alice, {.messages = 1}, kNow).has_value());
  struct stat info {};
  ASSERT_EQ(stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(LineFileTest, WhatIsNoLineFileIsSetAside) {
  for (const std::string& content : {std::string(), std::string("x"), std::string(8192, 'x')}) {
    std::ofstream(path()) << content;
    const auto file = Open();
    ASSERT_NE(file, nullptr);
    EXPECT_NE(note_.find("begins anew"), std::string::npos);
    EXPECT_EQ(std::filesystem::file_size(path() + ".damaged"), content.size());
    EXPECT_EQ(View(*file), ByteView(fresh_.data(), fresh_.size()));
  }
}

// Cut or overwritten lines cost counts and nothing else.
TEST_F(LineFileTest, DamagedLinesAreSkipped) {
  {
    const auto file = Open();
    Usage usage(options_, View(*file));
    ASSERT_TRUE(file->Restore(usage.meters(), kNow).ok());
    ASSERT_TRUE(file->Save(usage.meters()).ok());
  }
  std::ofstream(path(), std::ios::app) << std::string(1000, '\xff') << std::string(1000, '\x02');
  const auto file = Open();
  Usage usage(options_, View(*file));
  ASSERT_TRUE(file->Restore(usage.meters(), kNow).ok());
  const Account alice = *usage.Open(IdentityOf("alice"));
  EXPECT_FALSE(usage.Charge(alice, {.messages = 1}, kNow).has_value());
}

TEST_F(LineFileTest, ALinkIsNotFollowed) {
  std::ofstream(folder_ + "/other") << "precious";
  ASSERT_EQ(symlink("other", path().c_str()), 0);
  EXPECT_FALSE(LineFile::Open(path(), "SluiceUs", fresh_, note_).ok());
}

}  // namespace
}  // namespace sluice::server
