// Stream: a socket, with or without TLS, seen as a few events. The server's connections, the relay,
// the load generator and its sink all speak through it; whether bytes are encrypted is nobody
// else's concern.
//
// Streams of a shard share a StreamSet: scratch space, the budget for TLS handshakes and the flush
// at the end of the turn. All that is written in one turn goes out in one send; one send is in
// flight at most. An idle stream holds no buffer.
//
// Memory. What a shard holds for peers who owe us their next step, or wait for ours, is bounded by
// StreamLimits::held_bytes, in four shares, so that a flood in one does not reach into another:
// - 1/4: handshakes begun, from our first public-key step to the end, at kHandshakeBytes each. When
//   all places are taken, new ones wait. The one whose peer has owed us its flight for longest, and
//   for half a second at least, then gives its place away: a storm of good clients is served in
//   order, however large, and no signature is thrown away that its client answers in that time.
// - 1/8: handshakes that wait for their turn. It is us who are late, so nobody is closed for it;
//   when the share is used up, newcomers are.
// - 1/2: what streams took in that are paused and have nothing unsent: it is us who are late here
//   too, with a commit or a login. When a quarter of the share is used, paused streams stop reading
//   at once, which slows them all. What the kernel has read for them already still comes, so that
//   some thousands of large uploads to one disk can pass the bound in spite of it: then who has
//   waited for longest is closed.
// - 1/8: all else: half a ClientHello, record or line; output that is not read. Beyond it, who has
//   finished nothing for longest is closed.
// Octets alone are no progress: a peer that sends them one by one is as stalled as one that sends
// none. What a stream holds up to kUncountedBytes is part of a connection's price and not counted.
//
// Life: Attach(socket) -> events -> OnClosed, which is always the last event and never comes inside
// a call of the owner; after it the stream may be destroyed, or attached again. Close() and Abort()
// only begin the end: the kernel may still hold our bytes. One thread.
#ifndef SLUICE_CORE_NET_STREAM_H_
#define SLUICE_CORE_NET_STREAM_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/buffer.h"
#include "core/base/intrusive_list.h"
#include "core/io/io.h"
#include "tls/channel.h"

namespace sluice::net {

enum class CloseReason : uint8_t {
  kOurs,     // Close or Abort was called
  kReset,    // the network or the peer broke it off
  kTls,      // the peer's TLS is broken, or the handshake failed
  kEvicted,  // too much memory was held for peers: see "Memory" above
};

class Stream;

// What the owner of a stream hears of it.
class StreamOwner {
 public:
  // A TLS 1.3 server's flight is about to go out, and what is written here goes with it, a round
  // trip before OnSecure: see tls::Channel::writable(). Once a handshake at most; never in TLS 1.2.
  virtual void OnFlight() {}

  // The TLS handshake is done: what is written and read from here on is protected.
  virtual void OnSecure() {}

  // Where to put what only the handshake knows; the same at each call, nullptr: nobody asks.
  virtual tls::HandshakeInfo* handshake_info() { return nullptr; }

  // Bytes for us. Takes what it can from the front of `input`; the rest comes again, with more
  // behind it, or at once after Resume when the stream was paused meanwhile.
  virtual void OnInput(ByteView& input) = 0;

  // The peer will send no more (an orderly end); we may still write.
  virtual void OnInputEnd() = 0;

  // All that was written is with the kernel.
  virtual void OnSent() {}

  virtual void OnClosed(CloseReason reason) = 0;

 protected:
  ~StreamOwner() = default;
};

// The most that the TLS library holds for an unfinished handshake at rest: its objects, a message
// put together from fragments (up to 18 KiB) and a record of which a part has come (up to 18 KiB).
// Measured by a test.
inline constexpr size_t kHandshakeBytes = 48 << 10;
inline constexpr size_t kUncountedBytes = 4 << 10;
// Of a stream that is paused or waits; beyond, it stops reading. (What one turn has received
// already still comes.)
inline constexpr size_t kHeldBytesMax = 16 << 10;

struct StreamLimits {
  uint32_t heavy_steps_turn = 4;     // handshake steps with public-key work, a turn
  uint64_t held_bytes = 256u << 20;  // see "Memory" above
};

struct StreamStats {
  uint64_t handshakes = 0;
  uint64_t handshakes_resumed = 0;
  uint64_t handshakes_failed = 0;
  uint64_t evicted = 0;
  uint64_t received_bytes = 0;  // as they were on the wire
  uint64_t sent_bytes = 0;
};

struct WorkTag;    // a stream with something to do at the end of the turn
struct MemoryTag;  // a stream that memory is held for

// What the streams of one shard share. Outlives them.
class StreamSet {
 public:
  StreamSet(io::Io& io, const StreamLimits& limits);

  // Begins a turn's budget and runs input that waited: of streams that were resumed, and handshake
  // steps.
  void RunInput();

  // The end of a loop turn: one send for each stream that wrote, and the end of those that can end.
  // True: input waits for the next turn, do not sleep.
  [[nodiscard]] bool Flush();

  io::Io& io() { return io_; }
  const StreamStats& stats() const { return stats_; }
  StreamLimits& limits() { return limits_; }
  uint64_t held_bytes() const { 
    return bytes_[kBegun] + bytes_[kWaiting] + bytes_[kPaused] + bytes_[kHeld];
  }

 private:
  friend class Stream;
  using WorkList = IntrusiveList<Stream, TaggedNode<WorkTag>>;
  using MemoryList = IntrusiveList<Stream, TaggedNode<MemoryTag>>;

  // Whose bound a stream's memory counts against.
  enum Share : uint8_t { kNone, kBegun, kWaiting, kPaused, kHeld, kShares };
  // Handshakes that wait for their turn, by what they wait for. What was begun is finished first:
  // that frees memory.
  enum Queue : uint8_t { kFinish, kBeginRsa, kBegin, kQueues };

  uint64_t bound(Share share) const {
    return limits_.held_bytes / (share == kPaused ? 2 : share == kBegun ? 4 : 8);
  }
  bool tight() const {
    return bytes_[kPaused] > bound(kPaused) / 4 || bytes_[kHeld] > bound(kHeld) / 2;
  }
  void Evict(Share share, MemoryList& list);
  static Queue QueueFor(const Stream& stream);
  bool TakeTurn(const Stream& stream);
  bool MakePlace();
  void Lend(Buffer& out, size_t bytes);
  void TakeBack(Buffer& sent);
  void OnPlace() {}  // wakes the loop

  io::Io& io_;
  StreamLimits limits_;
  StreamStats stats_;
  std::unique_ptr<char[]> scratch_;  // plain text on its way from a record to the owner
  std::vector<Buffer> spare_;        // empty, for what goes out next: a reply asks nobody for memory
  WorkList work_;
  MemoryList waiting_[kQueues];  // first come, first served
  MemoryList begun_;             // the peer's flight is awaited, for longest first
  MemoryList paused_;            // of kPaused, for longest first
  MemoryList holders_;           // of kHeld, without progress for longest first
  uint64_t bytes_[kShares] = {};
  io::Timer place_timer_;  // the first in begun_ has had its time
  uint32_t heavy_left_;
  bool rsa_left_ = true;
};

class Stream : public TaggedNode<WorkTag>, public TaggedNode<MemoryTag> {
 public:
  // `owner` outlives the stream.
  Stream(StreamSet& set, StreamOwner& owner);
  ~Stream();  // REQUIRES: not attached, or OnClosed was called, or the Io is gone

  // Takes a connected socket over and begins to read.
  void Attach(io::Socket socket);

  // Begins a TLS handshake. What was received and not yet taken is dropped, so that nothing sent in
  // the clear is ever believed to have come under TLS (RFC 3207 section 4.2; CVE-2011-0411). What
  // was written before goes out in the clear.
  void StartTls(tls::Channel channel);
  bool secure() const { return secure_; }
  const tls::Channel& channel() const {
    return channel_;
  }  // its error_text() until the next StartTls

  // Appends to what goes out at the end of the turn.
  void Write(ByteView bytes);
  size_t unsent_bytes() const { return out_.size() + sending_.size(); }

  // While paused the owner gets no input; the stream takes in a bounded amount and then stops
  // reading. What is held comes in the next RunInput after Resume.
  void Pause() {
    paused_ = true;
    resumed_ = false;
  }
  void Resume();
  bool paused() const { return paused_; }

  // Inside OnInput: what is taken of the input may be a secret, and is wiped when OnInput returns.
  void WipeInput() { wipe_input_ = true; }

  // Ends the stream after all that was written has gone out, with close_notify under TLS.
  void Close();
  // Ends it now.
  void Abort() { BeginEnd(CloseReason::kOurs); }
  bool ending() const { return closing_ || ending_; }

 private:
  friend class StreamSet;

  void OnRecv(const io::Completion& completion);
  void OnSend(const io::Completion& completion);
  void TakeWire(ByteView wire);
  void Handshake(ByteView wire, bool our_turn);
  void WaitForTurn(ByteView wire);
  void TakeTurn();
  void Begin();
  void FinishHandshake();
  void LeaveHandshake();
  void ReadRecords(ByteView& wire);
  void Deliver(ByteView plain);
  void EndInput();
  void DeliverHeld(ByteView& wire);
  void HoldWire(ByteView wire);
  void ReadOn();
  bool input_waits() const { return resumed_ || handshake_waits_; }
  void RunInput();
  void Flush();
  void FailTls();
  void BeginEnd(CloseReason reason);
  void End();
  void Count(StreamSet::Share share, size_t bytes);
  void CountMemory();
  void MarkWork();
  TaggedNode<MemoryTag>& memory_node() { return *this; }

  StreamSet& set_;
  StreamOwner& owner_;
  io::Socket socket_;
  CloseReason reason_ = CloseReason::kOurs;
  bool secure_ : 1 = false;
  bool handshaking_ : 1 = false;
  bool handshake_begun_ : 1 = false;  // a heavy step was done
  bool handshake_waits_ : 1 = false;  // a heavy step waits for its turn
  bool paused_ : 1 = false;
  bool resumed_ : 1 = false;      // Resume was called, RunInput has yet to act on it
  bool delivering_ : 1 = false;   // inside the owner's OnInput
  bool drop_input_ : 1 = false;   // StartTls was called there
  bool wipe_input_ : 1 = false;   // WipeInput was called there
  bool progressed_ : 1 = false;   // something was finished in this turn: input taken, output sent
  bool input_ended_ : 1 = false;  // the peer's FIN or close_notify was read
  bool end_told_ : 1 = false;     // ... and the owner knows
  bool closing_ : 1 = false;      // Close: flush, then end
  bool ending_ : 1 = false;       // wait for the kernel, then tell the owner
  StreamSet::Share share_ = StreamSet::kNone;
  uint16_t answer_bytes_ = 0;  // of TLS itself, since the peer's last data
  uint32_t counted_ = 0;       // of ours in StreamSet::bytes_[share_]
  MonoTime begun_;             // when we last did our part of the handshake
  tls::Channel channel_;
  io::Op recv_;
  io::Op send_;
  Buffer out_;      // written, not yet sent
  Buffer sending_;  // the kernel reads it
  Buffer held_;     // received: to be decrypted, or in the clear and not yet taken
  Buffer plain_;    // decrypted, not yet taken
};

static_assert(sizeof(Stream) <= 256, "memory of every idle connection");

}  // namespace sluice::net

#endif  // SLUICE_CORE_NET_STREAM_H_
