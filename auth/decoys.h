// Decoys: keys of users that do not exist, so that SCRAM asks them for a proof like everybody else.
//
// A name's salt is always the same, also on another shard, in another process and after a restart,
// because it is made of the name with a secret that the credential store keeps; it looks as random
// as a real one. No proof ever matches.
#ifndef SLUICE_AUTH_DECOYS_H_
#define SLUICE_AUTH_DECOYS_H_

#include <cstdint>

#include "auth/hmac_key.h"
#include "auth/record.h"

namespace sluice::auth {

class Decoys {
 public:
  // `secret`: 32 random octets or more. `iterations`: what real users have.
  Decoys(ByteView secret, uint32_t iterations);

  // `login`: canonical.
  ScramKeys Keys(ScramHash hash, ByteView login) const;

 private:
  const HmacSha256Key key_;
  const uint32_t iterations_;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_DECOYS_H_
