// Ring: Io over io_uring, one a shard.
//
// Connections live in the rings' own descriptor tables (direct descriptors) and receive into buffers that
// the kernel picks, so that an idle connection holds neither a file descriptor nor a receive buffer. A table
// is bounded by RLIMIT_NOFILE; where that is low, further rings are opened inside and nobody outside notices:
// the shard sleeps on the first, the others wake it through one eventfd.
//
// Made disabled by any thread, so that a failure is told before anything starts; Enable() hands it to the
// shard's thread. user_data carries {slot, generation, kind} of a table of operations, never a pointer.
#ifndef SLUICE_CORE_IO_RING_H_
#define SLUICE_CORE_IO_RING_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/io/io.h"
#include "core/io/ring_features.h"
#include "core/io/sub_ring.h"

namespace sluice::io {

struct RingOptions {
  uint32_t submission_entries = 1024;
  uint32_t completion_entries = 8192;
  uint32_t receive_buffers = 256;            // of the first ring, a power of two; further rings have a quarter
  uint32_t receive_buffer_bytes = 32 << 10;  // a TLS record of 16 KiB fits with its frame
  uint32_t sockets_max = 1 << 16;            // over all rings inside
  uint32_t table_max = 0;                    // slots a ring; 0: RLIMIT_NOFILE
  uint32_t turn_buffers_max = 16;            // ReceiveTuning::turn_buffers
  RingFeatures features;
};

class Ring final : public Io {
 public:
  static absl::StatusOr<std::unique_ptr<Ring>> Create(const RingOptions& options);
  ~Ring() override;

  // From the thread that will poll, once, before anything else.
  absl::Status Enable();

  void Accept(Op& op, int listener) override;
  // With `source`: REQUIRES RingFeatures::bind.
  void Connect(Op& op, const SockAddr& peer, const SockAddr* source = nullptr) override;
  void ConnectUnix(Op& op, const sockaddr_un& peer) override;
  void Recv(Op& op, Socket socket) override;
  void TuneReceive(const ReceiveTuning& tuning) override;
  void Send(Op& op, Socket socket, ByteView bytes) override;
  void Cancel(Op& op) override;
  void Pass(Op& op, Socket socket, Io& to) override;
  void Adopt(Socket socket) override;
  void Shutdown(Socket socket) override;
  void Close(Socket socket) override;
  void WriteFile(Op& op, int fd, uint64_t offset, ByteView bytes, Sync sync) override;
  void ReadFile(Op& op, int fd, uint64_t offset, MutableBytes bytes) override;
  void Wait(MonoTime until) override;
  int RunCallbacks() override;
  void Submit() override;
  bool quiet() const override { return events_.size() <= 2; }
  void Wake() override;

  MonoTime ReadClock() const override;
  size_t rings() const { return rings_.size(); }

 private:
  enum class Kind : uint8_t {
    kNone,
    kAccept,         // one armed accept of a listener: its own Entry, the Acceptor's index in `length`
    kPeerName,       // the address of a client that a multishot accept gave
    kConnectSocket,  // the socket of a connect
    kBind,           // ... to its source address
    kConnect,
    kPass,  // the receiving ring's index in `length`
    kRecv,
    kSend,
    kWrite,       // without a sync, or with RWF_DSYNC
    kWriteFirst,  // the write of a linked pair; the pair's result is told by
    kFdatasync,   // its second half
    kRead,
    kIgnored,  // cancels, closes, socket options: only failures complete, and they change nothing
    kWake,
    kFurtherRings,
  };

  struct AcceptAddress {  // where the kernel writes the address of a client; never moves
    SockAddr address;
    socklen_t bytes = sizeof(sockaddr_in6);
  };

  // An operation in the kernel, or one that waits inside to be sent there again.
  struct Entry {
    Op* op = nullptr;
    uint32_t generation = 0;
    Kind kind = Kind::kNone;
    bool cancelled = false;  // Cancel was asked
    bool armed = false;      // the kernel holds it
    uint8_t turn_buffers = 0;
    Socket socket;
    uint32_t length = 0;  // octets left, or what Kind says
    int32_t result = 0;
    union {
      const char* data = nullptr;
      const sockaddr* peer;    // of a connect; its octets in `length`
      AcceptAddress* address;  // kAccept (nullptr: a multishot one), kPeerName
      uint32_t next_free;
    };
  };

  // A listener whose clients are wanted; kept after Cancel, listeners are few. Multishot while a ring has room enough for a whole backlog, since
  // a multishot accept that meets a full table has already taken a client and drops it; single-shots, never
  // more than there is room for, otherwise.
  struct Acceptor {
    Op* op = nullptr;
    int listener = -1;
    socklen_t address_bytes = 0;  // of its family
    uint32_t ring = 0;
    bool multishot = false;
    std::vector<uint32_t> armed;  // the entries
  };

  struct Event {
    uint64_t user_data;
    int32_t result;
    uint32_t flags;
    uint32_t ring;
  };

  explicit Ring(const RingOptions& options);

  absl::Status Open();
  uint32_t NewEntry(Op* op, Kind kind, Socket socket);
  void FreeEntry(uint32_t slot);
  uint64_t UserData(uint32_t slot) const;
  Entry& EntryOf(const Op& op);
  SubRing& RingOf(Socket socket) { return *rings_[socket.value() >> 24]; }
  static Socket MakeSocket(uint32_t ring, uint32_t slot) { return Socket(ring << 24 | (slot + 1)); }
  static int SlotOf(Socket socket) { return static_cast<int>((socket.value() & 0xffffff) - 1); }
  uint32_t RoomiestRing() const;
  // Of `buffers` of the first ring's, those that ring `index` has.
  static uint32_t BuffersOf(uint32_t index, uint32_t buffers) { return index == 0 ? buffers : std::max(buffers / 4, 8u); }

  void Arm(uint32_t slot);  // gives the entry's operation to the kernel (again)
  void CancelInKernel(uint32_t ring, uint32_t slot);
  void ServiceAccepts();
  void ArmAccept(uint32_t acceptor);
  void FindPeer(uint32_t acceptor, Socket socket);
  AcceptAddress* NewAddress();
  uint32_t NewConnect(Op& op, const sockaddr& peer, socklen_t peer_bytes);

  void Sleep(MonoTime from, MonoTime until);
  void Collect();
  void Run(const Event& event);
  void OnAccept(uint32_t slot, const Event& event);
  void OnPeerName(uint32_t slot, const Event& event);
  void PrepareSocket(uint32_t slot, int level, int option);
  void OnConnect(uint32_t slot, const Event& event);
  void OnPass(uint32_t slot, const Event& event);
  void OnRecv(uint32_t slot, const Event& event);
  void RearmNextTurn(uint32_t slot);
  void OnSend(uint32_t slot, const Event& event);
  void Finish(uint32_t slot, Completion completion);  // the last completion: frees the entry, then calls

  RingOptions options_;
  std::vector<std::unique_ptr<SubRing>> rings_;
  int wake_fd_ = -1;
  int further_fd_ = -1;
  std::vector<Entry> entries_;
  uint32_t free_entry_ = UINT32_MAX;
  std::vector<Acceptor> acceptors_;
  std::deque<AcceptAddress> addresses_;
  std::vector<AcceptAddress*> free_addresses_;
  std::vector<const SockAddr*> sources_;                   // by entry slot, of connects that have one
  bool accepts_dirty_ = false;
  std::vector<uint32_t> rearm_;       // receives that wait for a buffer or for the next turn
  std::vector<uint32_t> rearm_last_;  // those that had buffers in this turn: behind those that had none
  std::vector<uint32_t> rearming_;    // those that Wait is at
  std::vector<uint32_t> ended_;       // receives that were cancelled at rest: RunCallbacks tells their end
  std::vector<uint32_t> turn_recvs_;  // receives that took a buffer in this turn
  std::vector<Event> events_;
  std::atomic<uint32_t> roomiest_{0};  // of rings_, as it was last turn: for those that pass connections to us
};

}  // namespace sluice::io

#endif  // SLUICE_CORE_IO_RING_H_
