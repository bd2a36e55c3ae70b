#include "auth/hmac_key.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/md5.h>
#include <wolfssl/wolfcrypt/sha.h>
#include <wolfssl/wolfcrypt/sha256.h>
#include <wolfssl/wolfcrypt/sha512.h>

#include <algorithm>
#include <type_traits>

#include "core/base/check.h"
#include "core/base/endian.h"

namespace sluice::auth {
namespace {

// wolfCrypt's object and calls for each hash.
template <typename H>
struct Wolf;
template <>
struct Wolf<Md5> {
  using Object = wc_Md5;
  static constexpr auto Init = wc_InitMd5;
  static constexpr auto Update = wc_Md5Update;
  static constexpr auto Final = wc_Md5Final;
};
template <>
struct Wolf<Sha1> {
  using Object = wc_Sha;
  static constexpr auto Init = wc_InitSha;
  static constexpr auto Update = wc_ShaUpdate;
  static constexpr auto Final = wc_ShaFinal;
};
template <>
struct Wolf<Sha256> {
  using Object = wc_Sha256;
  static constexpr auto Init = wc_InitSha256;
  static constexpr auto Update = wc_Sha256Update;
  static constexpr auto Final = wc_Sha256Final;
};
template <>
struct Wolf<Sha512> {
  using Object = wc_Sha512;
  static constexpr auto Init = wc_InitSha512;
  static constexpr auto Update = wc_Sha512Update;
  static constexpr auto Final = wc_Sha512Final;
};

// wolfCrypt has no call for the bare compression function. Its hash object keeps the chaining value
// in `digest`, as host-order words, and runs whole blocks at once: so set it, feed blocks, read it
// back.
template <typename H>
class Compressor {
 public:
  using State = typename HmacKey<H>::State;

  Compressor() { CHECK(Wolf<H>::Init(&object_) == 0); }
  ~Compressor() { Wipe(&object_, sizeof object_); }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  State state() const {
    State state;
    std::memcpy(state.data(), object_.digest, sizeof state);
    return state;
  }
  void set_state(const State& state) { std::memcpy(object_.digest, state.data(), sizeof state); }

  void Run(const char* block) {
    CHECK(Wolf<H>::Update(&object_, reinterpret_cast<const byte*>(block), H::kBlockBytes) == 0);
  }

 private:
  static_assert(sizeof(Wolf<H>::Object::digest) == sizeof(State));
  typename Wolf<H>::Object object_;
};

// MD5 writes its words and lengths little-endian, the SHAs big-endian.
template <typename H>
constexpr bool kLittleEndian = std::is_same_v<H, Md5>;

template <typename Word>
Word Swapped(Word word) {
  if constexpr (sizeof(Word) == 8)
    return __builtin_bswap64(word);
  else
    return __builtin_bswap32(word);
}

template <typename H>
void StoreState(const typename HmacKey<H>::State& state, char* to) {
  for (const auto word : state) {
    const auto octets = kLittleEndian<H> ? word : Swapped(word);
    std::memcpy(to, &octets, sizeof octets);
    to += sizeof octets;
  }
}

template <typename H>
DigestOf<H> ToDigest(const typename HmacKey<H>::State& state) {
  DigestOf<H> digest;
  StoreState<H>(state, digest.data());
  return digest;
}

// The end of a message (FIPS 180-4 section 5.1) is a one bit, zeros, and its length in bits: 8
// octets of it, and 16 in SHA-512, of which the first 8 are zeros for any message of ours.
constexpr char kOneBit = static_cast<char>(0x80);
template <typename H>
constexpr size_t kLengthAt = H::kBlockBytes - 2 * sizeof(typename H::Word);

// Zeros and the length, behind the `used` octets of the last block. REQUIRES: used <= kLengthAt.
template <typename H>
void PutLength(char* block, size_t used, uint64_t message_bytes) {
  DCHECK(used <= kLengthAt<H>);
  std::memset(block + used, 0, H::kBlockBytes - 8 - used);
  const uint64_t bits = kLittleEndian<H> ? message_bytes * 8 : __builtin_bswap64(message_bytes * 8);
  std::memcpy(block + H::kBlockBytes - 8, &bits, sizeof bits);
}

// Pads a block that holds one digest and follows one block of key: the shape of HMAC's outer
// message and of every round of PBKDF2.
template <typename H>
void PadDigestBlock(char* block) {
  block[H::kBytes] = kOneBit;
  PutLength<H>(block, H::kBytes + 1, H::kBlockBytes + H::kBytes);
}

// Runs `parts` and the padding through the compressor, whose state already stands for one block of
// key.
template <typename H>
void RunMessage(Compressor<H>& compressor, std::span<const ByteView> parts) {
  char block[H::kBlockBytes];
  size_t used = 0;
  uint64_t total = H::kBlockBytes;
  for (ByteView part : parts) {
    total += part.size();
    while (!part.empty()) {
      const size_t take = std::min(part.size(), H::kBlockBytes - used);
      std::memcpy(block + used, part.data(), take);
      part.remove_prefix(take);
      used += take;
      if (used == H::kBlockBytes) {
        compressor.Run(block);
        used = 0;
      }
    }
  }
  block[used++] = kOneBit;
  if (used > kLengthAt<H>) {  // no room for the length: it goes into a block of its own
    std::memset(block + used, 0, H::kBlockBytes - used);
    compressor.Run(block);
    used = 0;
  }
  PutLength<H>(block, used, total);
  compressor.Run(block);
  Wipe(block, sizeof block);
}

// The state after one block of key, each octet masked.
template <typename H>
typename HmacKey<H>::State KeyState(const char* key, char mask) {
  char block[H::kBlockBytes];
  for (size_t i = 0; i < H::kBlockBytes; i++) block[i] = static_cast<char>(key[i] ^ mask);
  Compressor<H> compressor;
  compressor.Run(block);
  Wipe(block, sizeof block);
  return compressor.state();
}

}  // namespace

template <typename H>
DigestOf<H> HashOf(ByteView message) {
  typename Wolf<H>::Object object;
  DigestOf<H> digest;
  CHECK(Wolf<H>::Init(&object) == 0);
  CHECK(Wolf<H>::Update(&object, reinterpret_cast<const byte*>(message.data()),
                        static_cast<word32>(message.size())) == 0);
  CHECK(Wolf<H>::Final(&object, reinterpret_cast<byte*>(digest.data())) == 0);
  Wipe(&object, sizeof object);
  return digest;
}

template <typename H>
HmacKey<H>::HmacKey(ByteView key) {
  char block[H::kBlockBytes] = {};
  if (key.size() > H::kBlockBytes) {
    Digest hashed = HashOf<H>(key);
    std::memcpy(block, hashed.data(), hashed.size());
    Wipe(hashed);
  } else if (!key.empty()) {
    std::memcpy(block, key.data(), key.size());
  }
  inner_ = KeyState<H>(block, 0x36);
  outer_ = KeyState<H>(block, 0x5c);
  Wipe(block, sizeof block);
}

template <typename H>
HmacKey<H> HmacKey<H>::FromStates(ByteView states) {
  CHECK(states.size() == kStateBytes);
  HmacKey key;
  for (State* const state : {&key.outer_, &key.inner_}) {
    for (auto& word : *state) {
      word = LoadLe<typename H::Word>(states.data());
      states.remove_prefix(sizeof word);
    }
  }
  return key;
}

template <typename H>
void HmacKey<H>::AppendStates(std::string& to) const {
  for (const State* const state : {&outer_, &inner_}) {
    for (const auto word : *state) {
      char octets[sizeof word];
      StoreLe(octets, word);
      to.append(octets, sizeof octets);
    }
  }
}

template <typename H>
typename HmacKey<H>::Digest HmacKey<H>::Sign(std::span<const ByteView> parts) const {
  Compressor<H> compressor;
  compressor.set_state(inner_);
  RunMessage(compressor, parts);
  char block[H::kBlockBytes];
  StoreState<H>(compressor.state(), block);
  PadDigestBlock<H>(block);
  compressor.set_state(outer_);
  compressor.Run(block);
  return ToDigest<H>(compressor.state());
}

template <typename H>
typename HmacKey<H>::Digest HmacKey<H>::Stretch(ByteView salt, uint32_t iterations) const {
  CHECK(iterations >= 1);
  const ByteView first_block_number("\0\0\0\1", 4);
  const ByteView parts[] = {salt, first_block_number};
  Digest u = Sign(parts);

  // From here each message is one digest, so one block with a padding that never changes serves for
  // all.
  char block[H::kBlockBytes];
  std::memcpy(block, u.data(), u.size());
  PadDigestBlock<H>(block);
  uint32_t result[H::kBytes / 4];
  std::memcpy(result, u.data(), sizeof result);
  Compressor<H> compressor;
  for (uint32_t i = 1; i < iterations; i++) {
    compressor.set_state(inner_);
    compressor.Run(block);
    StoreState<H>(compressor.state(), block);
    compressor.set_state(outer_);
    compressor.Run(block);
    StoreState<H>(compressor.state(), block);
    uint32_t round[H::kBytes / 4];
    std::memcpy(round, block, sizeof round);
    for (size_t k = 0; k < std::size(result); k++) result[k] ^= round[k];
  }
  std::memcpy(u.data(), result, sizeof result);
  Wipe(block, sizeof block);
  Wipe(result, sizeof result);
  return u;
}

template DigestOf<Md5> HashOf<Md5>(ByteView);
template DigestOf<Sha1> HashOf<Sha1>(ByteView);
template DigestOf<Sha256> HashOf<Sha256>(ByteView);
template DigestOf<Sha512> HashOf<Sha512>(ByteView);
template class HmacKey<Md5>;
template class HmacKey<Sha1>;
template class HmacKey<Sha256>;
template class HmacKey<Sha512>;

namespace {

std::string Hex(ByteView octets) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : octets) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[c & 15];
  }
  return text;
}

template <size_t N>
std::string Hex(const std::array<char, N>& digest) {
  return Hex(View(digest));
}

}  // namespace

absl::Status SelfTest() {
  const std::string long_key(131, '\xaa');
  const std::string old_long_key(80, '\xaa');  // RFC 2202
  const ByteView split[] = {"what do ya want ", "", "for nothing?"};
  constexpr ByteView kLongText =
      "This is a test using a larger than block-size key and a larger than block-size data. The "
      "key "
      "needs to be hashed before being used by the HMAC algorithm.";
  constexpr ByteView kOldLongText =
      "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data";
  const struct {
    const char* name;
    std::string got;
    const char* want;
  } kVectors[] = {
      {"Md5 of abc, RFC 1321", Hex(HashOf<Md5>("abc")), "900150983cd24fb0d6963f7d28e17f72"},
      {"Sha1 of abc, FIPS 180-4", Hex(HashOf<Sha1>("abc")),
       "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {"Sha256 of abc, FIPS 180-4", Hex(HashOf<Sha256>("abc")),
       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"Sha512 of abc, FIPS 180-4", Hex(HashOf<Sha512>("abc")),
       "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3f"
       "eebbd454d4423643ce80e2a9ac94fa54ca49f"},
      {"HMAC with Md5, RFC 2202 case 2", Hex(HmacKey<Md5>("Jefe").Sign(split)),
       "750c783e6ab0b503eaa86e310a5db738"},
      {"HMAC with Md5, RFC 2202 case 7", Hex(HmacKey<Md5>(old_long_key).Sign(kOldLongText)),
       "6f630fad67cda0ee1fb1f562db3aa53e"},
      {"HMAC with Sha1, RFC 2202 case 2", Hex(HmacKey<Sha1>("Jefe").Sign(split)),
       "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
      {"HMAC with Sha1, RFC 2202 case 7", Hex(HmacKey<Sha1>(old_long_key).Sign(kOldLongText)),
       "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"},
      {"HMAC with Sha256, RFC 4231 case 2", Hex(HmacKey<Sha256>("Jefe").Sign(split)),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {"HMAC with Sha256, RFC 4231 case 7", Hex(HmacKey<Sha256>(long_key).Sign(kLongText)),
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
      {"HMAC with Sha512, RFC 4231 case 2", Hex(HmacKey<Sha512>("Jefe").Sign(split)),
       "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f"
       "0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
      {"HMAC with Sha512, RFC 4231 case 7", Hex(HmacKey<Sha512>(long_key).Sign(kLongText)),
       "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e"
       "4de15134676fb6de0446065c97440fa8c6a58"},
      {"PBKDF2 with Sha1, RFC 6070", Hex(HmacKey<Sha1>("password").Stretch("salt", 4096)),
       "4b007901b765489abead49d926f721d065a429c1"},
      {"PBKDF2 with Sha256, RFC 7914 section 11", Hex(HmacSha256Key("passwd").Stretch("salt", 1)),
       "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"},
      {"PBKDF2 with Sha256, RFC 7677 section 3",
       Hex(HmacSha256Key("pencil").Stretch(
           "\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81", 4096)),
       "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d"},
      {"PBKDF2 with Sha512, published widely", Hex(HmacKey<Sha512>("password").Stretch("salt", 1)),
       "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252c02d470a285a0501bad999bfe94"
       "3c08f050235d7d68b1da55e63f73b60a57fce"},
  };
  for (const auto& vector : kVectors) {
    if (vector.got != vector.want) {
      return absl::InternalError(std::string("self-test of ") + vector.name + " failed: got " +
                                 vector.got + "; this build's wolfSSL must not be used");
    }
  }
  return absl::OkStatus();
}

}  // namespace sluice::auth
