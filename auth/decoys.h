// Decoys: keys of users that do not exist, so that SCRAM asks them for a proof like everybody else.
//
// A name's salt is always the same, also on another shard, in another process and after a restart,
// because it is made of the name with a secret that the credential store keeps; it looks as random
// as a real one. No proof ever matches.
//
// Its length and count are those of a real user, drawn by the name with the chances that they have
// among real users (auth/salt_shapes.h), for all hashes together. The draw is a weighted
// rendezvous: each shape of the store gets of the name a number that is exponentially distributed
// with the shape's number of users for its rate, and the least wins, which is the shape's share of
// chances. When users of a shape come or go, names move to it or from it alone, and no more of them
// than its share has changed: a decoy changes as rarely as a real user whose password is set anew,
// and then looks like that, since the salt's octets are another shape's. (Octets that stayed while
// their number or the count changed would be nobody's real salt.)
//
// Where the drawn user has no keys for a hash, and where a real user has none, the name is shown
// one of those that have some, drawn likewise: a real user who lacks keys looks as before he
// existed.
#ifndef SLUICE_AUTH_DECOYS_H_
#define SLUICE_AUTH_DECOYS_H_

#include <cstdint>
#include <vector>

#include "auth/hmac_key.h"
#include "auth/record.h"
#include "auth/salt_shapes.h"

namespace sluice::auth {

class Decoys {
 public:
  // `secret`: 32 random octets or more. `iterations`: for as long as no user has keys for a hash.
  Decoys(ByteView secret, uint32_t iterations);

  // What real users have, from now on.
  void SetShapes(const SaltShapes& shapes);

  // `login`: canonical.
  ScramKeys Keys(ScramHash hash, ByteView login) const;
  // As PasswordKeys() of the name's record would be: work for a verifier like any other.
  ScramKeys PasswordKeys(ByteView login) const;

 private:
  struct Choice {
    SaltShapes::OfRecord shape;
    uint64_t tag = 0;  // of the shape, keyed
    double users = 0;
  };

  uint64_t SeedOf(ByteView login) const;
  template <typename Takes>
  const Choice* Draw(uint64_t seed, Takes takes) const;
  SaltShape ShapeOf(ScramHash hash, uint64_t seed) const;
  ScramKeys Make(ScramHash hash, ByteView login, const SaltShape& shape) const;

  const HmacSha256Key key_;
  const uint32_t iterations_;
  std::vector<Choice> choices_;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_DECOYS_H_
