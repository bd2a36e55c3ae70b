#include "auth/salt_shapes.h"

#include <algorithm>

#include "core/base/endian.h"

namespace sluice::auth {
namespace {

// shapes = format(1) others(8) *(users(8) 3*(salt_bytes(1) iterations(4)))
constexpr char kFormat = 1;
constexpr size_t kHeadBytes = 9;
constexpr size_t kEntryBytes = 8 + kScramHashCount * 5;

}  // namespace

SaltShapes::OfRecord SaltShapes::Of(const CredentialRecord& record) {
  OfRecord shape;
  for (size_t i = 0; i < kScramHashCount; i++) {
    if (record.scram[i].has_value())
      shape[i] = {record.scram[i]->salt_bytes, record.scram[i]->iterations};
  }
  return shape;
}

void SaltShapes::Add(const OfRecord& shape) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&shape](const Entry& entry) { return entry.shape == shape; });
  if (found != entries_.end()) {
    found->users++;
  } else if (entries_.size() < kMax) {
    entries_.push_back({shape, 1});
  } else {
    others_++;
  }
}

void SaltShapes::Remove(const OfRecord& shape) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&shape](const Entry& entry) { return entry.shape == shape; });
  if (found == entries_.end()) return RemoveUnknown();
  if (--found->users == 0) entries_.erase(found);
}

uint64_t SaltShapes::users() const {
  uint64_t users = others_;
  for (const Entry& entry : entries_) users += entry.users;
  return users;
}

std::string SaltShapes::Encode() const {
  std::string bytes(kHeadBytes + entries_.size() * kEntryBytes, kFormat);
  char* to = bytes.data() + 1;
  const auto put = [&to]<typename Number>(Number number) {
    StoreLe<Number>(to, number);
    to += sizeof number;
  };
  put(others_);
  for (const Entry& entry : entries_) {
    put(entry.users);
    for (const SaltShape& shape : entry.shape) {
      *to++ = static_cast<char>(shape.salt_bytes);
      put(shape.iterations);
    }
  }
  return bytes;
}

bool SaltShapes::Decode(ByteView bytes, SaltShapes& shapes) {
  shapes = SaltShapes();
  if (bytes.size() < kHeadBytes || bytes[0] != kFormat) return false;
  shapes.others_ = LoadLe<uint64_t>(bytes.data() + 1);
  bytes.remove_prefix(kHeadBytes);
  if (bytes.size() % kEntryBytes != 0 || bytes.size() / kEntryBytes > kMax) return false;
  for (; !bytes.empty(); bytes.remove_prefix(kEntryBytes)) {
    Entry& entry = shapes.entries_.emplace_back();
    entry.users = LoadLe<uint64_t>(bytes.data());
    if (entry.users == 0) return false;
    for (size_t i = 0; i < kScramHashCount; i++) {
      const char* const from = bytes.data() + 8 + i * 5;
      entry.shape[i] = {static_cast<uint8_t>(from[0]), LoadLe<uint32_t>(from + 1)};
      if (entry.shape[i].salt_bytes > kSaltBytesMax) return false;
      if (entry.shape[i].iterations > kIterationsMax) return false;
    }
  }
  return true;
}

}  // namespace sluice::auth
