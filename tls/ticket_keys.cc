// The file: "SLTK", format version 1 (4 octets), current_since in milliseconds (8), three keys in the order of
// keys_ (name 16, key 32), CRC-32C of all before (4). Integers are little-endian.
#include "tls/ticket_keys.h"

#include <algorithm>

#include "core/base/crc32c.h"
#include "core/base/endian.h"
#include "core/base/random.h"

namespace sluice::tls {
namespace {

constexpr ByteView kMagic = "SLTK";
constexpr uint32_t kFormat = 1;
constexpr size_t kKeysAt = 16;
constexpr size_t kKeyBytes = 16 + 32;
constexpr size_t kChecksumAt = kKeysAt + 3 * kKeyBytes;
constexpr size_t kEncodedBytes = kChecksumAt + 4;

TicketKey NewKey(RandomFill random) {
  TicketKey key;
  random(key.name.data(), key.name.size());
  random(key.key.data(), key.key.size());
  key.name[0] = static_cast<char>(key.name[0] | 1);  // the library refuses a name of zeros
  return key;
}

}  // namespace

TicketKeys TicketKeys::Generate(RandomFill random, WallTime now) {
  TicketKeys keys;
  for (TicketKey& key : keys.keys_) key = NewKey(random);
  keys.current_since_ = now;
  return keys;
}

TicketKeys TicketKeys::Rotated(RandomFill random, WallTime now, Duration period) const {
  if (now - current_since_ > 2 * period) return Generate(random, now);
  TicketKeys keys;
  keys.keys_ = {keys_[2], keys_[0], NewKey(random)};
  keys.current_since_ = now;
  return keys;
}

const TicketKey* TicketKeys::Find(ByteView name) const {
  for (const TicketKey& key : keys_) {
    if (name == ByteView(key.name.data(), key.name.size())) return &key;
  }
  return nullptr;
}

std::string TicketKeys::Encode() const {
  std::string bytes(kEncodedBytes, '\0');
  std::copy(kMagic.begin(), kMagic.end(), bytes.begin());
  StoreLe<uint32_t>(&bytes[4], kFormat);
  StoreLe<uint64_t>(&bytes[8], static_cast<uint64_t>(WallMillis(current_since_)));
  char* at = &bytes[kKeysAt];
  for (const TicketKey& key : keys_) {
    at = std::copy(key.name.begin(), key.name.end(), at);
    at = std::copy(key.key.begin(), key.key.end(), at);
  }
  StoreLe<uint32_t>(&bytes[kChecksumAt], Crc32c(0, ByteView(bytes).substr(0, kChecksumAt)));
  return bytes;
}

absl::StatusOr<TicketKeys> TicketKeys::Decode(ByteView bytes) {
  if (bytes.substr(0, kMagic.size()) != kMagic) return absl::InvalidArgumentError("not a file of ticket keys");
  if (bytes.size() != kEncodedBytes) return absl::InvalidArgumentError("file of ticket keys has a wrong length");
  if (LoadLe<uint32_t>(bytes.data() + kChecksumAt) != Crc32c(0, bytes.substr(0, kChecksumAt))) {
    return absl::InvalidArgumentError("file of ticket keys is damaged (wrong checksum)");
  }
  if (LoadLe<uint32_t>(bytes.data() + 4) != kFormat) {
    return absl::InvalidArgumentError("file of ticket keys has an unknown format");
  }
  TicketKeys keys;
  keys.current_since_ = WallFromMillis(static_cast<int64_t>(LoadLe<uint64_t>(bytes.data() + 8)));
  const char* at = bytes.data() + kKeysAt;
  for (TicketKey& key : keys.keys_) {
    std::copy_n(at, key.name.size(), key.name.begin());
    std::copy_n(at + key.name.size(), key.key.size(), key.key.begin());
    at += kKeyBytes;
  }
  return keys;
}

}  // namespace sluice::tls
