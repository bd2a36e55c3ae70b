#include "tools/load/load_connection.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/load/generator.h"

namespace sluice::load {
namespace {

// A body goes to the stream in parts of this size, so that big ones do not pile up in memory.
constexpr size_t kPartBytes = 64 << 10;

constexpr size_t kGarbageBytes = 1000;
constexpr Duration kBackOffMin = milliseconds(100);
constexpr int kBackOffDoublings = 5;

Phase PhaseOf(smtp::ClientFailure failure) {
  switch (failure) {
    case smtp::ClientFailure::kGreeting:
      return Phase::kGreeting;
    case smtp::ClientFailure::kTls:
      return Phase::kTls;
    case smtp::ClientFailure::kAuth:
      return Phase::kAuth;
    case smtp::ClientFailure::kClosing:
      return Phase::kClosing;
    case smtp::ClientFailure::kNone:
    case smtp::ClientFailure::kProtocol:
      break;
  }
  return Phase::kProtocol;
}

const char* NotOffered(Phase phase) {
  switch (phase) {
    case Phase::kTls:
      return "STARTTLS is not offered";
    case Phase::kAuth:
      return "the mechanism is not offered";
    default:
      return "";
  }
}

// Spread evenly over the connections.
bool IsInShare(uint64_t number, const RunOptions& options) {
  const double share = options.keepalive > Duration(0) ? options.keepalive_share : 0;
  const auto before = static_cast<double>(number);
  return std::floor((before + 1) * share) > std::floor(before * share);
}

}  // namespace

LoadConnection::LoadConnection(Generator& generator, uint64_t number)
    : generator_(generator),
      to_(generator.options_.to[number % generator.options_.to.size()]),
      keeps_alive_(IsInShare(number, generator.options_)),
      connect_(io::Completes<&LoadConnection::OnConnect>, this),
      timer_(io::Fires<&LoadConnection::OnTimer>, this),
      stream_(generator.streams_, *this) {
  using Tls = RunOptions::Tls;
  const RunOptions& options = generator.options_;
  // Sources change when all of `to` had their turn, so that every pair of them comes up.
  if (!options.sources.empty()) {
    source_ = options.sources.At(to_.family(), number / options.to.size());
  }
  options_.ehlo_name = options.ehlo_name;
  options_.tls = options.tls == Tls::kStartTls ? smtp::ClientOptions::Tls::kRequired
                                               : smtp::ClientOptions::Tls::kNever;
  options_.pipelining = options.pipelining != RunOptions::Pipelining::kOff;
}

// --- life ----------------------------------------------------------------------------------------

void LoadConnection::Connect() {
  CHECK(at_rest());
  Login login = generator_.NextLogin();
  sender_ = SenderOf(generator_.options_, login);
  MakeSasl(std::move(login));
  client_.emplace(options_, generator_.options_.tls == RunOptions::Tls::kImplicit);
  failed_ = ours_ = leaving_ = false;
  think_ = Think::kNone;
  sent_ = 0;
  connected_ = due_ = generator_.io_.now();
  if (generator_.options_.mode == RunOptions::Mode::kLogin) due_ = generator_.TakeTask()->due;
  state_ = State::kConnecting;
  generator_.io_.Connect(connect_, to_, source_.known() ? &source_ : nullptr);
  Watch();
}

void LoadConnection::MakeSasl(Login login) {
  const std::optional<auth::Mechanism> mechanism = generator_.options_.mechanism;
  if (!mechanism.has_value()) return;
  if (Is(Behaviour::kWrongPassword)) login.password += "-wrong";
  sasl_ = std::make_unique<Sasl>();
  sasl_->binds = auth::Info(*mechanism).plus;
  sasl_->client =
      auth::MakeSaslClient(*mechanism, {.user = std::move(login.name),
                                        .password = std::move(login.password),
                                        .nonce = absl::StrCat(absl::Hex(generator_.prng_.Next())),
                                        .cache = &generator_.scram_cache_,
                                        .host = generator_.options_.server_name,
                                        .bindings = &sasl_->bindings});
  options_.sasl = sasl_->client.get();
}

void LoadConnection::BackOff() {
  const Duration wait = kBackOffMin * (1 << std::min<int>(failures_, kBackOffDoublings));
  const auto jitter =
      static_cast<int64_t>(generator_.prng_.Below(static_cast<uint64_t>(wait.count())));
  generator_.io_.timers().Set(timer_, generator_.io_.now() + wait / 2 + Duration(jitter) / 2);
  if (failures_ < UINT8_MAX) failures_++;
}

void LoadConnection::Pause(Duration think) {
  generator_.io_.timers().Set(timer_, generator_.io_.now() + think);
}

void LoadConnection::Finish() {
  if (state_ != State::kRest && !Is(Behaviour::kGood)) return Abort();
  switch (state_) {
    case State::kRest:
      if (!timer_.armed()) return;  // not backing off: the generator has it
      timer_.Cancel();
      return generator_.Queue(*this);
    case State::kConnecting:
    case State::kLoggingIn:
      if (generator_.options_.mode == RunOptions::Mode::kLogin) return;
      return Abort();
    case State::kOpen:
      return Go();
    case State::kQuitting:
      return;
  }
}

void LoadConnection::Go() {
  Buffer& out = generator_.scratch_;
  out.Clear();
  StartNext(out);
  Send(out);
  Watch();
}

void LoadConnection::Abort() {
  if (state_ == State::kRest) return Finish();
  ours_ = true;
  if (connect_.in_flight()) return generator_.io_.Cancel(connect_);
  stream_.Abort();
}

void LoadConnection::OnConnect(const io::Completion& completion) {
  if (completion.result < 0) {
    Fail(Phase::kConnect, -completion.result, std::strerror(-completion.result));
    return Rest();
  }
  state_ = State::kLoggingIn;
  socket_ = completion.socket;
  stream_.Attach(socket_);
  if (ours_) return stream_.Abort();
  if (Is(Behaviour::kConnectOnly) || Is(Behaviour::kGarbage)) return Misbehave();
  if (generator_.options_.tls == RunOptions::Tls::kImplicit) StartTls();
}

void LoadConnection::OnTimer() {
  if (state_ == State::kRest) return generator_.Queue(*this);
  if (state_ == State::kOpen && client_->awaits() == smtp::ClientAwaits::kNothing) {
    if (think_ != Think::kOn) return KeepAlive();
    think_ = Think::kNone;
    return Go();
  }
  Fail(Phase::kTimeout, 0, "");
  Abort();
}

void LoadConnection::OnInputEnd() { stream_.Close(); }

void LoadConnection::OnClosed(net::CloseReason reason) {
  if (state_ != State::kQuitting) {
    const bool tls = reason == net::CloseReason::kTls;
    const std::string error = stream_.channel().error_text();
    Fail(tls ? Phase::kTls : Phase::kLost, 0,
         tls && error.empty() ? "ended in the handshake" : error);
  }
  for (Sent& sent : messages_) {
    if (!std::exchange(sent.active, false)) continue;
    generator_.results_.unanswered++;
    generator_.Fail(Phase::kUnanswered, 0, "");
  }
  body_left_ = ByteView();
  Rest();
}

// Counts a connection's failure once: what follows from it is no other.
void LoadConnection::Fail(Phase phase, int code, ByteView text) {
  if (std::exchange(failed_, true) || ours_) return;
  generator_.Fail(phase, code, text);
}

void LoadConnection::Rest() {
  timer_.Cancel();
  if (drip_ != nullptr) drip_->waiting.Reset();
  if (!Is(Behaviour::kGood)) failures_ = 0;  // that is what it is for
  Unlink();
  const State was = std::exchange(state_, State::kRest);
  client_.reset();
  sasl_.reset();
  if (was == State::kConnecting || was == State::kLoggingIn) {
    generator_.OnMade();
  } else {
    generator_.open_--;
    if (was == State::kOpen && !ours_) generator_.results_.logins_lost++;
  }
  generator_.OnRest(*this, failed_);
}

// The server owes us something, or nothing: sessions that are only held may be silent.
void LoadConnection::Watch() {
  if (stream_.ending() && !connect_.in_flight()) return;
  if (state_ == State::kOpen && client_->awaits() == smtp::ClientAwaits::kNothing) {
    if (think_ == Think::kOn) return;  // the timer is in use
    if (!keeps_alive_) return timer_.Cancel();
    return generator_.io_.timers().Set(timer_,
                                       generator_.io_.now() + generator_.options_.keepalive);
  }
  generator_.io_.timers().Set(timer_, generator_.io_.now() + generator_.options_.timeout);
}

void LoadConnection::KeepAlive() {
  Buffer& out = generator_.scratch_;
  out.Clear();
  client_->Noop(out);
  Send(out);
  generator_.results_.keepalives++;
  Watch();
}

// --- bad clients ---------------------------------------------------------------------------------

bool LoadConnection::Is(Behaviour behaviour) const {
  return generator_.options_.behaviour == behaviour;
}

// Instead of any dialogue. What comes is not listened to, until the server or our patience ends it.
void LoadConnection::Misbehave() {
  state_ = State::kOpen;
  generator_.OnMade();
  generator_.open_++;
  if (Is(Behaviour::kGarbage)) {
    Buffer& out = generator_.scratch_;
    out.Clear();
    for (size_t i = 0; i < kGarbageBytes; i++) {
      const char octet = static_cast<char>(generator_.prng_.Next());
      out.Append(ByteView(&octet, 1));
    }
    stream_.Write(out.view());
  }
  Watch();
}

// All that a client says goes out by this.
void LoadConnection::Send(Buffer& out) {
  if (!Is(Behaviour::kSlow)) return stream_.Write(out.view());
  if (drip_ == nullptr) drip_ = std::make_unique<Drip>(this);
  drip_->waiting.Append(out.view());
  if (!drip_->timer.armed()) Trickle();
}

void LoadConnection::Trickle() {
  Buffer& waiting = drip_->waiting;
  if (waiting.empty()) return;
  stream_.Write(waiting.view().substr(0, 1));
  waiting.Consume(1);
  generator_.io_.timers().Set(drip_->timer, generator_.io_.now() + io::TimerWheel::kTick);
  Watch();  // that it takes long is not the server's fault
}

// --- the dialogue --------------------------------------------------------------------------------

void LoadConnection::StartTls() {
  stream_.StartTls(tls::Channel::Connect(
      *generator_.tls_, {.server_name = generator_.options_.server_name, .session = &session_}));
}

void LoadConnection::OnSecure() {
  generator_.results_.handshakes++;
  if (sasl_ != nullptr && sasl_->info.has_exporter) {
    sasl_->bindings.tls_exporter = auth::View(sasl_->info.exporter);
  }
  if (stream_.channel().resumed()) generator_.results_.resumed++;
  if (generator_.options_.tls == RunOptions::Tls::kImplicit) return;
  Buffer& out = generator_.scratch_;
  out.Clear();
  client_->TlsStarted(out);
  Send(out);
}

void LoadConnection::OnInput(ByteView& input) {
  if (Is(Behaviour::kConnectOnly) || Is(Behaviour::kGarbage)) {
    input = ByteView();
    return;
  }
  Buffer& out = generator_.scratch_;
  out.Clear();
  for (;;) {
    const smtp::ClientEffect effect = client_->OnInput(input, out);
    if (effect == smtp::ClientEffect::kNone) break;
    Perform(effect, out);
    if (effect == smtp::ClientEffect::kStartTls || stream_.ending()) break;
  }
  StartNext(out);
  Send(out);
  Watch();
}

void LoadConnection::Perform(smtp::ClientEffect effect, Buffer& out) {
  switch (effect) {
    case smtp::ClientEffect::kNone:
      return;
    case smtp::ClientEffect::kStartTls:
      return StartTls();
    case smtp::ClientEffect::kReady:
      return OnReady();
    case smtp::ClientEffect::kRecipientFailed:
      Subject().refused++;
      return generator_.Fail(Phase::kRecipient, client_->reply().code(), client_->reply().text());
    case smtp::ClientEffect::kSendBody:
      return SendBody(out);
    case smtp::ClientEffect::kMessageResult:
      return OnResult();
    case smtp::ClientEffect::kFailed:
      return OnClientFailed();
    case smtp::ClientEffect::kClosed:
      return stream_.Close();
  }
}

void LoadConnection::OnReady() {
  sasl_.reset();  // thousands of idle sessions need it no more
  state_ = State::kOpen;
  failures_ = 0;
  generator_.OnMade();
  generator_.open_++;
  generator_.results_.logins++;
  const MonoTime now = generator_.io_.now();
  generator_.results_.login.Add(now - connected_);
  if (generator_.options_.mode == RunOptions::Mode::kLogin) {
    generator_.results_.last_answer = std::max(generator_.results_.last_answer, now);
    generator_.CountScheduled(due_);
  }
  if (generator_.options_.mode != RunOptions::Mode::kRun) generator_.CountAnswer(connected_, due_);
  // In TLS 1.3 the ticket came with the first data.
  if (generator_.options_.resume && stream_.secure()) session_ = stream_.channel().TakeSession();
}

// This connection has done its part.
bool LoadConnection::spent() const {
  const RunOptions& options = generator_.options_;
  return options.mode == RunOptions::Mode::kLogin ||
         (options.per_connection > 0 && sent_ == options.per_connection);
}

// Starts the next message, or takes leave when there is none; held sessions do neither.
void LoadConnection::StartNext(Buffer& out) {
  const RunOptions& options = generator_.options_;
  if (state_ != State::kOpen || stream_.ending()) return;
  if (options.mode == RunOptions::Mode::kIdle && generator_.MoreToDo()) return;
  if (think_ != Think::kNone && generator_.MoreToDo()) {
    if (std::exchange(think_, Think::kOn) == Think::kDue) {
      generator_.io_.timers().Set(timer_, generator_.io_.now() + generator_.ThinkTime());
    }
    return;
  }
  while (client_->can_start()) {
    if (client_->under_way() > 0 && options.pipelining != RunOptions::Pipelining::kDeep) return;
    std::optional<Task> task;
    if (!spent()) task = generator_.TakeTask();
    if (!task.has_value()) {
      if (!spent() && generator_.MoreToDo()) return generator_.WaitForTask(*this);
      if (client_->under_way() > 0) return;
      client_->Quit(out);
      state_ = State::kQuitting;
      return;
    }
    Sent& sent = messages_[0].active ? messages_[1] : messages_[0];
    const Body body = generator_.ChooseBody(task->number);
    sent = Sent{.message = {.sender = sender_,
                            .recipients = generator_.ChooseRecipients(),
                            .bytes = generator_.ContentBytes(body),
                            .eight_bit = body.file != nullptr && body.file->eight_bit},
                .body = body,
                .number = task->number,
                .due = task->due,
                .started = generator_.io_.now(),
                .active = true};
    (void)client_->Start(&sent.message, out);  // it does not ask for chunking
    sent_++;
  }
}

void LoadConnection::SendBody(Buffer& out) {
  if (Is(Behaviour::kHalfClose) || Is(Behaviour::kQuitInData)) {
    out.Append("Subject: half a message\r\n\r\nits first line\r\n");
    if (Is(Behaviour::kQuitInData)) out.Append("QUIT\r\n");
    leaving_ = true;
    return;
  }
  const WireParts wire = generator_.Wire(Subject().number, Subject().body);
  out.Append(wire.head);
  body_left_ = wire.body;
  body_end_ = wire.tail;
  SendPart(out);
}

void LoadConnection::SendPart(Buffer& out) {
  out.Append(body_left_.substr(0, kPartBytes));
  body_left_.remove_prefix(std::min(body_left_.size(), kPartBytes));
  if (!body_left_.empty()) return;
  out.Append(body_end_);
  EndBody();
}

void LoadConnection::OnSent() {
  if (std::exchange(leaving_, false)) {
    if (Is(Behaviour::kQuitInData)) return Abort();
    return generator_.io_.Shutdown(socket_);
  }
  if (body_left_.empty() || (drip_ != nullptr && !drip_->waiting.empty())) return;
  Buffer& out = generator_.scratch_;
  out.Clear();
  SendPart(out);
  if (body_left_.empty()) StartNext(out);
  Send(out);
  Watch();
}

void LoadConnection::EndBody() {
  client_->BodySent();
  Sent& sent = Subject();
  sent.complete = true;
  sent.ended = generator_.io_.now();
}

LoadConnection::Sent& LoadConnection::Subject() {
  return client_->message() == &messages_[0].message ? messages_[0] : messages_[1];
}

void LoadConnection::OnResult() {
  Sent& sent = Subject();
  CHECK(sent.active);
  sent.active = false;
  body_left_ = ByteView();
  if (generator_.options_.think > Duration(0) && !spent()) think_ = Think::kDue;
  const smtp::PeerReply& reply = client_->reply();
  Results& results = generator_.results_;
  const MonoTime now = generator_.io_.now();
  results.last_answer = std::max(results.last_answer, now);
  if (sent.complete && reply.positive()) {
    results.answer.Add(now - sent.ended);
    results.transaction.Add(now - sent.started);
    generator_.CountAnswer(sent.ended, sent.due);
    generator_.CountScheduled(sent.due);
    return generator_.OnAccepted(sent.number, sent.message.bytes, reply.text());
  }
  results.refused++;
  if (sent.complete) {
    generator_.Fail(Phase::kMessage, reply.code(), reply.text());
  } else if (sent.refused < sent.message.recipients.size()) {
    generator_.Fail(Phase::kEnvelope, reply.code(), reply.text());
  }
}

void LoadConnection::OnClientFailed() {
  const Phase phase = PhaseOf(client_->failure());
  const smtp::PeerReply& reply = client_->reply();
  if (phase == Phase::kProtocol || reply.positive()) {
    Fail(phase, 0, NotOffered(phase));
  } else {
    Fail(phase, reply.code(), reply.text());
  }
  stream_.Close();
}

}  // namespace sluice::load
