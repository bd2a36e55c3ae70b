// ClientContext: what outgoing connections share: trust, parameters. Used by the relay and by the load generator.
// One a thread. Session is what lets a later connection to the same peer skip the certificate (resumption).
#ifndef SLUICE_TLS_CLIENT_CONTEXT_H_
#define SLUICE_TLS_CLIENT_CONTEXT_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "tls/identity.h"
#include "tls/parameters.h"

struct WOLFSSL_CTX;
struct WOLFSSL_SESSION;

namespace sluice::tls {

enum class Trust : uint8_t {
  kAnyone,  // any certificate (RFC 3207 section 4.1 and RFC 7435: opportunistic)
  kSystem,  // a chain to the system's trust anchors, and the peer's name
  kGiven,   // a chain to the anchors in `anchors`, and the peer's name
};

struct ClientOptions {
  Trust trust = Trust::kAnyone;
  std::string anchors;       // with kGiven: PEM, one or more certificates
  std::string anchors_file;  // for messages
  Parameters parameters;
  bool resumption = true;  // ask for tickets
  std::optional<IdentityPem> identity;  // shown to a server that asks for a certificate
};

class ClientContext {
 public:
  // REQUIRES: Init() succeeded. InvalidArgument names the file, or the group, and says what is wrong.
  static absl::StatusOr<std::shared_ptr<ClientContext>> Create(const ClientOptions& options);
  ~ClientContext();
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  // For Channel.
  WOLFSSL_CTX* library_context() const { return context_; }
  Trust trust() const { return trust_; }

 private:
  ClientContext() = default;

  WOLFSSL_CTX* context_ = nullptr;
  Trust trust_ = Trust::kAnyone;
};

// What a connection left for the next one to the same peer; get it from Channel::TakeSession(). May be used for
// several connections. Only with the context that it came from, on that context's thread.
class Session {
 public:
  Session() = default;
  Session(Session&& other) noexcept : session_(std::exchange(other.session_, nullptr)) {}
  Session& operator=(Session&& other) noexcept {
    std::swap(session_, other.session_);
    return *this;
  }
  ~Session();

  explicit operator bool() const { return session_ != nullptr; }

 private:
  friend class Channel;
  explicit Session(WOLFSSL_SESSION* session) : session_(session) {}

  WOLFSSL_SESSION* session_ = nullptr;
};

}  // namespace sluice::tls

#endif  // SLUICE_TLS_CLIENT_CONTEXT_H_
