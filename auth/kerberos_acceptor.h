// Kerberos 5 as the GSS-API side that accepts, by MIT's library (libgssapi_krb5).
//
// Keys come from a keytab file that the configuration names, and what was accepted is kept in a
// replay cache of its own, a file of this server: without mutual authentication a recorded login
// could else be played again in the clear. Nothing of the process's environment is changed; the
// library reads krb5.conf where it always does. The keytab is read again for each login, so new
// keys in it count at once.
#ifndef SLUICE_AUTH_KERBEROS_ACCEPTOR_H_
#define SLUICE_AUTH_KERBEROS_ACCEPTOR_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "auth/gss_acceptor.h"

namespace sluice::auth {

class KerberosAcceptor final : public GssAcceptor {
 public:
  struct Options {
    std::string keytab;
    std::string principal;  // "smtp/host@REALM", "smtp/host"; empty: smtp at `hostname`
    std::string hostname;
    std::string replay_cache;  // file, made when it is first needed
  };
  // Blocks, and may ask the DNS for the canonical form of `hostname` where krb5.conf wants that.
  // Fails when the keytab cannot be read or has no key of the principal, and says so.
  static absl::StatusOr<std::unique_ptr<KerberosAcceptor>> Open(const Options& options);
  ~KerberosAcceptor() override;

  std::unique_ptr<GssContext> NewContext() const override;

 private:
  class Context;

  explicit KerberosAcceptor(void* credential) : credential_(credential) {}

  void* const credential_;  // gss_cred_id_t; the library locks it
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_KERBEROS_ACCEPTOR_H_
