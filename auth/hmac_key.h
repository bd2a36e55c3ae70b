// HMAC with its key half done, and PBKDF2 on top of it.
//
// HMAC (RFC 2104) hashes one block made of the key before anything else, inside and outside. Both
// states after that block are kept here, so signing a short message costs two compressions instead
// of four, and the 10,000 rounds of PBKDF2 cost half of what they would. A record keeps states too:
// AppendStates, FromStates. Wrong bytes here would let nobody in, or everybody: SelfTest() compares
// with the RFCs' vectors and must pass before a program serves.
//
// The compression function is wolfCrypt's (SHA-NI, AVX2 where the processor has it). Pure; any
// thread.
#ifndef SLUICE_AUTH_HMAC_KEY_H_
#define SLUICE_AUTH_HMAC_KEY_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "auth/hash.h"
#include "core/base/bytes.h"

namespace sluice::auth {

// Instantiated for Md5, Sha1, Sha256 and Sha512.
template <typename H>
class HmacKey {
 public:
  using Digest = DigestOf<H>;
  using State = std::array<typename H::Word, H::kBytes / sizeof(typename H::Word)>;
  static constexpr size_t kStateBytes = 2 * H::kBytes;

  explicit HmacKey(ByteView key);
  HmacKey(const HmacKey&) = default;
  HmacKey& operator=(const HmacKey&) = default;
  ~HmacKey() {
    Wipe(inner_.data(), sizeof inner_);
    Wipe(outer_.data(), sizeof outer_);
  }

  // The states, outer and then inner, each word little-endian: what Dovecot's {CRAM-MD5} has.
  // REQUIRES: states.size() == kStateBytes.
  static HmacKey FromStates(ByteView states);
  void AppendStates(std::string& to) const;

  Digest Sign(ByteView message) const { return Sign(std::span<const ByteView>(&message, 1)); }
  // Signs the parts one after the other, as if they were one message.
  Digest Sign(std::span<const ByteView> parts) const;

  // PBKDF2 (RFC 8018 section 5.2) with this key as the password, for one block of output: Hi() of
  // RFC 5802 section 2.2. REQUIRES: iterations >= 1.
  Digest Stretch(ByteView salt, uint32_t iterations) const;

 private:
  HmacKey() = default;

  State inner_;
  State outer_;
};

using HmacSha256Key = HmacKey<Sha256>;

// Compares everything above with the vectors of RFC 2202, 4231, 6070, 7914 section 11 and 7677.
// Also fails when wolfCrypt's hash objects are not laid out as hmac_key.cc relies on.
absl::Status SelfTest();

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_HMAC_KEY_H_
