// EXTERNAL (RFC 4422 appendix A): TLS has proved who the client is; here it says as whom it comes.
//
//   C: [authzid]       empty: the first login of its certificate; else one of them, or whom that
//                      first login asks to act for
//
// Which logins those are is settled before (auth/certificate_logins.h). The record must exist and
// not be disabled: a certificate alone makes no user.
#ifndef SLUICE_AUTH_EXTERNAL_EXCHANGE_H_
#define SLUICE_AUTH_EXTERNAL_EXCHANGE_H_

#include "auth/exchange.h"

namespace sluice::auth {

class ExternalExchange final : public Exchange {
 public:
  explicit ExternalExchange(const ExchangeContext& context);

  Next Start(std::optional<ByteView> initial) override;
  Next Step(ByteView response) override;
  Next OnRecord(const CredentialRecord* record) override;
  Next OnVerified(Verdict verdict) override;

 private:
  enum class State : uint8_t { kStart, kResponse, kRecord, kDone };

  Next Done(Failure failure, ByteView detail);

  State state_ = State::kStart;
  const ExternalIdentity* const identity_;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_EXTERNAL_EXCHANGE_H_
