#include "core/server/connection.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/server/shard.h"
#include "core/smtp/originators.h"
#include "core/smtp/trace.h"
#include "queue/message.h"

namespace sluice::server {
namespace {

constexpr Duration kCloseTimeout = seconds(10);  // for the last reply to leave
constexpr Duration kTenth = milliseconds(100);
constexpr size_t kUnsentMax = 64 << 10;          // of replies; a client that does not take them is not read
constexpr Duration kBodyGrace = minutes(1);      // before a body's rate is looked at, and between looks
constexpr smtp::Reply kEnvelopeTooBig = smtp::internal::Checked("552 5.3.4 Envelope exceeds the size limit\r\n");

EventResponse ResponseOf(smtp::Reply reply, ByteView command) {
  EventResponse response;
  response.code = static_cast<uint16_t>(reply.code());
  ByteView text = reply.line.substr(4, reply.line.size() - 6);
  const size_t blank = text.find(' ');
  if (blank != ByteView::npos && text.substr(0, blank).find('.') != ByteView::npos) {
    response.enhanced = text.substr(0, blank);
    text.remove_prefix(blank + 1);
  }
  response.content = text;
  response.command = command;
  return response;
}

LoginResult ResultOf(auth::Failure failure) {
  switch (failure) {
    case auth::Failure::kNone:
      return LoginResult::kAbandoned;
    case auth::Failure::kCredentials:
    case auth::Failure::kTooWeak:
    case auth::Failure::kTransition:
      return LoginResult::kRejected;
    case auth::Failure::kMalformed:
      return LoginResult::kMalformed;
    case auth::Failure::kThrottled:
      return LoginResult::kThrottled;
    case auth::Failure::kTemporary:
      break;
  }
  return LoginResult::kTemporary;
}

Buffer FirstBytes(Buffer& from, size_t bytes) {
  Buffer part;
  part.Append(from.view().substr(0, bytes));
  from.Consume(bytes);
  return part;
}

}  // namespace

// A message from its first stored octet, or its end, until its commit is known.
struct Connection::Incoming {
  struct PartWaiter : queue::CommitWaiter {
    explicit PartWaiter(Connection& c)
        : CommitWaiter([](queue::CommitWaiter& waiter, queue::CommitResult result) {
            static_cast<PartWaiter&>(waiter).connection.OnPartStored(result == queue::CommitResult::kDurable);
          }),
          connection(c) {}
    Connection& connection;
  };
  struct MessageWaiter : queue::CommitWaiter {
    explicit MessageWaiter(Connection& c)
        : CommitWaiter([](queue::CommitWaiter& waiter, queue::CommitResult result) {
            static_cast<MessageWaiter&>(waiter).connection.OnCommitted(result == queue::CommitResult::kDurable);
          }),
          connection(c) {}
    Connection& connection;
  };

  explicit Incoming(Connection& c) : part_waiter(c), message_waiter(c) {}

  PartWaiter part_waiter;
  MessageWaiter message_waiter;
  queue::QueueId id;
  queue::Submission submission;
  Buffer content;         // received, not yet with the queue
  std::string hold;       // why the message is to be held; empty: it is not
  uint64_t bytes = 0;     // of the whole message as stored
  bool complete = false;  // the final dot was read
  bool submitted = false;
};

Connection::Connection(SlabHandle handle, Shard& shard, const Listener& listener, const SockAddr& peer)
    : shard_(shard),
      listener_(listener),
      handle_(handle),
      peer_(peer),
      opened_ds_(static_cast<uint32_t>(shard.now().time_since_epoch() / kTenth)),
      stream_(shard.streams(), *this),
      session_(*listener.config, shard.transactions(), listener.mode == ListenerMode::kImplicit, this),
      timer_(io::Fires<&Connection::OnTimer>, this),
      active_(shard.now()),
      session_id_(shard.NewSessionId()) {
  shard_.stats().sessions[state_].Add();
}

Connection::~Connection() { Abandon(); }

// --- life ---------------------------------------------------------------------------------------------------

void Connection::Start(io::Socket socket) {
  stream_.Attach(socket);
  if (listener_.mode == ListenerMode::kImplicit) return StartTls();
  SetTimer(Wait::kIdle, IdleTimeout());
  Greet();
}

void Connection::Greet() {
  greeted_ = true;
  Buffer& replies = shard_.replies();
  replies.Clear();
  session_.Greet(replies);
  stream_.Write(replies.view());
  OnReply(2);
}

void Connection::Refuse(io::Socket socket, smtp::Reply reply) {
  refused_ = true;
  shard_.stats().connections_refused_total.Add();
  stream_.Attach(socket);
  if (listener_.mode != ListenerMode::kImplicit) Tell(reply);
  Close();
}

void Connection::StartTls() {
  SetTimer(Wait::kHandshake, shard_.options().limits.handshake_timeout);
  if (listener_.offers_plus || listener_.tls->client_trust() != nullptr) {
    tls_channel_ = std::make_unique<TlsChannel>();
  }
  stream_.StartTls(tls::Channel::Accept(listener_.tls));
  CountState();
}

void Connection::TakeBindings() {
  if (tls_channel_ == nullptr) return;
  auto& [info, bindings, external] = *tls_channel_;
  // Under TLS 1.2 clients bind by tls-unique (RFC 5929), which the library does not tell: one that
  // took the offer would not get in. Who binds by something else there may still do so.
  bindings.offered = listener_.offers_plus && stream_.channel().is_tls13();
  if (bindings.offered) session_.OfferPlus();
  if (info.has_exporter) bindings.tls_exporter = auth::View(info.exporter);
  bindings.tls_server_end_point = std::move(info.server_end_point);
}

// Whose it is is settled here, once; the certificate itself is not kept.
void Connection::TakeCertificate() {
  if (tls_channel_ == nullptr || tls_channel_->info.peer_certificate == nullptr) return;
  const auto peer = std::move(tls_channel_->info.peer_certificate);
  auto& external = tls_channel_->external;
  external = std::make_unique<auth::ExternalIdentity>();
  external->problem = peer->problem;
  if (peer->problem.empty()) {
    external->logins =
        shard_.certificate_logins().Of(peer->fingerprint, peer->subject, peer->emails);
    if (external->logins.empty()) external->problem = "it names no login";
  }
  if (!external->logins.empty()) return session_.OfferExternal();
  external->problem =
      absl::StrCat("the client's certificate (subject \"", peer->subject, "\", SHA-256 ",
                   peer->fingerprint, ") does not count: ", external->problem);
  // It may well go on by a password, and its user wonder why.
  Event event = MakeEvent(EventType::kRejection);
  event.detail = external->problem;
  shard_.events().Write(event);
}

// What it says is for anybody, and the client can answer together with its own flight.
void Connection::OnFlight() {
  if (listener_.mode == ListenerMode::kImplicit) Greet();
}

void Connection::OnSecure() {
  active_ = shard_.now();
  SetTimer(Wait::kIdle, IdleTimeout());
  TakeBindings();
  const bool resumed = stream_.channel().resumed();
  shard_.stats().tls_handshakes_total[resumed ? HandshakeResult::kResumed : HandshakeResult::kFull].Add();
  if (listener_.mode == ListenerMode::kImplicit) {
    if (!greeted_) Greet();
  } else {  // RFC 3207 4.2: what was learnt in the clear is forgotten
    login_.reset();
    session_.TlsStarted();
  }
  TakeCertificate();
  CountState();
}

void Connection::Close() {
  if (stream_.ending()) return;
  stream_.Close();
  SetTimer(Wait::kClose, kCloseTimeout);
  CountState();
}

// A client that half-closes still gets the answers to what it sent.
void Connection::OnInputEnd() {
  peer_finished_ = true;
  if (!session_.waiting()) Close();
}

void Connection::OnClosed(net::CloseReason) {
  Abandon();
  if (attempt_ != nullptr && attempt_->failure() == auth::Failure::kNone) {
    if (session_.waiting()) {
      CountGuess();  // hanging up early does not hide a guess
      ReportAuthFailure();
    } else {
      AbandonLogin();
    }
  }
  attempt_.reset();
  ShardCounters& stats = shard_.stats();
  if (state_ == SessionState::kHandshaking) stats.tls_handshakes_total[HandshakeResult::kFailed].Add();
  stats.sessions[state_].Sub();
  stats.connections_open.Sub();
  shard_.Remove(handle_);  // the last thing: *this is gone
}

void Connection::BeginStop() {
  stopping_ = true;
  if (!session_.waiting() && !session_.in_transaction()) TakeLeave();
}

void Connection::EndStop() {
  if (!stream_.ending() && !session_.waiting()) TakeLeave();
}

void Connection::EndByOperator() {
  if (stream_.ending()) return;
  ended_by_operator_ = stopping_ = true;
  if (wait_ == Wait::kHandshake || !session_.waiting()) TakeLeave();
}

void Connection::TakeLeave() {
  const bool can_say = listener_.mode != ListenerMode::kImplicit || stream_.secure();
  const smtp::Reply reply = ended_by_operator_ ? smtp::reply::kEndedByOperator : smtp::reply::kShuttingDown;
  if (can_say && wait_ != Wait::kHandshake) Tell(reply);
  Close();
}

// --- input ------------------------------------------------------------------------------------------------------

void Connection::OnInput(ByteView& input) {
  active_ = shard_.now();
  if (refused_) {
    input = ByteView();
    return;
  }
  if (login_ == nullptr && !session_.in_body()) stream_.WipeInput();  // passwords, tokens
  if (!session_.in_body() && !session_.waiting()) {
    if (login_ != nullptr && !IsStillWelcome()) {
      input = ByteView();
      Tell(smtp::reply::kDisabledLogin);
      return Close();
    }
    if (login_ == nullptr && attempt_ == nullptr) AdmitByNetwork();
  }
  Buffer& replies = shard_.replies();
  replies.Clear();
  Run(input);
}

// Whether who has logged in may go on; what it may do is as its record says now.
bool Connection::IsStillWelcome() {
  auth::Identity& identity = login_->identity;
  const uint64_t version = identity.version;
  if (login_->by_network && TrustedNow() == nullptr) return false;
  if (!shard_.authenticator().Refresh(identity, peer_)) return false;
  if (identity.version != version && login_->counted && shard_.usage() != nullptr) {
    shard_.usage()->Renew(login_->account, identity);
  }
  return true;
}

// The trusted network that the client is in, where it counts on this connection.
const TrustedNetworkOptions* Connection::TrustedNow() const {
  const TrustedNetworkOptions* trusted = shard_.access().FindTrusted(peer_);
  const bool counts = trusted != nullptr &&
                      (trusted->tls == TrustedNetworkOptions::Tls::kOptional || stream_.secure());
  return counts ? trusted : nullptr;
}

// Asked before each command, so that a login that is enabled meanwhile, or a reload, counts at
// once.
void Connection::AdmitByNetwork() {
  const TrustedNetworkOptions* trusted = TrustedNow();
  session_.SetVouchedFor(false);
  if (trusted == nullptr) return;
  auto submitter = std::make_unique<Submitter>();
  const auth::Failure failure =
      shard_.authenticator().AdmitUnproved(trusted->login, peer_, submitter->identity);
  if (failure != auth::Failure::kNone) return;
  submitter->by_network = true;
  login_ = std::move(submitter);
  session_.SetVouchedFor(true);
}

// Why a client whose network is trusted is taken for anybody; empty for all others.
std::string Connection::WhyNotTrusted() const {
  if (login_ != nullptr) return "";
  const TrustedNetworkOptions* trusted = shard_.access().FindTrusted(peer_);
  if (trusted == nullptr) return "";
  if (TrustedNow() == nullptr) return "the client's network is trusted, but only under TLS";
  return absl::StrCat("the client's network is trusted to be ", trusted->login,
                      ", who is unknown, disabled, suspended or not allowed from there");
}

// REQUIRES: the shard's replies hold only what is ours.
void Connection::Run(ByteView& input) {
  Buffer& replies = shard_.replies();
  for (;;) {
    const smtp::Effect effect = session_.OnInput(input, replies);
    if (effect == smtp::Effect::kNone) break;
    Perform(effect);
    if (stream_.ending()) {
      input = ByteView();
      break;
    }
    if (effect == smtp::Effect::kStartTls || stream_.paused()) break;
  }
  if (!stream_.ending()) {
    if (session_.in_body()) CountBody();
    if (!session_.in_transaction()) ForgetSubmitter();
    stream_.Write(replies.view());
    if (stream_.unsent_bytes() > kUnsentMax) {
      unread_ = true;
      stream_.Pause();
    }
    if (stopping_ && !session_.waiting() && !session_.in_transaction()) BeginStop();
  }
  replies.Clear();
  CountState();
}

void Connection::Answered() {
  ByteView nothing;
  Run(nothing);
  if (stream_.ending() || session_.waiting()) return;
  if (peer_finished_) return Close();
  active_ = shard_.now();
  if (!unread_) stream_.Resume();
}

void Connection::OnSent() {
  if (!unread_) return;
  unread_ = false;
  active_ = shard_.now();
  if (!session_.waiting() && !part_waits()) stream_.Resume();
}

void Connection::Perform(smtp::Effect effect) {
  Buffer& replies = shard_.replies();
  switch (effect) {
    case smtp::Effect::kNone:
      return;
    case smtp::Effect::kStartTls:
      session_.Accept(replies);
      stream_.Write(replies.view());
      replies.Clear();
      return StartTls();
    case smtp::Effect::kAuthStart: {
      const auto mechanism = auth::FindMechanism(session_.auth_mechanism());
      CHECK(mechanism.has_value());  // the listener offers only what auth/ knows
      attempt_ = BeginAttempt(*mechanism);
      std::optional<ByteView> initial;
      if (session_.has_auth_response()) initial = session_.auth_response();
      return OnAuth(attempt_->Start(initial, shard_.now()));
    }
    case smtp::Effect::kAuthContinue:
      return OnAuth(attempt_->Continue(session_.auth_response(), shard_.now()));
    case smtp::Effect::kMail:
      return OnMail();
    case smtp::Effect::kRcpt:
      return OnRcpt();
    case smtp::Effect::kData:
      body_since_ = shard_.now();
      body_before_ = 0;
      SetTimer(Wait::kIdle, std::min(kBodyGrace, IdleTimeout()));
      return session_.Accept(replies);
    case smtp::Effect::kBodyPart:
      return OnBodyPart();
    case smtp::Effect::kMessage:
      return OnMessage();
    case smtp::Effect::kAbort:
      if (attempt_ != nullptr) AbandonLogin();
      attempt_.reset();
      Abandon();
      return ForgetSubmitter();
    case smtp::Effect::kClose:
      stream_.Write(replies.view());
      replies.Clear();
      return Close();
  }
}

void Connection::Reject(smtp::Reply reply) { session_.Reject(reply, shard_.replies()); }

// What the session does not say itself: the last words before the end.
void Connection::Tell(smtp::Reply reply) {
  stream_.Write(reply.line);
  OnReply(reply.line[0] - '0');
  if (reply.line != smtp::reply::kShuttingDown.line) ReportRejection(reply, "");  // the Admin event says that
}

// --- authentication ----------------------------------------------------------------------------------------------

std::unique_ptr<auth::LoginAttempt> Connection::BeginAttempt(auth::Mechanism mechanism) {
  if (DovecotClient* dovecot = shard_.dovecot()) {
    return dovecot->Begin(mechanism, {.connection = handle_,
                                      .session = session_id_,
                                      .client = peer_,
                                      .listener = listener_.address,
                                      .tls = stream_.secure()});
  }
  return shard_.authenticator().Begin(
      mechanism, {.connection = uint64_t{handle_.slot} << 32 | handle_.generation,
                  .peer = peer_,
                  .now = shard_.wall_now(),
                  .bindings = tls_channel_ == nullptr ? nullptr : &tls_channel_->bindings,
                  .external = tls_channel_ == nullptr ? nullptr : tls_channel_->external.get()});
}

void Connection::OnAuth(auth::LoginAttempt::Result result) {
  Buffer& replies = shard_.replies();
  switch (result) {
    case auth::LoginAttempt::Result::kChallenge:
      return session_.AuthChallenge(attempt_->challenge(), replies);
    case auth::LoginAttempt::Result::kWait:
      return stream_.Pause();
    case auth::LoginAttempt::Result::kSuccess: {
      login_ = std::make_unique<Submitter>(attempt_->TakeIdentity());
      if (shard_.usage() != nullptr) {
        std::optional<Account> account = shard_.usage()->Open(login_->identity);
        if (!account.has_value()) return RefuseSession();
        login_->account = *std::move(account);
      }
      login_->counted = true;
      Event event = MakeEvent(EventType::kAuth);
      event.response = ResponseOf(smtp::reply::kAuthenticated, "");
      event.mechanism = auth::Info(attempt_->mechanism()).name;
      shard_.events().Write(event);
      CountLogin(LoginResult::kSuccess);
      attempt_->CountSuccess(shard_.wall_now());
      attempt_.reset();
      tls_channel_.reset();
      session_.AuthSucceeded(replies);
      return SetTimer(Wait::kIdle, IdleTimeout());  // a bound of its own
    }
    case auth::LoginAttempt::Result::kFailure:
      return FailAuth();
  }
}

// Proved, but there are as many connections of the login or of its group as may be.
void Connection::RefuseSession() {
  Event event = MakeEvent(EventType::kAuth);
  event.response = ResponseOf(smtp::reply::kTooManySessions, "");
  event.mechanism = auth::Info(attempt_->mechanism()).name;
  shard_.events().Write(event);
  CountLogin(LoginResult::kTemporary);
  login_.reset();
  attempt_.reset();
  session_.AuthFailed(smtp::AuthFailure::kTooManySessions, shard_.replies());
}

// What says something about a user leaves at a fixed time after the command plus jitter, whatever
// the cause, and later the more is guessed. It is logged now, though: who does not wait for the
// answer has guessed all the same.
void Connection::FailAuth() {
  const auth::Failure failure = attempt_->failure();
  const bool about_user =
      failure != auth::Failure::kMalformed && failure != auth::Failure::kTemporary;
  Duration slower{};
  if (about_user && failure != auth::Failure::kThrottled) {
    auth_failures_++;
    if (!attempt_->proved()) CountGuess();
    slower = attempt_->slower(shard_.wall_now());
  }
  ReportAuthFailure();
  if (!about_user) return TellAuthFailure();
  const AuthOptions& options = shard_.options().auth;
  const auto jitter = static_cast<uint64_t>(options.failure_jitter.count());
  const Duration delay = options.failure_delay + slower +
                         Duration(shard_.prng().Below(jitter + 1)) - (shard_.now() - active_);
  stream_.Pause();
  SetTimer(Wait::kAuthFailure, delay);
}

// When that was the last one to be let by, an operator is told.
void Connection::CountGuess() {
  const WallTime now = shard_.wall_now();
  const uint32_t reached = attempt_->CountFailure(now);
  const ByteView login = LoginToLog(attempt_->login());
  shard_.guesses().Note(login, peer_);
  if (reached == 0) return;
  for (size_t i = 0; i < auth::kGuessBys; i++) {
    if ((reached >> i & 1) != 0)
      shard_.LogAdmin(attempt_->DescribeLimit(static_cast<auth::GuessBy>(i), login, peer_, now));
  }
}

void Connection::TellAuthFailure() {
  const smtp::AuthFailure failure = FailureToTell();
  attempt_.reset();
  session_.AuthFailed(failure, shard_.replies());
}

smtp::AuthFailure Connection::FailureToTell() const {
  switch (attempt_->failure()) {
    case auth::Failure::kMalformed:
      return smtp::AuthFailure::kMalformed;
    case auth::Failure::kTemporary:
      return smtp::AuthFailure::kTemporary;
    case auth::Failure::kThrottled:
      return smtp::AuthFailure::kTooMany;
    case auth::Failure::kNone:
    case auth::Failure::kCredentials:
    case auth::Failure::kTooWeak:
    case auth::Failure::kTransition:
      break;
  }
  if (auth_failures_ >= shard_.options().limits.auth_failures) return smtp::AuthFailure::kTooMany;
  if (attempt_->failure() == auth::Failure::kTooWeak) return smtp::AuthFailure::kTooWeak;
  if (attempt_->failure() == auth::Failure::kTransition) return smtp::AuthFailure::kTransition;
  return smtp::AuthFailure::kBadCredentials;
}

void Connection::OnVerified(const auth::VerifyToken& token, auth::Verdict verdict) {
  if (!waits_for_login()) return;
  const auth::LoginAttempt::Result result = attempt_->OnVerified(token, verdict, shard_.now());
  if (result != auth::LoginAttempt::Result::kWait) OnLoginResult(result);
}

void Connection::OnLoginResult(auth::LoginAttempt::Result result) {
  shard_.replies().Clear();
  OnAuth(result);
  if (!session_.waiting()) Answered();
}

// --- the message -------------------------------------------------------------------------------------------------

void Connection::OnMail() {
  too_many_recipients_ = false;
  switch (shard_.queue().admission()) {
    case queue::Admission::kOpen:
      break;
    case queue::Admission::kFull:
      return Reject(smtp::reply::kSpoolFull);
    case queue::Admission::kPoisoned:
      return Reject(smtp::reply::kSpoolFailed);
    case queue::Admission::kSealed:
      return Reject(smtp::reply::kShuttingDown);
  }
  smtp::Transaction& transaction = session_.transaction();
  if (login_ != nullptr) {
    if (!OpenAccount() || !TakeSubmitter()) return;
    const auth::Identity& identity = submitter().identity;
    if (!identity.sender.Allows(transaction.sender())) return Reject(smtp::reply::kSenderNotOwned);
    if (identity.limits.message_bytes != 0) {
      if (transaction.declared_bytes > identity.limits.message_bytes)
        return Reject(smtp::reply::kMessageTooBig);
      transaction.LimitBytes(identity.limits.message_bytes);
    }
    // What no limit could ever take is not read to its end for nothing.
    const uint64_t rates_max = Usage::MessageBytesMax(submitter().account);
    if (rates_max != UINT64_MAX) transaction.LimitBytes(rates_max);
  }
  if (IsOver({.messages = 1, .bytes = transaction.declared_bytes})) return;
  session_.Accept(shard_.replies());
}

// Who is there by his network counts as a connection from his first MAIL on: until then he may yet
// log in as somebody else. False: there are as many as may be, and MAIL is refused.
bool Connection::OpenAccount() {
  if (login_->counted) return true;
  if (shard_.usage() != nullptr) {
    std::optional<Account> account = shard_.usage()->Open(login_->identity);
    if (!account.has_value()) {
      Reject(smtp::reply::kTooManySessions);
      return false;
    }
    login_->account = *std::move(account);
  }
  login_->counted = true;
  return true;
}

// RFC 4954 section 5: whose mail this is, where MAIL says so and the login may say so; it then has
// that login's rights and limits. What a login may not say is as if it had said AUTH=<>. False:
// refused.
bool Connection::TakeSubmitter() {
  ForgetSubmitter();
  const smtp::Transaction& transaction = session_.transaction();
  login_->untold = transaction.has_auth_parameter;
  if (!transaction.has_auth_parameter || transaction.auth_parameter().empty()) return true;
  auto other = std::make_unique<Submitter>();
  switch (shard_.authenticator().ActFor(login_->identity, transaction.auth_parameter(),
                                        other->identity)) {
    case auth::Acting::kAllowed:
      break;
    case auth::Acting::kForbidden:
      return true;
    case auth::Acting::kUnknown:
      Reject(smtp::reply::kSubmitterUnknown);
      return false;
    case auth::Acting::kTemporary:
      Reject(smtp::reply::kSubmitterTemporary);
      return false;
  }
  login_->untold = false;
  if (other->identity.login == login_->identity.login) return true;
  // A connection is the front end's, however many it brings mail of.
  if (shard_.usage() != nullptr) other->account = shard_.usage()->Of(other->identity);
  login_->other = std::move(other);
  return true;
}

void Connection::ForgetSubmitter() {
  if (login_ == nullptr) return;
  login_->other.reset();
  login_->untold = login_->originators_checked = login_->add_sender = false;
}

// Whether `more` would pass a limit by which it is refused, as it is then.
bool Connection::IsOver(const Amount& more) {
  if (shard_.usage() == nullptr) return false;
  const auto over = shard_.usage()->Find(account(), more, shard_.wall_now());
  if (!over.has_value() || over->policy == auth::OverPolicy::kHold) return false;
  RefuseOver(*over);
  return true;
}

const Account& Connection::account() const {
  return login_ == nullptr ? shard_.anybody() : submitter().account;
}

// A tenant's or the server's limit may be reached by others.
void Connection::CountOverLimit(const OverLimit& over) {
  if (over.never || over.scope != Scope::kLogin || shard_.containment() == nullptr) return;
  shard_.containment()->OnOverLimit(login(), shard_.wall_now());
}

// What can never fit gets a 5xx whatever the policy, or it would be tried for days: 552 5.3.4 (RFC
// 1870 section 6) for its size. Recipients can be taken a part at a time: 452 4.5.3 (RFC 5321
// 4.5.3.1.10).
void Connection::RefuseOver(const OverLimit& over) {
  CountOverLimit(over);
  shard_.words().Clear();
  int code = over.policy == auth::OverPolicy::kReject ? 550 : 450;
  ByteView enhanced = code == 550 ? "5.7.1" : "4.7.1";
  if (over.never && over.limit.counted == auth::Counted::kBytes) {
    code = 552;
    enhanced = "5.3.4";
  } else if (over.never && over.limit.counted == auth::Counted::kRecipients && over.limit.max > 0) {
    code = 452;
    enhanced = "4.5.3";
  }
  Reject(smtp::FormatReply(code, enhanced, over.Describe(), shard_.words()));
}

void Connection::OnRcpt() {
  const auto& recipients = session_.transaction().recipients;
  const auto count = static_cast<uint32_t>(recipients.size());
  if (login_ != nullptr) {
    const uint32_t own_max = submitter().identity.limits.recipients;
    if (own_max != 0 && count > own_max) return Reject(smtp::reply::kTooManyRecipients);
  } else if (!shard_.access().domains.TakesFromAnybody(recipients.last())) {
    return Reject(smtp::reply::kRelayingDenied);
  }
  if (IsOver({.recipients = count})) return;
  session_.Accept(shard_.replies());
}

// Once a message, when its header section is whole. A reply: it is refused.
std::optional<smtp::Reply> Connection::CheckOriginators() {
  const OriginatorCheck check = shard_.options().submission.originator;
  if (check == OriginatorCheck::kOff || login_ == nullptr || login_->originators_checked)
    return std::nullopt;
  login_->originators_checked = true;
  smtp::Transaction& transaction = session_.transaction();
  const uint32_t header_bytes = transaction.header.header_bytes();
  const smtp::Originators found = smtp::CheckOriginators(
      transaction.body.view().substr(0, header_bytes),
      [this](ByteView address) { return submitter().identity.sender.Allows(address); });
  if (found == smtp::Originators::kOwned) return std::nullopt;
  if (check == OriginatorCheck::kRewrite && !SenderToAdd().empty()) {
    smtp::RemoveFields(transaction.body, header_bytes, "Sender");
    login_->add_sender = true;
    return std::nullopt;
  }
  switch (found) {
    case smtp::Originators::kForeignFrom:
      return smtp::reply::kFromNotOwned;
    case smtp::Originators::kForeignSender:
      return smtp::reply::kSenderFieldNotOwned;
    case smtp::Originators::kNone:
      return smtp::reply::kFromMissing;
    case smtp::Originators::kOwned:
    case smtp::Originators::kUnreadable:
      break;
  }
  return smtp::reply::kOriginatorsUnreadable;
}

// An address of the submitter: the envelope's, which was checked; with a null sender its login, if
// that is one.
ByteView Connection::SenderToAdd() const {
  const ByteView sender = session_.transaction().sender();
  if (!sender.empty()) return sender;
  return submitter().identity.sender.Allows(login()) ? login() : ByteView();
}

void Connection::EnsureIncoming() {
  if (incoming_ != nullptr) return;
  incoming_ = std::make_unique<Incoming>(*this);
  incoming_->id = shard_.queue().NewId(shard_.wall_now());
  incoming_->submission.id = incoming_->id;
}

void Connection::OnBodyPart() {
  if (const auto refusal = CheckOriginators()) return Reject(*refusal);
  EnsureIncoming();
  incoming_->content = std::move(session_.transaction().body);
  StoreParts();
  if (part_waits()) stream_.Pause();
}

// A body that has not ended by the end of a turn holds memory or room on the disk.
void Connection::CountBody() {
  if (session_.body_refused()) return;
  const smtp::Transaction& transaction = session_.transaction();
  const uint64_t bytes = transaction.body_bytes + transaction.body.room();
  std::string words;
  if (shard_.bodies().Hold(body_charge_, BodyShare(words), bytes)) return;
  if (part_waits()) return;  // OnPartStored goes on with the paused stream, and comes here again
  Abandon();
  session_.RefuseBody(smtp::reply::kSpoolFull);
}

// Whose share of the shard's bodies they are: the login's, or where there is none, that of the
// client's address. No login begins with a NUL.
ByteView Connection::BodyShare(std::string& words) const {
  if (login_ != nullptr) return login();
  words = '\0' + Network::Of(peer_, 32, 64).ToString();
  return words;
}

void Connection::ReleaseBody() {
  std::string words;
  shard_.bodies().Release(body_charge_, body_charge_.of_login ? BodyShare(words) : ByteView());
}

void Connection::OnMessage() {
  const smtp::Transaction& transaction = session_.transaction();
  if (const auto refusal = CheckOriginators()) {
    Abandon();
    return Reject(*refusal);
  }
  if (!shard_.bodies().Complete(body_charge_, transaction.body_bytes)) {
    Abandon();
    return Reject(smtp::reply::kSpoolFull);
  }
  EnsureIncoming();
  if (!Charge()) return Abandon();
  incoming_->bytes = transaction.body_bytes;
  incoming_->content = std::move(session_.transaction().body);
  incoming_->complete = true;
  MakeEnvelope();
  StoreParts();
  if (incoming_ != nullptr) stream_.Pause();
}

// What this message counts as, when it is whole. False: it would pass a limit, and is refused.
bool Connection::Charge() {
  if (shard_.usage() == nullptr) return true;
  const auto over = shard_.usage()->Charge(account(), MessageAmount(), shard_.wall_now());
  if (!over.has_value()) return true;
  if (over->policy == auth::OverPolicy::kHold) {
    CountOverLimit(*over);
    incoming_->hold = absl::StrCat("more than ", over->Name());
    return true;
  }
  RefuseOver(*over);
  return false;
}

Amount Connection::MessageAmount() const {
  const smtp::Transaction& transaction = session_.transaction();
  return {
      .messages = 1, .recipients = transaction.recipients.size(), .bytes = transaction.body_bytes};
}

// Gives the queue what it should have of the body now, a part at a time: the next when the last is durable. One may come
// meanwhile.
void Connection::StoreParts() {
  Incoming& incoming = *incoming_;
  if (incoming.part_waiter.waiting()) return;
  constexpr size_t kPart = queue::kPartBytesMax;
  const size_t left = incoming.content.size();
  if (incoming.complete && left <= kPart) {
    incoming.submission.body = std::move(incoming.content);
    const queue::SubmitResult result = shard_.queue().Submit(incoming.submission, &incoming.message_waiter);
    if (result != queue::SubmitResult::kAccepted) return RefuseMessage(result);
    incoming.submitted = true;
    return;
  }
  if (left == 0) return;
  Buffer part = left <= kPart ? std::move(incoming.content) : FirstBytes(incoming.content, kPart);
  const queue::SubmitResult result =
      shard_.queue().AppendPart(incoming.submission, std::move(part), incoming.part_waiter);
  if (result != queue::SubmitResult::kAccepted) RefuseMessage(result);
}

// A part is complete and the one before it is still on its way: no more may come.
bool Connection::part_waits() const { return incoming_ != nullptr && !incoming_->content.empty(); }

void Connection::OnPartStored(bool durable) {
  shard_.replies().Clear();
  if (!durable) {
    RefuseMessage(queue::SubmitResult::kPoisoned);
    return Answered();
  }
  StoreParts();
  if (incoming_ == nullptr || (!incoming_->complete && !part_waits())) Answered();
}

void Connection::RefuseMessage(queue::SubmitResult result) {
  if (incoming_->complete && shard_.usage() != nullptr) {
    shard_.usage()->Refund(account(), MessageAmount(), shard_.wall_now());
  }
  Abandon();
  switch (result) {
    case queue::SubmitResult::kAccepted:
    case queue::SubmitResult::kPoisoned:
      return Reject(smtp::reply::kSpoolFailed);
    case queue::SubmitResult::kFull:
      return Reject(smtp::reply::kSpoolFull);
    case queue::SubmitResult::kSealed:
      return Reject(smtp::reply::kShuttingDown);
    case queue::SubmitResult::kTooLarge:
      return Reject(kEnvelopeTooBig);
  }
}

void Connection::MakeEnvelope() {
  const smtp::Transaction& transaction = session_.transaction();
  queue::Submission& submission = incoming_->submission;
  const WallTime now = shard_.wall_now();
  char id[queue::QueueId::kTextBytes];
  incoming_->id.Print(id);
  char ip_text[INET6_ADDRSTRLEN];
  const ByteView client_ip = peer_.PrintIp(ip_text);

  smtp::TraceInfo trace;
  trace.helo = session_.helo();
  trace.client_ip = client_ip;
  trace.hostname = shard_.options().hostname;
  trace.queue_id = ByteView(id, sizeof id);
  trace.date = shard_.date().At(now);
  if (stream_.secure()) {
    trace.tls_version = stream_.channel().version();
    trace.tls_cipher = stream_.channel().cipher();
  }
  trace.esmtp = session_.esmtp();
  trace.authenticated = session_.authenticated();
  trace.add_date = !transaction.header.has_date();
  trace.add_message_id = !transaction.header.has_message_id();
  if (login_ != nullptr && login_->add_sender) trace.sender = SenderToAdd();
  trace.add_separator = transaction.header.needs_separator();
  smtp::AppendTrace(trace, submission.prefix);

  queue::EnvelopeBuilder envelope;
  envelope.SetSender(transaction.sender());
  for (ByteView recipient : transaction.recipients) envelope.AddRecipient(recipient);
  if (login_ != nullptr) envelope.SetLogin(login());
  envelope.SetClient(client_ip);
  envelope.SetHelo(session_.helo());
  envelope.SetProtocol(smtp::TransmissionType(session_.esmtp(), stream_.secure(), session_.authenticated()));
  envelope.SetCreated(now);
  // RFC 4954 section 5: what anybody says of the submitter is not passed on.
  const bool untold = login_ != nullptr ? login_->untold : transaction.has_auth_parameter;
  const uint32_t flags =
      (transaction.eight_bit ? queue::kBody8BitMime : 0u) | (untold ? queue::kSubmitterUntold : 0u);
  if (flags != 0) envelope.SetFlags(flags);
  if (!incoming_->hold.empty()) envelope.SetHold(incoming_->hold);
  submission.envelope = envelope.Take();
}

void Connection::OnCommitted(bool durable) {
  Buffer& replies = shard_.replies();
  replies.Clear();
  ReleaseBody();
  if (!durable) {
    incoming_.reset();
    Reject(smtp::reply::kSpoolFailed);
    return Answered();
  }
  char id[queue::QueueId::kTextBytes];
  incoming_->id.Print(id);
  ReportReception(ByteView(id, sizeof id));
  incoming_.reset();
  session_.Committed(ByteView(id, sizeof id), replies);
  Answered();
}

void Connection::ReportReception(ByteView id) {
  ShardCounters& stats = shard_.stats();
  messages_++;
  stats.messages_received_total.Add();
  stats.bytes_received_total.Add(incoming_->bytes);
  const smtp::Transaction& transaction = session_.transaction();
  if (login_ != nullptr && shard_.containment() != nullptr) {
    shard_.containment()->OnMessage(login(), transaction.recipients, shard_.wall_now());
  }
  Event event = MakeEvent(EventType::kReception);
  event.id = id;
  event.has_sender = true;
  event.sender = transaction.sender();
  event.recipients = ListRecipients();
  event.size = incoming_->bytes;
  event.response.code = 250;
  std::string detail;
  if (!incoming_->hold.empty()) {
    detail = absl::StrCat("held until it is released: ", incoming_->hold);
    event.detail = detail;
  }
  shard_.events().Write(event);
}

void Connection::Abandon() {
  ReleaseBody();
  if (incoming_ == nullptr) return;
  incoming_->part_waiter.Detach();
  incoming_->message_waiter.Detach();
  if (!incoming_->submitted) shard_.queue().Abandon(incoming_->submission);
  incoming_.reset();
}

// --- events ------------------------------------------------------------------------------------------------------

Event Connection::MakeEvent(EventType type) const {
  Event event;
  event.type = type;
  event.time = shard_.wall_now();
  event.session = session_id_;
  event.peer = peer_;
  event.peer_name = session_.helo();
  event.login = login();
  if (login_ != nullptr) event.actor = submitter().identity.actor;
  event.protocol = smtp::TransmissionType(session_.esmtp(), stream_.secure(), session_.authenticated());
  if (stream_.secure()) {
    event.tls_protocol = stream_.channel().version();
    event.tls_cipher = stream_.channel().cipher();
  }
  return event;
}

// In the shard's scratch: until the next event.
std::span<const ByteView> Connection::ListRecipients() {
  std::vector<ByteView>& recipients = shard_.recipients();
  recipients.clear();
  for (ByteView recipient : session_.transaction().recipients) recipients.push_back(recipient);
  return recipients;
}

void Connection::OnRefusal(const smtp::Session&, smtp::Reply reply) {
  if (IsWorthALine(reply)) ReportRejection(reply, session_.answering());
}

// What was done to mail, limits, and why a session ended. Bad syntax and a wrong order are only counted, so that
// garbage does not fill the log; so is what follows from an answer that was logged.
bool Connection::IsWorthALine(smtp::Reply refusal) {
  const ByteView command = session_.answering();
  if (refusal.line.starts_with("452 4.5.3 ")) {
    const bool first = !too_many_recipients_;
    too_many_recipients_ = true;
    return first;
  }
  if (refusal.line == smtp::reply::kTooManyLogins.line) return false;
  if (refusal.code() == 421) return true;
  if (command == "AUTH") return refusal.code() == 538;  // what failed is an Auth event
  if (refusal.transient()) return true;
  if (refusal.code() == 503) return false;
  if (command == "RCPT" || command == "DATA" || command == ".") return session_.in_transaction();
  return command == "MAIL";
}

void Connection::ReportRejection(smtp::Reply reply, ByteView command) {
  Event event = MakeEvent(EventType::kRejection);
  event.response = ResponseOf(reply, command);
  const std::string detail = WhyNotTrusted();
  if (reply.permanent()) event.detail = detail;
  if (session_.in_transaction()) {
    event.has_sender = true;
    event.sender = session_.transaction().sender();
    if (command == ".") event.recipients = ListRecipients();
  }
  shard_.events().Write(event);
}

// The attempt's verdict, or that there will be none.
void Connection::ReportAuthFailure() {
  Event event = MakeEvent(EventType::kAuth);
  event.login = LoginToLog(attempt_->login());
  event.mechanism = auth::Info(attempt_->mechanism()).name;
  if (event.login.empty() && !attempt_->login().empty()) {
    event.detail = "the login is left out: it does not look like a name, and could be a password";
  }
  if (event.detail.empty()) event.detail = attempt_->detail();
  if (attempt_->failure() == auth::Failure::kThrottled)
    event.detail = auth::Explain(attempt_->throttled_by());
  if (attempt_->failure() == auth::Failure::kNone) {
    if (event.detail.empty()) event.detail = "the connection ended before the verdict";
  } else {
    event.response = ResponseOf(smtp::AuthFailureReply(FailureToTell()), "");
  }
  CountLogin(ResultOf(attempt_->failure()));
  shard_.events().Write(event);
}

// The client cancels, or goes, in the middle. Some do so when they are told what is wrong with their token; that is a
// failure like another to whom the log is for.
void Connection::AbandonLogin() {
  if (!attempt_->detail().empty()) return ReportAuthFailure();
  CountLogin(LoginResult::kAbandoned);
}

// --- counters ----------------------------------------------------------------------------------------------------

void Connection::OnCommand(size_t verb) { shard_.stats().commands_total[verb].Add(); }

void Connection::OnReply(int digit) { shard_.stats().replies_total[digit - 2].Add(); }

// REQUIRES: the attempt is still there.
void Connection::CountLogin(LoginResult result) {
  shard_.stats().logins_total.At(attempt_->mechanism(), result).Add();
}

// Wherever a session may have gone on: at the end of what it had to do.
void Connection::CountState() {
  const SessionState state = StateNow();
  if (state == state_) return;
  ShardCounters& stats = shard_.stats();
  stats.sessions[state_].Sub();
  stats.sessions[state].Add();
  state_ = state;
}

SessionState Connection::StateNow() const {
  if (stream_.ending()) return SessionState::kClosing;
  if (wait_ == Wait::kHandshake) return SessionState::kHandshaking;
  switch (session_.phase()) {
    case smtp::Session::Phase::kConnected:
      return SessionState::kConnected;
    case smtp::Session::Phase::kGreeted:
      return SessionState::kGreeted;
    case smtp::Session::Phase::kAuth:
      return SessionState::kAuthenticating;
    case smtp::Session::Phase::kAuthenticated:
      return SessionState::kAuthenticated;
    case smtp::Session::Phase::kTransaction:
      return SessionState::kTransaction;
    case smtp::Session::Phase::kBody:
      return SessionState::kData;
    case smtp::Session::Phase::kMessage:
      return SessionState::kCommitting;
    case smtp::Session::Phase::kClosed:
      break;
  }
  return SessionState::kClosing;
}

// --- listings ----------------------------------------------------------------------------------------------------

bool Connection::Matches(const SessionFilter& filter) const {
  if (filter.id != 0 && filter.id != session_id_) return false;
  if (filter.state && *filter.state != state_) return false;
  if (filter.peer.known()) {
    if (!peer_.SameHost(filter.peer)) return false;
    if (filter.peer.port() != 0 && filter.peer.port() != peer_.port()) return false;
  }
  return filter.login.empty() || (login_ != nullptr && login_->identity.login == filter.login);
}

ListedSession Connection::Describe() const {
  ListedSession session;
  session.id = session_id_;
  session.shard = shard_.index();
  session.peer = peer_;
  if (login_ != nullptr) session.login = login_->identity.login;
  session.state = state_;
  session.age = shard_.now().time_since_epoch() - opened_ds_ * kTenth;
  session.idle = shard_.now() - active_;
  if (stream_.secure()) {
    session.tls = stream_.channel().version();
    session.cipher = stream_.channel().cipher();
  }
  session.messages = messages_;
  return session;
}

// --- time ------------------------------------------------------------------------------------------------------------

Duration Connection::IdleTimeout() const {
  const LimitsOptions& limits = shard_.options().limits;
  return session_.authenticated() ? limits.idle_timeout_authenticated : limits.idle_timeout;
}

void Connection::SetTimer(Wait wait, Duration delay) {
  wait_ = wait;
  shard_.io().timers().Set(timer_, shard_.now() + delay);
}

void Connection::OnTimer() {
  switch (wait_) {
    case Wait::kHandshake:
    case Wait::kClose:
      return stream_.Abort();
    case Wait::kAuthFailure:
      if (stream_.ending()) return;
      shard_.replies().Clear();
      SetTimer(Wait::kIdle, IdleTimeout());
      TellAuthFailure();
      return Answered();
    case Wait::kIdle:
      return CheckIdle();
  }
}

// The timer is not moved for each command; it looks when the last one was, and sleeps on.
void Connection::CheckIdle() {
  // A commit or a verifier is slow: no fault of the client. One that does not read its replies is idle.
  const bool ours_to_act = stream_.paused() && !unread_;
  const MonoTime due = active_ + IdleTimeout();
  if (!ours_to_act && (shard_.now() >= due || BodyIsTooSlow())) {
    Tell(smtp::reply::kIdleTooLong);
    return Close();
  }
  Duration left = ours_to_act ? IdleTimeout() : due - shard_.now();
  if (session_.in_body()) left = std::min(left, kBodyGrace);
  if (ours_to_act) body_since_ = shard_.now();  // our time is not its own
  SetTimer(Wait::kIdle, left);
}

// A client that sends an octet a minute would otherwise hold its body for ever. Each stretch of a minute or more
// must do, so that a fast start buys no rest.
bool Connection::BodyIsTooSlow() {
  if (!session_.in_body()) return false;
  const auto elapsed = std::chrono::duration_cast<seconds>(shard_.now() - body_since_);
  if (elapsed < kBodyGrace) return false;
  const uint64_t bytes = session_.transaction().body_bytes - body_before_;
  body_since_ = shard_.now();
  body_before_ += bytes;
  return bytes < shard_.options().limits.body_rate * static_cast<uint64_t>(elapsed.count());
}

}  // namespace sluice::server
