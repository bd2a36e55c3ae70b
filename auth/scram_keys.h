// From a password to the keys that a record holds, and back to a yes or no. Pure, and slow on
// purpose: about a millisecond with the default count, so never called on a shard.
#ifndef SLUICE_AUTH_SCRAM_KEYS_H_
#define SLUICE_AUTH_SCRAM_KEYS_H_

#include "auth/record.h"

namespace sluice::auth {

// `password` is prepared (auth/prepare.h). REQUIRES: salt.size() <= kSaltBytesMax, iterations >= 1.
ScramSha256Keys DeriveScramSha256Keys(ByteView password, ByteView salt, uint32_t iterations);

// Whether `password`, prepared, is the one that `keys` were made of; compares in constant time.
// Without keys (no such user, a disabled one) it does the same work on fixed ones and answers
// false.
[[nodiscard]] bool PasswordMatches(const std::optional<ScramSha256Keys>& keys, ByteView password);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_SCRAM_KEYS_H_
