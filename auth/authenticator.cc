#include "auth/authenticator.h"

#include "auth/prepare.h"
#include "core/base/base64.h"
#include "core/base/check.h"
#include "core/base/endian.h"

namespace sluice::auth {

Authenticator::Authenticator(CredentialSource& store, RememberedLogins& remembered,
                             PasswordVerifier& verifier, const Options& options)
    : store_(store),
      remembered_(remembered),
      verifier_(verifier),
      shard_(options.shard),
      hostname_(options.hostname),
      wanted_(options.wanted),
      nonce_key_(options.process_key),
      decoys_(options.decoy_key, options.iterations) {
  CHECK(options.process_key.size() >= 32);
}

// Never the same again in this process, and not to be told from random without its key.
std::string Authenticator::NewNonce() {
  constexpr size_t kNonceBytes = 18;
  char number[16];
  StoreLe<uint64_t>(number, ++nonces_);
  StoreLe<uint64_t>(number + 8, shard_);
  const ByteView parts[] = {"nonce", ByteView(number, sizeof number)};
  return Base64Encode(View(nonce_key_.Sign(parts)).substr(0, kNonceBytes));
}

std::unique_ptr<Attempt> Authenticator::Begin(Mechanism mechanism, uint64_t connection,
                                              const ChannelBindings* bindings) {
  const VerifyToken token{.shard = shard_, .attempt = ++attempts_, .connection = connection};
  return std::unique_ptr<Attempt>(new Attempt(*this, mechanism, token, bindings));
}

Attempt::Attempt(Authenticator& authenticator, Mechanism mechanism, const VerifyToken& token,
                 const ChannelBindings* bindings)
    : LoginAttempt(mechanism),
      authenticator_(authenticator),
      token_(token),
      exchange_(MakeExchange(
          mechanism,
          {.nonce = Info(mechanism).plaintext_password ? std::string() : authenticator.NewNonce(),
           .hostname = authenticator.hostname_,
           .decoys = &authenticator.decoys_,
           .bindings = bindings})) {}

Attempt::Result Attempt::Start(std::optional<ByteView> initial, MonoTime now) {
  return Run(exchange_->Start(initial), now);
}

Attempt::Result Attempt::Continue(ByteView response, MonoTime now) {
  return Run(exchange_->Step(response), now);
}

Attempt::Result Attempt::OnVerified(const VerifyToken& token, Verdict verdict, MonoTime now) {
  if (token != token_) return Result::kWait;
  if (verdict == Verdict::kMatch)
    authenticator_.remembered_.Remember(*ticket_, identity_.version, now);
  return Run(exchange_->OnVerified(verdict), now);
}

// Fulfils wishes until the client or the verifier must be heard.
Attempt::Result Attempt::Run(Next next, MonoTime now) {
  for (;;) {
    switch (next) {
      case Next::kChallenge:
        return Result::kChallenge;
      case Next::kLookup: {
        const std::optional<Next> found = LookUp();
        if (!found.has_value()) return Fail(Failure::kTemporary);
        next = *found;
        break;
      }
      case Next::kVerify: {
        const std::optional<Verdict> known = Verify(now);
        if (!known.has_value()) return Result::kWait;
        next = exchange_->OnVerified(*known);
        break;
      }
      case Next::kSuccess:
        identity_.login = exchange_->login();
        return Result::kSuccess;
      case Next::kFailure:
        return Fail(exchange_->failure());
    }
  }
}

bool Authenticator::Refresh(Identity& identity) {
  const uint64_t generation = store_.Generation();
  if (generation == identity.generation) return true;
  CredentialRecord record;
  switch (store_.Lookup(identity.login, record)) {
    case LookupStatus::kError:
      return true;
    case LookupStatus::kNotFound:
      if (identity.version != 0 || !identity.elsewhere) return false;
      identity.generation = generation;
      return true;
    case LookupStatus::kFound:
      break;
  }
  identity.generation = generation;
  if (record.disabled) return false;
  if (record.version != identity.version) {
    identity.version = record.version;
    identity.sender = SenderPolicy(identity.login, record);
    identity.tenant = std::move(record.tenant);
  }
  return true;
}

Failure Authenticator::Admit(ByteView user, const CredentialRecord& policy, Identity& identity) {
  Identity made{.elsewhere = true};
  if (PrepareLogin(user, Purpose::kQuery, made.login) != Prepared::kOk)
    return Failure::kCredentials;
  made.generation = store_.Generation();
  CredentialRecord record;
  switch (store_.Lookup(made.login, record)) {
    case LookupStatus::kError:
      return Failure::kTemporary;
    case LookupStatus::kFound:
      if (record.disabled) return Failure::kCredentials;
      made.version = record.version;
      break;
    case LookupStatus::kNotFound:
      record = policy;
      break;
  }
  made.sender = SenderPolicy(made.login, record);
  made.tenant = std::move(record.tenant);
  identity = std::move(made);
  return Failure::kNone;
}

std::optional<Next> Attempt::LookUp() {
  CredentialRecord record;
  identity_.generation = authenticator_.store_.Generation();
  switch (authenticator_.store_.Lookup(exchange_->login(), record)) {
    case LookupStatus::kFound:
      identity_.version = record.version;
      missing_ = authenticator_.wanted_.MissingIn(record);
      identity_.sender = SenderPolicy(exchange_->login(), record);
      identity_.tenant = std::move(record.tenant);
      return exchange_->OnRecord(&record);
    case LookupStatus::kNotFound:
      return exchange_->OnRecord(nullptr);
    case LookupStatus::kError:
      return std::nullopt;
  }
  CHECK(false);
  return std::nullopt;
}

std::optional<Verdict> Attempt::Verify(MonoTime now) {
  // For a user without keys the ticket is made all the same (equal steps), but can never count.
  ticket_ = authenticator_.remembered_.MakeTicket(exchange_->login(), exchange_->password());
  const bool known = authenticator_.remembered_.Knows(*ticket_, identity_.version, now);
  if (known && exchange_->keys().has_value()) return Verdict::kMatch;

  VerifyJob job{.token = token_, .keys = exchange_->keys(), .password = exchange_->TakePassword()};
  if (missing_.any()) {
    job.missing = missing_;
    job.login = exchange_->login();
    job.version = identity_.version;
  }
  if (!authenticator_.verifier_.Submit(std::move(job))) return Verdict::kTemporary;
  return std::nullopt;
}

LoginAttempt::Result LoginAttempt::Fail(Failure failure) {
  failure_ = failure;
  identity_ = Identity();
  return Result::kFailure;
}

}  // namespace sluice::auth
