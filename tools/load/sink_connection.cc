#include "tools/load/sink_connection.h"

#include <algorithm>

#include "tools/load/sink.h"

namespace sluice::load {
namespace {

// A number is looked for in so much of a message: Received lines of many hops stand before it.
constexpr size_t kHeadBytesMax = 64 << 10;

}  // namespace

SinkConnection::SinkConnection(SlabHandle handle, Sink& sink)
    : sink_(sink),
      handle_(handle),
      session_(sink.options_, sink.shared_.faults, sink.prng_,
               sink.options_.tls == SinkOptions::Tls::kImplicit),
      stream_(sink.streams_, *this) {}

void SinkConnection::Start(io::Socket socket) {
  stream_.Attach(socket);
  if (sink_.options_.tls == SinkOptions::Tls::kImplicit) {
    return stream_.StartTls(tls::Channel::Accept(sink_.tls_));
  }
  Greet();
}

void SinkConnection::OnSecure() {
  sink_.stats_.handshakes++;
  if (sink_.options_.tls == SinkOptions::Tls::kImplicit) return Greet();
  session_.TlsStarted();
}

void SinkConnection::Greet() {
  sink_.scratch_.Clear();
  session_.Greet(sink_.scratch_);
  ByteView nothing;
  Run(nothing);
}

void SinkConnection::OnInput(ByteView& input) {
  sink_.scratch_.Clear();
  Run(input);
}

void SinkConnection::OnInputEnd() { stream_.Close(); }

void SinkConnection::OnClosed(net::CloseReason) { sink_.connections_.Delete(handle_); }

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
        if (OnMessage()) break;
        return stream_.Write(out.view());
      case SinkEffect::kClose:
        stream_.Write(out.view());
        return stream_.Close();
    }
  }
}

void SinkConnection::Capture(ByteView part) {
  if (sink_.shared_.store != nullptr) return message_.Append(part);
  if (sink_.ledger_.on()) {
    message_.Append(part.substr(0, kHeadBytesMax - std::min(message_.size(), kHeadBytesMax)));
  }
}

// False: the dialogue does not go on now.
bool SinkConnection::OnMessage() {
  const SinkFaults& faults = sink_.options_.faults;
  if (session_.faulty() && faults.close_after_data) {
    sink_.stats_.dropped++;
    stream_.Abort();
    return false;
  }
  if (session_.faulty() && faults.delay > Duration(0)) {
    Capture(session_.part());
    sink_.Delay(*this);
    stream_.Pause();
    return false;
  }
  if (!message_.empty()) Capture(session_.part());
  Answer();
  return true;
}

void SinkConnection::OnDue() {
  if (stream_.ending()) return;
  sink_.scratch_.Clear();
  Answer();
  ByteView nothing;
  Run(nothing);
  stream_.Resume();
}

void SinkConnection::Answer() {
  SinkStats& stats = sink_.stats_;
  if (session_.Answer(sink_.scratch_)) {
    stats.messages++;
    stats.bytes += session_.message_bytes() - 3;  // the last line, a dot
    stats.last = sink_.io_.now();
    stats.first = std::min(stats.first, stats.last);
    sink_.Keep(message_.empty() ? session_.part() : message_.view(), session_.envelope());
  } else {
    stats.refused++;
  }
  message_.Reset();
}

}  // namespace sluice::load
