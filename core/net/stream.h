// Stream: a socket, with or without TLS, seen as a few events. The server's connections, the relay, the load
// generator and its sink all speak through it; whether bytes are encrypted is nobody else's concern.
//
// Streams of a shard share a StreamSet: scratch space, the budget for TLS handshakes and the flush at the end
// of the turn. All that is written in one turn goes out in one send; one send is in flight at most. An idle
// stream holds no buffer.
//
// Life: Attach(socket) -> events -> OnClosed, which is always the last event and never comes inside a call of
// the owner; after it the stream may be destroyed, or attached again. Close() and Abort() only begin the end: the
// kernel may still hold our bytes. One thread.
#ifndef SLUICE_CORE_NET_STREAM_H_
#define SLUICE_CORE_NET_STREAM_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "core/base/buffer.h"
#include "core/base/intrusive_list.h"
#include "core/io/io.h"
#include "tls/channel.h"

namespace sluice::net {

enum class CloseReason : uint8_t {
  kOurs,      // Close or Abort was called
  kReset,     // the network or the peer broke it off
  kTls,       // the peer's TLS is broken, or the handshake failed
  kEvicted,   // too many unfinished handshakes or half-received records: the oldest goes
};

class Stream;

// What the owner of a stream hears of it.
class StreamOwner {
 public:
  // The TLS handshake is done: what is written and read from here on is protected.
  virtual void OnSecure() {}

  // Bytes for us. Takes what it can from the front of `input`; the rest comes again, with more behind it, or
  // at once after Resume when the stream was paused meanwhile.
  virtual void OnInput(ByteView& input) = 0;

  // The peer will send no more (an orderly end); we may still write.
  virtual void OnInputEnd() = 0;

  // All that was written is with the kernel.
  virtual void OnSent() {}

  virtual void OnClosed(CloseReason reason) = 0;

 protected:
  ~StreamOwner() = default;
};

struct StreamLimits {
  uint32_t heavy_steps_turn = 4;             // handshake steps with public-key work, a turn
  uint32_t handshakes_max = 2048;            // unfinished; beyond, the oldest is closed
  uint64_t partial_record_bytes = 64 << 20;  // of half-received TLS records; beyond, the oldest is closed
};

struct StreamStats {
  uint64_t handshakes = 0;
  uint64_t handshakes_resumed = 0;
  uint64_t handshakes_failed = 0;
  uint64_t evicted = 0;
};

struct WorkTag;      // a stream with something to do at the end of the turn
struct PressureTag;  // a stream that holds memory for a peer which may stall

// What the streams of one shard share. Outlives them.
class StreamSet {
 public:
  StreamSet(io::Io& io, const StreamLimits& limits);

  // Begins a turn's budget and runs input that waited: of streams that were resumed, and handshake steps.
  void RunInput();

  // The end of a loop turn: one send for each stream that wrote, and the end of those that can end.
  // True: input waits for the next turn, do not sleep.
  [[nodiscard]] bool Flush();

  io::Io& io() { return io_; }
  const StreamStats& stats() const { return stats_; }
  StreamLimits& limits() { return limits_; }
  uint64_t partial_bytes() const { return partial_bytes_; }

 private:
  friend class Stream;
  using WorkList = IntrusiveList<Stream, TaggedNode<WorkTag>>;
  using PressureList = IntrusiveList<Stream, TaggedNode<PressureTag>>;

  bool TakeBudget(tls::Work work);

  io::Io& io_;
  StreamLimits limits_;
  StreamStats stats_;
  std::unique_ptr<char[]> scratch_;  // plain text on its way from a record to the owner
  WorkList work_;
  PressureList handshaking_;  // oldest first
  PressureList partial_;      // with half a record, oldest first
  uint32_t handshakes_ = 0;
  uint64_t partial_bytes_ = 0;
  uint32_t heavy_left_;
  bool rsa_left_ = true;
};

class Stream : public TaggedNode<WorkTag>, public TaggedNode<PressureTag> {
 public:
  // `owner` outlives the stream.
  Stream(StreamSet& set, StreamOwner& owner);
  ~Stream();  // REQUIRES: not attached, or OnClosed was called, or the Io is gone

  // Takes a connected socket over and begins to read.
  void Attach(io::Socket socket);

  // Begins a TLS handshake. What was received and not yet taken is dropped, so that nothing sent in the clear is
  // ever believed to have come under TLS (RFC 3207 section 4.2; CVE-2011-0411). What was written before goes out in the clear.
  void StartTls(tls::Channel channel);
  bool secure() const { return secure_; }
  const tls::Channel& channel() const { return channel_; }

  // Appends to what goes out at the end of the turn.
  void Write(ByteView bytes);
  size_t unsent_bytes() const { return out_.size() + sending_.size(); }

  // While paused the owner gets no input; the stream takes in a bounded amount and then stops reading. What is
  // held comes in the next RunInput after Resume.
  void Pause() { paused_ = true; }
  void Resume();
  bool paused() const { return paused_; }

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
  void Handshake(ByteView wire);
  void FinishHandshake();
  void ReadRecords(ByteView wire);
  void Deliver(ByteView plain);
  void EndInput();
  void HoldWire(ByteView wire);
  bool input_waits() const { return resumed_ || handshake_waits_; }
  void RunInput();
  void Flush();
  void FailTls();
  void BeginEnd(CloseReason reason);
  void End();
  void TrackPartial(size_t bytes);
  void MarkWork();
  TaggedNode<PressureTag>& pressure_node() { return *this; }

  StreamSet& set_;
  StreamOwner& owner_;
  io::Socket socket_;
  CloseReason reason_ = CloseReason::kOurs;
  bool secure_ : 1 = false;
  bool handshaking_ : 1 = false;
  bool handshake_waits_ : 1 = false;  // a heavy step waits for the next turn's budget
  bool paused_ : 1 = false;
  bool resumed_ : 1 = false;      // Resume was called, RunInput has yet to act on it
  bool delivering_ : 1 = false;   // inside the owner's OnInput
  bool drop_input_ : 1 = false;   // StartTls was called there
  bool input_ended_ : 1 = false;  // the peer's FIN or close_notify was read
  bool end_told_ : 1 = false;     // ... and the owner knows
  bool closing_ : 1 = false;      // Close: flush, then end
  bool ending_ : 1 = false;       // wait for the kernel, then tell the owner
  uint32_t partial_bytes_ = 0;    // of ours in StreamSet::partial_bytes_
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
