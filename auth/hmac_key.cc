#include "auth/hmac_key.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include <algorithm>
#include <string>

#include "core/base/check.h"

namespace sluice::auth {
namespace {

constexpr size_t kBlockBytes = WC_SHA256_BLOCK_SIZE;
static_assert(WC_SHA256_DIGEST_SIZE == kSha256Bytes);
static_assert(sizeof(wc_Sha256::digest) == sizeof(Sha256State));

// wolfCrypt has no call for the bare compression function. Its hash object keeps the chaining value
// in `digest`, as host-order words, and runs whole blocks at once: so set it, feed blocks, read it
// back.
class Compressor {
 public:
  Compressor() { CHECK(wc_InitSha256(&sha_) == 0); }
  ~Compressor() { Wipe(&sha_, sizeof sha_); }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  Sha256State state() const {
    Sha256State state;
    std::memcpy(state.data(), sha_.digest, sizeof state);
    return state;
  }
  void set_state(const Sha256State& state) { std::memcpy(sha_.digest, state.data(), sizeof state); }

  void Run(const char* block) {
    CHECK(wc_Sha256Update(&sha_, reinterpret_cast<const byte*>(block), kBlockBytes) == 0);
  }

 private:
  wc_Sha256 sha_;
};

void StoreState(const Sha256State& state, char* to) {
  for (const uint32_t word : state) {
    const uint32_t big_endian = __builtin_bswap32(word);
    std::memcpy(to, &big_endian, sizeof big_endian);
    to += sizeof big_endian;
  }
}

Sha256Digest ToDigest(const Sha256State& state) {
  Sha256Digest digest;
  StoreState(state, digest.data());
  return digest;
}

// The end of a message (FIPS 180-4 section 5.1.1) is a one bit, zeros, and its length in bits.
constexpr size_t kLengthAt = kBlockBytes - 8;
constexpr char kOneBit = static_cast<char>(0x80);

// Zeros and the length, behind the `used` octets of the last block. REQUIRES: used <= kLengthAt.
void PutLength(char* block, size_t used, uint64_t message_bytes) {
  DCHECK(used <= kLengthAt);
  std::memset(block + used, 0, kLengthAt - used);
  const uint64_t bits = __builtin_bswap64(message_bytes * 8);
  std::memcpy(block + kLengthAt, &bits, sizeof bits);
}

// Pads a block that holds one digest and follows one block of key: the shape of HMAC's outer
// message and of every round of PBKDF2.
void PadDigestBlock(char* block) {
  block[kSha256Bytes] = kOneBit;
  PutLength(block, kSha256Bytes + 1, kBlockBytes + kSha256Bytes);
}

// Runs `parts` and the padding through the compressor, whose state already stands for one block of
// key.
void RunMessage(Compressor& compressor, std::span<const ByteView> parts) {
  char block[kBlockBytes];
  size_t used = 0;
  uint64_t total = kBlockBytes;
  for (ByteView part : parts) {
    total += part.size();
    while (!part.empty()) {
      const size_t take = std::min(part.size(), kBlockBytes - used);
      std::memcpy(block + used, part.data(), take);
      part.remove_prefix(take);
      used += take;
      if (used == kBlockBytes) {
        compressor.Run(block);
        used = 0;
      }
    }
  }
  block[used++] = kOneBit;
  if (used > kLengthAt) {  // no room for the length: it goes into a block of its own
    std::memset(block + used, 0, kBlockBytes - used);
    compressor.Run(block);
    used = 0;
  }
  PutLength(block, used, total);
  compressor.Run(block);
  Wipe(block, sizeof block);
}

// The state after one block of key, each octet masked.
Sha256State KeyState(const char* key, char mask) {
  char block[kBlockBytes];
  for (size_t i = 0; i < kBlockBytes; i++) block[i] = static_cast<char>(key[i] ^ mask);
  Compressor compressor;
  compressor.Run(block);
  Wipe(block, sizeof block);
  return compressor.state();
}

}  // namespace

Sha256Digest HashSha256(ByteView message) {
  wc_Sha256 sha;
  Sha256Digest digest;
  CHECK(wc_InitSha256(&sha) == 0);
  CHECK(wc_Sha256Update(&sha, reinterpret_cast<const byte*>(message.data()),
                        static_cast<word32>(message.size())) == 0);
  CHECK(wc_Sha256Final(&sha, reinterpret_cast<byte*>(digest.data())) == 0);
  Wipe(&sha, sizeof sha);
  return digest;
}

HmacSha256Key::HmacSha256Key(ByteView key) {
  char block[kBlockBytes] = {};
  if (key.size() > kBlockBytes) {
    Sha256Digest hashed = HashSha256(key);
    std::memcpy(block, hashed.data(), hashed.size());
    Wipe(hashed);
  } else if (!key.empty()) {
    std::memcpy(block, key.data(), key.size());
  }
  inner_ = KeyState(block, 0x36);
  outer_ = KeyState(block, 0x5c);
  Wipe(block, sizeof block);
}

Sha256Digest HmacSha256Key::Sign(std::span<const ByteView> parts) const {
  Compressor compressor;
  compressor.set_state(inner_);
  RunMessage(compressor, parts);
  char block[kBlockBytes];
  StoreState(compressor.state(), block);
  PadDigestBlock(block);
  compressor.set_state(outer_);
  compressor.Run(block);
  return ToDigest(compressor.state());
}

Sha256Digest HmacSha256Key::Stretch(ByteView salt, uint32_t iterations) const {
  CHECK(iterations >= 1);
  const ByteView first_block_number("\0\0\0\1", 4);
  const ByteView parts[] = {salt, first_block_number};
  Sha256Digest u = Sign(parts);

  // From here each message is one digest, so one block with a padding that never changes serves for
  // all.
  char block[kBlockBytes];
  std::memcpy(block, u.data(), u.size());
  PadDigestBlock(block);
  uint64_t result[kSha256Bytes / 8];
  std::memcpy(result, u.data(), sizeof result);
  Compressor compressor;
  for (uint32_t i = 1; i < iterations; i++) {
    compressor.set_state(inner_);
    compressor.Run(block);
    StoreState(compressor.state(), block);
    compressor.set_state(outer_);
    compressor.Run(block);
    StoreState(compressor.state(), block);
    uint64_t round[kSha256Bytes / 8];
    std::memcpy(round, block, sizeof round);
    for (size_t k = 0; k < std::size(result); k++) result[k] ^= round[k];
  }
  std::memcpy(u.data(), result, sizeof result);
  Wipe(block, sizeof block);
  Wipe(result, sizeof result);
  return u;
}

namespace {

std::string Hex(const Sha256Digest& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : digest) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[c & 15];
  }
  return text;
}

}  // namespace

absl::Status SelfTest() {
  const std::string long_key(131, '\xaa');
  const ByteView split[] = {"what do ya want ", "", "for nothing?"};
  const struct {
    const char* name;
    Sha256Digest got;
    const char* want;
  } kVectors[] = {
      {"SHA-256, FIPS 180-4 'abc'", HashSha256("abc"),
       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"HMAC, RFC 4231 case 2", HmacSha256Key("Jefe").Sign(split),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {"HMAC, RFC 4231 case 6",
       HmacSha256Key(long_key).Sign("Test Using Larger Than Block-Size Key - Hash Key First"),
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {"HMAC, RFC 4231 case 7",
       HmacSha256Key(long_key).Sign("This is a test using a larger than block-size key and a "
                                    "larger than block-size data. The key "
                                    "needs to be hashed before being used by the HMAC algorithm."),
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
      {"PBKDF2, RFC 7914 section 11", HmacSha256Key("passwd").Stretch("salt", 1),
       "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"},
      {"PBKDF2, RFC 7677 section 3",
       HmacSha256Key("pencil").Stretch(
           "\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81", 4096),
       "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d"},
  };
  for (const auto& vector : kVectors) {
    if (Hex(vector.got) != vector.want) {
      return absl::InternalError(std::string("self-test of ") + vector.name + " failed: got " +
                                 Hex(vector.got) + "; this build's wolfSSL must not be used");
    }
  }
  return absl::OkStatus();
}

}  // namespace sluice::auth
