// What GSSAPI (auth/gssapi_exchange.h) needs of a GSS-API library: the side that accepts security
// contexts (RFC 2743). auth/kerberos_acceptor.h has the real one, tests have their own.
#ifndef SLUICE_AUTH_GSS_ACCEPTOR_H_
#define SLUICE_AUTH_GSS_ACCEPTOR_H_

#include <memory>
#include <string>

#include "core/base/bytes.h"

namespace sluice::auth {

// One security context. Its calls may block, so none of them is for a shard; one at a time. It may
// be let go of anywhere.
class GssContext {
 public:
  enum class Accepted : uint8_t {
    kMore,     // `output` asks for another token
    kDone,     // `output`, where there is any, is the last token
    kRefused,  // whatever the reason
  };

  virtual ~GssContext() = default;
  virtual Accepted Accept(ByteView token, std::string& output) = 0;
  // GSS_Wrap without confidentiality, GSS_Unwrap. REQUIRES: Accept() said kDone.
  virtual bool Wrap(ByteView message, std::string& token) = 0;
  virtual bool Unwrap(ByteView token, std::string& message) = 0;

  // Set by kDone: "alice@EXAMPLE.NET", and the realm that this server's own key is of.
  const std::string& principal() const { return principal_; }
  const std::string& own_realm() const { return own_realm_; }

 protected:
  std::string principal_;
  std::string own_realm_;
};

class GssAcceptor {
 public:
  virtual ~GssAcceptor() = default;
  virtual std::unique_ptr<GssContext> NewContext() const = 0;  // any thread; never nullptr
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_GSS_ACCEPTOR_H_
