#include "auth/scram_keys.h"

#include <algorithm>
#include <string>

#include "auth/hmac_key.h"
#include "core/base/check.h"

namespace sluice::auth {
namespace {

// RFC 5802 section 3: StoredKey = H(HMAC(SaltedPassword, "Client Key")).
template <typename H>
DigestOf<H> StoredKeyOf(const HmacKey<H>& salted_password) {
  DigestOf<H> client_key = salted_password.Sign("Client Key");
  const DigestOf<H> stored_key = HashOf<H>(View(client_key));
  Wipe(client_key);
  return stored_key;
}

template <typename H>
HmacKey<H> SaltedPassword(ByteView password, ByteView salt, uint32_t iterations) {
  DigestOf<H> salted = HmacKey<H>(password).Stretch(salt, iterations);
  HmacKey<H> key(View(salted));
  Wipe(salted);
  return key;
}

template <typename H>
void CopyStates(ByteView key, char* to) {
  std::string states;
  states.reserve(HmacKey<H>::kStateBytes);
  HmacKey<H>(key).AppendStates(states);
  std::copy(states.begin(), states.end(), to);
  Wipe(states);
}

// What an unknown user's password is tried against. Its StoredKey is no hash of anything.
const ScramKeys& NobodysKeys() {
  static const ScramKeys keys = [] {
    ScramKeys nobody;
    nobody.iterations = kIterationsDefault;
    nobody.salt_bytes = kSaltBytes;
    return nobody;
  }();
  return keys;
}

}  // namespace

ScramKeys DeriveScramKeys(ScramHash hash, ByteView password, ByteView salt, uint32_t iterations) {
  CHECK(salt.size() <= kSaltBytesMax);
  ScramKeys keys;
  keys.hash = hash;
  keys.iterations = iterations;
  keys.salt_bytes = static_cast<uint8_t>(salt.size());
  std::copy(salt.begin(), salt.end(), keys.salt.begin());
  WithHash(hash, [&]<typename H>(H) {
    const HmacKey<H> salted_password = SaltedPassword<H>(password, salt, iterations);
    const DigestOf<H> stored_key = StoredKeyOf(salted_password);
    const DigestOf<H> server_key = salted_password.Sign("Server Key");
    std::copy(stored_key.begin(), stored_key.end(), keys.stored_key.begin());
    std::copy(server_key.begin(), server_key.end(), keys.server_key.begin());
  });
  KeepStates(keys);
  return keys;
}

void KeepStates(ScramKeys& keys) {
  WithHash(keys.hash, [&]<typename H>(H) {
    CopyStates<H>(keys.stored_key_view(), keys.stored_key_states.data());
    CopyStates<H>(keys.server_key_view(), keys.server_key_states.data());
  });
}

bool PasswordMatches(const std::optional<ScramKeys>& keys, ByteView password) {
  const ScramKeys& against = keys.has_value() ? *keys : NobodysKeys();
  const bool equal = WithHash(against.hash, [&]<typename H>(H) {
    const HmacKey<H> salted_password =
        SaltedPassword<H>(password, against.salt_view(), against.iterations);
    const DigestOf<H> stored_key = StoredKeyOf(salted_password);
    return ConstantTimeEquals(View(stored_key), against.stored_key_view());
  });
  return equal && keys.has_value();
}

CramMd5States DeriveCramMd5States(ByteView password) {
  CramMd5States states;
  CopyStates<Md5>(password, states.data());
  return states;
}

}  // namespace sluice::auth
