#include "core/server/local_domains.h"

#include <gtest/gtest.h>

#include <string>

#include "core/smtp/address.h"

namespace sluice::server {
namespace {

using Added = LocalDomains::Added;

LocalDomains Domains() {
  LocalDomains domains;
  EXPECT_EQ(domains.Add("Example.org", 0), Added::kOk);
  EXPECT_EQ(domains.Add(".sub.example.org", 1), Added::kOk);
  EXPECT_EQ(domains.Add("deep.sub.example.org", 2), Added::kOk);
  EXPECT_EQ(domains.Add("xn--bcher-kva.example", 3), Added::kOk);
  EXPECT_EQ(domains.Add("[192.0.2.1]", 4), Added::kOk);
  EXPECT_EQ(domains.Add("[IPv6:2001:DB8:0::1]", 5), Added::kOk);
  return domains;
}

TEST(LocalDomainsTest, WholeDomainsAndSubdomains) {
  struct Case {
    const char* address;
    int place;  // -1: not local
  };
  constexpr Case kCases[] = {
      {"a@example.org", 0},
      {"A@EXAMPLE.ORG", 0},
      {"\"a b\"@example.org", 0},
      {"a@www.example.org", -1},
      {"a@notexample.org", -1},
      {"a@example.org.evil.example", -1},
      {"a@org", -1},
      {"a@sub.example.org", -1},
      {"a@x.sub.example.org", 1},
      {"a@x.y.SUB.example.org", 1},
      {"a@xsub.example.org", -1},
      {"a@deep.sub.example.org", 2},
      {"a@x.deep.sub.example.org", 1},
      {"a@XN--BCHER-KVA.example", 3},
      {"a@bcher.example", -1},
      {"a@[192.0.2.1]", 4},
      {"a@[192.0.2.2]", -1},
      {"a@[IPv6:2001:db8::1]", 5},
      {"a@[ipv6:2001:db8:0:0:0:0:0:1]", 5},
      {"a@[IPv6:2001:db8::2]", -1},
      {"\"x@example.org\"@other.example", -1},
      {"\"x@other.example\"@example.org", 0},
      {"postmaster", 0},  // RFC 5321 4.5.1
      {"PostMaster", 0},
  };
  const LocalDomains domains = Domains();
  for (const Case& test : kCases) {
    const std::string path = std::string("<") + test.address + ">";
    ByteView text = path;
    smtp::Mailbox mailbox;
    // But for the one label, all of them get as far as here.
    if (std::string(test.address) != "a@org") {
      EXPECT_EQ(smtp::ParseForwardPath(text, mailbox), smtp::AddressError::kNone) << test.address;
    }
    const auto place = domains.Find(test.address);
    EXPECT_EQ(place.has_value() ? static_cast<int>(*place) : -1, test.place) << test.address;
  }
}

TEST(LocalDomainsTest, NoneIsNobodys) {
  const LocalDomains none;
  EXPECT_TRUE(none.empty());
  EXPECT_FALSE(none.Find("a@example.org").has_value());
  EXPECT_FALSE(none.Find("postmaster").has_value());
  EXPECT_FALSE(none.TakesFromAnybody("postmaster"));
}

// Any other octet at any place of the domain is another domain: but for letter case.
TEST(LocalDomainsTest, EveryOctetCounts) {
  LocalDomains domains;
  ASSERT_EQ(domains.Add("example.org", 7), Added::kOk);
  ASSERT_EQ(domains.Add(".example.net", 8), Added::kOk);
  const std::string local = "x@";
  for (const auto& [domain, place] :
       {std::pair("example.org", 7u), std::pair("a.example.net", 8u)}) {
    const std::string good = domain;
    const size_t fixed = place == 8 ? 1 : 0;  // what a subdomain is called does not matter
    for (size_t i = fixed; i < good.size(); i++) {
      for (int octet = 0; octet < 256; octet++) {
        std::string other = good;
        other[i] = static_cast<char>(octet);
        const bool same = AsciiLower(other[i]) == good[i];
        EXPECT_EQ(domains.Find(local + other) == place, same) << other << " at " << i;
      }
    }
    for (size_t cut = fixed; cut < good.size(); cut++) {
      EXPECT_NE(domains.Find(local + good.substr(0, cut)), place) << cut;
      const bool tail_too = place == 7 && cut > 0;
      EXPECT_FALSE(tail_too && domains.Find(local + good.substr(cut)) == place) << cut;
    }
    EXPECT_FALSE(domains.Find(local + good + ".").has_value());
    EXPECT_FALSE(domains.Find(local + good + " ").has_value());
    EXPECT_FALSE(domains.Find(local + good + std::string(1, '\0')).has_value());
  }
  EXPECT_FALSE(domains.Find(local + std::string(300, 'a') + ".example.net").has_value());
}

TEST(LocalDomainsTest, ALocalPartThatIsARouteIsNotForAnybody) {
  const LocalDomains domains = Domains();
  for (const char* address : {"a@example.org", "a.b+c=d/e@example.org", "\"a b\"@example.org",
                              "postmaster", "a@x.sub.example.org", "a@[192.0.2.1]"}) {
    EXPECT_TRUE(domains.TakesFromAnybody(address)) << address;
  }
  for (const char* address :
       {"a%other.example@example.org", "other.example!a@example.org",
        "\"a@other.example\"@example.org", "\"a\\@other.example\"@example.org",
        "\"a%other.example\"@example.org", "\"@one,@two:a\"@example.org", "a@other.example",
        "a%example.org@other.example", "example.org!a@other.example",
        "\"a@example.org\"@other.example", "a@[192.0.2.9]"}) {
    EXPECT_FALSE(domains.TakesFromAnybody(address)) << address;
  }
  // A route in the path itself is dropped, and its mailbox counts.
  ByteView text = "<@example.org,@example.org:a@other.example>";
  smtp::Mailbox mailbox;
  ASSERT_EQ(smtp::ParseForwardPath(text, mailbox), smtp::AddressError::kNone);
  EXPECT_FALSE(domains.TakesFromAnybody(mailbox.address));
}

TEST(LocalDomainsTest, AnInternationalisedDomainIsItsALabels) {
  LocalDomains domains;
  EXPECT_EQ(domains.Add("b\u00fccher.example", 1), Added::kOk);
  EXPECT_EQ(domains.Add("XN--BCHER-KVA.example", 2), Added::kTaken);
  EXPECT_EQ(domains.Add(".b\u00fccher.example", 3), Added::kOk);
  EXPECT_EQ(domains.Find("a@xn--bcher-kva.example"), 1u);
  EXPECT_EQ(domains.Find("a@sub.xn--bcher-kva.example"), 3u);
}

TEST(LocalDomainsTest, WhatIsNoDomainIsTold) {
  LocalDomains domains;
  for (const char* bad :
       {"", ".", "..", "org", ".org", "example.org.", "exa mple.org", "a@example.org", "-a.example",
        "*.example.org", "192.0.2.1", "[192.0.2.300]", "[example.org]", ".[192.0.2.1]",
        "example..org", "b\xfc.example"}) {
    EXPECT_EQ(domains.Add(bad, 0), Added::kNoDomain) << bad;
  }
  EXPECT_TRUE(domains.empty());
  EXPECT_EQ(domains.Add("example.org", 0), Added::kOk);
  EXPECT_EQ(domains.Add("EXAMPLE.org", 1), Added::kTaken);
  EXPECT_EQ(domains.Add(".example.org", 1), Added::kOk);
  EXPECT_EQ(domains.Add("[ipv6:2001:db8::1]", 1), Added::kOk);
  EXPECT_EQ(domains.Add("[IPv6:2001:db8:0::1]", 1), Added::kTaken);
}

}  // namespace
}  // namespace sluice::server
