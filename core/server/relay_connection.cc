#include "core/server/relay_connection.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/server/relay.h"
#include "core/server/shard.h"

namespace sluice::server {
namespace {

constexpr Duration kQuitTimeout = seconds(5);
constexpr size_t kUnsentMax = 128 << 10;  // what is to follow waits until this has gone
// A slow server gets as many messages on a connection as it answers in this time, so that others stay for other
// connections; a fast one gets many with one write.
constexpr Duration kDepthTime = milliseconds(20);
constexpr uint32_t kDepthMin = 2;

}  // namespace

RelayConnection::RelayConnection(Relay& relay, NextHop& hop)
    : relay_(relay),
      hop_(hop),
      stream_(relay.shard().streams(), *this),
      sasl_(relay.MakeLogin(hop)),
      options_(hop.client),
      client_(options_, false),
      connect_(io::Completes<&RelayConnection::OnConnect>, this),
      timer_(io::Fires<&RelayConnection::OnTimer>, this) {
  options_.sasl = sasl_.get();
}

RelayConnection::~RelayConnection() { CHECK(under_way_.empty()); }

void RelayConnection::Start() {
  began_ = relay_.shard().now();
  Expect(relay_.shard().options().relay.connect_timeout);
  relay_.shard().io().Connect(connect_, hop_.address);
}

void RelayConnection::OnConnect(const io::Completion& completion) {
  if (completion.result < 0) {
    const std::string why =
        failed_ ? error_ : absl::StrCat("connect to ", hop_.name, ": ", std::strerror(-completion.result));
    relay_.shard().stats().relay_connect_failures_total.Add();
    timer_.Cancel();
    if (!leaving_) relay_.OnHopFailed(hop_, began_, why);
    return relay_.OnConnectionClosed(*this);
  }
  stream_.Attach(completion.socket);
  if (failed_ || leaving_) return stream_.Abort();
  Expect(relay_.shard().options().relay.greeting_timeout);
}

// --- the dialogue ---------------------------------------------------------------------------------------------

void RelayConnection::OnInput(ByteView& input) {
  Buffer& out = relay_.scratch();
  out.Clear();
  for (;;) {
    const smtp::ClientEffect effect = client_.OnInput(input, out);
    if (effect == smtp::ClientEffect::kNone) break;
    Perform(effect, out);
    if (effect == smtp::ClientEffect::kStartTls || stream_.ending()) return;
  }
  stream_.Write(out.view());
  ExpectReply();
  StartMore();
}

void RelayConnection::Perform(smtp::ClientEffect effect, Buffer& out) {
  switch (effect) {
    case smtp::ClientEffect::kNone:
      return;
    case smtp::ClientEffect::kStartTls: {
      tls::ConnectOptions options;
      options.server_name = hop_.tls_name;
      stream_.StartTls(tls::Channel::Connect(*relay_.shard().client_tls(), options));
      return;
    }
    case smtp::ClientEffect::kReady:
      ready_ = true;
      return relay_.OnHopReady(hop_);
    case smtp::ClientEffect::kRecipientFailed:
      return UnderWay(client_.message()).Answer(client_.recipient(), client_.reply(), hop_.name);
    case smtp::ClientEffect::kSendBody: {
      Delivery& delivery = UnderWay(client_.message());
      delivery.heard = true;
      return SendBody(delivery, out);
    }
    case smtp::ClientEffect::kMessageResult: {
      Delivery& delivery = UnderWay(client_.message());
      if (sending_ == &delivery) sending_ = nullptr;  // answered before all of it was sent
      delivery.Unlink();
      delivery.connection = nullptr;
      const MonoTime now = relay_.shard().now();
      const Duration took = std::max(now - answered_, Duration(1));
      answer_time_ = answer_time_ == Duration::zero() ? took : (answer_time_ * 7 + took) / 8;
      answered_ = now;
      if (client_.reply().code() == 421 && !delivery.heard && messages_ > 1) {  // it crossed our MAIL
        return relay_.OnLost(delivery, true, absl::StrCat(hop_.name, " closed the session"));
      }
      delivery.AnswerRest(client_.reply(), hop_.name);
      return relay_.OnAnswered(delivery);
    }
    case smtp::ClientEffect::kFailed:
      return Fail(FailureText());
    case smtp::ClientEffect::kClosed:
      return stream_.Close();
  }
}

void RelayConnection::StartMore() {
  if (!ready()) return;
  const uint32_t messages_max = relay_.shard().options().relay.messages_per_connection;
  Buffer& out = relay_.scratch();
  out.Clear();
  while (sending_ == nullptr && client_.can_start() && client_.under_way() < Depth() &&
         (messages_max == 0 || messages_ < messages_max) && out.size() + stream_.unsent_bytes() < kUnsentMax) {
    Delivery* delivery = relay_.NextDelivery(*hop_.group);
    if (delivery == nullptr) break;
    if (client_.under_way() == 0) answered_ = relay_.shard().now();
    delivery->connection = this;
    Delivery::Route& route = delivery->leg().route;
    route = {.hop = &hop_, .esmtp = client_.esmtp()};
    if (stream_.secure()) {
      route.tls_version = stream_.channel().version();
      route.tls_cipher = stream_.channel().cipher();
    }
    under_way_.PushBack(*delivery);
    messages_++;
    if (client_.Start(&delivery->outgoing(), out)) SendBody(*delivery, out);
  }
  stream_.Write(out.view());
  if (messages_max > 0 && messages_ == messages_max && under_way_.empty()) return Leave();
  ExpectReply();
}

uint32_t RelayConnection::Depth() const {
  if (answer_time_ == Duration::zero()) return kDepthMin;  // nothing is known of it
  return static_cast<uint32_t>(std::clamp<int64_t>(kDepthTime / answer_time_, kDepthMin, smtp::kClientUnderWayMax));
}

Delivery& RelayConnection::UnderWay(const smtp::OutgoingMessage* message) {
  Delivery* delivery = under_way_.front();
  while (delivery != nullptr && &delivery->outgoing() != message) delivery = under_way_.Next(*delivery);
  CHECK(delivery != nullptr);
  return *delivery;
}

// --- the body ----------------------------------------------------------------------------------------------------

void RelayConnection::SendBody(Delivery& delivery, Buffer& out) {
  sending_ = &delivery;
  AppendContent(delivery, delivery.message().prefix(), out);
  GoOnWithBody(out);
}

void RelayConnection::AppendContent(Delivery& delivery, ByteView content, Buffer& out) {
  if (client_.chunking()) {
    out.Append(content);
  } else {
    delivery.stuffer.Append(content, out);
  }
}

// The next step of a body: a part is asked for, or its end goes out.
void RelayConnection::GoOnWithBody(Buffer& out) {
  Delivery& delivery = *sending_;
  if (delivery.next_part < delivery.message().parts()) return delivery.LoadPart();
  EndBody(out);
}

void RelayConnection::EndBody(Buffer& out) {
  Delivery& delivery = *sending_;
  AppendContent(delivery, delivery.message().body(), out);
  if (!client_.chunking()) delivery.stuffer.Finish(out);
  sending_ = nullptr;
  client_.BodySent();
}

void RelayConnection::OnPart(Delivery& delivery, queue::LoadResult result) {
  if (stream_.ending()) return;  // OnClosed comes and takes the delivery away
  if (result != queue::LoadResult::kOk) {
    // What was begun cannot be ended rightly: break off, so that the server drops it.
    delivery.AnswerRest("the message could not be read back from the spool");
    return Fail("a message could not be read back from the spool");
  }
  Buffer& out = relay_.scratch();
  out.Clear();
  AppendContent(delivery, delivery.part().bytes(), out);
  stream_.Write(out.view());
  ExpectReply();
  if (stream_.unsent_bytes() < kUnsentMax) OnSent();
}

void RelayConnection::OnSent() {
  if (sending_ == nullptr || sending_->part().in_flight() || stream_.ending()) return;
  Buffer& out = relay_.scratch();
  out.Clear();
  GoOnWithBody(out);
  stream_.Write(out.view());
  if (sending_ == nullptr) StartMore();
}

// --- the end ------------------------------------------------------------------------------------------------------

void RelayConnection::OnSecure() {
  Buffer& out = relay_.scratch();
  out.Clear();
  client_.TlsStarted(out);
  stream_.Write(out.view());
  ExpectReply();
}

void RelayConnection::OnInputEnd() {
  if (!quit_) return Fail(absl::StrCat(hop_.name, " closed the connection"));
  stream_.Close();
}

void RelayConnection::OnClosed(net::CloseReason reason) {
  timer_.Cancel();
  if (!failed_ && !quit_ && !leaving_) {
    failed_ = true;
    error_ = absl::StrCat(reason == net::CloseReason::kTls ? "TLS with " : "connection to ", hop_.name,
                          reason == net::CloseReason::kTls ? " failed" : " was lost");
    if (!ready_) relay_.OnHopFailed(hop_, began_, error_);
  }
  LoseAll();
  relay_.OnConnectionClosed(*this);  // the last thing: *this will be gone
}

// Messages under way have no answer, or none that counts.
void RelayConnection::LoseAll() {
  sending_ = nullptr;
  if (client_.oldest_heard()) under_way_.front()->heard = true;
  while (Delivery* delivery = under_way_.PopFront()) {
    delivery->connection = nullptr;
    relay_.OnLost(*delivery, !delivery->heard && messages_ > 1, error_);
  }
}

void RelayConnection::Fail(std::string why) {
  if (failed_) return;
  failed_ = true;
  error_ = std::move(why);
  if (!ready_) relay_.OnHopFailed(hop_, began_, error_);
  stream_.Abort();
}

void RelayConnection::Leave() {
  if (quit_ || failed_ || stream_.ending()) return;
  leaving_ = true;
  if (!ready_) return connect_.in_flight() ? relay_.shard().io().Cancel(connect_) : stream_.Abort();
  if (client_.under_way() > 0) return;  // goes on in ExpectReply
  quit_ = true;
  Buffer& out = relay_.scratch();
  out.Clear();
  client_.Quit(out);
  stream_.Write(out.view());
  Expect(kQuitTimeout);
}

void RelayConnection::Abort() {
  if (connect_.in_flight()) {
    leaving_ = true;
    return relay_.shard().io().Cancel(connect_);
  }
  Fail("shutting down");
}

std::string RelayConnection::FailureText() const {
  const char* what = "";
  switch (client_.failure()) {
    case smtp::ClientFailure::kNone:
    case smtp::ClientFailure::kClosing:
      what = "closed the session";
      break;
    case smtp::ClientFailure::kGreeting:
      what = "refused the session";
      break;
    case smtp::ClientFailure::kTls:
      what = "has no TLS, which relay.tls requires";
      break;
    case smtp::ClientFailure::kAuth:
      what = "refused our authentication";
      break;
    case smtp::ClientFailure::kProtocol:
      what = "answered with something that is no SMTP";
      break;
  }
  std::string text = absl::StrCat(hop_.name, " ", what);
  if (client_.reply().code() != 0) {
    absl::StrAppend(&text, ": ", client_.reply().code(), " ", std::string(client_.reply().text()));
  }
  return text;
}

// --- time ------------------------------------------------------------------------------------------------------------

// The timer looks at the deadline when it fires; only one that is sooner moves it.
void RelayConnection::Expect(Duration within) {
  deadline_ = relay_.shard().now() + within;
  if (!timer_.armed() || deadline_ < timer_at_) SetTimer();
}

void RelayConnection::SetTimer() {
  timer_at_ = deadline_;
  relay_.shard().io().timers().Set(timer_, deadline_);
}

// RFC 5321 4.5.3.2: how long what comes next may take.
void RelayConnection::ExpectReply() {
  const RelayOptions& options = relay_.shard().options().relay;
  if (stream_.ending() || quit_) return;
  switch (client_.awaits()) {
    case smtp::ClientAwaits::kLogin:
      return Expect(options.greeting_timeout);
    case smtp::ClientAwaits::kMail:
      return Expect(options.mail_timeout);
    case smtp::ClientAwaits::kRcpt:
      return Expect(options.rcpt_timeout);
    case smtp::ClientAwaits::kData:
      return Expect(options.data_timeout);
    case smtp::ClientAwaits::kNoReply:
      return Expect(options.data_block_timeout);
    case smtp::ClientAwaits::kEnd:
      return Expect(options.data_end_timeout);
    case smtp::ClientAwaits::kNothing:
      if (leaving_) return Leave();
      return Expect(options.idle_timeout);
  }
}

void RelayConnection::OnTimer() {
  if (relay_.shard().now() < deadline_) return SetTimer();
  if (connect_.in_flight()) {
    failed_ = true;
    error_ = absl::StrCat("connect to ", hop_.name, ": timed out");
    return relay_.shard().io().Cancel(connect_);
  }
  if (client_.awaits() == smtp::ClientAwaits::kNothing && !quit_) return Leave();
  if (quit_) return stream_.Abort();
  Fail(absl::StrCat(hop_.name, " did not answer in time"));
}

}  // namespace sluice::server
