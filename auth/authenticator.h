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
// kTemporary say nothing about a user and may leave at once. Who guesses waits longer, and is then
// refused (auth/guess_guard.h).
#ifndef SLUICE_AUTH_AUTHENTICATOR_H_
#define SLUICE_AUTH_AUTHENTICATOR_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "auth/credential_store.h"
#include "auth/exchange.h"
#include "auth/guess_guard.h"
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

// What bounds each login of a tenant beside its own limits: the stricter counts.
struct TenantBounds {
  uint32_t recipients = 0;        // of a message; 0: no bound
  uint64_t message_bytes = 0;     // likewise
  std::vector<Network> networks;  // where they may log in from; empty: anywhere
};

enum class Acting : uint8_t { kAllowed, kForbidden, kUnknown, kTemporary };

class Authenticator;

// Who asks, and by what connection.
struct LoginClient {
  uint64_t connection = 0;  // comes back in the attempt's token
  SockAddr peer;            // for networks that its record may name, and for who guesses
  WallTime now{};           // as the AUTH command came
  const ChannelBindings* bindings = nullptr;   // of the TLS channel; without it there is no -PLUS
  const ExternalIdentity* external = nullptr;  // by its certificate
};

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
  // Whether a failure is none of who he is: he has proved that, and would be in if he had asked for
  // less. Then it is no guess.
  bool proved() const { return proved_; }
  // The canonical login, as far as it is known: for the event log. Empty when the client sent none.
  virtual const std::string& login() const = 0;
  Mechanism mechanism() const { return mechanism_; }
  Identity TakeIdentity() { return std::move(identity_); }

  // To be told how it ended where that says something about the login: what is guessed is counted,
  // and who succeeds is known from then on. The first gives GuessGuard::Failed's bits.
  uint32_t CountFailure(WallTime now);
  void CountSuccess(WallTime now);
  // "logins are refused until ...: 20 failed logins of X from Y in an hour".
  std::string DescribeLimit(GuessBy by, ByteView login, const SockAddr& peer, WallTime now) const;
  // How much later than usual a failure leaves.
  Duration slower(WallTime now) const;
  // What it was refused by. REQUIRES: failure() is kThrottled.
  GuessBy throttled_by() const { return *throttled_by_; }

 protected:
  // `guard` may be nullptr: nobody counts.
  LoginAttempt(Mechanism mechanism, GuessGuard* guard) : mechanism_(mechanism), guard_(guard) {}
  Result Fail(Failure failure);
  // Whether too many logins have failed for `login` to have its password looked at; then it ends in
  // Fail(kThrottled).
  bool IsThrottled(const SockAddr& peer, WallTime now);
  const GuessGuard::Visitor& Meet(const SockAddr& peer);

  const Mechanism mechanism_;
  GuessGuard* const guard_;
  Identity identity_;
  Failure failure_ = Failure::kNone;
  bool proved_ = false;

 private:
  std::optional<GuessGuard::Visitor> visitor_;  // of login()
  std::optional<GuessBy> throttled_by_;
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
          const LoginClient& client);

  Result Run(Next next, MonoTime now);
  std::optional<Next> LookUp();                 // nothing: the store cannot say
  std::optional<Verdict> Verify(MonoTime now);  // nothing: the verdict comes later
  bool TakePlace(VerifyJob& job);               // false: there are too many already
  Failure Authorize();                          // kNone: it is in, as identity_

  Authenticator& authenticator_;
  const VerifyToken token_;
  const SockAddr peer_;
  const WallTime begun_;
  std::unique_ptr<Exchange> exchange_;
  ByteView detail_;  // of static life: why who was proved may not in
  Failure refused_ = Failure::kNone;  // what its exchange has been told of that
  std::optional<RememberedLogins::Ticket> ticket_;
  WantedKeys missing_;
  MechanismSet allowed_;     // by the record; empty: all
  bool transition_ = false;  // the user is there, and lacks the key for this mechanism
};

class Authenticator {
 public:
  struct Options {
    ByteView process_key;  // 32 random octets of this process: for nonces
    ByteView decoy_key;    // 32 that the store keeps: auth/decoys.h
    uint32_t iterations = kIterationsDefault;
    WantedKeys wanted;  // added to records that lack them, by the verifier
    std::string hostname;
    bool tell_transition = false;  // Failure::kTransition
    char detail_delimiter = 0;  // auth/sender_policy.h
    const GssAcceptor* gss = nullptr;  // where GSSAPI is offered; outlives the verifier's threads
    GuessGuard* guard = nullptr;       // nullptr: guesses are not counted
    PrincipalRule principals;
    absl::flat_hash_map<std::string, TenantBounds> tenants;  // by name; others have no bounds
    uint32_t shard = 0;
  };
  // All of them outlive the Authenticator, and it outlives its attempts.
  Authenticator(CredentialSource& store, RememberedLogins& remembered, PasswordVerifier& verifier,
                const Options& options);

  // A new attempt. What `client` points to outlives it. REQUIRES: with a -PLUS mechanism, bindings;
  // with one that is shown a token, set_tokens.
  std::unique_ptr<Attempt> Begin(Mechanism mechanism, const LoginClient& client);

  // What tokens are verified by, from the next attempt on; this shard's alone.
  void set_tokens(std::shared_ptr<TokenVerifier> tokens) { tokens_ = std::move(tokens); }

  // Who was proved by another server, as it names him: kNone and `identity`, or why he may not in.
  // A record that the store has of him counts; without one he may do what `policy`'s grants say.
  [[nodiscard]] Failure Admit(ByteView user, const SockAddr& peer, const CredentialRecord& policy,
                              Identity& identity);

  GuessGuard* guard() { return guard_; }
  // Who needs no proof, since the operator vouches for where he comes from: kNone and `identity`,
  // or why he may not in: no record, one that may not log in, a network that is not his.
  [[nodiscard]] Failure AdmitUnproved(ByteView user, const SockAddr& peer, Identity& identity);

  // Whether who logged in may go on: false when the user is disabled or gone by now, or may not
  // come from `peer` any more. What the user may do is read anew when it has changed. A few
  // nanoseconds where the store has not changed; a store that cannot say leaves things as they are.
  [[nodiscard]] bool Refresh(Identity& identity, const SockAddr& peer);

  // Whether `actor` may act for `name`, a login in any form (RFC 4422 section 3.4.1, RFC 4954
  // section 5). kAllowed: `as` is then that login with its own rights. kUnknown: it may, but there
  // is nobody of that name, or he is disabled. `as` may be `actor`.
  [[nodiscard]] Acting ActFor(const Identity& actor, ByteView name, Identity& as);

 private:
  friend class Attempt;

  std::string NewNonce();
  void RefreshDecoys(uint64_t generation);
  Identity IdentityOf(ByteView login, CredentialRecord&& record) const;
  const TenantBounds& BoundsOf(ByteView tenant) const;
  // Why it may not come from there, for the event log; empty: it may.
  ByteView WhyNotFrom(const SockAddr& peer, const Identity& identity) const;

  CredentialSource& store_;
  RememberedLogins& remembered_;
  PasswordVerifier& verifier_;
  const uint32_t shard_;
  const char detail_delimiter_;
  const bool tell_transition_;
  const std::string hostname_;
  const WantedKeys wanted_;
  const GssAcceptor* const gss_;
  GuessGuard* const guard_;
  const PrincipalRule principals_;
  const absl::flat_hash_map<std::string, TenantBounds> tenants_;
  const HmacSha256Key nonce_key_;
  Decoys decoys_;
  std::string stand_in_;  // a record like most, encoded: what is done for a name without one
  uint64_t decoys_generation_ = UINT64_MAX;  // of the store when they were told of its salts
  std::shared_ptr<TokenVerifier> tokens_;
  uint32_t attempts_ = 0;
  uint64_t nonces_ = 0;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_AUTHENTICATOR_H_
