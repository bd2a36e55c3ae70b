#include "auth/decoys.h"

#include <algorithm>
#include <cmath>

#include "core/base/check.h"
#include "core/base/endian.h"

namespace sluice::auth {
namespace {

// The finalizer of splitmix64: each bit of the result depends on all bits of `x`. Nothing of it but
// the winner is seen, and both numbers that are mixed are keyed.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Above 0 and up to 1.
double Uniform(uint64_t bits) { return static_cast<double>((bits >> 11) + 1) * 0x1p-53; }

}  // namespace

Decoys::Decoys(ByteView secret, uint32_t iterations) : key_(secret), iterations_(iterations) {
  CHECK(secret.size() >= 32);
}

void Decoys::SetShapes(const SaltShapes& shapes) {
  choices_.clear();
  for (const SaltShapes::Entry& entry : shapes.entries()) {
    // Of the shape alone, so that its numbers stay when another comes or goes.
    char octets[kScramHashCount * 5];
    for (size_t i = 0; i < kScramHashCount; i++) {
      octets[i * 5] = static_cast<char>(entry.shape[i].salt_bytes);
      StoreLe<uint32_t>(octets + i * 5 + 1, entry.shape[i].iterations);
    }
    const ByteView parts[] = {"shape of nobody", ByteView(octets, sizeof octets)};
    choices_.push_back(
        {entry.shape, LoadLe<uint64_t>(key_.Sign(parts).data()), static_cast<double>(entry.users)});
  }
}

uint64_t Decoys::SeedOf(ByteView login) const {
  if (choices_.size() < 2) return 0;  // nothing to draw
  const ByteView parts[] = {"whom nobody is like", login};
  return LoadLe<uint64_t>(key_.Sign(parts).data());
}

template <typename Takes>
const Decoys::Choice* Decoys::Draw(uint64_t seed, Takes takes) const {
  const Choice* best = nullptr;
  double least = 0;
  for (const Choice& choice : choices_) {
    if (!takes(choice)) continue;
    const double number = -std::log(Uniform(Mix(seed ^ choice.tag))) / choice.users;
    if (best == nullptr || number < least) {
      best = &choice;
      least = number;
    }
  }
  return best;
}

// The second draw is by the same numbers. Who wins among some is independent of who wins among the
// others and of whether one of those wins over all, so the chances are right all the same.
SaltShape Decoys::ShapeOf(ScramHash hash, uint64_t seed) const {
  const auto index = static_cast<size_t>(hash);
  const Choice* choice = Draw(seed, [](const Choice&) { return true; });
  if (choice != nullptr && choice->shape[index].iterations == 0) {
    choice =
        Draw(seed, [index](const Choice& other) { return other.shape[index].iterations != 0; });
  }
  if (choice == nullptr) return {kSaltBytes, iterations_};
  return choice->shape[index];
}

ScramKeys Decoys::Make(ScramHash hash, ByteView login, const SaltShape& shape) const {
  ScramKeys keys;
  keys.hash = hash;
  keys.iterations = shape.iterations;
  keys.salt_bytes = shape.salt_bytes;
  char head[7] = {0, static_cast<char>(hash), static_cast<char>(shape.salt_bytes)};
  StoreLe<uint32_t>(head + 3, shape.iterations);
  for (size_t at = 0; at < shape.salt_bytes; at += Sha256::kBytes, head[0]++) {
    const ByteView parts[] = {"salt of nobody", ByteView(head, sizeof head), login};
    const Sha256Digest octets = key_.Sign(parts);
    std::copy_n(octets.begin(), std::min(octets.size(), shape.salt_bytes - at),
                keys.salt.begin() + static_cast<ptrdiff_t>(at));
  }
  return keys;  // the others zeros: the states are no keys' and the StoredKey is no hash of
                // anything
}

ScramKeys Decoys::Keys(ScramHash hash, ByteView login) const {
  return Make(hash, login, ShapeOf(hash, SeedOf(login)));
}

ScramKeys Decoys::PasswordKeys(ByteView login) const {
  const Choice* const choice = Draw(SeedOf(login), [](const Choice& any) {
    return std::any_of(any.shape.begin(), any.shape.end(),
                       [](const SaltShape& shape) { return shape.iterations != 0; });
  });
  if (choice != nullptr) {
    for (const ScramHash hash : {ScramHash::kSha256, ScramHash::kSha512, ScramHash::kSha1}) {
      const SaltShape& shape = choice->shape[static_cast<size_t>(hash)];
      if (shape.iterations != 0) return Make(hash, login, shape);
    }
  }
  return Make(ScramHash::kSha256, login, {kSaltBytes, iterations_});
}

}  // namespace sluice::auth
