#include "auth/decoys.h"

#include <algorithm>

#include "core/base/check.h"

namespace sluice::auth {

Decoys::Decoys(ByteView secret, uint32_t iterations) : key_(secret), iterations_(iterations) {
  CHECK(secret.size() >= 32);
}

ScramKeys Decoys::Keys(ScramHash hash, ByteView login) const {
  const char number = static_cast<char>(hash);
  const ByteView parts[] = {"salt of nobody", ByteView(&number, 1), login};
  const Sha256Digest digest = key_.Sign(parts);
  ScramKeys keys;
  keys.hash = hash;
  keys.iterations = iterations_;
  keys.salt_bytes = kSaltBytes;
  std::copy_n(digest.begin(), kSaltBytes, keys.salt.begin());
  return keys;  // the others zeros: the states are no keys' and the StoredKey is no hash of
                // anything
}

}  // namespace sluice::auth
