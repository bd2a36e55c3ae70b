// Suspensions: whose mail a shard's relay is not to send now, as the credential store says at this
// moment.
//
// While nobody is suspended, which is nearly always, asking costs the few nanoseconds in which the
// store's generation is compared. One thread.
#ifndef SLUICE_CORE_SERVER_SUSPENSIONS_H_
#define SLUICE_CORE_SERVER_SUSPENSIONS_H_

#include <cstdint>

#include "auth/credential_store.h"

namespace sluice::server {

class Suspensions {
 public:
  // `store` outlives the object.
  explicit Suspensions(auth::CredentialSource& store) : store_(store) {}

  // An empty login, of a bounce say, is nobody.
  bool Has(ByteView login);

  // Whether the store has changed since it was last asked this.
  bool TakeChange();

 private:
  void Refresh();

  auth::CredentialSource& store_;
  uint64_t generation_ = UINT64_MAX;  // of the store, when `anybody_` was read
  bool anybody_ = false;
  bool changed_ = false;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_SUSPENSIONS_H_
