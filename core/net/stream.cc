#include "core/net/stream.h"

#include <cerrno>

namespace sluice::net {
namespace {

constexpr size_t kScratchBytes = 16 << 10;  // a TLS record's plain text
constexpr size_t kPieceBytes = 16 << 10;    // given on at once: the owner may stop what follows
constexpr Duration kPatience = milliseconds(500);  // for the peer's flight, when places are short
// TLS answers some records (a key update) by itself. A peer that only makes us answer, and perhaps
// does not read it, has no other purpose than to fill our memory.
constexpr uint16_t kAnswerBytesMax = 4 << 10;
// An owner that takes nothing and does not pause is at fault.
constexpr size_t kPlainBytesMax = 1 << 20;
// Buffers of replies that were sent are kept, so many and of at most this size.
constexpr size_t kSpares = 256;
constexpr size_t kSpareBytes = 1 << 10;

}  // namespace

// --- StreamSet -----------------------------------------------------------------------------------

StreamSet::StreamSet(io::Io& io, const StreamLimits& limits)
    : io_(io),
      limits_(limits),
      scratch_(new char[kScratchBytes]),
      place_timer_(io::Fires<&StreamSet::OnPlace>, this),
      heavy_left_(limits.heavy_steps_turn) {
  spare_.reserve(kSpares);
}

StreamSet::Queue StreamSet::QueueFor(const Stream& stream) {
  if (stream.handshake_begun_) return kFinish;
  return stream.channel_.NextWork() == tls::Work::kSignRsa ? kBeginRsa : kBegin;
}

// May the stream do its next heavy step now? True: it counts as done.
bool StreamSet::TakeTurn(const Stream& stream) {
  const bool rsa = stream.channel_.NextWork() == tls::Work::kSignRsa;
  if (heavy_left_ == 0 || (rsa && !rsa_left_)) return false;
  if (!stream.handshake_begun_ && !MakePlace()) return false;
  heavy_left_--;
  if (rsa) rsa_left_ = false;
  return true;
}

// Is there memory for one more handshake to begin, perhaps that of a stalled one?
bool StreamSet::MakePlace() {
  if (bytes_[kBegun] == 0 || bytes_[kBegun] + kHandshakeBytes <= bound(kBegun)) return true;
  Stream* oldest = begun_.front();
  if (oldest == nullptr) return false;  // they wait for us
  if (const MonoTime due = oldest->begun_ + kPatience; io_.now() < due) {
    io_.timers().Set(place_timer_, due);
    return false;
  }
  stats_.evicted++;
  oldest->BeginEnd(CloseReason::kEvicted);
  return true;
}

void StreamSet::Lend(Buffer& out, size_t bytes) {
  if (out.capacity() > 0 || bytes > kSpareBytes || spare_.empty()) return;
  out = std::move(spare_.back());
  spare_.pop_back();
}

void StreamSet::TakeBack(Buffer& sent) {
  if (sent.capacity() > kSpareBytes || spare_.size() == kSpares) return sent.Reset();
  sent.Clear();
  spare_.push_back(std::move(sent));
}

void StreamSet::RunInput() {
  heavy_left_ = limits_.heavy_steps_turn;
  rsa_left_ = true;
  for (MemoryList& queue : waiting_) {
    while (Stream* stream = queue.front()) {
      if (!TakeTurn(*stream)) break;
      stream->TakeTurn();
    }
  }
  for (Stream* s = work_.front(); s != nullptr; s = work_.Next(*s)) s->RunInput();
}

void StreamSet::Evict(Share share, MemoryList& list) {
  while (bytes_[share] > bound(share) && !list.empty()) {
    stats_.evicted++;
    list.front()->BeginEnd(CloseReason::kEvicted);
  }
}

bool StreamSet::Flush() {
  // Those whose input waits for the next turn stay; new work of callbacks joins at the end.
  WorkList resumed;
  do {
    while (Stream* stream = work_.PopFront()) {
      if (stream->resumed_ && !stream->ending()) resumed.PushBack(*stream);
      stream->Flush();
    }
    Evict(kHeld, holders_);
    Evict(kPaused, paused_);
  } while (!work_.empty());
  work_.Splice(resumed);
  // Without a place, those that would begin sleep until one is free or the timer rings.
  const bool turns = !waiting_[kFinish].empty() ||
                     (!(waiting_[kBegin].empty() && waiting_[kBeginRsa].empty()) && MakePlace());
  return turns || !work_.empty();
}

// --- Stream: life --------------------------------------------------------------------------------

Stream::Stream(StreamSet& set, StreamOwner& owner)
    : set_(set),
      owner_(owner),
      recv_(io::Completes<&Stream::OnRecv>, this),
      send_(io::Completes<&Stream::OnSend>, this) {}

Stream::~Stream() { Count(StreamSet::kNone, 0); }

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
  Handshake(ByteView(), false);  // a client's first flight
}

void Stream::Close() {
  if (ending()) return;
  closing_ = true;
  LeaveHandshake();
  if (secure_) channel_.Shutdown(out_);
  MarkWork();
}

void Stream::BeginEnd(CloseReason reason) {
  if (ending_ || !socket_) return;
  ending_ = true;
  reason_ = reason;
  out_.Reset();
  held_.Reset();
  if (handshaking_ && reason != CloseReason::kOurs) set_.stats_.handshakes_failed++;
  LeaveHandshake();
  memory_node().Unlink();
  Count(StreamSet::kNone, 0);
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
  secure_ = paused_ = resumed_ = input_ended_ = end_told_ = false;
  closing_ = ending_ = progressed_ = false;
  answer_bytes_ = 0;
  channel_.Discard();
  out_.Reset();
  sending_.Reset();
  plain_.Reset();
  owner_.OnClosed(reason);
}

// --- output --------------------------------------------------------------------------------------

void Stream::Write(ByteView bytes) {
  if (ending() || bytes.empty()) return;
  // A peer that answers before it is asked: clear text has no place in a handshake.
  if (handshaking_ && !channel_.writable()) return;
  set_.Lend(out_, bytes.size());
  if (secure_ || handshaking_) {
    if (!channel_.Write(bytes, out_)) return FailTls();
  } else {
    out_.Append(bytes);
  }
  MarkWork();
}

void Stream::Flush() {
  if (ending_) {
    if (!recv_.in_flight() && !send_.in_flight()) End();
    return;
  }
  if (!send_.in_flight()) {
    if (!out_.empty()) {
      sending_.Swap(out_);
      set_.io_.Send(send_, socket_, sending_.view());
    } else if (closing_) {
      return BeginEnd(reason_);
    }
  }
  CountMemory();
}

void Stream::OnSend(const io::Completion& completion) {
  if (completion.result >= 0) set_.stats_.sent_bytes += sending_.size();
  set_.TakeBack(sending_);
  MarkWork();
  if (ending_) return;
  if (completion.result < 0) return BeginEnd(CloseReason::kReset);
  progressed_ = true;
  if (out_.empty() && !closing_) owner_.OnSent();
}

// --- input ---------------------------------------------------------------------------------------

void Stream::OnRecv(const io::Completion& completion) {
  if (ending_) {
    if (!recv_.in_flight()) MarkWork();
    return;
  }
  MarkWork();  // to count what it leaves behind
  if (completion.result > 0) {
    set_.stats_.received_bytes += completion.bytes.size();
    return TakeWire(completion.bytes);
  }
  if (completion.result == 0) {
    input_ended_ = true;
    return EndInput();
  }
  if (completion.result == -ECANCELED) {
    // Too much was held; what waited may have been taken meanwhile.
    if (!paused_ && !input_waits()) set_.io_.Recv(recv_, socket_);
    return;
  }
  BeginEnd(CloseReason::kReset);
}

void Stream::TakeWire(ByteView wire) {
  if (closing_ || input_ended_) return;  // nobody listens any more
  if (paused_ || input_waits()) return HoldWire(wire);
  if (handshaking_) return Handshake(wire, false);
  if (!secure_) return Deliver(wire);
  ReadRecords(wire);
  HoldWire(wire);
}

void Stream::HoldWire(ByteView wire) {
  if (ending()) return;
  held_.Append(wire);
  if (held_.size() > (set_.tight() ? 0 : kHeldBytesMax)) set_.io_.Cancel(recv_);
}

void Stream::Handshake(ByteView wire, bool our_turn) {
  for (;;) {
    if (channel_.NextWork() != tls::Work::kLight) {
      if (!our_turn &&
          !(set_.waiting_[StreamSet::QueueFor(*this)].empty() && set_.TakeTurn(*this))) {
        return WaitForTurn(wire);
      }
      Begin();
    }
    our_turn = false;
    const size_t unsent = out_.size();
    const bool was_writable = channel_.writable();
    const tls::Step step = channel_.Handshake(wire, out_, owner_.handshake_info());
    MarkWork();
    // Our flight: from now on the peer owes us its next.
    if (handshake_begun_ && out_.size() > unsent) Begin();
    if (step == tls::Step::kReady) continue;
    if (step == tls::Step::kWantRead) {
      if (!was_writable && channel_.writable()) owner_.OnFlight();
      return;
    }
    if (step == tls::Step::kFailed) return FailTls();
    FinishHandshake();
    ReadRecords(wire);
    return HoldWire(wire);
  }
}

void Stream::WaitForTurn(ByteView wire) {
  handshake_waits_ = true;
  memory_node().Unlink();
  set_.waiting_[StreamSet::QueueFor(*this)].PushBack(*this);
  HoldWire(wire);
  MarkWork();
}

// REQUIRES: the set's TakeTurn allowed it.
void Stream::TakeTurn() {
  memory_node().Unlink();
  handshake_waits_ = false;
  Buffer wire;
  wire.Swap(held_);
  Handshake(wire.view(), true);
  ReadOn();
}

void Stream::Begin() {
  memory_node().Unlink();
  set_.begun_.PushBack(*this);
  begun_ = set_.io_.now();
  handshake_begun_ = true;
  Count(StreamSet::kBegun, kHandshakeBytes);
}

void Stream::LeaveHandshake() {
  if (!handshaking_) return;
  memory_node().Unlink();
  Count(StreamSet::kNone, 0);
  handshaking_ = handshake_begun_ = handshake_waits_ = false;
}

void Stream::FinishHandshake() {
  LeaveHandshake();
  set_.stats_.handshakes++;
  if (channel_.resumed()) set_.stats_.handshakes_resumed++;
  secure_ = true;
  owner_.OnSecure();
}

// Until `wire` is used up, or the owner pauses.
void Stream::ReadRecords(ByteView& wire) {
  while (!ending() && !paused_) {
    ByteView piece = wire.substr(0, kPieceBytes);
    const size_t lent = piece.size();
    const size_t unsent = out_.size();
    const tls::ReadResult result =
        channel_.Read(piece, MutableBytes(set_.scratch_.get(), kScratchBytes), out_);
    wire.remove_prefix(lent - piece.size());
    const size_t answered = answer_bytes_ + (out_.size() - unsent);
    const bool data = result.status == tls::ReadStatus::kPlain;  // the owner sees, and may pause
    if (!data && answered > kAnswerBytesMax) return FailTls();
    answer_bytes_ = data ? 0 : static_cast<uint16_t>(answered);
    switch (result.status) {
      case tls::ReadStatus::kPlain:
        Deliver(ByteView(set_.scratch_.get(), result.bytes));
        break;
      case tls::ReadStatus::kWantRead:
        if (wire.empty()) return;
        break;
      case tls::ReadStatus::kClosed:
        input_ended_ = true;
        wire = ByteView();
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
  const size_t taken = plain.size() - rest.size();
  if (taken > 0) progressed_ = true;
  // It is ours: a record's plain text, a buffer of the ring or one of our own.
  if (wipe_input_ && taken > 0) Wipe(const_cast<char*>(plain.data()), taken);
  wipe_input_ = false;
  if (drop_input_ || ending()) {
    drop_input_ = false;
    plain_.Reset();
  } else if (kept) {
    plain_.Consume(taken);
    if (plain_.empty()) plain_.Reset();
  } else {
    plain_.Append(rest);
  }
  CHECK(plain_.size() <= kPlainBytesMax);
}

// The end comes after what was sent before it.
void Stream::EndInput() {
  if (ending() || end_told_ || paused_ || input_waits()) return;
  if (handshaking_) return BeginEnd(CloseReason::kTls);  // what it still needs will not come
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
  if (ending() || !resumed_) return;
  resumed_ = false;
  if (handshake_waits_) return;
  Buffer wire;
  wire.Swap(held_);
  ByteView left = wire.view();
  if (handshaking_) {
    Handshake(left, false);
    return ReadOn();
  }
  if (!plain_.empty()) Deliver(ByteView());
  if (handshaking_) left = ByteView();  // StartTls: nothing from before it gets behind it
  if (secure_) {
    ReadRecords(left);
  } else {
    DeliverHeld(left);
  }
  if (paused_ && !ending() && !left.empty()) {
    wire.Consume(wire.size() - left.size());
    held_.Swap(wire);
  }
  ReadOn();
}

// In the clear: piece by piece, since the owner may pause, end or begin TLS at each.
void Stream::DeliverHeld(ByteView& wire) {
  while (!wire.empty() && !ending() && !paused_) {
    const ByteView piece = wire.substr(0, kPieceBytes);
    wire.remove_prefix(piece.size());
    Deliver(piece);
    if (handshaking_) wire = ByteView();
  }
}

// After what was held has been taken.
void Stream::ReadOn() {
  if (ending()) return;
  const bool wanted = !paused_ && !input_waits() && !input_ended_;
  if (wanted && !recv_.in_flight()) set_.io_.Recv(recv_, socket_);
  if (input_ended_) EndInput();
}

// What the library has to say to the peer (an alert) still goes out.
void Stream::FailTls() {
  if (ending_) return;
  if (handshaking_) {
    LeaveHandshake();
    set_.stats_.handshakes_failed++;
    channel_.Discard();  // the alert is in out_ already
  }
  held_.Reset();
  reason_ = CloseReason::kTls;
  closing_ = true;
  MarkWork();
}

// --- memory --------------------------------------------------------------------------------------

void Stream::Count(StreamSet::Share share, size_t bytes) {
  set_.bytes_[share_] -= counted_;
  set_.bytes_[share] += bytes;
  share_ = share;
  counted_ = static_cast<uint32_t>(bytes);
}

// Once a turn, for each stream that something happened to.
void Stream::CountMemory() {
  const bool progressed = progressed_;
  progressed_ = false;
  size_t bytes = held_.capacity() + plain_.capacity() + out_.capacity() + sending_.capacity();
  if (handshake_begun_) {
    bytes = kHandshakeBytes + held_.capacity();
  } else if (channel_) {
    bytes += channel_.pending_bytes();
  }
  if (bytes <= kUncountedBytes) bytes = 0;

  if (handshake_begun_ || handshake_waits_) {
    const StreamSet::Share share = handshake_begun_ ? StreamSet::kBegun : StreamSet::kWaiting;
    const bool more = bytes > counted_ || share != share_;
    Count(share, bytes);
    if (!more || set_.bytes_[share] <= set_.bound(share)) return;
    set_.stats_.evicted++;  // the newcomer
    return BeginEnd(CloseReason::kEvicted);
  }
  const StreamSet::Share share = paused_ && unsent_bytes() == 0 ? StreamSet::kPaused : StreamSet::kHeld;
  if (bytes == 0 || progressed || share != share_) memory_node().Unlink();
  Count(share, bytes);
  if (bytes == 0 || memory_node().linked()) return;
  (share == StreamSet::kPaused ? set_.paused_ : set_.holders_).PushBack(*this);
}

void Stream::MarkWork() {
  TaggedNode<WorkTag>& node = *this;
  if (!node.linked()) set_.work_.PushBack(*this);
}

}  // namespace sluice::net
