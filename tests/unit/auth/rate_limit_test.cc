#include "auth/rate_limit.h"

#include <gtest/gtest.h>

namespace sluice::auth {
namespace {

TEST(RateLimitTest, ReadsAndWrites) {
  const struct {
    const char* text;
    RateLimit limit;
    const char* shown;  // nullptr: as it was
  } kCases[] = {
      {"100 messages/minute", {Counted::kMessages, Window::kMinute, 100}, nullptr},
      {"0 messages/day", {Counted::kMessages, Window::kDay, 0}, nullptr},
      {"5000 recipients/hour", {Counted::kRecipients, Window::kHour, 5000}, nullptr},
      {"2G bytes/day", {Counted::kBytes, Window::kDay, uint64_t{2} << 30}, nullptr},
      {"2048 bytes/day", {Counted::kBytes, Window::kDay, 2048}, "2K bytes/day"},
      {"1000 bytes/minute", {Counted::kBytes, Window::kMinute, 1000}, nullptr},
      {"1024G bytes/day", {Counted::kBytes, Window::kDay, kRateMax}, nullptr},
  };
  for (const auto& test : kCases) {
    const std::optional<RateLimit> limit = ParseRateLimit(test.text);
    ASSERT_TRUE(limit.has_value()) << test.text;
    EXPECT_EQ(*limit, test.limit) << test.text;
    EXPECT_EQ(ToString(*limit), test.shown == nullptr ? test.text : test.shown);
  }
}

TEST(RateLimitTest, RefusesWhatIsNoRate) {
  for (const char* text : {"",
                           " ",
                           "/",
                           "100",
                           "100 messages",
                           "100 messages/",
                           "100messages/minute",
                           " messages/minute",
                           "-1 messages/minute",
                           "1.5 messages/minute",
                           "1K messages/minute",
                           "1 message/minute",
                           "1 messages/week",
                           "1 messages/minute ",
                           "1  messages/minute",
                           "1025G bytes/day",
                           "1T bytes/day",
                           "1KK bytes/day",
                           "99999999999999999999 bytes/day",
                           "1099511627777 messages/day"}) {
    EXPECT_FALSE(ParseRateLimit(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace sluice::auth
