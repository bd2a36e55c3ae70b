// PLAIN (RFC 4616) and LOGIN (never standardised; draft-murchison-sasl-login): the client sends its
// password, and the server proves it with the slow function.
//
// They differ in how the name and the password arrive. From then on both look the user up and wish
// the password verified, also when there is no such user.
#ifndef SLUICE_AUTH_PASSWORD_EXCHANGE_H_
#define SLUICE_AUTH_PASSWORD_EXCHANGE_H_

#include "auth/exchange.h"

namespace sluice::auth {

class PasswordExchange : public Exchange {
 public:
  // Whether a password can be proved against what `record` has.
  static bool CanProve(const CredentialRecord& record);

  Next OnRecord(const CredentialRecord* record) final;
  Next OnVerified(Verdict verdict) final;

 protected:
  // Where the machine stands, that is, which call it expects.
  enum class State : uint8_t { kStart, kResponse, kPassword, kRecord, kVerdict, kDone };

  // Both are known, as they came. kLookup, or a failure when one of them cannot be prepared.
  Next HaveCredentials(ByteView name, ByteView password);
  Next Done(Failure failure);

  State state_ = State::kStart;
};

//   C: [authzid] NUL authcid NUL passwd
class PlainExchange final : public PasswordExchange {
 public:
  Next Start(std::optional<ByteView> initial) override;
  Next Step(ByteView response) override;
};

//   S: "Username:"    (not sent when the name came as initial response)
//   C: name
//   S: "Password:"
//   C: password
class LoginExchange final : public PasswordExchange {
 public:
  Next Start(std::optional<ByteView> initial) override;
  Next Step(ByteView response) override;

 private:
  Next HaveName(ByteView name);

  std::string name_;  // as it came, but at most kLoginBytesMax + 1 octets: too long stays too long
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_PASSWORD_EXCHANGE_H_
