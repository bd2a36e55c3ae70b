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
      {"gr\u00fcn@example.net", "gr\u00fcn@example.net"},
      {"GR\u00dcN@example.net", "gr\u00fcn@example.net"},   // case
      {"gru\u0308n@example.net", "gr\u00fcn@example.net"},  // u and a combining diaeresis
      {"\"gr\u00dcn\"@example.net", "gr\u00fcn@example.net"},
      {"wei\u00df@example.net", "wei\u00df@example.net"},  // not weiss@, who may be another
      {"\ufb01n@example.net", "\ufb01n@example.net"},      // nor do a ligature,
      {"\u017f@example.net", "\u017f@example.net"},        // a long s
      {"\u0131\u0130@example.net",
       "\u0131\u0130@example.net"},  // and the i's of Turkish become ASCII
      {"gru\u0308n+a@example.net", "gr\u00fcn+a@example.net"},
      {"\u03a3\u03af\u03c2@example.net", "\u03c3\u03af\u03c3@example.net"},  // final sigma
      {"\u05d0\u05d11@example.net", "\u05d0\u05d11@example.net"},            // ends left to right
      {"\u7528\u6237@\u4f8b\u5b50.example", "\u7528\u6237@xn--fsqu00a.example"},
      {"a@b\u00fccher.example", "a@xn--bcher-kva.example"},
      {"a@BU\u0308CHER.example", "a@xn--bcher-kva.example"},
      {"a@XN--BCHER-kva.example", "a@xn--bcher-kva.example"},
      {"a@b\u00fccher\u3002example", "a@xn--bcher-kva.example"},  // an ideographic full stop
      {"a@stra\u00dfe.example", "a@xn--strae-oqa.example"},       // IDNA2008: no double s
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
      {"gr\xfcn@example.net", nullptr},  // Latin-1
      {"a@b\xfc.example", nullptr},
      {"a\u0085b@example.net", nullptr},      // a control character
      {"a@\u2603.example", nullptr},          // a snowman is no letter
      {"a@b\u00fc\uff20c.example", nullptr},  // a wide '@'
      {std::string(300, 'a') + "\u00fc@b", nullptr},
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
      {"gr\u00fcn@example.net", "gr\u00fcn@example.net"},
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

TEST(SenderPolicyTest, InternationalisedAddressesAreOneHoweverTheyAreWritten) {
  const SenderPolicy own("jos\u00e9@b\u00fccher.example", CredentialRecord(), '+');
  EXPECT_TRUE(own.Allows("JOSE\u0301@xn--bcher-kva.example"));
  EXPECT_TRUE(own.Allows("jos\u00c9+lists@B\u00dcCHER.example"));
  EXPECT_FALSE(own.Allows("jose@b\u00fccher.example"));
  EXPECT_FALSE(own.Allows("jos\u00e9@bucher.example"));
  EXPECT_FALSE(own.Allows("jos\xe9@b\u00fccher.example"));
  CredentialRecord sharp;
  sharp.addresses = {*CanonicalAddress("wei\u00df@example.net")};
  EXPECT_FALSE(SenderPolicy("x", sharp).Allows("weiss@example.net"));
  EXPECT_FALSE(CanonicalAddress("a@" + std::string(600, 'a') + "\u00fc").has_value());
  CredentialRecord record;
  record.domains = {*CanonicalDomain("b\u00fccher.example")};
  EXPECT_TRUE(SenderPolicy("alice", record).Allows("a@xn--bcher-kva.example"));
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
