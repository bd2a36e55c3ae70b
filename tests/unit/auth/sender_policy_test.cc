#include "auth/sender_policy.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::auth {
namespace {

TEST(CanonicalAddressTest, OneFormForOneMailbox) {
  const struct {
    std::string address;
    const char* canonical;  // nullptr: no mailbox
  } kCases[] = {
      {"alice@example.net", "alice@example.net"},
      {"Alice@Example.NET", "alice@example.net"},
      {"\"Alice\"@example.net", "alice@example.net"},
      {"\"a\\lice\"@example.net", "alice@example.net"},
      {"\"a b\"@example.net", "a b@example.net"},
      {"\"a\\\"b\"@example.net", "a\"b@example.net"},
      {"\"a@b\"@example.net", "a@b@example.net"},
      {"a+tag@example.net", "a+tag@example.net"},
      {"gr\xc3\xbc\xc3\x9f@example.net", "gr\xc3\xbc\xc3\x9f@example.net"},
      {"a@[192.0.2.1]", "a@[192.0.2.1]"},
      {"a@[IPv6:2001:DB8:0:0::1]", "a@[ipv6:2001:db8::1]"},
      {"a@[ipv6:2001:db8::1]", "a@[ipv6:2001:db8::1]"},
      {"", nullptr},
      {"alice", nullptr},
      {"@example.net", nullptr},
      {"\"\"@example.net", nullptr},
      {"alice@", nullptr},
      {"alice@a@b", nullptr},
      {"al ice@example.net", nullptr},
      {"\"alice@example.net", nullptr},
      {"\"alice\"x@example.net", nullptr},
      {"\"alice\\", nullptr},
      {"\"alice\"", nullptr},
      {"a@[192.0.2.256]", nullptr},
      {"a@[192.0.2.1", nullptr},
      {"a@[", nullptr},
      {"a@[]", nullptr},
      {"a@[2001:db8::1]", nullptr},
      {"a@[IPv6:]", nullptr},
      {"a@[IPv6:192.0.2.1]", nullptr},
      {"a@[x-tag:b@example.net]", nullptr},
      {"<a@example.net>", nullptr},
      {std::string("a\0@example.net", 14), nullptr},
      {std::string("a@[192.0.2.1\0]", 14), nullptr},
      {std::string(600, 'a') + "@example.net", nullptr},
      {"a@" + std::string(600, 'a'), nullptr},
  };
  for (const auto& test : kCases) {
    const std::optional<std::string> canonical = CanonicalAddress(test.address);
    ASSERT_EQ(canonical.has_value(), test.canonical != nullptr) << test.address;
    if (canonical.has_value()) {
      EXPECT_EQ(*canonical, test.canonical);
    }
  }
  EXPECT_EQ(CanonicalDomain("Example.NET"), "example.net");
  EXPECT_EQ(CanonicalDomain("[192.0.2.1]"), "[192.0.2.1]");
  EXPECT_FALSE(CanonicalDomain("").has_value());
  EXPECT_FALSE(CanonicalDomain("a@b").has_value());
}

TEST(PrintAddressTest, ItIsReadAsTheSame) {
  const struct {
    const char* canonical;
    const char* printed;
  } kCases[] = {
      {"alice@example.net", "alice@example.net"},
      {"a.b+c@example.net", "a.b+c@example.net"},
      {"a b@example.net", "\"a b\"@example.net"},
      {"a@b@example.net", "\"a@b\"@example.net"},
      {"a\"b@example.net", "\"a\\\"b\"@example.net"},
      {"a\\b@example.net", "\"a\\\\b\"@example.net"},
      {"\"a\"@example.net", "\"\\\"a\\\"\"@example.net"},
      {".a@example.net", "\".a\"@example.net"},
      {"a.@example.net", "\"a.\"@example.net"},
      {"a..b@example.net", "\"a..b\"@example.net"},
      {"a@[192.0.2.1]", "a@[192.0.2.1]"},
      {"a b@[ipv6:2001:db8::1]", "\"a b\"@[ipv6:2001:db8::1]"},
      {"gr\xc3\xbc\xc3\x9f@example.net", "gr\xc3\xbc\xc3\x9f@example.net"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(PrintAddress(test.canonical), test.printed);
    EXPECT_EQ(CanonicalAddress(test.printed), test.canonical) << test.printed;
  }
}

TEST(SenderPolicyTest, WithoutGrantsItIsTheLoginAlone) {
  const SenderPolicy policy("alice@example.net", CredentialRecord());
  EXPECT_TRUE(policy.Allows("alice@example.net"));
  EXPECT_TRUE(policy.Allows("ALICE@EXAMPLE.net"));
  EXPECT_TRUE(policy.Allows("\"alice\"@example.net"));
  EXPECT_TRUE(policy.Allows(""));
  EXPECT_FALSE(policy.Allows("bob@example.net"));
  EXPECT_FALSE(policy.Allows("alice@example.org"));
  EXPECT_FALSE(policy.Allows("alice@sub.example.net"));
  EXPECT_FALSE(policy.Allows("alice"));
  EXPECT_FALSE(policy.Allows("xalice@example.net"));
  EXPECT_FALSE(policy.Allows("alice@example.netx"));
}

TEST(SenderPolicyTest, ALoginThatIsNoAddressHasNone) {
  const SenderPolicy policy("alice", CredentialRecord());
  EXPECT_FALSE(policy.Allows("alice"));
  EXPECT_FALSE(policy.Allows("alice@example.net"));
  EXPECT_TRUE(policy.Allows(""));
}

TEST(SenderPolicyTest, GrantsReplaceTheLoginsOwnAddress) {
  CredentialRecord record;
  record.addresses = {"sales@example.net", "a@[ipv6:2001:db8::1]"};
  record.domains = {"example.org", "[192.0.2.1]"};
  const SenderPolicy policy("alice@example.com", record);
  EXPECT_TRUE(policy.Allows("Sales@example.net"));
  EXPECT_TRUE(policy.Allows("a@[IPv6:2001:db8:0::1]"));
  EXPECT_TRUE(policy.Allows("anyone@Example.org"));
  EXPECT_TRUE(policy.Allows("\"x@y\"@example.org"));
  EXPECT_TRUE(policy.Allows("a@[192.0.2.1]"));
  EXPECT_FALSE(policy.Allows("alice@example.com"));
  EXPECT_FALSE(policy.Allows("other@example.net"));
  EXPECT_FALSE(policy.Allows("a@sub.example.org"));
  EXPECT_FALSE(policy.Allows("a@xexample.org"));
  EXPECT_FALSE(policy.Allows("\"a@example.org\"@example.com"));
  EXPECT_FALSE(policy.Allows("@example.org"));
  EXPECT_FALSE(policy.Allows("\"\"@example.org"));
}

TEST(SenderPolicyTest, TheNullSenderCanBeForbidden) {
  CredentialRecord record;
  EXPECT_TRUE(SenderPolicy("a@b", record).Allows(""));
  record.null_sender_forbidden = true;
  EXPECT_FALSE(SenderPolicy("a@b", record).Allows(""));
  EXPECT_FALSE(SenderPolicy().Allows(""));
}

}  // namespace
}  // namespace sluice::auth
