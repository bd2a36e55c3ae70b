#include "tls/ticket_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sluice::tls {
namespace {

using ::testing::HasSubstr;

unsigned char counter = 0;
void Count(char* out, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) out[i] = static_cast<char>(counter++);
}
void Zeros(char* out, size_t bytes) { std::fill(out, out + bytes, '\0'); }

ByteView Name(const TicketKey& key) { return ByteView(key.name.data(), key.name.size()); }

constexpr WallTime kStart = WallFromMillis(1'700'000'000'000);
constexpr auto kPeriod = hours(12);

TEST(TicketKeysTest, EncodesAndDecodes) {
  const TicketKeys keys = TicketKeys::Generate(Count, kStart);
  const auto decoded = TicketKeys::Decode(keys.Encode());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, keys);
  EXPECT_EQ(decoded->current_since(), kStart);
}

TEST(TicketKeysTest, RefusesEachCutAndEachFlippedBit) {
  const std::string bytes = TicketKeys::Generate(Count, kStart).Encode();
  for (size_t cut = 0; cut < bytes.size(); cut++) EXPECT_FALSE(TicketKeys::Decode(bytes.substr(0, cut)).ok()) << cut;
  for (size_t bit = 0; bit < 8 * bytes.size(); bit++) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(TicketKeys::Decode(flipped).ok()) << bit;
  }
  EXPECT_THAT(TicketKeys::Decode("hello").status().message(), HasSubstr("not a file of ticket keys"));
  EXPECT_THAT(TicketKeys::Decode(bytes + "x").status().message(), HasSubstr("wrong length"));
}

TEST(TicketKeysTest, AKeyOpensTicketsForOnePeriodBeforeItSealsAndOneAfter) {
  const TicketKeys first = TicketKeys::Generate(Count, kStart);
  const std::string current(Name(first.current()));
  const TicketKeys second = first.Rotated(Count, kStart + kPeriod, kPeriod);
  EXPECT_NE(Name(second.current()), current);
  EXPECT_NE(first.Find(Name(second.current())), nullptr) << "a node that has not rotated yet must open it";
  EXPECT_NE(second.Find(current), nullptr);
  const TicketKeys third = second.Rotated(Count, kStart + 2 * kPeriod, kPeriod);
  EXPECT_EQ(third.Find(current), nullptr);
  EXPECT_NE(third.Find(Name(second.current())), nullptr);
}

TEST(TicketKeysTest, KeepsNothingOldAfterALongStop) {
  const TicketKeys first = TicketKeys::Generate(Count, kStart);
  const TicketKeys late = first.Rotated(Count, kStart + 2 * kPeriod + milliseconds(1), kPeriod);
  EXPECT_EQ(late.Find(Name(first.current())), nullptr);
  EXPECT_EQ(first.Find(Name(late.current())), nullptr);
}

TEST(TicketKeysTest, IsDueAfterAPeriodAndNotWhenTheClockGoesBack) {
  const TicketKeys keys = TicketKeys::Generate(Count, kStart);
  EXPECT_FALSE(keys.RotationDue(kStart + kPeriod - milliseconds(1), kPeriod));
  EXPECT_TRUE(keys.RotationDue(kStart + kPeriod, kPeriod));
  EXPECT_FALSE(keys.RotationDue(kStart - hours(1000), kPeriod));
}

TEST(TicketKeysTest, ANameIsNeverZero) {
  const TicketKeys keys = TicketKeys::Generate(Zeros, kStart);
  EXPECT_NE(Name(keys.current()), std::string(16, '\0'));
  EXPECT_EQ(keys.Find(std::string(16, '\0')), nullptr);
  EXPECT_EQ(keys.Find(""), nullptr);
}

}  // namespace
}  // namespace sluice::tls
