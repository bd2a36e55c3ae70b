#include "tools/load/sink_connection.h"

#include <algorithm>
#include <utility>

#include "tools/load/sink.h"

namespace sluice::load {
namespace {

// A number is looked for in so much of a message: Received lines of many hops stand before it.
constexpr size_t kHeadBytesMax = 64 << 10;

}  // namespace

SinkConnection::SinkConnection(SlabHandle handle, Sink& sink)
    : sink_(sink),
      handle_(handle),
      session_(sink.options_, sink.shared_.faults, sink.prng_),
      stream_(sink.streams_, *this) {}

void SinkConnection::Start(io::Socket socket) {
  stream_.Attach(socket);
  GoOn();
}

void SinkConnection::OnSecure() {
  sink_.stats_.handshakes++;
  session_.TlsStarted();
  GoOn();
}

void SinkConnection::OnInput(ByteView& input) {
  sink_.scratch_.Clear();
  Run(input);
}

void SinkConnection::OnInputEnd() { stream_.Close(); }

void SinkConnection::OnSent() {
  if (dropping_) stream_.Abort();
}

void SinkConnection::OnClosed(net::CloseReason) {
  sink_.Forget(due_);
  sink_.connections_.Delete(handle_);
}

// With no new input.
void SinkConnection::GoOn() {
  sink_.scratch_.Clear();
  ByteView nothing;
  Run(nothing);
}

// Replies of the whole call go out as one.
void SinkConnection::Run(ByteView& input) {
  Buffer& out = sink_.scratch_;
  for (;;) {
    switch (session_.OnInput(input, out)) {
      case SinkEffect::kNone:
        return stream_.Write(out.view());
      case SinkEffect::kStartTls:
        stream_.Write(out.view());
        return stream_.StartTls(tls::Channel::Accept(sink_.tls_));
      case SinkEffect::kBodyPart:
        Capture(session_.part());
        break;
      case SinkEffect::kMessage:
        if (session_.wait() > Duration(0)) {
          Capture(session_.part());
          answer_due_ = true;
          return Wait();
        }
        if (!message_.empty()) Capture(session_.part());
        Answer();
        break;
      case SinkEffect::kWait:
        return Wait();
      case SinkEffect::kClose:
        stream_.Write(out.view());
        return stream_.Close();
      case SinkEffect::kDrop:
        return Drop();
    }
  }
}

void SinkConnection::Wait() {
  stream_.Write(sink_.scratch_.view());
  stream_.Pause();
  due_ = sink_.Delay(*this, session_.wait());
}

// What was said before is to arrive; what the peer sends is not read any more.
void SinkConnection::Drop() {
  sink_.stats_.dropped++;
  dropping_ = true;
  stream_.Write(sink_.scratch_.view());
  stream_.Pause();
  if (stream_.unsent_bytes() == 0) stream_.Abort();
}

void SinkConnection::OnDue() {
  due_ = Due();
  if (stream_.ending()) return;
  sink_.scratch_.Clear();
  if (std::exchange(answer_due_, false)) Answer();
  ByteView nothing;
  Run(nothing);
  if (due_ == Due() && !dropping_) stream_.Resume();
}

void SinkConnection::Capture(ByteView part) {
  if (sink_.shared_.store != nullptr) return message_.Append(part);
  if (sink_.ledger_.on()) {
    message_.Append(part.substr(0, kHeadBytesMax - std::min(message_.size(), kHeadBytesMax)));
  }
}

void SinkConnection::Answer() {
  SinkStats& stats = sink_.stats_;
  if (session_.Answer(sink_.scratch_)) {
    stats.messages++;
    stats.bytes += session_.message_bytes() - (session_.chunked() ? 0 : 3);  // the last line, a dot
    stats.last = sink_.io_.now();
    stats.first = std::min(stats.first, stats.last);
    sink_.Keep(message_.empty() ? session_.part() : message_.view(), session_.chunked(),
               session_.envelope());
  } else {
    stats.refused++;
  }
  message_.Reset();
}

}  // namespace sluice::load
