// SCRAM (RFC 5802, RFC 7677): the client proves that it knows the password, and the server that it
// knows what it has derived from it. Neither learns anything new.
//
//   C: n,,n=alice,r=nonce                        gs2 header, client-first-message-bare
//   S: r=nonceNONCE,s=salt,i=10000
//   C: c=biws,r=nonceNONCE,p=proof
//   S: v=signature                               a 334 too: SMTP's 235 carries no data
//   C: (empty)
//
// Three of the four keyed steps go on from states that the record keeps: the check costs the blocks
// of the message and one hash. A user who is unknown, or whose record has no keys for the hash, is
// led through the same steps with a salt of its own (auth/decoys.h), and one who is disabled with
// his real one.
//
// -PLUS: the client's header names a channel binding and its last message carries it. One that
// there is not on this channel fails at once, whoever asks: nothing could be proved by it. Without
// -PLUS the header says `n` (the client can not) or `y` (it can, and believes that the server can
// not): `y` where -PLUS was offered is somebody in the middle who took it out of EHLO. To the
// client that and a wrong channel are a wrong password; the event log tells them from that.
#ifndef SLUICE_AUTH_SCRAM_EXCHANGE_H_
#define SLUICE_AUTH_SCRAM_EXCHANGE_H_

#include <string>

#include "auth/exchange.h"

namespace sluice::auth {

class ScramExchange final : public Exchange {
 public:
  // `plus`: the mechanism's name ended in -PLUS.
  ScramExchange(ScramHash hash, bool plus, const ExchangeContext& context);

  Next Start(std::optional<ByteView> initial) override;
  Next Step(ByteView response) override;
  Next OnRecord(const CredentialRecord* record) override;
  Next OnVerified(Verdict verdict) override;

 private:
  enum class State : uint8_t { kStart, kFirst, kRecord, kFinal, kSigned, kDone };

  Next OnFirst(ByteView message);
  Next OnFinal(ByteView message);
  bool TakeHeader(ByteView& message);
  bool TakeBinding(ByteView name);
  Next Done(Failure failure, ByteView detail = {});

  const ScramHash hash_;
  const bool plus_;
  const ExchangeContext context_;
  State state_ = State::kStart;
  bool known_ = false;         // keys() are a user's that may log in
  bool downgraded_ = false;    // said `y` where -PLUS was offered
  std::string unbindable_;     // why the binding that the client names is none here; or empty
  std::string header_;         // gs2 header, and the binding's data behind it: what `c=` must be
  std::string nonce_;          // the client's and ours
  std::string auth_message_;   // as far as it is known (RFC 5802 section 3)
  std::string reply_;          // the challenge
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_SCRAM_EXCHANGE_H_
