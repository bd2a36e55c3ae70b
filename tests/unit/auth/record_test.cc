#include "auth/record.h"

#include <gtest/gtest.h>

#include <string>

#include "auth/scram_keys.h"
#include "core/base/prng.h"

namespace sluice::auth {
namespace {

CredentialRecord FullRecord() {
  CredentialRecord record;
  record.version = 0x0102030405060708;
  for (const ScramHash hash : {ScramHash::kSha1, ScramHash::kSha256, ScramHash::kSha512}) {
    record.Scram(hash) = DeriveScramKeys(hash, "secret", "0123456789abcdef", 2);
  }
  record.cram_md5 = DeriveCramMd5States("secret");
  record.digest_md5 = DigestMd5Key{.hash = HashOf<Md5>("x"), .realm = "example.net"};
  record.tenant = "acme";
  record.addresses = {"a@example.net", "b@example.net"};
  record.domains = {"example.org"};
  record.disabled = true;
  record.null_sender_forbidden = true;
  record.foreign_hash = "{SSHA512}abc";
  record.unknown_fields = std::string("\x63\x00\x03\x00xyz\x64\x00\x00\x00", 11);
  return record;
}

std::string Encode(const CredentialRecord& record) {
  std::string bytes;
  EXPECT_TRUE(EncodeRecord(record, bytes));
  return bytes;
}

std::string Field(uint16_t type, ByteView value) {
  std::string field = {static_cast<char>(type), static_cast<char>(type >> 8),
                       static_cast<char>(value.size()), static_cast<char>(value.size() >> 8)};
  return field.append(value);
}
const std::string kFormatAndVersion = "\x01" + Field(1, ByteView("\x07\0\0\0\0\0\0\0", 8));

TEST(RecordTest, ComesBackWhole) {
  const CredentialRecord record = FullRecord();
  CredentialRecord read;
  ASSERT_TRUE(DecodeRecord(Encode(record), read));
  EXPECT_EQ(read, record);
  ASSERT_TRUE(DecodeRecord(Encode(CredentialRecord()), read));
  EXPECT_EQ(read, CredentialRecord());
}

TEST(RecordTest, KeepsWhatMayBeDoneAndWhyNothingMay) {
  CredentialRecord record;
  record.version = 7;
  record.limits.over_limit = OverPolicy::kHold;
  record.mechanisms.Add(Mechanism::kPlain);
  record.mechanisms.Add(Mechanism::kScramSha256Plus);
  record.suspended = true;
  CredentialRecord read;
  ASSERT_TRUE(DecodeRecord(Encode(record), read));
  EXPECT_EQ(read, record);
  record.suspended_at = WallFromMillis(1'800'000'000'000);
  record.suspended_why = "stolen";
  const std::string bytes = Encode(record);
  ASSERT_TRUE(DecodeRecord(bytes, read));
  EXPECT_EQ(read, record);
  EXPECT_FALSE(DecodeRecord(kFormatAndVersion + Field(40, "\x03"), read)) << "no such policy";
  EXPECT_FALSE(DecodeRecord(kFormatAndVersion + Field(40, ""), read));
  EXPECT_FALSE(DecodeRecord(kFormatAndVersion + Field(41, "1234567"), read));
  EXPECT_FALSE(DecodeRecord(kFormatAndVersion + Field(0x8010, "NTLM"), read));
  EXPECT_FALSE(DecodeRecord(bytes + Field(40, ByteView("\0", 1)), read)) << "twice";
  EXPECT_FALSE(DecodeRecord(bytes + Field(41, "12345678"), read)) << "twice";
}

TEST(RecordTest, ATypicalUserIsSmall) {
  CredentialRecord record = FullRecord();
  record.addresses.resize(1);
  record.domains.clear();
  record.unknown_fields.clear();
  record.Scram(ScramHash::kSha1).reset();
  record.Scram(ScramHash::kSha512).reset();
  record.cram_md5.reset();
  record.digest_md5.reset();
  record.foreign_hash.clear();
  EXPECT_LE(Encode(record).size(), 300u);
}

TEST(RecordTest, CutAnywhereIsRefusedOrShorter) {
  const CredentialRecord record = FullRecord();
  const std::string bytes = Encode(record);
  int whole_fields = 0;
  for (size_t i = 0; i < bytes.size(); i++) {
    CredentialRecord read;
    if (!DecodeRecord(ByteView(bytes).substr(0, i), read)) continue;
    whole_fields++;
    EXPECT_EQ(Encode(read), bytes.substr(0, i));
  }
  EXPECT_EQ(whole_fields, 14);  // after the version and after each field but the last
}

TEST(RecordTest, KeepsUnknownFieldsInOrder) {
  const std::string bytes =
      kFormatAndVersion + Field(0x700, "later") + Field(3, "acme") + Field(0x6ff, "");
  CredentialRecord record;
  ASSERT_TRUE(DecodeRecord(bytes, record));
  EXPECT_EQ(record.version, 7u);
  EXPECT_EQ(record.tenant, "acme");
  EXPECT_EQ(record.unknown_fields, Field(0x700, "later") + Field(0x6ff, ""));
}

TEST(RecordTest, RefusesWhatItMustNotIgnore) {
  CredentialRecord record;
  EXPECT_TRUE(DecodeRecord(kFormatAndVersion, record));
  EXPECT_FALSE(DecodeRecord("", record));
  EXPECT_FALSE(DecodeRecord("\x01", record));                                // no version
  EXPECT_FALSE(DecodeRecord("\x02" + kFormatAndVersion.substr(1), record));  // another format
  EXPECT_FALSE(
      DecodeRecord(kFormatAndVersion + Field(0x8003, ""), record));  // an unknown restriction
  EXPECT_FALSE(
      DecodeRecord(kFormatAndVersion + kFormatAndVersion.substr(1), record));  // version twice
  EXPECT_FALSE(DecodeRecord(kFormatAndVersion + Field(3, "a") + Field(3, "b"), record));
  EXPECT_FALSE(DecodeRecord(kFormatAndVersion + Field(0x8001, "x"), record));
  EXPECT_FALSE(DecodeRecord(kFormatAndVersion + Field(0x8001, "") + Field(0x8001, ""), record));
  EXPECT_FALSE(DecodeRecord("\x01" + Field(1, "1234567"), record));
}

TEST(RecordTest, KeysFromBeforeThereWereStatesAreWhole) {
  const CredentialRecord record = FullRecord();
  for (const auto& [hash, field] :
       {std::pair(ScramHash::kSha1, 6), std::pair(ScramHash::kSha256, 2),
        std::pair(ScramHash::kSha512, 7)}) {
    const ScramKeys& keys = *record.Scram(hash);
    std::string value = {static_cast<char>(keys.iterations),
                         static_cast<char>(keys.iterations >> 8), 0, 0,
                         static_cast<char>(keys.salt_bytes)};
    value.append(keys.salt_view()).append(keys.stored_key_view()).append(keys.server_key_view());
    CredentialRecord read;
    ASSERT_TRUE(DecodeRecord(kFormatAndVersion + Field(static_cast<uint16_t>(field), value), read));
    EXPECT_EQ(read.Scram(hash), record.Scram(hash));
    EXPECT_FALSE(
        DecodeRecord(kFormatAndVersion + Field(static_cast<uint16_t>(field), value + "x"), read));
  }
  CredentialRecord read;
  EXPECT_TRUE(DecodeRecord(kFormatAndVersion + Field(8, std::string(32, 'x')), read));
  EXPECT_FALSE(DecodeRecord(kFormatAndVersion + Field(8, std::string(31, 'x')), read));
}

TEST(RecordTest, RefusesKeysOfAWrongShape) {
  const std::string digests(64, 'd');
  const auto keys = [&](uint32_t iterations, size_t salt, size_t salt_said, size_t digest_bytes) {
    std::string value(4, '\0');
    for (unsigned i = 0; i < 4; i++) value[i] = static_cast<char>(iterations >> (8 * i));
    value += static_cast<char>(salt_said);
    value += std::string(salt, 's') + digests.substr(0, digest_bytes);
    CredentialRecord record;
    return DecodeRecord(kFormatAndVersion + Field(2, value), record);
  };
  EXPECT_TRUE(keys(10'000, 16, 16, 64));
  EXPECT_TRUE(keys(1, 0, 0, 64));
  EXPECT_TRUE(keys(kIterationsMax, 64, 64, 64));
  EXPECT_FALSE(keys(0, 16, 16, 64));
  EXPECT_FALSE(keys(kIterationsMax + 1, 16, 16, 64));
  EXPECT_FALSE(keys(10'000, 65, 65, 64));
  EXPECT_FALSE(keys(10'000, 16, 17, 64));
  EXPECT_FALSE(keys(10'000, 16, 16, 63));
  EXPECT_FALSE(keys(10'000, 16, 15, 64));
}

TEST(RecordTest, MutatedIsRefusedOrStable) {
  const std::string bytes = Encode(FullRecord());
  Prng prng(1);
  for (int round = 0; round < 20'000; round++) {
    std::string mutated = bytes;
    for (uint64_t i = prng.Between(1, 3); i > 0; i--) {
      mutated[prng.Below(mutated.size())] = static_cast<char>(prng.Next());
    }
    CredentialRecord read;
    CredentialRecord again;
    if (!DecodeRecord(mutated, read)) continue;
    ASSERT_TRUE(DecodeRecord(Encode(read), again));
    ASSERT_EQ(again, read);
  }
}

TEST(RecordTest, TooMuchLeavesTheOutputAlone) {
  CredentialRecord record;
  for (int i = 0; i < 2000; i++)
    record.addresses.push_back("somebody.number." + std::to_string(i) + "@example.net");
  std::string out = "before";
  EXPECT_FALSE(EncodeRecord(record, out));
  EXPECT_EQ(out, "before");
  record.addresses = {std::string(70'000, 'x')};
  EXPECT_FALSE(EncodeRecord(record, out));
  EXPECT_EQ(out, "before");
}

// Found by fuzz_record: when and why somebody was suspended, of somebody who is not, or at no time.
TEST(RecordTest, ASuspensionWithoutItsFlagOrTimeIsNone) {
  const std::string suspension = Field(41, std::string("\1\0\0\0\0\0\0\0why", 11));
  const std::string timeless = Field(41, std::string("\0\0\0\0\0\0\0\0why", 11));
  const std::string flag = Field(0x8008, "");
  for (const std::string& fields : {suspension, timeless, timeless + flag}) {
    CredentialRecord record;
    ASSERT_TRUE(DecodeRecord(kFormatAndVersion + fields, record));
    EXPECT_EQ(record.suspended_at, WallTime());
    EXPECT_EQ(record.suspended_why, "");
    std::string bytes;
    ASSERT_TRUE(EncodeRecord(record, bytes));
    CredentialRecord again;
    ASSERT_TRUE(DecodeRecord(bytes, again));
    EXPECT_EQ(again, record);
  }
  CredentialRecord record;
  ASSERT_TRUE(DecodeRecord(kFormatAndVersion + suspension + flag, record));
  EXPECT_EQ(record.suspended_why, "why");
}

}  // namespace
}  // namespace sluice::auth
