#include "auth/grants.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::auth {
namespace {

TEST(GrantsTest, OfNobodyAtFirst) {
  const Grants grants;
  EXPECT_TRUE(grants.empty());
  EXPECT_FALSE(grants.Has("a@example.net"));
  EXPECT_FALSE(grants.Has("*"));
}

TEST(GrantsTest, HasByTheTable) {
  Grants grants;
  grants.Add("a@example.net");
  grants.Add("local");
  grants.Add("@example.org");
  grants.Add("\"x@y\"@quoted.example");
  EXPECT_FALSE(grants.empty());
  const struct {
    const char* name;
    bool has;
  } kCases[] = {
      {"a@example.net", true},
      {"b@example.net", false},
      {"aa@example.net", false},
      {"a@example.ne", false},
      {"a@example.nett", false},
      {"@example.net", false},
      {"local", true},
      {"loca", false},
      {"locale", false},
      {"a@local", false},
      {"anybody@example.org", true},
      {"\"a@b\"@example.org", true},         // its last @ is what counts
      {"a@sub.example.org", false},          // no subdomain
      {"a@example.org@example.net", false},  // nor what stands before the last @
      {"a@xexample.org", false},
      {"example.org", false},
      {"\"x@y\"@quoted.example", true},
      {"\"x@z\"@quoted.example", false},
      {"*", false},
      {"@", false},
  };
  for (const auto& test : kCases) EXPECT_EQ(grants.Has(test.name), test.has) << test.name;
}

TEST(GrantsTest, AStarIsEverybody) {
  Grants grants;
  grants.Add("a@example.net");
  grants.Add("*");
  for (const char* name : {"a@example.net", "b@example.org", "local", "@"}) {
    EXPECT_TRUE(grants.Has(name)) << name;
  }
}

TEST(GrantsTest, AStarWithinANameIsNothing) {
  Grants grants;
  grants.Add("*@example.net");
  grants.Add("@*");
  EXPECT_FALSE(grants.Has("a@example.net"));
  EXPECT_TRUE(grants.Has("*@example.net"));  // a name like any other
  EXPECT_TRUE(grants.Has("a@*"));
}

// Entries of any length do not run into each other.
TEST(GrantsTest, EntriesAreApart) {
  Grants grants;
  const std::string longest(65'535, 'x');
  for (const std::string& entry :
       {std::string("a"), longest, std::string("@b"), std::string("c")}) {
    grants.Add(entry);
  }
  for (const std::string& name :
       {std::string("a"), longest, std::string("z@b"), std::string("c")}) {
    EXPECT_TRUE(grants.Has(name));
  }
  EXPECT_FALSE(grants.Has("a" + longest));
  EXPECT_FALSE(grants.Has(longest.substr(1)));
  EXPECT_FALSE(grants.Has("ac"));
}

}  // namespace
}  // namespace sluice::auth
