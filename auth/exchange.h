// Exchange: one run of one SASL mechanism, as a small machine that never waits (RFC 4422).
//
//   C: AUTH PLAIN AGFsaWNlAHNlY3JldA==     Start("\0alice\0secret")  -> kLookup   who: login()
//                                          OnRecord(&record)         -> kVerify   what: password()
//   S: 235 2.7.0                           OnVerified(kMatch)        -> kSuccess
//
//   C: AUTH LOGIN                          Start(nullopt)            -> kChallenge "Username:"
//   C: YWxpY2U=                            Step("alice")             -> kChallenge "Password:"
//   C: c2VjcmV0                            Step("secret")            -> kLookup   as above
//
// Two of its answers are wishes that the outside fulfils when it can: look a user up, prove a
// password off the shard. A mechanism that checks a proof by itself (SCRAM, CRAM-MD5) answers
// OnRecord with a challenge and never wishes kVerify. Base64, `=`, `*` and the reply codes belong
// to SMTP; octets here are decoded. The exchange lives from AUTH to its reply, on one shard; it
// sees no clock and no store.
//
// An unknown user, a disabled one and a wrong password take the same steps and fail the same way.
#ifndef SLUICE_AUTH_EXCHANGE_H_
#define SLUICE_AUTH_EXCHANGE_H_

#include <memory>
#include <optional>
#include <string>

#include "auth/channel_bindings.h"
#include "auth/decoys.h"
#include "auth/external_identity.h"
#include "auth/mechanism.h"
#include "auth/record.h"
#include "auth/secret.h"
#include "core/base/bytes.h"
#include "core/base/time.h"

namespace sluice::auth {

class TokenVerifier;

enum class Next : uint8_t {
  kChallenge,  // send challenge() and call Step() with the answer
  kLookup,     // find the record of login() and call OnRecord()
  kVerify,     // run work(), or prove password() against keys(), and call OnVerified()
  kSuccess,    // login() is proved
  kFailure,    // failure() says how
};

enum class Failure : uint8_t {
  kNone,
  kMalformed,    // 501 5.5.2: the response is not of the mechanism's syntax
  kCredentials,  // 535 5.7.8: whatever is wrong with the name, the password or the two together
  kTemporary,    // 454 4.7.0: the store or the verifiers cannot answer now
  kThrottled,    // 421 4.7.0: too many logins have failed of late, and nothing was looked at
  kTooWeak,      // 534 5.7.9: proved, but by a mechanism that the user may not use
  kTransition,   // 432 4.7.12: the record lacks the key, and the operator wants that told
};

enum class Verdict : uint8_t { kMatch, kMismatch, kTemporary };

// A piece of work that may block, so that a verifier's thread runs it. Whoever wished for it
// touches nothing that Run() touches until the verdict has come, and may be gone by then.
class OffShardWork {
 public:
  virtual ~OffShardWork() = default;
  virtual void Run() noexcept = 0;
};

class GssAcceptor;
struct PrincipalRule;

// What an exchange needs beside what the client says. What it points to outlives the exchange.
struct ExchangeContext {
  std::string nonce;  // printable without a comma; nobody can guess it, and it never comes again
  ByteView hostname;
  ByteView digest_realm;
  const Decoys* decoys = nullptr;
  const ChannelBindings* bindings = nullptr;  // nullptr: not under TLS
  const GssAcceptor* gss = nullptr;           // GSSAPI; outlives what the verifiers run, too
  const PrincipalRule* principals = nullptr;  // GSSAPI
  std::shared_ptr<TokenVerifier> tokens;      // for what is shown a token
  WallTime now{};                             // as the AUTH command came: tokens expire
  const ExternalIdentity* external = nullptr;  // nullptr: the client has shown no certificate
};

class Exchange {
 public:
  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // The AUTH command with its initial response; without one (not the same as an empty one, `=`)
  // nullopt. First call, once.
  virtual Next Start(std::optional<ByteView> initial) = 0;

  // The client's answer to a challenge. REQUIRES: the last answer was kChallenge.
  virtual Next Step(ByteView response) = 0;

  // The record of login(), or nullptr when there is none. Nothing of it is kept but copies.
  // REQUIRES: the last answer was kLookup.
  virtual Next OnRecord(const CredentialRecord* record) = 0;

  // REQUIRES: the last answer was kVerify.
  virtual Next OnVerified(Verdict verdict) = 0;

  // login() is proved, but may not in, or not for what it asks. kFailure, or first a challenge
  // where the mechanism tells a refusal before the failure. REQUIRES: the last answer was kSuccess.
  virtual Next OnRefused() { return Next::kFailure; }

  ByteView challenge() const { return challenge_; }    // valid until the next call
  const std::string& login() const { return login_; }  // canonical, from kLookup on
  // Whom login() asks to act for (RFC 4422 section 3.4.1), as it came; empty: itself. What it may
  // is for the outside to say. Known with kSuccess.
  const std::string& authorization() const { return authorization_; }
  Failure failure() const { return failure_; }
  // More of a failure, for the event log and never for the client; mostly empty.
  ByteView detail() const { return detail_; }
  // With kFailure: who login() is was proved all the same, and the failure is none of that.
  bool proved() const { return proved_; }

  // With kVerify: the prepared password and the keys to prove it against; no keys when the user
  // does not exist or may not log in (the same work is done and the verdict is kMismatch).
  ByteView password() const { return password_.view(); }
  Secret TakePassword() { return std::move(password_); }
  const std::optional<ScramKeys>& keys() const { return keys_; }
  // In place of keys, where another server's hash is all there is (auth/foreign_hash.h); or empty.
  const std::string& foreign_hash() const { return foreign_hash_; }

  // With kVerify, in place of a password: what is to be run, after which the verdict is kMatch.
  const std::shared_ptr<OffShardWork>& work() const { return work_; }

 protected:
  Exchange() = default;

  Next Challenge(ByteView bytes) {
    challenge_ = bytes;
    return Next::kChallenge;
  }
  // `detail` lives as long as the exchange.
  Next Fail(Failure failure, ByteView detail = {}) {
    failure_ = failure;
    if (!detail.empty()) detail_ = detail;
    password_.Clear();
    return Next::kFailure;
  }

  std::string login_;
  std::string authorization_;
  Secret password_;
  std::optional<ScramKeys> keys_;
  std::string foreign_hash_;
  std::shared_ptr<OffShardWork> work_;
  ByteView detail_;  // of static life, the context's, or the exchange's own
  bool proved_ = false;

 private:
  ByteView challenge_;
  Failure failure_ = Failure::kNone;
};

// REQUIRES: with a -PLUS mechanism, context.bindings; with GSSAPI, context.gss and .principals; with
// one that is shown a token, context.tokens.
std::unique_ptr<Exchange> MakeExchange(Mechanism mechanism, const ExchangeContext& context);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_EXCHANGE_H_
