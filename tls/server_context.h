// ServerContext: what all server connections of one shard share: identities, ticket keys,
// parameters.
//
// One a shard (thread), so that connections of different cores share no cache line. It holds one
// WOLFSSL_CTX an identity. Reload makes a new ServerContext and drops the old one; connections in
// their handshake keep the old alive, and finished ones only the part of it that the library counts
// by itself. TLS 1.2 and 1.3; AEAD with forward secrecy only; no session cache, no early data, no
// renegotiation.
//
// With `client_trust` it asks clients for a certificate. Who shows none, or one that is not good,
// goes on without an identity. Such a context gives and takes no tickets: each session's identity
// is proved and judged anew, so that a revoked certificate does not live on in a ticket.
#ifndef SLUICE_TLS_SERVER_CONTEXT_H_
#define SLUICE_TLS_SERVER_CONTEXT_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/time.h"
#include "tls/client_hello.h"
#include "tls/client_trust.h"
#include "tls/identity.h"
#include "tls/parameters.h"
#include "tls/ticket_keys.h"

struct WOLFSSL_CTX;

namespace sluice::tls {

struct ServerOptions {
  std::vector<IdentityPem> identities;  // at least one; the first is the default
  Parameters parameters;
  std::shared_ptr<const TicketKeys> ticket_keys;  // nullptr: no tickets, every handshake is a full one
  Duration ticket_lifetime = hours(12);           // told to clients; at most the rotation period of the keys. 1 s to 7 days
  std::optional<ClientTrustPem> client_trust;  // nullopt: clients are not asked for a certificate
};

class ServerContext {
 public:
  // REQUIRES: Init() succeeded. InvalidArgument names the file, or the group, and says what is wrong: bad PEM, a
  // key that does not belong to the certificate, an unknown group.
  static absl::StatusOr<std::shared_ptr<ServerContext>> Create(const ServerOptions& options);
  ~ServerContext();
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;

  // From now on tickets are sealed and opened with these, if it gives any. Not nullptr. The shard's
  // thread.
  void set_ticket_keys(std::shared_ptr<const TicketKeys> keys);

  // The leaf certificates, in the order given: for `sluice check` and the start-up report.
  const std::vector<CertificateFacts>& certificates() const { return certificates_; }

  // What judges clients' certificates; nullptr: they are not asked for.
  ClientTrust* client_trust() const { return client_trust_.get(); }

  // For Channel (and tests): the index of the identity that serves this client. Among those whose key the client
  // takes: the best match of the server name, ECDSA before RSA, then the order given. When no name matches, the
  // default's names decide, so that a default may consist of an ECDSA and an RSA certificate for the same name.
  size_t Choose(const ClientHello& hello) const;

  // For Channel: the library's part of identity `index`.
  WOLFSSL_CTX* library_context(size_t index) const { return contexts_[index]; }

 private:
  friend struct TicketCallback;
  ServerContext() = default;

  Versions versions_ = Versions::k12And13;
  std::vector<CertificateFacts> certificates_;
  std::vector<WOLFSSL_CTX*> contexts_;  // one a certificate
  std::shared_ptr<const TicketKeys> ticket_keys_;  // nullptr: no tickets
  std::unique_ptr<ClientTrust> client_trust_;
};

}  // namespace sluice::tls

#endif  // SLUICE_TLS_SERVER_CONTEXT_H_
