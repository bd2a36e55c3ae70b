#include "tools/load/sources.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::load {
namespace {

std::vector<std::string> First(const std::vector<const char*>& texts, sa_family_t family,
                               int count) {
  Sources sources;
  for (const char* text : texts) EXPECT_TRUE(sources.Add(text).ok()) << text;
  std::vector<std::string> list;
  for (int i = 0; i < count; i++) list.push_back(sources.At(family, static_cast<uint64_t>(i)).ip());
  return list;
}

using Ips = std::vector<std::string>;

TEST(SourcesTest, AddressesTakeTurns) {
  EXPECT_EQ(First({"127.0.0.2"}, AF_INET, 2), (Ips{"127.0.0.2", "127.0.0.2"}));
  EXPECT_EQ(First({"127.0.0.254-127.0.1.1"}, AF_INET, 5),
            (Ips{"127.0.0.254", "127.0.0.255", "127.0.1.0", "127.0.1.1", "127.0.0.254"}));
  EXPECT_EQ(First({"192.0.2.7/30"}, AF_INET, 5),
            (Ips{"192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7", "192.0.2.4"}));
  EXPECT_EQ(First({"127.0.0.2", "127.0.0.9"}, AF_INET, 3),
            (Ips{"127.0.0.2", "127.0.0.9", "127.0.0.2"}));
  EXPECT_EQ(First({"2001:db8::ffff/64"}, AF_INET6, 2), (Ips{"2001:db8::", "2001:db8::1"}));
  EXPECT_EQ(First({"2001:db8::ffff-2001:db8::1:0"}, AF_INET6, 3),
            (Ips{"2001:db8::ffff", "2001:db8::1:0", "2001:db8::ffff"}));
}

TEST(SourcesTest, FamiliesAreApart) {
  EXPECT_EQ(First({"::1", "127.0.0.2"}, AF_INET, 1), (Ips{"127.0.0.2"}));
  EXPECT_EQ(First({"::1", "127.0.0.2"}, AF_INET6, 1), (Ips{"::1"}));
  Sources sources;
  EXPECT_TRUE(sources.empty());
  ASSERT_TRUE(sources.Add("::1").ok());
  EXPECT_TRUE(sources.Has(AF_INET6));
  EXPECT_FALSE(sources.Has(AF_INET));
}

TEST(SourcesTest, HugeRangesAreCounted) {
  Sources sources;
  ASSERT_TRUE(sources.Add("::/0").ok());
  ASSERT_TRUE(sources.Add("0.0.0.0/0").ok());
  ASSERT_TRUE(sources.Add("10.0.0.0/8").ok());
  EXPECT_EQ(sources.count(AF_INET6), uint64_t{1} << 32);
  EXPECT_EQ(sources.count(AF_INET), (uint64_t{1} << 32) + (1 << 24));
  EXPECT_EQ(sources.At(AF_INET, (uint64_t{1} << 32) + 1).ip(), "10.0.0.1");
}

TEST(SourcesTest, OthersAreRefused) {
  for (const char* text :
       {"", "localhost", "127.0.0.1-", "127.0.0.2-127.0.0.1", "127.0.0.1-::1", "127.0.0.1/33",
        "127.0.0.1/-1", "127.0.0.1/", "::1/129", "127.0.0.1/8x", "127.0.0.1:25"}) {
    Sources sources;
    const absl::Status status = sources.Add(text);
    EXPECT_FALSE(status.ok()) << text;
    EXPECT_NE(status.message().find("is no source: "), std::string::npos);
  }
}

}  // namespace
}  // namespace sluice::load
