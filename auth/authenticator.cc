#include "auth/authenticator.h"

#include <algorithm>

#include "auth/prepare.h"
#include "core/base/base64.h"
#include "core/base/check.h"
#include "core/base/endian.h"

namespace sluice::auth {

namespace {

bool MayComeFrom(const Identity& identity, const SockAddr& peer) {
  const std::vector<Network>& networks = identity.limits.networks;
  return networks.empty() ||
         std::any_of(networks.begin(), networks.end(),
                     [&peer](const Network& network) { return network.Contains(peer); });
}

}  // namespace

Authenticator::Authenticator(CredentialSource& store, RememberedLogins& remembered,
                             PasswordVerifier& verifier, const Options& options)
    : store_(store),
      remembered_(remembered),
      verifier_(verifier),
      shard_(options.shard),
      detail_delimiter_(options.detail_delimiter),
      hostname_(options.hostname),
      wanted_(options.wanted),
      gss_(options.gss),
      principals_(options.principals),
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
                                              const SockAddr& peer,
                                              const ChannelBindings* bindings, WallTime now,
                                              const ExternalIdentity* external) {
  const VerifyToken token{.shard = shard_, .attempt = ++attempts_, .connection = connection};
  return std::unique_ptr<Attempt>(
      new Attempt(*this, mechanism, token, peer, bindings, now, external));
}

Attempt::Attempt(Authenticator& authenticator, Mechanism mechanism, const VerifyToken& token,
                 const SockAddr& peer, const ChannelBindings* bindings, WallTime now,
                 const ExternalIdentity* external)
    : LoginAttempt(mechanism),
      authenticator_(authenticator),
      token_(token),
      peer_(peer),
      exchange_(MakeExchange(
          mechanism,
          {.nonce = Info(mechanism).plaintext_password ? std::string() : authenticator.NewNonce(),
           .hostname = authenticator.hostname_,
           .digest_realm = authenticator.wanted_.digest_realm,
           .decoys = &authenticator.decoys_,
           .bindings = bindings,
           .gss = authenticator.gss_,
           .principals = &authenticator.principals_,
           .tokens = Info(mechanism).token ? authenticator.tokens_ : nullptr,
           .now = now,
           .external = external})) {}

Attempt::Result Attempt::Start(std::optional<ByteView> initial, MonoTime now) {
  return Run(exchange_->Start(initial), now);
}

Attempt::Result Attempt::Continue(ByteView response, MonoTime now) {
  return Run(exchange_->Step(response), now);
}

Attempt::Result Attempt::OnVerified(const VerifyToken& token, Verdict verdict, MonoTime now) {
  if (token != token_) return Result::kWait;
  if (verdict == Verdict::kMatch && ticket_.has_value())
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
        return Authorize();
      case Next::kFailure:
        return Fail(exchange_->failure());
    }
  }
}

// Only now, that who asks has proved itself: whom it may act for is nobody else's business.
Attempt::Result Attempt::Authorize() {
  if (!MayComeFrom(identity_, peer_)) {
    detail_ = "proved, but not from a network of the login's";
    return Fail(Failure::kCredentials);
  }
  if (exchange_->authorization().empty()) return Result::kSuccess;
  switch (authenticator_.ActFor(identity_, exchange_->authorization(), identity_)) {
    case Acting::kAllowed:
      return Result::kSuccess;
    case Acting::kForbidden:
      detail_ = "proved, but it may not act for whom it asked to";
      return Fail(Failure::kCredentials);
    case Acting::kUnknown:
      detail_ = "proved, but whom it asked to act for is unknown or disabled";
      return Fail(Failure::kCredentials);
    case Acting::kTemporary:
      break;
  }
  return Fail(Failure::kTemporary);
}

Identity Authenticator::IdentityOf(ByteView login, CredentialRecord&& record) const {
  Identity identity;
  identity.login = login;
  identity.version = record.version;
  identity.sender = SenderPolicy(login, record, detail_delimiter_);
  identity.tenant = std::move(record.tenant);
  identity.limits = std::move(record.limits);
  for (const std::string& name : record.acts_for) identity.acts_for.Add(name);
  return identity;
}

Acting Authenticator::ActFor(const Identity& actor, ByteView name, Identity& as) {
  std::string login;
  if (PrepareLogin(name, Purpose::kQuery, login) != Prepared::kOk) return Acting::kForbidden;
  if (login == actor.login) {
    if (&as != &actor) as = actor;
    return Acting::kAllowed;
  }
  if (!actor.acts_for.Has(login)) return Acting::kForbidden;
  const uint64_t generation = store_.Generation();
  CredentialRecord record;
  switch (store_.Lookup(login, record)) {
    case LookupStatus::kError:
      return Acting::kTemporary;
    case LookupStatus::kNotFound:
      return Acting::kUnknown;
    case LookupStatus::kFound:
      break;
  }
  if (!record.may_log_in()) return Acting::kUnknown;
  Identity other = IdentityOf(login, std::move(record));
  other.generation = generation;
  other.actor = actor.actor.empty() ? actor.login : actor.actor;
  as = std::move(other);
  return Acting::kAllowed;
}

// The generation is read before the records: a change in between is seen at the next command.
bool Authenticator::Refresh(Identity& identity) {
  const uint64_t generation = store_.Generation();
  if (generation == identity.generation) return true;
  CredentialRecord record;
  if (!identity.actor.empty()) {
    switch (store_.Lookup(identity.actor, record)) {
      case LookupStatus::kError:
        return true;
      case LookupStatus::kNotFound:
        return false;
      case LookupStatus::kFound:
        break;
    }
    if (!record.may_log_in()) return false;
    if (!IdentityOf(identity.actor, std::move(record)).acts_for.Has(identity.login)) return false;
  }
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
  if (!record.may_log_in()) return false;
  if (record.version != identity.version) {
    Identity fresh = IdentityOf(identity.login, std::move(record));
    fresh.actor = std::move(identity.actor);
    fresh.elsewhere = identity.elsewhere;
    identity = std::move(fresh);
  }
  identity.generation = generation;
  return true;
}

Failure Authenticator::Admit(ByteView user, const SockAddr& peer, const CredentialRecord& policy,
                             Identity& identity) {
  std::string login;
  if (PrepareLogin(user, Purpose::kQuery, login) != Prepared::kOk) return Failure::kCredentials;
  const uint64_t generation = store_.Generation();
  CredentialRecord record;
  switch (store_.Lookup(login, record)) {
    case LookupStatus::kError:
      return Failure::kTemporary;
    case LookupStatus::kFound:
      break;
    case LookupStatus::kNotFound:
      record = policy;
      break;
  }
  if (!record.may_log_in()) return Failure::kCredentials;
  Identity made = IdentityOf(login, std::move(record));
  if (!MayComeFrom(made, peer)) return Failure::kCredentials;
  made.elsewhere = true;
  made.generation = generation;
  identity = std::move(made);
  return Failure::kNone;
}

Failure Authenticator::AdmitUnproved(ByteView user, const SockAddr& peer, Identity& identity) {
  CredentialRecord nobody;
  nobody.disabled = true;
  const Failure failure = Admit(user, peer, nobody, identity);
  if (failure == Failure::kNone) identity.elsewhere = false;  // without its record it is gone
  return failure;
}

std::optional<Next> Attempt::LookUp() {
  CredentialRecord record;
  const uint64_t generation = authenticator_.store_.Generation();
  switch (authenticator_.store_.Lookup(exchange_->login(), record)) {
    case LookupStatus::kFound: {
      missing_ = authenticator_.wanted_.MissingIn(record);
      const Next next = exchange_->OnRecord(&record);
      identity_ = authenticator_.IdentityOf(exchange_->login(), std::move(record));
      identity_.generation = generation;
      return next;
    }
    case LookupStatus::kNotFound:
      return exchange_->OnRecord(nullptr);
    case LookupStatus::kError:
      return std::nullopt;
  }
  CHECK(false);
  return std::nullopt;
}

std::optional<Verdict> Attempt::Verify(MonoTime now) {
  if (exchange_->work() != nullptr) {
    VerifyJob job{.token = token_, .work = exchange_->work()};
    if (!authenticator_.verifier_.Submit(std::move(job))) return Verdict::kTemporary;
    return std::nullopt;
  }
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
