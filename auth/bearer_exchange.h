// OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's, before it): the client shows a token that an issuer
// has given it, and whoever shows it is who it says.
//
//   OAUTHBEARER  C: n,a=alice@example.net,^Ahost=h^Aport=587^Aauth=Bearer TOKEN^A^A
//   XOAUTH2      C: user=alice@example.net^Aauth=Bearer TOKEN^A^A
//
// and when the token is refused, before the failure (^A is the octet 1):
//
//   OAUTHBEARER  S: {"status":"invalid_token","scope":"...","openid-configuration":"..."}
//                C: ^A
//   XOAUTH2      S: {"status":"400","schemes":"Bearer","scope":"..."}
//                C: (empty)
//
// The login is a claim of the token; the name beside it may be missing, or be the same. The user
// must have a record, which says what it may send, and no keys in it. An unknown user, a
// disabled one and one who may not what it asks for fail as a bad token does. The token is read
// where it lies and not kept.
#ifndef SLUICE_AUTH_BEARER_EXCHANGE_H_
#define SLUICE_AUTH_BEARER_EXCHANGE_H_

#include <memory>
#include <string>

#include "auth/exchange.h"
#include "auth/jwt.h"

namespace sluice::auth {

class BearerExchange final : public Exchange {
 public:
  enum class Form : uint8_t { kOauthBearer, kXoauth2 };
  // REQUIRES: context.tokens.
  BearerExchange(Form form, const ExchangeContext& context);

  Next Start(std::optional<ByteView> initial) override;
  Next Step(ByteView response) override;
  Next OnRecord(const CredentialRecord* record) override;
  Next OnVerified(Verdict verdict) override;
  Next OnRefused() override;

 private:
  enum class State : uint8_t { kStart, kToken, kRecord, kRefused, kDone };

  Next OnToken(ByteView message);
  Next Refuse(ByteView reason);
  Next Done(Failure failure);

  const Form form_;
  const std::shared_ptr<TokenVerifier> tokens_;
  const WallTime now_;
  State state_ = State::kStart;
  std::string refusal_;  // the challenge
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_BEARER_EXCHANGE_H_
