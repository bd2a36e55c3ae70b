// Io: what a shard may ask of the world. Ring (io_uring) answers with the kernel, the simulator's SimIo with
// a seeded one; a whole shard runs on either and cannot tell.
//
// Every request is an Op, a field of the object that waits for it. An op is in flight from the call that
// starts it until its last completion; until then the op, its owner and the bytes it was given stay where
// they are. Completions are collected first and run after, in Poll, never inside the call that started them.
// What has no Op (Close) is fire and forget. One thread: the shard's; only Wake may be called from others.
#ifndef SLUICE_CORE_IO_IO_H_
#define SLUICE_CORE_IO_IO_H_

#include <sys/un.h>

#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/sock_addr.h"
#include "core/base/time.h"
#include "core/io/timer_wheel.h"

namespace sluice::io {

// A connected socket inside an Io. Not a file descriptor: it names a slot in a ring's own table.
class Socket {
 public:
  Socket() = default;
  explicit Socket(uint32_t value) : value_(value) {}
  explicit operator bool() const { return value_ != 0; }
  uint32_t value() const { return value_; }
  bool operator==(const Socket&) const = default;

 private:
  uint32_t value_ = 0;
};

struct Completion {
  int32_t result = 0;              // octets moved, or -errno
  ByteView bytes;                  // Recv: what arrived; gone when the callback returns
  Socket socket;                   // Accept, Connect: the new connection, owned by the callback
  const SockAddr* peer = nullptr;  // Accept: who it is
};

class Op {
 public:
  using Done = void (*)(void* owner, const Completion&);

  Op(Done done, void* owner) : done_(done), owner_(owner) {}
  Op(const Op&) = delete;
  Op& operator=(const Op&) = delete;
  ~Op() { CHECK(!in_flight()); }

  bool in_flight() const { return token_ != 0; }

  // For implementations of Io.
  uint32_t token() const { return token_; }
  void set_token(uint32_t token) { token_ = token; }
  void Complete(const Completion& completion) { done_(owner_, completion); }

 private:
  Done done_;
  void* owner_;
  uint32_t token_ = 0;  // the implementation's name for it; 0 when not in flight
};

// Op(Completes<&Stream::OnRecv>, this)
template <auto Method>
struct OpThunk;
template <typename T, void (T::*Method)(const Completion&)>
struct OpThunk<Method> {
  static void Call(void* owner, const Completion& completion) {
    (static_cast<T*>(owner)->*Method)(completion);
  }
};
template <auto Method>
inline constexpr Op::Done Completes = &OpThunk<Method>::Call;

// Counted by the shard's thread; copied out by it too.
struct IoStats {
  uint64_t polls = 0;
  uint64_t submissions = 0;      // operations given to the kernel
  uint64_t submissions_full = 0; // times that there was no room for one
  uint64_t completions = 0;
  uint64_t starved = 0;  // receives that waited for a buffer
  uint64_t paused = 0;   // receives that took more than their share of a turn
  uint64_t overflows = 0;
  uint64_t stalls = 0;   // turns that took longer than Io::kStall
  uint32_t sockets = 0;
  uint32_t operations = 0;    // under way, at rest inside included
  uint32_t turn_buffers = 0;  // receive buffers that the last turn used, of all that are provided:
  uint32_t receive_buffers = 0;
  uint32_t submission_entries = 0;
  uint32_t completion_entries = 0;
  uint64_t receive_bytes = 0;  // of all receive buffers
};

class Io {
 public:
  virtual ~Io() = default;

  // --- sockets -------------------------------------------------------------------------------------------
  // Each client of the listener gives one completion with socket and peer, until Cancel or an error that
  // ends the op (result < 0). Running out of descriptors is no error: accepting goes on when some are free.
  virtual void Accept(Op& op, int listener) = 0;

  // One completion: the connected socket, or why not. With `source` (port 0) it comes from that address, and the
  // port is chosen by source and peer together. REQUIRES: both stay until then.
  virtual void Connect(Op& op, const SockAddr& peer, const SockAddr* source = nullptr) = 0;
  // The same to a UNIX socket of this machine (a stream). REQUIRES: `peer` stays until then.
  virtual void ConnectUnix(Op& op, const sockaddr_un& peer) = 0;

  // Completions with bytes until the peer ends (result 0), an error, or Cancel (-ECANCELED). A lack of
  // receive buffers is waited out inside.
  virtual void Recv(Op& op, Socket socket) = 0;

  // How receiving shares out its buffers, from now on.
  struct ReceiveTuning {
    uint32_t buffers = 0;       // provided; no more than there are
    uint32_t turn_buffers = 0;  // a connection that takes more in one turn waits for the next; 1 to 255
  };
  virtual void TuneReceive(const ReceiveTuning&) {}

  // One completion when all of `bytes` are with the kernel, or an error. REQUIRES: one Send a socket at a time.
  virtual void Send(Op& op, Socket socket, ByteView bytes) = 0;

  // Asks for an early end; the op's last completion still comes (-ECANCELED, or its result if that was
  // faster). Does nothing for an op that is not in flight.
  virtual void Cancel(Op& op) = 0;

  // Gives a connection to another Io of the same process and kind, of whatever thread. One completion: `socket` as `to`
  // names it, where nobody owns it until Adopt is called there; or why not (result < 0): then it is still here. No
  // Cancel. REQUIRES: no op of the socket in flight; `to` stays until then.
  virtual void Pass(Op& op, Socket socket, Io& to) = 0;
  // On the thread of the Io that was passed to.
  virtual void Adopt(Socket socket) = 0;

  // No more octets will come from us (FIN); the peer's still do. REQUIRES: no Send of the socket in flight.
  virtual void Shutdown(Socket socket) = 0;

  // REQUIRES: no op of the socket in flight, but for ops that were cancelled. The slot may be reused at once.
  virtual void Close(Socket socket) = 0;

  // --- files: plain descriptors, opened and owned elsewhere ---------------------------------------------
  enum class Sync : uint8_t {
    kNone,
    kDsync,      // RWF_DSYNC on the write itself
    kFdatasync,  // the write, then fdatasync
  };
  // One completion; with a Sync the bytes are on stable storage when result == bytes.size().
  virtual void WriteFile(Op& op, int fd, uint64_t offset, ByteView bytes, Sync sync) = 0;
  virtual void ReadFile(Op& op, int fd, uint64_t offset, MutableBytes bytes) = 0;

  // --- the loop ---------------------------------------------------------------------------------------
  // A turn: Wait, then RunCallbacks. They are apart so that a shard can tell sleep from work.
  int Poll(MonoTime until) {
    Wait(until);
    return RunCallbacks();
  }
  // Submits what was asked and waits until something completes, `until` is reached or Wake is called (does not
  // wait when `until` is past).
  virtual void Wait(MonoTime until) = 0;

  // Submits what was asked now instead of in the next Wait. A syscall: only worth it where somebody waits for it alone.
  virtual void Submit() {}
  // Few completions came in this turn.
  virtual bool quiet() const { return false; }
  // Of ops and timers. Returns how many completions ran.
  virtual int RunCallbacks() = 0;

  // Ends a Wait, or the next one. From any thread.
  virtual void Wake() = 0;

  // The time of this turn, read once a Wait.
  MonoTime now() const { return now_; }
  WallTime wall_now() const { return wall_now_; }
  TimerWheel& timers() { return timers_; }

  // The time now, read anew.
  virtual MonoTime ReadClock() const { return now_; }

  // The work of the last turn: from the end of one Wait to the beginning of the next.
  Duration last_turn() const { return last_turn_; }
  static constexpr Duration kStall = milliseconds(10);

  const IoStats& stats() const { return stats_; }

 protected:
  explicit Io(MonoTime start) : now_(start), timers_(start) {}
  void set_now(MonoTime now, WallTime wall) {
    now_ = now;
    wall_now_ = wall;
  }
  void EndTurn(MonoTime at) {
    last_turn_ = at - now_;
    stats_.stalls += last_turn_ > kStall;
  }
  IoStats stats_;

 private:
  Duration last_turn_{};
  MonoTime now_;
  WallTime wall_now_{};
  TimerWheel timers_;
};

}  // namespace sluice::io

#endif  // SLUICE_CORE_IO_IO_H_
