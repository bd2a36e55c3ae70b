// CRAM-MD5 (RFC 2195): the client signs the server's challenge with its password.
//
//   S: <nonce@host>
//   C: alice 9e95aee09c40af2b84a0c2b3bbae786e
//
// The record keeps the states of HMAC-MD5 after its key, so a check costs three compressions.
#ifndef SLUICE_AUTH_CRAM_MD5_EXCHANGE_H_
#define SLUICE_AUTH_CRAM_MD5_EXCHANGE_H_

#include <string>

#include "auth/exchange.h"

namespace sluice::auth {

class CramMd5Exchange final : public Exchange {
 public:
  explicit CramMd5Exchange(const ExchangeContext& context);

  Next Start(std::optional<ByteView> initial) override;
  Next Step(ByteView response) override;
  Next OnRecord(const CredentialRecord* record) override;
  Next OnVerified(Verdict verdict) override;

 private:
  enum class State : uint8_t { kStart, kResponse, kRecord, kDone };

  Next Done(Failure failure);

  State state_ = State::kStart;
  std::string sent_;    // the challenge
  std::string digest_;  // as it came
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_CRAM_MD5_EXCHANGE_H_
