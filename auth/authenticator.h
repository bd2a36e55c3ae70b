// Authenticator: what a shard needs to answer AUTH. It fulfils an exchange's wishes: looks users
// up, asks the remembered logins, and hands what is slow to the verifier.
//
//   connection                     attempt                        elsewhere
//   AUTH PLAIN ...  -> Start()  -> exchange, store, remembered
//                   <- kSuccess                                   (the usual login ends here)
//                   <- kWait                                   -> verifier thread
//   mailbox: (token, verdict)   -> OnVerified()
//                   <- kSuccess or kFailure
//
// One Authenticator a shard, one Attempt an AUTH command, owned by its connection and given back
// with the reply. A connection that goes away meanwhile just destroys its attempt; the late verdict
// finds nobody. No clock, no I/O of its own: the monotonic time comes in.
//
// **Failures take time.** The server must not send 535 at once: it leaves by a timer at a fixed
// time after the AUTH command was read (`auth.failure_delay`) plus a random part
// (`auth.failure_jitter`), whatever the cause; nothing but the session's timer is held meanwhile.
// Equal steps alone cannot hide how long a cause took (an iteration count of its own, a queue); a
// fixed time to answer does, as long as it exceeds the verifiers' whole queue. kMalformed and
// kTemporary say nothing about a user and may leave at once.
#ifndef SLUICE_AUTH_AUTHENTICATOR_H_
#define SLUICE_AUTH_AUTHENTICATOR_H_

#include <memory>
#include <optional>
#include <string>

#include "auth/credential_store.h"
#include "auth/exchange.h"
#include "auth/principal_login.h"
#include "auth/remembered.h"
#include "auth/sender_policy.h"
#include "auth/verifier.h"
#include "core/base/sock_addr.h"
#include "core/base/time.h"

namespace sluice::auth {

// Who a session is, from 235 until it ends.
struct Identity {
  std::string login;  // canonical; whose rights and limits these are
  std::string actor;  // who has authenticated, where that is another; otherwise empty
  std::string tenant;
  uint64_t version = 0;     // of the record it was proved against, or that was read since
  uint64_t generation = 0;  // of the store, when that was read
  bool elsewhere = false;   // proved by another server: there may be no record
  SenderPolicy sender;
  LoginLimits limits;
  Grants acts_for;  // logins for which it may act in turn
};

enum class Acting : uint8_t { kAllowed, kForbidden, kUnknown, kTemporary };

class Authenticator;

// An AUTH command on its way to a verdict, whoever gives it.
class LoginAttempt {
 public:
  enum class Result : uint8_t {
    kChallenge,  // send challenge() in base64 and give the answer to Continue()
    kWait,       // read nothing more from the client until the result comes, by whatever way
    kSuccess,    // identity() is set: 235 2.7.0
    kFailure,    // failure() says how; see above for when it may be told
  };

  virtual ~LoginAttempt() = default;
  LoginAttempt(const LoginAttempt&) = delete;
  LoginAttempt& operator=(const LoginAttempt&) = delete;

  // The command's initial response, decoded; nullopt when it had none, an empty view for `=`.
  virtual Result Start(std::optional<ByteView> initial, MonoTime now) = 0;
  // REQUIRES: the last result was kChallenge
  virtual Result Continue(ByteView response, MonoTime now) = 0;
  // A verifier's verdict. Ignored (the result is kWait again) when the token is that of another
  // attempt. REQUIRES: the last result was kWait.
  virtual Result OnVerified(const VerifyToken& token, Verdict verdict, MonoTime now) = 0;

  virtual ByteView challenge() const = 0;
  Failure failure() const { return failure_; }
  virtual ByteView detail() const { return {}; }  // see Exchange
  // The canonical login, as far as it is known: for the event log. Empty when the client sent none.
  virtual const std::string& login() const = 0;
  Mechanism mechanism() const { return mechanism_; }
  Identity TakeIdentity() { return std::move(identity_); }

 protected:
  explicit LoginAttempt(Mechanism mechanism) : mechanism_(mechanism) {}
  Result Fail(Failure failure);

  const Mechanism mechanism_;
  Identity identity_;
  Failure failure_ = Failure::kNone;
};

// One that is decided here, by the records of the store.
class Attempt final : public LoginAttempt {
 public:
  Result Start(std::optional<ByteView> initial, MonoTime now) override;
  Result Continue(ByteView response, MonoTime now) override;
  Result OnVerified(const VerifyToken& token, Verdict verdict, MonoTime now) override;
  ByteView challenge() const override { return exchange_->challenge(); }
  const std::string& login() const override { return exchange_->login(); }
  ByteView detail() const override { return detail_.empty() ? exchange_->detail() : detail_; }

 private:
  friend class Authenticator;
  Attempt(Authenticator& authenticator, Mechanism mechanism, const VerifyToken& token,
          const SockAddr& peer, const ChannelBindings* bindings, WallTime now,
          const ExternalIdentity* external);

  Result Run(Next next, MonoTime now);
  std::optional<Next> LookUp();                 // nothing: the store cannot say
  std::optional<Verdict> Verify(MonoTime now);  // nothing: the verdict comes later
  Result Authorize();

  Authenticator& authenticator_;
  const VerifyToken token_;
  const SockAddr peer_;
  std::unique_ptr<Exchange> exchange_;
  ByteView detail_;  // of static life: why who was proved may not in
  std::optional<RememberedLogins::Ticket> ticket_;
  WantedKeys missing_;
};

class Authenticator {
 public:
  struct Options {
    ByteView process_key;  // 32 random octets of this process: for nonces
    ByteView decoy_key;    // 32 that the store keeps: auth/decoys.h
    uint32_t iterations = kIterationsDefault;
    WantedKeys wanted;  // added to records that lack them, by the verifier
    std::string hostname;
    char detail_delimiter = 0;  // auth/sender_policy.h
    const GssAcceptor* gss = nullptr;  // where GSSAPI is offered; outlives the verifier's threads
    PrincipalRule principals;
    uint32_t shard = 0;
  };
  // All of them outlive the Authenticator, and it outlives its attempts.
  Authenticator(CredentialSource& store, RememberedLogins& remembered, PasswordVerifier& verifier,
                const Options& options);

  // A new attempt; `connection` comes back in its token. `bindings`: of the TLS channel, outlives
  // the attempt; nullptr: there is none, and the mechanism is no -PLUS. `external` outlives it
  // likewise. `peer`: who logs in, for the networks that its record may name. `now`: of the wall
  // clock. REQUIRES: with a mechanism that is shown a token, set_tokens.
  std::unique_ptr<Attempt> Begin(Mechanism mechanism, uint64_t connection, const SockAddr& peer,
                                 const ChannelBindings* bindings = nullptr, WallTime now = {},
                                 const ExternalIdentity* external = nullptr);

  // What tokens are verified by, from the next attempt on; this shard's alone.
  void set_tokens(std::shared_ptr<TokenVerifier> tokens) { tokens_ = std::move(tokens); }

  // Who was proved by another server, as it names him: kNone and `identity`, or why he may not in.
  // A record that the store has of him counts; without one he may do what `policy`'s grants say.
  [[nodiscard]] Failure Admit(ByteView user, const SockAddr& peer, const CredentialRecord& policy,
                              Identity& identity);

  // Who needs no proof, since the operator vouches for where he comes from: kNone and `identity`,
  // or why he may not in: no record, one that may not log in, a network that is not his.
  [[nodiscard]] Failure AdmitUnproved(ByteView user, const SockAddr& peer, Identity& identity);

  // Whether who logged in may go on: false when the user is disabled or gone by now. What the user
  // may do is read anew when it has changed. A few nanoseconds where the store has not changed; a
  // store that cannot say leaves things as they are.
  [[nodiscard]] bool Refresh(Identity& identity);

  // Whether `actor` may act for `name`, a login in any form (RFC 4422 section 3.4.1, RFC 4954
  // section 5). kAllowed: `as` is then that login with its own rights. kUnknown: it may, but there
  // is nobody of that name, or he is disabled. `as` may be `actor`.
  [[nodiscard]] Acting ActFor(const Identity& actor, ByteView name, Identity& as);

 private:
  friend class Attempt;

  std::string NewNonce();
  Identity IdentityOf(ByteView login, CredentialRecord&& record) const;

  CredentialSource& store_;
  RememberedLogins& remembered_;
  PasswordVerifier& verifier_;
  const uint32_t shard_;
  const char detail_delimiter_;
  const std::string hostname_;
  const WantedKeys wanted_;
  const GssAcceptor* const gss_;
  const PrincipalRule principals_;
  const HmacSha256Key nonce_key_;
  const Decoys decoys_;
  std::shared_ptr<TokenVerifier> tokens_;
  uint32_t attempts_ = 0;
  uint64_t nonces_ = 0;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_AUTHENTICATOR_H_
