// The hash functions that SASL mechanisms are made of, as types that HmacKey and the SCRAM machine
// are written over, and as a value where a record or a configuration chooses one.
//
// MD5 and SHA-1 are here for CRAM-MD5, DIGEST-MD5 and SCRAM-SHA-1 alone, where what counts is
// HMAC's strength. The functions are wolfCrypt's. Pure; any thread.
#ifndef SLUICE_AUTH_HASH_H_
#define SLUICE_AUTH_HASH_H_

#include <array>
#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/check.h"

namespace sluice::auth {

struct Md5 {
  using Word = uint32_t;  // of the chaining value
  static constexpr size_t kBytes = 16;
  static constexpr size_t kBlockBytes = 64;
};
struct Sha1 {
  using Word = uint32_t;
  static constexpr size_t kBytes = 20;
  static constexpr size_t kBlockBytes = 64;
};
struct Sha256 {
  using Word = uint32_t;
  static constexpr size_t kBytes = 32;
  static constexpr size_t kBlockBytes = 64;
};
struct Sha512 {
  using Word = uint64_t;
  static constexpr size_t kBytes = 64;
  static constexpr size_t kBlockBytes = 128;
};

template <typename H>
using DigestOf = std::array<char, H::kBytes>;
using Sha256Digest = DigestOf<Sha256>;
inline constexpr size_t kDigestBytesMax = Sha512::kBytes;

template <size_t N>
ByteView View(const std::array<char, N>& digest) {
  return ByteView(digest.data(), digest.size());
}

// Instantiated for the four types above.
template <typename H>
DigestOf<H> HashOf(ByteView message);
inline Sha256Digest HashSha256(ByteView message) { return HashOf<Sha256>(message); }

// Those that SCRAM is used with (RFC 5802, RFC 7677, draft-melnikov-scram-sha-512).
enum class ScramHash : uint8_t { kSha1, kSha256, kSha512 };
inline constexpr size_t kScramHashCount = 3;

// Calls f with an object of the hash's type.
template <typename F>
auto WithHash(ScramHash hash, F&& f) {
  switch (hash) {
    case ScramHash::kSha1:
      return f(Sha1());
    case ScramHash::kSha256:
      return f(Sha256());
    case ScramHash::kSha512:
      break;
  }
  return f(Sha512());
}

inline size_t DigestBytes(ScramHash hash) {
  return WithHash(hash, [](auto h) { return decltype(h)::kBytes; });
}

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_HASH_H_
