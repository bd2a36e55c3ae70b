#include "auth/guess_guard.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace sluice::auth {
namespace {

constexpr ByteView kSecret = "0123456789abcdef0123456789abcdef";
constexpr WallTime kNow = WallTime(hours(24 * 20'000) + minutes(3));

SockAddr Address(const std::string& ip) {
  const auto address = SockAddr::ParseIp(ip);
  EXPECT_TRUE(address.has_value()) << ip;
  return address.value_or(SockAddr());
}

class GuessGuardTest : public testing::Test {
 protected:
  GuessGuardTest() { Remake(); }
  void Remake() { guard_ = std::make_unique<GuessGuard>(limits_, waiting_, kSecret); }
  std::optional<GuessBy> Refused(ByteView login, const std::string& from, WallTime now = kNow) {
    return guard_->Check(guard_->Meet(login, Address(from)), now).refused;
  }
  Duration Slower(ByteView login, const std::string& from) {
    return guard_->Check(guard_->Meet(login, Address(from)), kNow).slower;
  }
  uint32_t Fail(ByteView login, const std::string& from, int times = 1, WallTime now = kNow) {
    uint32_t reached = 0;
    for (int i = 0; i < times; i++)
      reached |= guard_->Failed(guard_->Meet(login, Address(from)), now);
    return reached;
  }
  void Succeed(ByteView login, const std::string& from, WallTime now = kNow) {
    guard_->Succeeded(guard_->Meet(login, Address(from)), now);
  }
  static uint32_t Bit(GuessBy by) { return 1u << static_cast<unsigned>(by); }

  GuessLimits limits_ = {.login_from_address = 10,
                         .logins_from_address = 5,
                         .login = 30,
                         .server = 0,
                         .slowest = seconds(20),
                         .counters = 4096,
                         .known_logins = 1024};
  WaitingLimits waiting_ = {.login = 2, .address = 3};
  std::unique_ptr<GuessGuard> guard_;
};

TEST_F(GuessGuardTest, ALoginFromAnAddressFirst) {
  for (int i = 0; i < 9; i++) {
    EXPECT_EQ(Fail("alice", "192.0.2.1"), 0u);
    EXPECT_EQ(Refused("alice", "192.0.2.1"), std::nullopt);
  }
  EXPECT_EQ(Fail("alice", "192.0.2.1"), Bit(GuessBy::kLoginFromAddress));
  EXPECT_EQ(Refused("alice", "192.0.2.1"), GuessBy::kLoginFromAddress);
  // Nobody else is kept out by it.
  EXPECT_EQ(Refused("alice", "192.0.2.2"), std::nullopt);
  EXPECT_EQ(Refused("bob", "192.0.2.1"), std::nullopt);
  // An hour later it is over: the meter's windows cover a sixth more at most.
  EXPECT_EQ(Refused("alice", "192.0.2.1", kNow + minutes(59)), GuessBy::kLoginFromAddress);
  EXPECT_EQ(Refused("alice", "192.0.2.1", kNow + minutes(71)), std::nullopt);
}

TEST_F(GuessGuardTest, ThenDifferentLoginsOfAnAddress) {
  // One login that fails often is one: others behind the address are let in.
  Fail("stale", "192.0.2.1", 9);
  EXPECT_EQ(Refused("bob", "192.0.2.1"), std::nullopt);
  for (const char* login : {"a", "b", "c"}) EXPECT_EQ(Fail(login, "192.0.2.1"), 0u);
  EXPECT_EQ(Fail("d", "192.0.2.1"), Bit(GuessBy::kLoginsFromAddress));
  EXPECT_EQ(Refused("bob", "192.0.2.1"), GuessBy::kLoginsFromAddress);
  EXPECT_EQ(Refused("bob", "192.0.2.2"), std::nullopt);
}

TEST_F(GuessGuardTest, IPv6IsCountedByBlocks) {
  // A host has a /64 to itself: its addresses are one ...
  for (int i = 0; i < 5; i++)
    Fail("user" + std::to_string(i), "2001:db8::" + std::to_string(i + 1));
  EXPECT_EQ(Refused("bob", "2001:db8::9999"), GuessBy::kLoginsFromAddress);
  EXPECT_EQ(Refused("bob", "2001:db8:0:1::1"), std::nullopt);
  // ... and one that has a /56 gets four times as many there, in a /48 16 times.
  for (int i = 5; i < 20; i++) {
    Fail("user" + std::to_string(i), "2001:db8:0:" + std::to_string(i) + "::1");
  }
  EXPECT_EQ(Refused("bob", "2001:db8:0:ff::1"), GuessBy::kLoginsFromBlock);
  EXPECT_EQ(Refused("bob", "2001:db8:0:100::1"), std::nullopt);
  for (int i = 20; i < 80; i++) {
    Fail("user" + std::to_string(i), "2001:db8:0:" + std::to_string(i) + "00::1");
  }
  EXPECT_EQ(Refused("bob", "2001:db8:0:ff00::1"), GuessBy::kLoginsFromLargeBlock);
  EXPECT_EQ(Refused("bob", "2001:db8:1::1"), std::nullopt);
}

TEST_F(GuessGuardTest, ThenALoginFromEverywhere) {
  for (int i = 0; i < 29; i++) EXPECT_EQ(Fail("alice", "198.51.100." + std::to_string(i)), 0u);
  EXPECT_EQ(Fail("alice", "198.51.100.200"), Bit(GuessBy::kLogin));
  EXPECT_EQ(Refused("alice", "192.0.2.1"), GuessBy::kLogin);
  EXPECT_EQ(Refused("bob", "192.0.2.1"), std::nullopt);
}

TEST_F(GuessGuardTest, WhatIsLoggedNamesWhoIsCounted) {
  const SockAddr peer = *SockAddr::ParseIp("192.0.2.7");
  EXPECT_EQ(Describe(GuessBy::kLoginFromAddress, 10, "alice@example.org", peer),
            "10 failed logins of alice@example.org from 192.0.2.7 in an hour");
  EXPECT_EQ(Describe(GuessBy::kLogin, 10, "", peer), "10 failed logins of a login that cannot be shown in an hour");
}

TEST_F(GuessGuardTest, AndTheServer) {
  limits_.server = 50;
  Remake();
  for (int i = 0; i < 50; i++) {
    Fail("user" + std::to_string(i), "198.51.100." + std::to_string(i));
  }
  EXPECT_EQ(Refused("new", "192.0.2.1"), GuessBy::kServer);
  EXPECT_EQ(Refused("new", "192.0.2.1", kNow + seconds(71)), std::nullopt);  // of a minute
}

TEST_F(GuessGuardTest, KnownClientsAreNotLockedOutByOthers) {
  limits_.server = 50;
  Remake();
  Succeed("alice", "192.0.2.1", kNow - hours(24 * 29));
  for (int i = 0; i < 60; i++) Fail("alice", "198.51.100." + std::to_string(i));
  for (int i = 0; i < 20; i++) Fail("user" + std::to_string(i), "192.0.2.1");
  EXPECT_EQ(Refused("alice", "192.0.2.1"), std::nullopt);
  EXPECT_EQ(Refused("alice", "192.0.2.77"), std::nullopt);  // of its network
  EXPECT_TRUE(Refused("alice", "192.0.3.1").has_value());
  EXPECT_TRUE(Refused("bob", "192.0.2.1").has_value());
  // What is guessed of that login from there counts, though more of it is let by.
  Fail("alice", "192.0.2.1", 49);
  EXPECT_EQ(Refused("alice", "192.0.2.1"), std::nullopt);
  EXPECT_EQ(Fail("alice", "192.0.2.1"), Bit(GuessBy::kLoginFromAddress));
  EXPECT_EQ(Refused("alice", "192.0.2.1"), GuessBy::kLoginFromAddress);
}

TEST_F(GuessGuardTest, AnswersComeLaterAndLater) {
  Fail("alice", "192.0.2.1", 5);
  EXPECT_EQ(Slower("alice", "192.0.2.1"), Duration(0));
  Duration before{};
  for (int i = 6; i < 10; i++) {
    Fail("alice", "192.0.2.1");
    const Duration slower = Slower("alice", "192.0.2.1");
    EXPECT_GT(slower, before) << i;
    before = slower;
  }
  EXPECT_EQ(before, seconds(16));
  Fail("alice", "192.0.2.1", 100);
  EXPECT_EQ(Slower("alice", "192.0.2.1"), seconds(20));
  EXPECT_EQ(Slower("bob", "192.0.2.3"), Duration(0));
}

TEST_F(GuessGuardTest, NoLimitIsNoLimit) {
  limits_ = {.login_from_address = 0,
             .logins_from_address = 0,
             .login = 0,
             .counters = 1024,
             .known_logins = 1024};
  Remake();
  for (int i = 0; i < 500; i++) EXPECT_EQ(Fail("alice", "192.0.2.1"), 0u);
  EXPECT_EQ(Refused("alice", "192.0.2.1"), std::nullopt);
  EXPECT_EQ(Slower("alice", "192.0.2.1"), Duration(0));
}

TEST_F(GuessGuardTest, AnOperatorForgets) {
  Fail("alice", "192.0.2.1", 12);
  const GuessGuard::Visitor alice = guard_->Meet("alice", Address("192.0.2.1"));
  const GuessGuard::Count count = guard_->Get(alice, GuessBy::kLoginFromAddress, kNow);
  EXPECT_EQ(count.failed, 12u);
  EXPECT_EQ(count.limit, 10u);
  EXPECT_GT(count.until, kNow + minutes(59));
  EXPECT_LE(count.until, kNow + minutes(70));
  EXPECT_EQ(Refused("alice", "192.0.2.1", count.until), std::nullopt);
  guard_->Clear(alice, GuessBy::kLoginFromAddress);
  EXPECT_EQ(Refused("alice", "192.0.2.1"), std::nullopt);
  EXPECT_EQ(guard_->Get(alice, GuessBy::kLoginFromAddress, kNow).until, kNow);
  Fail("alice", "192.0.2.1", 30);
  guard_->ClearAll();
  EXPECT_EQ(Refused("alice", "192.0.2.1"), std::nullopt);
}

// Whatever is tried, the table has its size; who is tried most is not forgotten by a few others.
TEST_F(GuessGuardTest, MemoryIsBounded) {
  limits_.logins_from_address = 0;
  limits_.counters = 1024;
  Remake();
  for (int i = 0; i < 20'000; i++) {
    Fail("user" + std::to_string(i),
         "10.0." + std::to_string(i % 256) + "." + std::to_string(i / 256));
  }
  Fail("alice", "192.0.2.1", 10);
  EXPECT_EQ(Refused("alice", "192.0.2.1"), GuessBy::kLoginFromAddress);
}

TEST_F(GuessGuardTest, PlacesAtTheVerifiers) {
  const GuessGuard::Visitor alice = guard_->Meet("alice", Address("192.0.2.1"));
  const GuessGuard::Visitor bob = guard_->Meet("bob", Address("192.0.2.1"));
  std::optional<GuessGuard::Place> first = guard_->Enter(alice);
  const std::optional<GuessGuard::Place> second = guard_->Enter(alice);
  ASSERT_TRUE(first.has_value());
  ASSERT_TRUE(second.has_value());
  EXPECT_FALSE(guard_->Enter(alice).has_value());  // of the login
  {
    const std::optional<GuessGuard::Place> third = guard_->Enter(bob);
    EXPECT_TRUE(third.has_value());
    EXPECT_FALSE(guard_->Enter(bob).has_value());  // of the address
    EXPECT_TRUE(guard_->Enter(guard_->Meet("alice2", Address("192.0.2.2"))).has_value());
  }
  EXPECT_TRUE(guard_->Enter(bob).has_value());  // they were given back
  GuessGuard::Place moved = std::move(*first);
  first.reset();
  EXPECT_FALSE(guard_->Enter(alice).has_value());
  moved.Leave();
  moved.Leave();  // once is enough
  EXPECT_TRUE(guard_->Enter(alice).has_value());
  // GSSAPI: nobody knows yet who it is.
  EXPECT_TRUE(guard_->Enter(guard_->Meet("", Address("192.0.2.9"))).has_value());
}

// Threads guess at once: nothing is lost of what decides.
TEST_F(GuessGuardTest, ThreadsCountTogether) {
  limits_ = {.login_from_address = 4000,
             .logins_from_address = 0,
             .login = 0,
             .counters = 4096,
             .known_logins = 1024};
  Remake();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 1000; i++) {
        Fail("alice", "192.0.2.1");
        Succeed("user" + std::to_string(i), "192.0." + std::to_string(t) + ".1");
        const std::optional<GuessGuard::Place> place =
            guard_->Enter(guard_->Meet("alice", Address("192.0.2.1")));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Refused("alice", "192.0.2.1"), GuessBy::kLoginFromAddress);
  const GuessGuard::Visitor alice = guard_->Meet("alice", Address("192.0.2.1"));
  EXPECT_EQ(guard_->Get(alice, GuessBy::kLoginFromAddress, kNow).failed, 4000u);
  EXPECT_TRUE(guard_->Enter(alice).has_value());
}

class KnownClientsTest : public testing::Test {
 protected:
  static constexpr uint64_t Network(uint64_t i) { return (i + 1) << 24; }
  KnownClients known_{kSecret, 1024};
  const uint64_t login_ = known_.NameKey('l', "alice");
};

TEST_F(KnownClientsTest, TheLastSevenNetworksForAMonth) {
  for (uint64_t i = 0; i < 7; i++) known_.Learn(login_, Network(i), kNow + hours(24 * i));
  const WallTime later = kNow + hours(24 * 7);
  for (uint64_t i = 0; i < 7; i++) EXPECT_TRUE(known_.Knows(login_, Network(i), later)) << i;
  EXPECT_FALSE(known_.Knows(login_, Network(7), later));
  EXPECT_FALSE(known_.Knows(known_.NameKey('l', "bob"), Network(0), later));
  known_.Learn(login_, Network(0), later);  // seen again: the second is the oldest now
  known_.Learn(login_, Network(7), later);
  EXPECT_TRUE(known_.Knows(login_, Network(0), later));
  EXPECT_FALSE(known_.Knows(login_, Network(1), later));
  EXPECT_TRUE(known_.Knows(login_, Network(7), later));
  EXPECT_TRUE(known_.Knows(login_, Network(7), later + hours(24 * 30)));
  EXPECT_FALSE(known_.Knows(login_, Network(7), later + hours(24 * 31)));
  known_.Forget(login_);
  EXPECT_FALSE(known_.Knows(login_, Network(7), later));
}

TEST_F(KnownClientsTest, OutlivesTheProcess) {
  known_.Learn(login_, Network(1), kNow);
  std::vector<SavedLine> saved;
  const auto save = [&](uint32_t, const SavedLine(&lines)[LineTable::kSaveLines]) {
    saved.insert(saved.end(), std::begin(lines), std::end(lines));
  };
  known_.SaveChanged(save);
  EXPECT_EQ(saved.size(), LineTable::kSaveLines);
  known_.Learn(login_, Network(1), kNow + hours(1));  // the same day: nothing changes
  saved.clear();
  known_.SaveChanged(save);
  EXPECT_TRUE(saved.empty());

  known_.Learn(login_, Network(1), kNow + hours(24));
  known_.SaveChanged(save);
  KnownClients next(kSecret, 4096);
  for (const SavedLine& line : saved) next.Restore(line, kNow + hours(24));
  EXPECT_TRUE(next.Knows(login_, Network(1), kNow + hours(24)));
  KnownClients too_late(kSecret, 1024);
  for (const SavedLine& line : saved) too_late.Restore(line, kNow + hours(24 * 40));
  EXPECT_FALSE(too_late.Knows(login_, Network(1), kNow + hours(24)));
}

// A full table forgets some login for a new one, and stays of use.
TEST_F(KnownClientsTest, AFullTableTakesNewOnes) {
  for (int i = 0; i < 5000; i++) {
    const uint64_t login = known_.NameKey('l', std::to_string(i));
    known_.Learn(login, Network(1), kNow);
    EXPECT_TRUE(known_.Knows(login, Network(1), kNow)) << i;
  }
  EXPECT_EQ(known_.lost(), 0u);
}

}  // namespace
}  // namespace sluice::auth
