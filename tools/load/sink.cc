#include "tools/load/sink.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace sluice::load {

void SinkStats::Merge(const SinkStats& other) {
  connections += other.connections;
  handshakes += other.handshakes;
  messages += other.messages;
  bytes += other.bytes;
  refused += other.refused;
  dropped += other.dropped;
  unnumbered += other.unnumbered;
  first = std::min(first, other.first);
  last = std::max(last, other.last);
}

Sink::Sink(io::Io& io, const SinkOptions& options, const SinkShared& shared,
           std::shared_ptr<tls::ServerContext> tls)
    : io_(io),
      options_(options),
      shared_(shared),
      tls_(std::move(tls)),
      streams_(io, net::StreamLimits{}),
      ledger_(shared.ledger),
      connections_(options.connections_max) {}

Sink::~Sink() = default;

void Sink::Listen(int listener) {
  io_.Accept(accepts_.emplace_back(io::Completes<&Sink::OnAccept>, this), listener);
}

void Sink::OnAccept(const io::Completion& completion) {
  if (completion.result < 0) {
    const char* why = std::strerror(-completion.result);
    if (!stopped_) status_.Update(absl::UnavailableError(absl::StrCat("accept: ", why)));
    return Stop();
  }
  stats_.connections++;
  SinkConnection* connection = stopped_ ? nullptr : connections_.New(*this);
  if (connection == nullptr) return io_.Close(completion.socket);
  connection->Start(completion.socket);
}

bool Sink::RunTurn() {
  while (!delayed_.empty() && delayed_.begin()->first.first <= io_.now()) {
    SinkConnection* connection = delayed_.begin()->second;
    delayed_.erase(delayed_.begin());
    connection->OnDue();
  }
  streams_.RunInput();
  ledger_.Flush();
  status_.Update(ledger_.status());
  return streams_.Flush();
}

MonoTime Sink::deadline() {
  const MonoTime idle = io_.now() + seconds(1);
  return delayed_.empty() ? idle : std::min(idle, delayed_.begin()->first.first);
}

Due Sink::Delay(SinkConnection& connection, Duration wait) {
  const Due due(io_.now() + wait, ++delays_);
  delayed_.emplace(due, &connection);
  return due;
}

void Sink::Stop() {
  if (stopped_) return;
  stopped_ = true;
  for (io::Op& accept : accepts_) io_.Cancel(accept);
  connections_.ForEach([](SinkConnection& connection) { connection.Abort(); });
}

bool Sink::done() const {
  const bool accepting = std::any_of(accepts_.begin(), accepts_.end(),
                                     [](const io::Op& op) { return op.in_flight(); });
  return stopped_ && !accepting && connections_.size() == 0;
}

void Sink::Keep(ByteView wire, bool chunked, ByteView envelope) {
  if (shared_.store != nullptr) {
    status_.Update(chunked ? shared_.store->Save(wire, envelope)
                           : shared_.store->Save(UnstuffDots(wire), envelope));
  }
  if (!ledger_.on()) return;
  if (const auto number = MessageNumber::Find(wire)) {
    numbers_.insert(*number);
    ledger_.Add(*number, "");
  } else {
    stats_.unnumbered++;
  }
}

}  // namespace sluice::load
