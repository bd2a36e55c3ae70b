#include "core/base/network.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(NetworkTest, ContainsItsAddresses) {
  const struct {
    const char* network;
    const char* address;
    bool in;
  } kCases[] = {
      {"192.0.2.0/24", "192.0.2.255:1", true},
      {"192.0.2.0/24", "192.0.3.0:1", false},
      {"192.0.2.7", "192.0.2.7:9", true},
      {"192.0.2.7", "192.0.2.6:9", false},
      {"192.0.2.128/25", "192.0.2.127:1", false},
      {"192.0.2.128/25", "192.0.2.128:1", true},
      {"0.0.0.0/0", "203.0.113.9:1", true},
      {"0.0.0.0/0", "[2001:db8::1]:1", false},
      {"2001:db8::/32", "[2001:db8:ffff::1]:1", true},
      {"2001:db8::/32", "[2001:db9::1]:1", false},
      {"::/0", "[2001:db8::1]:1", true},
      {"::/0", "192.0.2.1:1", false},
      {"192.0.2.0/24", "[::ffff:192.0.2.9]:1", true},  // IPv4 on an IPv6 socket
      {"2001:db8::1", "[2001:db8::1]:1", true},
      {"2001:db8::1/127", "[2001:db8::]:1", false},
  };
  for (const auto& test : kCases) {
    const auto network = Network::Parse(test.network);
    if (std::string(test.network) == "2001:db8::1/127") {
      EXPECT_FALSE(network.has_value()) << "bits beyond the prefix";
      continue;
    }
    ASSERT_TRUE(network.has_value()) << test.network;
    EXPECT_EQ(network->Contains(*SockAddr::Parse(test.address)), test.in)
        << test.network << " " << test.address;
    EXPECT_EQ(Network::Parse(network->ToString()), network) << test.network;
  }
  EXPECT_FALSE(Network().Contains(*SockAddr::Parse("192.0.2.1:1")));
  EXPECT_FALSE(Network::Parse("0.0.0.0/0")->Contains(SockAddr()))
      << "an unknown address is nowhere";
}

TEST(NetworkTest, RefusesWhatIsNone) {
  for (const char* text :
       {"", "/", "192.0.2.0/", "192.0.2.0/33", "192.0.2.1/24", "192.0.2.0/-1", "192.0.2.0/24 ",
        "192.0.2/24", "2001:db8::/129", "2001:db8::1/64", "example.net", "192.0.2.0/2a"}) {
    EXPECT_FALSE(Network::Parse(text).has_value()) << text;
  }
}

TEST(NetworkTest, OfAnAddress) {
  EXPECT_EQ(Network::Of(*SockAddr::Parse("192.0.2.77:1"), 24, 64).ToString(), "192.0.2.0/24");
  EXPECT_EQ(Network::Of(*SockAddr::Parse("[2001:db8:1:2:3:4:5:6]:1"), 32, 64).ToString(),
            "2001:db8:1:2::/64");
  EXPECT_EQ(Network::Of(*SockAddr::Parse("[::ffff:192.0.2.77]:1"), 32, 64).ToString(),
            "192.0.2.77");
}

TEST(NetworkTest, OneIsInAnother) {
  const auto in = [](const char* inner, const char* outer) {
    return Network::Parse(inner)->IsIn(*Network::Parse(outer));
  };
  EXPECT_TRUE(in("10.1.0.0/16", "10.0.0.0/8"));
  EXPECT_TRUE(in("10.0.0.0/8", "10.0.0.0/8"));
  EXPECT_TRUE(in("10.1.2.3", "0.0.0.0/0"));
  EXPECT_FALSE(in("10.0.0.0/7", "10.0.0.0/8"));
  EXPECT_FALSE(in("11.0.0.0/16", "10.0.0.0/8"));
  EXPECT_TRUE(in("fd00::/8", "fc00::/7"));
  EXPECT_FALSE(in("::/0", "0.0.0.0/0"));
  EXPECT_FALSE(in("10.0.0.0/8", "::/0"));
  EXPECT_FALSE(Network().IsIn(*Network::Parse("0.0.0.0/0")));
}

}  // namespace
}  // namespace sluice
