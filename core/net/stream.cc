#include "core/net/stream.h"

#include <cerrno>

namespace sluice::net {
namespace {

constexpr size_t kScratchBytes = 16 << 10;     // a TLS record's plain text
constexpr size_t kHeldBytesMax = 64 << 10;     // of a paused stream; beyond, it stops reading
constexpr size_t kPlainBytesMax = 1 << 20;     // an owner that takes nothing and does not pause is at fault

}  // namespace

// --- StreamSet ------------------------------------------------------------------------------------------

StreamSet::StreamSet(io::Io& io, const StreamLimits& limits)
    : io_(io), limits_(limits), scratch_(new char[kScratchBytes]), heavy_left_(limits.heavy_steps_turn) {}

bool StreamSet::TakeBudget(tls::Work work) {
  if (work == tls::Work::kLight) return true;
  if (heavy_left_ == 0 || (work == tls::Work::kSignRsa && !rsa_left_)) return false;
  heavy_left_--;
  if (work == tls::Work::kSignRsa) rsa_left_ = false;
  return true;
}

void StreamSet::RunInput() {
  heavy_left_ = limits_.heavy_steps_turn;
  rsa_left_ = true;
  for (Stream* stream = work_.front(); stream != nullptr; stream = work_.Next(*stream)) stream->RunInput();
}

bool StreamSet::Flush() {
  // Those whose input waits for the next turn stay; new work of callbacks joins at the end.
  WorkList waiting;
  while (Stream* stream = work_.PopFront()) {
    if (stream->input_waits() && !stream->ending()) waiting.PushBack(*stream);
    stream->Flush();
  }
  work_.Splice(waiting);
  return !work_.empty();
}

// --- Stream: life ---------------------------------------------------------------------------------------

Stream::Stream(StreamSet& set, StreamOwner& owner)
    : set_(set),
      owner_(owner),
      recv_(io::Completes<&Stream::OnRecv>, this),
      send_(io::Completes<&Stream::OnSend>, this) {}

Stream::~Stream() { TrackPartial(0); }

void Stream::Attach(io::Socket socket) {
  CHECK(!socket_ && socket);
  socket_ = socket;
  set_.io_.Recv(recv_, socket_);
}

void Stream::StartTls(tls::Channel channel) {
  CHECK(!secure_ && !handshaking_);
  held_.Reset();
  if (delivering_) {
    drop_input_ = true;
  } else {
    plain_.Reset();
  }
  paused_ = resumed_ = false;
  channel_ = std::move(channel);
  handshaking_ = true;
  if (++set_.handshakes_ > set_.limits_.handshakes_max) {
    if (Stream* oldest = set_.handshaking_.front()) {
      set_.stats_.evicted++;
      oldest->BeginEnd(CloseReason::kEvicted);
    }
  }
  set_.handshaking_.PushBack(*this);
  Handshake(ByteView());  // a client's first flight
}

void Stream::Close() {
  if (ending()) return;
  closing_ = true;
  if (secure_) channel_.Shutdown(out_);
  MarkWork();
}

void Stream::BeginEnd(CloseReason reason) {
  if (ending_ || !socket_) return;
  ending_ = true;
  reason_ = reason;
  out_.Reset();
  held_.Reset();
  if (handshaking_) {
    pressure_node().Unlink();
    set_.handshakes_--;
    handshaking_ = false;
    if (reason != CloseReason::kOurs) set_.stats_.handshakes_failed++;
  }
  TrackPartial(0);
  set_.io_.Cancel(recv_);
  set_.io_.Cancel(send_);
  MarkWork();
}

// The kernel holds nothing of ours any more.
void Stream::End() {
  set_.io_.Close(socket_);
  socket_ = io::Socket();
  const CloseReason reason = reason_;
  reason_ = CloseReason::kOurs;
  secure_ = paused_ = resumed_ = input_ended_ = end_told_ = closing_ = ending_ = handshake_waits_ = false;
  channel_ = tls::Channel();
  out_.Reset();
  sending_.Reset();
  plain_.Reset();
  owner_.OnClosed(reason);
}

// --- output ---------------------------------------------------------------------------------------------

void Stream::Write(ByteView bytes) {
  if (ending() || bytes.empty()) return;
  if (secure_) {
    if (!channel_.Write(bytes, out_)) return FailTls();
  } else {
    if (handshaking_) return;  // a peer that answers before it is asked: clear text has no place in a handshake
    out_.Append(bytes);
  }
  MarkWork();
}

void Stream::Flush() {
  if (ending_) {
    if (!recv_.in_flight() && !send_.in_flight()) End();
    return;
  }
  if (send_.in_flight()) return;
  if (!out_.empty()) {
    sending_.Swap(out_);
    set_.io_.Send(send_, socket_, sending_.view());
  } else if (closing_) {
    BeginEnd(reason_);
  }
}

void Stream::OnSend(const io::Completion& completion) {
  sending_.Reset();
  if (ending_) return MarkWork();
  if (completion.result < 0) return BeginEnd(CloseReason::kReset);
  if (!out_.empty() || closing_) return MarkWork();
  owner_.OnSent();
}

// --- input ----------------------------------------------------------------------------------------------

void Stream::OnRecv(const io::Completion& completion) {
  if (ending_) {
    if (!recv_.in_flight()) MarkWork();
    return;
  }
  if (completion.result > 0) return TakeWire(completion.bytes);
  if (completion.result == 0) {
    input_ended_ = true;
    return EndInput();
  }
  if (completion.result == -ECANCELED) {  // too much was held; what waited may have been taken meanwhile
    if (!paused_ && !input_waits()) set_.io_.Recv(recv_, socket_);
    return;
  }
  BeginEnd(CloseReason::kReset);
}

void Stream::TakeWire(ByteView wire) {
  if (closing_ || input_ended_) return;  // nobody listens any more
  if (paused_ || input_waits()) return HoldWire(wire);
  if (handshaking_) return Handshake(wire);
  if (secure_) return ReadRecords(wire);
  Deliver(wire);
}

void Stream::HoldWire(ByteView wire) {
  held_.Append(wire);
  if (held_.size() > kHeldBytesMax) set_.io_.Cancel(recv_);
}

void Stream::Handshake(ByteView wire) {
  for (;;) {
    if (!set_.TakeBudget(channel_.NextWork())) {
      handshake_waits_ = true;
      HoldWire(wire);
      return MarkWork();
    }
    const tls::Step step = channel_.Handshake(wire, out_);
    MarkWork();
    if (step == tls::Step::kReady) continue;
    if (step == tls::Step::kWantRead) return;
    if (step == tls::Step::kFailed) return FailTls();
    FinishHandshake();
    if (!ending()) ReadRecords(wire);
    return;
  }
}

void Stream::FinishHandshake() {
  pressure_node().Unlink();
  set_.handshakes_--;
  set_.stats_.handshakes++;
  if (channel_.resumed()) set_.stats_.handshakes_resumed++;
  handshaking_ = false;
  secure_ = true;
  owner_.OnSecure();
}

void Stream::ReadRecords(ByteView wire) {
  while (!ending()) {
    if (paused_) {
      TrackPartial(channel_.pending_bytes());
      return HoldWire(wire);
    }
    const tls::ReadResult result =
        channel_.Read(wire, MutableBytes(set_.scratch_.get(), kScratchBytes), out_);
    switch (result.status) {
      case tls::ReadStatus::kPlain:
        Deliver(ByteView(set_.scratch_.get(), result.bytes));
        break;
      case tls::ReadStatus::kWantRead:
        return TrackPartial(channel_.pending_bytes());
      case tls::ReadStatus::kClosed:
        TrackPartial(0);
        input_ended_ = true;
        return EndInput();
      case tls::ReadStatus::kFailed:
        return FailTls();
    }
  }
}

void Stream::Deliver(ByteView plain) {
  const bool kept = !plain_.empty();
  if (kept) {
    plain_.Append(plain);
    plain = plain_.view();
  }
  ByteView rest = plain;
  delivering_ = true;
  owner_.OnInput(rest);
  delivering_ = false;
  if (drop_input_ || ending()) {
    drop_input_ = false;
    plain_.Reset();
  } else if (kept) {
    plain_.Consume(plain.size() - rest.size());
    if (plain_.empty()) plain_.Reset();
  } else {
    plain_.Append(rest);
  }
  CHECK(plain_.size() <= kPlainBytesMax);
}

// The end comes after what was sent before it.
void Stream::EndInput() {
  if (ending() || end_told_ || paused_ || input_waits()) return;
  end_told_ = true;
  owner_.OnInputEnd();
}

void Stream::Resume() {
  if (!paused_) return;
  paused_ = false;
  if (delivering_) return;  // the loop that delivers goes on by itself
  resumed_ = true;
  MarkWork();
}

void Stream::RunInput() {
  if (ending() || !input_waits()) return;
  resumed_ = handshake_waits_ = false;
  Buffer wire;
  wire.Swap(held_);
  if (!plain_.empty()) Deliver(ByteView());
  if (handshaking_) {
    Handshake(wire.view());
  } else if (secure_) {
    ReadRecords(wire.view());
  } else if (paused_) {
    HoldWire(wire.view());
  } else if (!wire.empty()) {
    Deliver(wire.view());
  }
  if (ending()) return;
  if (!paused_ && !recv_.in_flight() && !input_ended_) set_.io_.Recv(recv_, socket_);
  if (input_ended_) EndInput();
}

// What the library has to say to the peer (an alert) still goes out.
void Stream::FailTls() {
  if (ending_) return;
  if (handshaking_) {
    pressure_node().Unlink();
    set_.handshakes_--;
    set_.stats_.handshakes_failed++;
    handshaking_ = false;
  }
  TrackPartial(0);
  reason_ = CloseReason::kTls;
  closing_ = true;
  MarkWork();
}

void Stream::TrackPartial(size_t bytes) {
  if (bytes == partial_bytes_) return;
  set_.partial_bytes_ += bytes - partial_bytes_;
  if (partial_bytes_ == 0) set_.partial_.PushBack(*this);
  if (bytes == 0) pressure_node().Unlink();
  partial_bytes_ = static_cast<uint32_t>(bytes);
  if (set_.partial_bytes_ <= set_.limits_.partial_record_bytes) return;
  if (Stream* oldest = set_.partial_.front()) {
    set_.stats_.evicted++;
    oldest->BeginEnd(CloseReason::kEvicted);
  }
}

void Stream::MarkWork() {
  TaggedNode<WorkTag>& node = *this;
  if (!node.linked()) set_.work_.PushBack(*this);
}

}  // namespace sluice::net
