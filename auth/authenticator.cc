#include "auth/authenticator.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "auth/password_exchange.h"
#include "auth/prepare.h"
#include "core/base/base64.h"
#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/time_text.h"

namespace sluice::auth {

namespace {

bool AreFor(const std::vector<Network>& networks, const SockAddr& peer) {
  return networks.empty() ||
         std::any_of(networks.begin(), networks.end(),
                     [&peer](const Network& network) { return network.Contains(peer); });
}

// Of two bounds of which 0 is none.
template <typename Number>
Number Stricter(Number a, Number b) {
  return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
}

}  // namespace

Authenticator::Authenticator(CredentialSource& store, RememberedLogins& remembered,
                             PasswordVerifier& verifier, const Options& options)
    : store_(store),
      remembered_(remembered),
      verifier_(verifier),
      shard_(options.shard),
      detail_delimiter_(options.detail_delimiter),
      tell_transition_(options.tell_transition),
      hostname_(options.hostname),
      wanted_(options.wanted),
      gss_(options.gss),
      guard_(options.guard),
      principals_(options.principals),
      tenants_(options.tenants),
      nonce_key_(options.process_key),
      decoys_(options.decoy_key, options.iterations) {
  CHECK(options.process_key.size() >= 32);
  CredentialRecord record;
  for (size_t i = 0; i < kScramHashCount; i++) {
    if (wanted_.scram[i]) record.scram[i] = decoys_.Keys(static_cast<ScramHash>(i), "");
  }
  CHECK(EncodeRecord(record, stand_in_));
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

std::unique_ptr<Attempt> Authenticator::Begin(Mechanism mechanism, const LoginClient& client) {
  const VerifyToken token{.shard = shard_, .attempt = ++attempts_, .connection = client.connection};
  return std::unique_ptr<Attempt>(new Attempt(*this, mechanism, token, client));
}

Attempt::Attempt(Authenticator& authenticator, Mechanism mechanism, const VerifyToken& token,
                 const LoginClient& client)
    : LoginAttempt(mechanism, authenticator.guard_),
      authenticator_(authenticator),
      token_(token),
      peer_(client.peer),
      begun_(client.now),
      exchange_(MakeExchange(
          mechanism,
          {.nonce = Info(mechanism).plaintext_password ? std::string() : authenticator.NewNonce(),
           .hostname = authenticator.hostname_,
           .digest_realm = authenticator.wanted_.digest_realm,
           .decoys = &authenticator.decoys_,
           .bindings = client.bindings,
           .gss = authenticator.gss_,
           .principals = &authenticator.principals_,
           .tokens = Info(mechanism).token ? authenticator.tokens_ : nullptr,
           .now = client.now,
           .external = client.external})) {}

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
        if (IsThrottled(peer_, begun_)) return Fail(Failure::kThrottled);
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
      case Next::kSuccess: {
        const Failure failure = Authorize();
        if (failure == Failure::kNone) return Result::kSuccess;
        if (failure != Failure::kCredentials && failure != Failure::kTooWeak) return Fail(failure);
        refused_ = failure;
        next = exchange_->OnRefused();
        break;
      }
      case Next::kFailure:
        if (refused_ != Failure::kNone) return Fail(refused_);
        // From elsewhere it is a guess like any other: see Authorize().
        proved_ = exchange_->proved() && authenticator_.WhyNotFrom(peer_, identity_).empty();
        // By its own choice the server tells who may be anybody that there is such a user.
        if (exchange_->failure() == Failure::kCredentials && transition_) {
          return Fail(Failure::kTransition);
        }
        return Fail(exchange_->failure());
    }
  }
}

// Only now, that who asks has proved itself: whom it may act for is nobody else's business.
Failure Attempt::Authorize() {
  // Others may have been tried beside it: then nothing is learnt of this one either.
  if (IsThrottled(peer_, begun_)) return Failure::kThrottled;
  if (!allowed_.empty() && !allowed_.Has(mechanism_)) {
    proved_ = true;
    detail_ = "proved, but by a mechanism that the login may not use";
    return Failure::kTooWeak;
  }
  // Counted as a guess: who guesses from elsewhere could tell the right password by its not being.
  if (const ByteView why = authenticator_.WhyNotFrom(peer_, identity_); !why.empty()) {
    detail_ = why;
    return Failure::kCredentials;
  }
  proved_ = true;
  if (exchange_->authorization().empty()) return Failure::kNone;
  switch (authenticator_.ActFor(identity_, exchange_->authorization(), identity_)) {
    case Acting::kAllowed:
      return Failure::kNone;
    case Acting::kForbidden:
      detail_ = "proved, but it may not act for whom it asked to";
      return Failure::kCredentials;
    case Acting::kUnknown:
      detail_ = "proved, but whom it asked to act for is unknown or disabled";
      return Failure::kCredentials;
    case Acting::kTemporary:
      break;
  }
  return Failure::kTemporary;
}

Identity Authenticator::IdentityOf(ByteView login, CredentialRecord&& record) const {
  Identity identity;
  identity.login = login;
  identity.version = record.version;
  identity.sender = SenderPolicy(login, record, detail_delimiter_);
  identity.tenant = std::move(record.tenant);
  identity.limits = std::move(record.limits);
  const TenantBounds& bounds = BoundsOf(identity.tenant);
  identity.limits.recipients = Stricter(identity.limits.recipients, bounds.recipients);
  identity.limits.message_bytes = Stricter(identity.limits.message_bytes, bounds.message_bytes);
  for (const std::string& name : record.acts_for) identity.acts_for.Add(name);
  return identity;
}

// Looked for whoever it is: a login without a tenant takes as long.
const TenantBounds& Authenticator::BoundsOf(ByteView tenant) const {
  static const TenantBounds kNone;
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? kNone : found->second;
}

// Both lists count: an operator who names networks for a tenant means each of its logins.
ByteView Authenticator::WhyNotFrom(const SockAddr& peer, const Identity& identity) const {
  if (!AreFor(identity.limits.networks, peer))
    return "proved, but not from a network of the login's";
  if (!AreFor(BoundsOf(identity.tenant).networks, peer))
    return "proved, but not from a network of its tenant's";
  return {};
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
bool Authenticator::Refresh(Identity& identity, const SockAddr& peer) {
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
    const Identity actor = IdentityOf(identity.actor, std::move(record));
    if (!actor.acts_for.Has(identity.login) || !WhyNotFrom(peer, actor).empty()) return false;
  }
  switch (store_.Lookup(identity.login, record)) {
    case LookupStatus::kError:
      return true;
    case LookupStatus::kNotFound:
      if (identity.version != 0 || !identity.elsewhere) return false;
      if (store_.IsSuspended(identity.login)) return false;
      identity.generation = generation;
      return true;
    case LookupStatus::kFound:
      break;
  }
  if (!record.may_log_in()) return false;
  if (record.version != identity.version) {
    Identity fresh = IdentityOf(identity.login, std::move(record));
    // Who acts for another comes from his own networks, as when he logged in.
    if (identity.actor.empty() && !WhyNotFrom(peer, fresh).empty()) return false;
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
      if (store_.IsSuspended(login)) return Failure::kCredentials;
      record = policy;
      break;
  }
  if (!record.may_log_in()) return Failure::kCredentials;
  Identity made = IdentityOf(login, std::move(record));
  if (!WhyNotFrom(peer, made).empty()) return Failure::kCredentials;
  made.elsewhere = true;
  made.generation = generation;
  identity = std::move(made);
  return Failure::kNone;
}

// Whoever is looked up: it would tell an unknown name from others.
void Authenticator::RefreshDecoys(uint64_t generation) {
  if (generation == decoys_generation_) return;
  SaltShapes shapes;
  if (store_.Shapes(shapes)) decoys_.SetShapes(shapes);
  decoys_generation_ = generation;
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
  authenticator_.RefreshDecoys(generation);
  switch (authenticator_.store_.Lookup(exchange_->login(), record)) {
    case LookupStatus::kFound: {
      missing_ = authenticator_.wanted_.MissingIn(record);
      allowed_ = record.mechanisms;
      transition_ =
          authenticator_.tell_transition_ && record.may_log_in() &&
          !Info(mechanism_).plaintext_password && PasswordExchange::CanProve(record) &&
          WantedKeys::For(MechanismSet::Of(mechanism_), authenticator_.wanted_.digest_realm)
              .MissingIn(record)
              .any();
      const Next next = exchange_->OnRecord(&record);
      identity_ = authenticator_.IdentityOf(exchange_->login(), std::move(record));
      identity_.generation = generation;
      return next;
    }
    case LookupStatus::kNotFound: {
      // What a record would have cost is done all the same: a challenge leaves at once, and half a
      // microsecond can be heard over loopback.
      CHECK(DecodeRecord(authenticator_.stand_in_, record));
      authenticator_.wanted_.MissingIn(record);
      const Next next = exchange_->OnRecord(nullptr);
      authenticator_.IdentityOf(exchange_->login(), std::move(record));
      return next;
    }
    case LookupStatus::kError:
      return std::nullopt;
  }
  CHECK(false);
  return std::nullopt;
}

std::optional<Verdict> Attempt::Verify(MonoTime now) {
  if (exchange_->work() != nullptr) {
    VerifyJob job{.token = token_, .work = exchange_->work()};
    if (!TakePlace(job)) return Verdict::kTemporary;
    if (!authenticator_.verifier_.Submit(std::move(job))) return Verdict::kTemporary;
    return std::nullopt;
  }
  // For a user without keys the ticket is made all the same (equal steps), but can never count.
  ticket_ = authenticator_.remembered_.MakeTicket(exchange_->login(), exchange_->password());
  const bool known = authenticator_.remembered_.Knows(*ticket_, identity_.version, now);
  const bool provable = exchange_->keys().has_value() || !exchange_->foreign_hash().empty();
  if (known && provable) return Verdict::kMatch;

  VerifyJob job{.token = token_,
                .keys = exchange_->keys(),
                .foreign_hash = exchange_->foreign_hash(),
                .password = exchange_->TakePassword()};
  if (!provable) job.keys = authenticator_.decoys_.PasswordKeys(exchange_->login());
  if (missing_.any()) {
    job.missing = missing_;
    job.login = exchange_->login();
    job.version = identity_.version;
  }
  if (!TakePlace(job)) return Verdict::kTemporary;
  if (!authenticator_.verifier_.Submit(std::move(job))) return Verdict::kTemporary;
  return std::nullopt;
}

// One login, or one address, is not to have the verifiers for itself.
bool Attempt::TakePlace(VerifyJob& job) {
  if (guard_ == nullptr) return true;
  std::optional<GuessGuard::Place> place = guard_->Enter(Meet(peer_));
  if (place.has_value()) job.place = *std::move(place);
  return place.has_value();
}

const GuessGuard::Visitor& LoginAttempt::Meet(const SockAddr& peer) {
  if (!visitor_.has_value() || visitor_->login == 0) visitor_ = guard_->Meet(login(), peer);
  return *visitor_;
}

bool LoginAttempt::IsThrottled(const SockAddr& peer, WallTime now) {
  if (guard_ == nullptr || !Info(mechanism_).guessable) return false;
  throttled_by_ = guard_->Check(Meet(peer), now).refused;
  return throttled_by_.has_value();
}

uint32_t LoginAttempt::CountFailure(WallTime now) {
  return visitor_.has_value() ? guard_->Failed(*visitor_, now) : 0;
}

void LoginAttempt::CountSuccess(WallTime now) {
  if (visitor_.has_value()) guard_->Succeeded(*visitor_, now);
}

std::string LoginAttempt::DescribeLimit(GuessBy by, ByteView login, const SockAddr& peer,
                                        WallTime now) const {
  const GuessGuard::Count count = guard_->Get(*visitor_, by, now);
  return absl::StrCat("refused until ", UtcText(count.until), ": ",
                      Describe(by, count.failed, login, peer),
                      "; `sluice auth unblock` ends it, known clients are let in");
}

Duration LoginAttempt::slower(WallTime now) const {
  return visitor_.has_value() ? guard_->Check(*visitor_, now).slower : Duration{};
}

LoginAttempt::Result LoginAttempt::Fail(Failure failure) {
  failure_ = failure;
  identity_ = Identity();
  return Result::kFailure;
}

}  // namespace sluice::auth
