#include "auth/scram_keys.h"

#include <algorithm>

#include "core/base/check.h"

namespace sluice::auth {
namespace {

// RFC 5802 section 3: StoredKey = H(HMAC(SaltedPassword, "Client Key")).
Sha256Digest StoredKeyOf(const HmacSha256Key& salted_password) {
  Sha256Digest client_key = salted_password.Sign("Client Key");
  const Sha256Digest stored_key = HashSha256(View(client_key));
  Wipe(client_key);
  return stored_key;
}

HmacSha256Key SaltedPassword(ByteView password, ByteView salt, uint32_t iterations) {
  Sha256Digest salted = HmacSha256Key(password).Stretch(salt, iterations);
  HmacSha256Key key(View(salted));
  Wipe(salted);
  return key;
}

// What an unknown user's password is tried against. Its StoredKey is no hash of anything.
const ScramSha256Keys& NobodysKeys() {
  static const ScramSha256Keys keys = [] {
    ScramSha256Keys nobody;
    nobody.iterations = kIterationsDefault;
    nobody.salt_bytes = kSaltBytes;
    return nobody;
  }();
  return keys;
}

}  // namespace

ScramSha256Keys DeriveScramSha256Keys(ByteView password, ByteView salt, uint32_t iterations) {
  CHECK(salt.size() <= kSaltBytesMax);
  const HmacSha256Key salted_password = SaltedPassword(password, salt, iterations);
  ScramSha256Keys keys;
  keys.iterations = iterations;
  keys.salt_bytes = static_cast<uint8_t>(salt.size());
  std::copy(salt.begin(), salt.end(), keys.salt.begin());
  keys.stored_key = StoredKeyOf(salted_password);
  keys.server_key = salted_password.Sign("Server Key");
  return keys;
}

bool PasswordMatches(const std::optional<ScramSha256Keys>& keys, ByteView password) {
  const ScramSha256Keys& against = keys.has_value() ? *keys : NobodysKeys();
  const HmacSha256Key salted_password =
      SaltedPassword(password, against.salt_view(), against.iterations);
  const Sha256Digest stored_key = StoredKeyOf(salted_password);
  const bool equal = ConstantTimeEquals(View(stored_key), View(against.stored_key));
  return equal && keys.has_value();
}

}  // namespace sluice::auth
