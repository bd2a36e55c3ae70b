#include "auth/hmac_key.h"

#include <gtest/gtest.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/hmac.h>

#include <string>

#include "absl/strings/escaping.h"
#include "auth/scram_keys.h"
#include "core/base/base64.h"

namespace sluice::auth {
namespace {

TEST(HmacKeyTest, SelfTestAgreesWithTheRfcs) {
  const absl::Status status = SelfTest();
  EXPECT_TRUE(status.ok()) << status;
}

// HMAC as RFC 2104 writes it, over the one-shot hash: the slow way that the kept states must equal.
Sha256Digest PlainHmac(std::string key, const std::string& message) {
  if (key.size() > 64) key = std::string(View(HashSha256(key)));
  key.resize(64, '\0');
  std::string inner = key;
  std::string outer = key;
  for (char& c : inner) c = static_cast<char>(c ^ 0x36);
  for (char& c : outer) c = static_cast<char>(c ^ 0x5c);
  return HashSha256(outer + std::string(View(HashSha256(inner + message))));
}

TEST(HmacKeyTest, EqualsRfc2104ForEveryLengthAroundTheBlocks) {
  std::string text;
  for (int i = 0; i < 300; i++) text += static_cast<char>(i * 7 + 3);
  for (const size_t key_bytes : {0, 1, 31, 32, 63, 64, 65, 200}) {
    const HmacSha256Key key(ByteView(text).substr(0, key_bytes));
    for (size_t bytes = 0; bytes <= 200; bytes++) {
      const std::string message = text.substr(60, bytes);
      ASSERT_EQ(key.Sign(message), PlainHmac(text.substr(0, key_bytes), message))
          << key_bytes << ' ' << bytes;
    }
  }
}

TEST(HmacKeyTest, PartsAreOneMessage) {
  const HmacSha256Key key("key");
  std::string text;
  for (int i = 0; i < 150; i++) text += static_cast<char>('a' + i % 26);
  const Sha256Digest whole = key.Sign(text);
  for (size_t cut = 0; cut <= text.size(); cut++) {
    const ByteView parts[] = {ByteView(text).substr(0, cut), ByteView(),
                              ByteView(text).substr(cut)};
    ASSERT_EQ(key.Sign(parts), whole) << cut;
  }
}

// Each hash against the library's own HMAC, around its blocks; and keys that went through a record.
template <typename H>
void EqualsTheLibrary(int type) {
  std::string text;
  for (int i = 0; i < 400; i++) text += static_cast<char>(i * 11 + 5);
  for (const size_t key_bytes :
       {size_t{1}, H::kBytes, H::kBlockBytes, H::kBlockBytes + 1, size_t{300}}) {
    const HmacKey<H> key(ByteView(text).substr(0, key_bytes));
    std::string states;
    key.AppendStates(states);
    ASSERT_EQ(states.size(), HmacKey<H>::kStateBytes);
    for (size_t bytes = 0; bytes <= 3 * H::kBlockBytes; bytes++) {
      Hmac hmac;
      DigestOf<H> wanted;
      ASSERT_EQ(wc_HmacInit(&hmac, nullptr, INVALID_DEVID), 0);
      ASSERT_EQ(wc_HmacSetKey(&hmac, type, reinterpret_cast<const byte*>(text.data()),
                              static_cast<word32>(key_bytes)),
                0);
      ASSERT_EQ(wc_HmacUpdate(&hmac, reinterpret_cast<const byte*>(text.data()),
                              static_cast<word32>(bytes)),
                0);
      ASSERT_EQ(wc_HmacFinal(&hmac, reinterpret_cast<byte*>(wanted.data())), 0);
      wc_HmacFree(&hmac);
      const ByteView message = ByteView(text).substr(0, bytes);
      ASSERT_EQ(key.Sign(message), wanted) << key_bytes << ' ' << bytes;
      ASSERT_EQ(HmacKey<H>::FromStates(states).Sign(message), wanted);
    }
  }
}

TEST(HmacKeyTest, EveryHashEqualsTheLibrarysHmac) {
  EqualsTheLibrary<Md5>(WC_MD5);
  EqualsTheLibrary<Sha1>(WC_SHA);
  EqualsTheLibrary<Sha256>(WC_SHA256);
  EqualsTheLibrary<Sha512>(WC_SHA512);
}

// What Dovecot's doveadm pw -s CRAM-MD5 makes of "secret".
TEST(HmacKeyTest, TheStatesOfMd5AreDovecots) {
  std::string states;
  HmacKey<Md5>("secret").AppendStates(states);
  EXPECT_EQ(absl::BytesToHexString(states),
            "cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56");
}

std::string Stretched(ByteView password, ByteView salt, uint32_t iterations) {
  return Base64Encode(View(HmacSha256Key(password).Stretch(salt, iterations)));
}

// PBKDF2-HMAC-SHA-256 over RFC 6070's inputs, as published in many places and computed here by
// another implementation (Python's hashlib).
TEST(HmacKeyTest, StretchesLikePbkdf2) {
  EXPECT_EQ(Stretched("password", "salt", 1), "Eg+2z/z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs=");
  EXPECT_EQ(Stretched("password", "salt", 2), "rk0Mla9rRtMtCt/5KPBt0CowP47zwlHf1uLYWpVHTEM=");
  EXPECT_EQ(Stretched("password", "salt", 4096), "xeR41ZKIyEGqUw22hFxMjZYok6ABzk4RpJY4c6qYE0o=");
  EXPECT_EQ(Stretched("passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096),
            "NIyJ28vTKy8y2BS4EW6EzysXNH68GAAYHE4qH7jdU+E=");
  EXPECT_EQ(Stretched(ByteView("pass\0word", 9), ByteView("sa\0lt", 5), 4096),
            "ibadBRb4KYk8aWImZQqGh4wCmsE+4nZQnVrli2RmpyQ=");
}

// RFC 7677 section 3: the server's key signs the exchange with this result.
TEST(ScramKeysTest, AgreeWithRfc7677) {
  char salt[64];
  const ptrdiff_t salt_bytes = Base64Decode("W22ZaJ0SNY7soEsUEjb6gQ==", salt);
  const ScramKeys keys = DeriveScramKeys(ScramHash::kSha256, "pencil",
                                         ByteView(salt, static_cast<size_t>(salt_bytes)), 4096);
  const std::string auth_message =
      "n=user,r=rOprNGfwEbeRWgbNEkqO,"
      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const HmacSha256Key server_key(keys.server_key_view());
  EXPECT_EQ(Base64Encode(View(server_key.Sign(auth_message))),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");

  // The client's proof of the same exchange, undone with StoredKey's signature, hashes to
  // StoredKey.
  char proof[64];
  ASSERT_EQ(Base64Decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", proof), 32);
  const Sha256Digest signature = HmacSha256Key(keys.stored_key_view()).Sign(auth_message);
  for (size_t i = 0; i < Sha256::kBytes; i++) proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  EXPECT_EQ(View(HashSha256(ByteView(proof, Sha256::kBytes))), keys.stored_key_view());
}

TEST(ScramKeysTest, OnlyThePasswordMatches) {
  const ScramKeys keys = DeriveScramKeys(ScramHash::kSha256, "secret", "0123456789abcdef", 100);
  EXPECT_TRUE(PasswordMatches(keys, "secret"));
  EXPECT_FALSE(PasswordMatches(keys, "secreT"));
  EXPECT_FALSE(PasswordMatches(keys, "secret "));
  EXPECT_FALSE(PasswordMatches(keys, ""));
  EXPECT_FALSE(PasswordMatches(std::nullopt, "secret"));
  ScramKeys other = keys;
  other.salt[0] ^= 1;
  EXPECT_FALSE(PasswordMatches(other, "secret"));
  other = keys;
  other.iterations++;
  EXPECT_FALSE(PasswordMatches(other, "secret"));
  for (size_t i = 0; i < Sha256::kBytes; i++) {
    other = keys;
    other.stored_key[i] ^= 1;
    EXPECT_FALSE(PasswordMatches(other, "secret"));
  }
}

}  // namespace
}  // namespace sluice::auth
