// Names that do not exist look like those that do.
#include "auth/decoys.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>

namespace sluice::auth {
namespace {

const std::string kSecret(32, 's');
constexpr auto kSha1 = ScramHash::kSha1;
constexpr auto kSha256 = ScramHash::kSha256;
constexpr auto kSha512 = ScramHash::kSha512;

using Shape = SaltShapes::OfRecord;  // SHA-1, SHA-256, SHA-512
constexpr SaltShape kNone = {};
constexpr Shape kNative = {kNone, SaltShape{16, 10'000}, kNone};
constexpr Shape kDovecot = {kNone, SaltShape{12, 4096}, kNone};
constexpr Shape kUpgraded = {SaltShape{16, 10'000}, SaltShape{12, 4096}, kNone};
constexpr Shape kLong = {kNone, SaltShape{64, 600'000}, kNone};
constexpr Shape kTokens = {kNone, kNone, kNone};

SaltShapes Shapes(const std::vector<std::pair<Shape, int>>& users) {
  SaltShapes shapes;
  for (const auto& [shape, count] : users) {
    for (int i = 0; i < count; i++) shapes.Add(shape);
  }
  return shapes;
}

std::string Name(int i) { return "user" + std::to_string(i) + "@example.net"; }

SaltShape ShapeOf(const ScramKeys& keys) { return {keys.salt_bytes, keys.iterations}; }

TEST(SaltShapesTest, CountsUsersByAllTheirKeysTogether) {
  CredentialRecord record;
  EXPECT_EQ(SaltShapes::Of(record), kTokens);
  record.Scram(kSha256).emplace().iterations = 4096;
  record.Scram(kSha256)->salt_bytes = 12;
  EXPECT_EQ(SaltShapes::Of(record), kDovecot);
  SaltShapes shapes = Shapes({{kDovecot, 2}, {kUpgraded, 1}});
  EXPECT_EQ(shapes.entries(), (std::vector<SaltShapes::Entry>{{kDovecot, 2}, {kUpgraded, 1}}));
  shapes.Remove(kUpgraded);
  shapes.Remove(kDovecot);
  EXPECT_EQ(shapes.entries(), (std::vector<SaltShapes::Entry>{{kDovecot, 1}}));
  EXPECT_EQ(shapes.users(), 1u);
}

TEST(SaltShapesTest, IsBoundedAndLosesNoUser) {
  SaltShapes shapes;
  for (uint32_t i = 1; i <= 100; i++) shapes.Add({SaltShape{16, i}, kNone, kNone});
  EXPECT_EQ(shapes.entries().size(), SaltShapes::kMax);
  EXPECT_EQ(shapes.users(), 100u);
  for (uint32_t i = 1; i <= 100; i++) shapes.Remove({SaltShape{16, i}, kNone, kNone});
  EXPECT_EQ(shapes, SaltShapes());
  shapes.Remove(kNative);  // was never added
  EXPECT_EQ(shapes, SaltShapes());
}

TEST(SaltShapesTest, ReadsWhatItWritesAndNothingElse) {
  SaltShapes shapes = Shapes({{kDovecot, 300}, {kUpgraded, 1}, {kTokens, 7}});
  shapes.AddUnknown();
  const std::string bytes = shapes.Encode();
  SaltShapes read;
  ASSERT_TRUE(SaltShapes::Decode(bytes, read));
  EXPECT_EQ(read, shapes);
  for (size_t i = 0; i < bytes.size(); i++) {
    const bool at_an_end = i >= 9 && (i - 9) % 23 == 0;
    EXPECT_EQ(SaltShapes::Decode(ByteView(bytes).substr(0, i), read), at_an_end) << i;
  }
  std::string wrong = bytes;
  wrong[0] = 2;  // format
  EXPECT_FALSE(SaltShapes::Decode(wrong, read));
  wrong = bytes;
  wrong[9 + 8 + 5] = kSaltBytesMax + 1;
  EXPECT_FALSE(SaltShapes::Decode(wrong, read));
}

TEST(DecoysTest, AsConfiguredWhileNobodyHasKeys) {
  Decoys decoys(kSecret, 7);
  for (const bool told : {false, true}) {
    if (told) decoys.SetShapes(Shapes({{kTokens, 5}}));
    for (const ScramHash hash : {kSha1, kSha256, kSha512}) {
      EXPECT_EQ(ShapeOf(decoys.Keys(hash, "a")), (SaltShape{kSaltBytes, 7}));
    }
    EXPECT_EQ(ShapeOf(decoys.PasswordKeys("a")), (SaltShape{kSaltBytes, 7}));
  }
}

TEST(DecoysTest, ANameHasOneSaltAHashEverywhere) {
  Decoys one(kSecret, 4096);
  Decoys other(kSecret, 1);
  Decoys of_another_store(std::string(32, 't'), 4096);
  const SaltShapes shapes = Shapes({{kNative, 10}, {kDovecot, 10}, {kLong, 10}});
  for (Decoys* decoys : {&one, &other, &of_another_store}) decoys->SetShapes(shapes);
  std::set<std::string> salts;
  for (int i = 0; i < 100; i++) {
    const ScramKeys keys = one.Keys(kSha256, Name(i));
    EXPECT_EQ(keys, other.Keys(kSha256, Name(i)));
    EXPECT_NE(keys, of_another_store.Keys(kSha256, Name(i)));
    salts.emplace(keys.salt_view());
    salts.emplace(one.Keys(kSha1, Name(i)).salt_view());
  }
  EXPECT_EQ(salts.size(), 200u);
}

TEST(DecoysTest, LongSaltsAreRandomToTheirEnd) {
  Decoys decoys(kSecret, 4096);
  decoys.SetShapes(Shapes({{kLong, 1}}));
  const ScramKeys keys = decoys.Keys(kSha256, "a");
  ASSERT_EQ(keys.salt_bytes, 64);
  const std::set<char> octets(keys.salt.begin(), keys.salt.end());
  EXPECT_GT(octets.size(), 40u);
  EXPECT_NE(keys.salt_view().substr(0, 32), keys.salt_view().substr(32));
}

// Of chances p among `names`: within five standard deviations.
void ExpectShare(int found, int names, double p) {
  const double sigma = std::sqrt(names * p * (1 - p));
  EXPECT_NEAR(found, names * p, 5 * sigma + 1e-9) << p;
}

// What a name shows for all hashes is distributed as it is among real users.
TEST(DecoysTest, ShapesAreAsLikelyAsAmongUsers) {
  Decoys decoys(kSecret, 99);
  decoys.SetShapes(
      Shapes({{kNative, 500}, {kDovecot, 250}, {kUpgraded, 150}, {kTokens, 80}, {kLong, 20}}));
  constexpr int kNames = 20'000;
  std::map<std::pair<uint32_t, uint32_t>, int> seen;  // counts of SHA-1, SHA-256
  std::map<uint32_t, int> passwords;
  for (int i = 0; i < kNames; i++) {
    const ScramKeys sha1 = decoys.Keys(kSha1, Name(i));
    const ScramKeys sha256 = decoys.Keys(kSha256, Name(i));
    EXPECT_EQ(ShapeOf(sha1), (SaltShape{16, 10'000}));  // that of all who have any
    EXPECT_EQ(ShapeOf(decoys.Keys(kSha512, Name(i))), (SaltShape{kSaltBytes, 99}));
    EXPECT_EQ(sha256.salt_bytes, sha256.iterations == 4096     ? 12
                                 : sha256.iterations == 10'000 ? 16
                                                               : 64);
    seen[{sha1.iterations, sha256.iterations}]++;
    passwords[decoys.PasswordKeys(Name(i)).iterations]++;
  }
  // Real users without keys for SHA-256 (80) are shown those of the others (920) by their shares.
  ExpectShare(seen[{10'000, 10'000}], kNames, 0.5 + 0.08 * 500 / 920);
  ExpectShare(seen[{10'000, 4096}], kNames, 0.4 + 0.08 * 400 / 920);
  ExpectShare(seen[{10'000, 600'000}], kNames, 0.02 + 0.08 * 20 / 920);
  ExpectShare(passwords[10'000], kNames, 500 / 920.0);
}

// No name shows a pair of shapes that no user has.
TEST(DecoysTest, HashesAreDrawnTogether) {
  Decoys decoys(kSecret, 99);
  decoys.SetShapes(Shapes({{{SaltShape{16, 1}, SaltShape{16, 1}, kNone}, 10},
                           {{SaltShape{12, 2}, SaltShape{12, 2}, kNone}, 10}}));
  for (int i = 0; i < 1000; i++) {
    EXPECT_EQ(ShapeOf(decoys.Keys(kSha1, Name(i))), ShapeOf(decoys.Keys(kSha256, Name(i))));
  }
}

TEST(DecoysTest, FewNamesMoveWhenUsersComeAndGo) {
  constexpr int kNames = 20'000;
  Decoys before(kSecret, 99);
  Decoys after(kSecret, 99);
  before.SetShapes(Shapes({{kNative, 500}, {kDovecot, 300}, {kLong, 200}}));
  const auto moved = [&](const SaltShapes& shapes, const Shape& where) {
    after.SetShapes(shapes);
    int count = 0;
    for (int i = 0; i < kNames; i++) {
      const ScramKeys now = after.Keys(kSha256, Name(i));
      const ScramKeys then = before.Keys(kSha256, Name(i));
      if (now == then) continue;
      count++;
      const SaltShape& shape = where[static_cast<size_t>(kSha256)];
      EXPECT_TRUE(ShapeOf(now) == shape || ShapeOf(then) == shape);
      EXPECT_NE(now.salt_view().substr(0, 8), then.salt_view().substr(0, 8));
    }
    return count;
  };
  // Users of all shapes, likewise; in another order.
  EXPECT_EQ(moved(Shapes({{kLong, 400}, {kNative, 1000}, {kDovecot, 600}}), kNative), 0);
  // 25 more of one: its share grows from 0.5 to 525/1025, and that many move.
  ExpectShare(moved(Shapes({{kNative, 525}, {kDovecot, 300}, {kLong, 200}}), kNative), kNames,
              525 / 1025.0 - 0.5);
  // One that ends: who had it.
  ExpectShare(moved(Shapes({{kNative, 500}, {kDovecot, 300}}), kLong), kNames, 0.2);
}

}  // namespace
}  // namespace sluice::auth
