// SaltShapes: which salts and counts the users of a store have, in octets and numbers, and how many
// users each. A name that does not exist is shown one that real users have (auth/decoys.h).
//
// The shapes of a user's keys are counted together, not hash by hash: users who came from another
// server have a salt and a count of their own with one hash and ours with the next, and a name that
// shows a pair which no user has does not exist.
//
// Kept by the store with each change. Pure; bounded.
#ifndef SLUICE_AUTH_SALT_SHAPES_H_
#define SLUICE_AUTH_SALT_SHAPES_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "auth/record.h"
#include "core/base/bytes.h"

namespace sluice::auth {

struct SaltShape {
  uint8_t salt_bytes = 0;
  uint32_t iterations = 0;  // 0: no keys for the hash
  bool operator==(const SaltShape&) const = default;
};

class SaltShapes {
 public:
  using OfRecord = std::array<SaltShape, kScramHashCount>;  // by ScramHash
  struct Entry {
    OfRecord shape;
    uint64_t users = 0;
    bool operator==(const Entry&) const = default;
  };
  // Users of more shapes than these are counted, but not by shape: no decoy looks like them. A
  // store has as many as it was filled from servers and configurations.
  static constexpr size_t kMax = 64;

  static OfRecord Of(const CredentialRecord& record);

  void Add(const OfRecord& shape);
  void Remove(const OfRecord& shape);
  void AddUnknown() { others_++; }  // a user whose record cannot be read
  void RemoveUnknown() { others_ -= others_ > 0; }

  const std::vector<Entry>& entries() const { return entries_; }
  uint64_t users() const;

  // For the store.
  std::string Encode() const;
  [[nodiscard]] static bool Decode(ByteView bytes, SaltShapes& shapes);

  bool operator==(const SaltShapes&) const = default;

 private:
  std::vector<Entry> entries_;  // each of at least one user
  uint64_t others_ = 0;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_SALT_SHAPES_H_
