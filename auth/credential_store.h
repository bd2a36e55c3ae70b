// Where a shard finds the record of a login.
//
// CredentialSource is what an exchange's kLookup wish is answered from. The embedded store
// (auth/lmdb_store.h) answers at once from mapped memory. A store that must ask somebody (Dovecot's
// auth socket) fits behind the same wish: the exchange already waits at kLookup for OnRecord(),
// however late.
#ifndef SLUICE_AUTH_CREDENTIAL_STORE_H_
#define SLUICE_AUTH_CREDENTIAL_STORE_H_

#include "auth/record.h"
#include "auth/salt_shapes.h"
#include "core/base/bytes.h"

namespace sluice::auth {

enum class LookupStatus : uint8_t {
  kFound,
  kNotFound,
  kError,  // the store cannot say, or the record is damaged: answer 454, never 535
};

// One a shard; only its thread calls it.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;

  // Reads the record of a canonical login as it is now. `record` is set only by kFound.
  virtual LookupStatus Lookup(ByteView login, CredentialRecord& record) = 0;

  // Whether a login is suspended, so that its mail is to wait; it need have no record (any more).
  // False where the store cannot say. And whether any is, which is worth keeping until Generation()
  // is another.
  virtual bool IsSuspended(ByteView /*login*/) { return false; }
  virtual bool IsAnybodySuspended() { return false; }

  // Another number whenever a record may have changed. Cheap: asked for each command. 0: never.
  virtual uint64_t Generation() const { return 0; }

  // Reads what salts its users have, as it is now. False, and `shapes` unspecified: it cannot say.
  virtual bool Shapes([[maybe_unused]] SaltShapes& shapes) { return false; }
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_CREDENTIAL_STORE_H_
