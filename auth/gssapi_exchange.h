// GSSAPI (RFC 4752): Kerberos 5 says who the client is.
//
//   C: token                  a ticket for smtp/hostname
//   S: token                  that this is the server it is for
//   C: (empty)
//   S: wrap(01 00 00 00)      the security layers there are: none
//   C: wrap(01 00 00 00 name) none then; an authorization identity, or nothing
//
// No security layer: TLS is that. The library reads files and keeps a replay cache, so each of its
// steps is a piece of work that is run off the shard (kVerify). Who the principal is decides a rule
// (auth/principal_login.h); whether it may log in, and what it may do, its record, which needs no
// keys. A client that may not is told so after its last message, whatever the reason was.
#ifndef SLUICE_AUTH_GSSAPI_EXCHANGE_H_
#define SLUICE_AUTH_GSSAPI_EXCHANGE_H_

#include <memory>
#include <string>

#include "auth/exchange.h"
#include "auth/gss_acceptor.h"
#include "auth/principal_login.h"

namespace sluice::auth {

class GssapiExchange final : public Exchange {
 public:
  // Both outlive the exchange, and `acceptor` the work that it leaves behind.
  GssapiExchange(const GssAcceptor& acceptor, const PrincipalRule& rule);

  Next Start(std::optional<ByteView> initial) override;
  Next Step(ByteView response) override;
  Next OnRecord(const CredentialRecord* record) override;
  Next OnVerified(Verdict verdict) override;

 private:
  // kToken, kLast and kLayer wait for the client, kAccepting and kUnwrapping for the work.
  enum class State : uint8_t {
    kStart,
    kToken,
    kAccepting,
    kLast,  // its empty answer to our last token
    kLayer,
    kUnwrapping,
    kRecord,
    kDone,
  };
  class Work;

  Next RunWork(State state, ByteView token);
  Next OnAccepted();
  Next OfferLayers();
  Next OnUnwrapped();
  Next Done(Failure failure);

  const PrincipalRule& rule_;
  const std::shared_ptr<Work> context_;  // also in the hands of a verifier while it runs
  State state_ = State::kStart;
  int tokens_ = 0;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_GSSAPI_EXCHANGE_H_
