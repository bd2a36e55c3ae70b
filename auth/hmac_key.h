// HMAC-SHA-256 with its key half done, and PBKDF2 on top of it.
//
// HMAC (RFC 2104) hashes one block made of the key before anything else, inside and outside. Both
// states after that block are kept here, so signing a short message costs two compressions instead
// of four, and the 10,000 rounds of PBKDF2 cost half of what they would. Wrong bytes here would let
// nobody in, or everybody: SelfTest() compares with the RFCs' vectors and must pass before a
// program serves.
//
// The compression function is wolfCrypt's (SHA-NI where the processor has it). Pure; any thread.
#ifndef SLUICE_AUTH_HMAC_KEY_H_
#define SLUICE_AUTH_HMAC_KEY_H_

#include <array>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "core/base/bytes.h"

namespace sluice::auth {

inline constexpr size_t kSha256Bytes = 32;
using Sha256Digest = std::array<char, kSha256Bytes>;
using Sha256State = std::array<uint32_t, 8>;  // the chaining value between blocks

inline ByteView View(const Sha256Digest& digest) { return ByteView(digest.data(), digest.size()); }

Sha256Digest HashSha256(ByteView message);

class HmacSha256Key {
 public:
  explicit HmacSha256Key(ByteView key);
  HmacSha256Key(const HmacSha256Key&) = default;
  HmacSha256Key& operator=(const HmacSha256Key&) = default;
  ~HmacSha256Key() {
    Wipe(inner_.data(), sizeof inner_);
    Wipe(outer_.data(), sizeof outer_);
  }

  Sha256Digest Sign(ByteView message) const { return Sign(std::span<const ByteView>(&message, 1)); }
  // Signs the parts one after the other, as if they were one message.
  Sha256Digest Sign(std::span<const ByteView> parts) const;

  // PBKDF2 (RFC 8018 section 5.2) with this key as the password, for one block of output: Hi() of
  // RFC 5802 section 2.2. REQUIRES: iterations >= 1.
  Sha256Digest Stretch(ByteView salt, uint32_t iterations) const;

 private:
  Sha256State inner_;
  Sha256State outer_;
};

// Compares everything above with the vectors of RFC 4231, RFC 7914 section 11 and RFC 7677. Also
// fails when wolfCrypt's hash object is not laid out as hmac_key.cc relies on.
absl::Status SelfTest();

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_HMAC_KEY_H_
