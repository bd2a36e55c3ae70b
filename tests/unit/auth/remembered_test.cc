#include "auth/remembered.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::auth {
namespace {

const std::string kKey(32, 'k');
constexpr MonoTime kNow{std::chrono::hours(1)};

RememberedLogins::Options Small(uint32_t entries) {
  return {.entries = entries, .keep = seconds(60)};
}

TEST(RememberedTest, KnowsWhatWasProvedAndNothingElse) {
  RememberedLogins logins(kKey, Small(64));
  const auto ticket = logins.MakeTicket("alice", "secret");
  EXPECT_FALSE(logins.Knows(ticket, 1, kNow));
  logins.Remember(ticket, 1, kNow);
  EXPECT_TRUE(logins.Knows(logins.MakeTicket("alice", "secret"), 1, kNow));
  EXPECT_FALSE(logins.Knows(logins.MakeTicket("alice", "Secret"), 1, kNow));
  EXPECT_FALSE(logins.Knows(logins.MakeTicket("alic", "esecret"), 1, kNow));
  EXPECT_FALSE(logins.Knows(logins.MakeTicket("alices", "ecret"), 1, kNow));
  EXPECT_FALSE(logins.Knows(logins.MakeTicket("bob", "secret"), 1, kNow));
  EXPECT_FALSE(logins.Knows(logins.MakeTicket("", ""), 0, kNow)) << "a free entry is nobody's";
}

TEST(RememberedTest, IsBoundToTheRecordsVersion) {
  RememberedLogins logins(kKey, Small(64));
  const auto ticket = logins.MakeTicket("alice", "secret");
  logins.Remember(ticket, 7, kNow);
  EXPECT_TRUE(logins.Knows(ticket, 7, kNow));
  EXPECT_FALSE(logins.Knows(ticket, 8, kNow));
  EXPECT_FALSE(logins.Knows(ticket, 6, kNow));
}

TEST(RememberedTest, EndsAfterItsTimeWhateverItsUse) {
  RememberedLogins logins(kKey, Small(64));
  const auto ticket = logins.MakeTicket("alice", "secret");
  logins.Remember(ticket, 1, kNow);
  for (int s = 0; s < 60; s++) EXPECT_TRUE(logins.Knows(ticket, 1, kNow + seconds(s))) << s;
  EXPECT_FALSE(logins.Knows(ticket, 1, kNow + seconds(60)));
  logins.Remember(ticket, 1, kNow + seconds(60));
  EXPECT_TRUE(logins.Knows(ticket, 1, kNow + seconds(100)));
}

TEST(RememberedTest, KeepZeroRemembersNothing) {
  RememberedLogins logins(kKey, {.entries = 64, .keep = Duration(0)});
  const auto ticket = logins.MakeTicket("alice", "secret");
  logins.Remember(ticket, 1, kNow);
  EXPECT_FALSE(logins.Knows(ticket, 1, kNow));
}

TEST(RememberedTest, AnotherKeyKnowsNothing) {
  RememberedLogins ours(kKey, Small(4));
  RememberedLogins theirs(std::string(32, 'x'), Small(4));
  EXPECT_NE(ours.MakeTicket("alice", "secret").digest, theirs.MakeTicket("alice", "secret").digest);
}

TEST(RememberedTest, ALoginHoldsAtMostItsShare) {
  RememberedLogins logins(kKey, Small(4));  // one set
  const auto bob = logins.MakeTicket("bob", "b");
  logins.Remember(bob, 1, kNow);
  for (int i = 0; i < 100; i++) {
    logins.Remember(logins.MakeTicket("alice", std::to_string(i)), 1, kNow + seconds(i / 10));
  }
  EXPECT_TRUE(logins.Knows(bob, 1, kNow + seconds(9))) << "alice may not push bob out";
  int known = 0;
  for (int i = 0; i < 100; i++) {
    known += logins.Knows(logins.MakeTicket("alice", std::to_string(i)), 1, kNow + seconds(9));
  }
  EXPECT_EQ(known, static_cast<int>(RememberedLogins::kPerLogin));
}

TEST(RememberedTest, IsBoundedAndForgetsTheOldest) {
  RememberedLogins logins(kKey, Small(4));
  EXPECT_EQ(logins.bytes(), 4u * 32);
  for (int i = 0; i < 5; i++) {
    logins.Remember(logins.MakeTicket("user" + std::to_string(i), "p"), 1, kNow + seconds(i));
  }
  const auto known = [&](int i) {
    return logins.Knows(logins.MakeTicket("user" + std::to_string(i), "p"), 1, kNow + seconds(5));
  };
  EXPECT_FALSE(known(0));
  for (int i = 1; i < 5; i++) EXPECT_TRUE(known(i)) << i;
}

TEST(RememberedTest, MostOfItsEntriesAreUsed) {
  RememberedLogins logins(kKey, Small(4096));
  for (int i = 0; i < 2048; i++) {
    logins.Remember(logins.MakeTicket("user" + std::to_string(i) + "@example.net", "p"), 1, kNow);
  }
  int known = 0;
  for (int i = 0; i < 2048; i++) {
    known +=
        logins.Knows(logins.MakeTicket("user" + std::to_string(i) + "@example.net", "p"), 1, kNow);
  }
  EXPECT_GT(known, 1900) << "of 2048 at half load";
}

TEST(RememberedTest, TheSameProofTakesOneEntry) {
  RememberedLogins logins(kKey, Small(4));
  const auto ticket = logins.MakeTicket("alice", "secret");
  for (uint64_t version = 1; version < 20; version++) logins.Remember(ticket, version, kNow);
  EXPECT_TRUE(logins.Knows(ticket, 19, kNow));
  EXPECT_FALSE(logins.Knows(ticket, 18, kNow));
}

}  // namespace
}  // namespace sluice::auth
