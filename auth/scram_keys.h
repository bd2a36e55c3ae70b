// From a password to the keys that a record holds, and back to a yes or no. Pure. What takes a
// password is slow on purpose, about a millisecond with the default count, so never called on a
// shard.
#ifndef SLUICE_AUTH_SCRAM_KEYS_H_
#define SLUICE_AUTH_SCRAM_KEYS_H_

#include "auth/record.h"

namespace sluice::auth {

// `password` is prepared (auth/prepare.h). REQUIRES: salt.size() <= kSaltBytesMax, iterations >= 1.
ScramKeys DeriveScramKeys(ScramHash hash, ByteView password, ByteView salt, uint32_t iterations);

// Fills in the states of both keys. Quick.
void KeepStates(ScramKeys& keys);

// Whether `password`, prepared, is the one that `keys` were made of; compares in constant time.
// Without keys (no such user, a disabled one) it does the same work on fixed ones and answers
// false.
[[nodiscard]] bool PasswordMatches(const std::optional<ScramKeys>& keys, ByteView password);

// What CRAM-MD5 needs of a prepared password. Quick.
CramMd5States DeriveCramMd5States(ByteView password);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_SCRAM_KEYS_H_
