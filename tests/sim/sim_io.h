// SimIo: Io without a kernel. Time is virtual, and one seed decides everything: how bytes are cut, in which
// order completions come, which connection is reset and when, how long there is no receive buffer.
//
// Several shards may share one SimIo, and pass connections to each other: a turn of any of them moves the world on for all.
//
// The far ends of connections are Remotes, written by tests: they get bytes and send bytes. What the kernel
// would own is watched: bytes given to Send must not change until it completes (CHECK), and bytes given to a
// Recv callback are scribbled over after it returns.
#ifndef SLUICE_TESTS_SIM_SIM_IO_H_
#define SLUICE_TESTS_SIM_SIM_IO_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/prng.h"
#include "core/io/io.h"

namespace sluice::sim {

using PeerId = uint32_t;

// The far end of connections.
class Remote {
 public:
  virtual ~Remote() = default;
  virtual void OnConnected(PeerId peer) = 0;
  virtual void OnBytes(PeerId peer, ByteView bytes) = 0;
  virtual void OnFinished(PeerId) {}  // the shard's end sends no more, and still listens
  virtual void OnClosed(PeerId peer, bool reset) = 0;
};

// Anything else that happens in the world: a disk, helper threads.
class EventSource {
 public:
  virtual ~EventSource() = default;
  virtual bool Pending() = 0;
  virtual void RunOne() = 0;
};

struct NetFaults {
  uint32_t reset_per_million = 0;     // of the chances to move bytes
  uint32_t starve_per_million = 0;    // a Recv finds no buffer this time
  uint32_t refuse_per_million = 0;    // of connects
  uint32_t pass_per_million = 0;      // a Pass finds the other's table full
  uint32_t chunk_bytes_max = 20'000;  // bytes moved at once are 1..this, small ones often
};

class SimIo final : public io::Io {
 public:
  explicit SimIo(uint64_t seed);
  ~SimIo() override;

  // --- the world, for tests ---
  NetFaults faults;
  void AddSource(EventSource& source) { sources_.push_back(&source); }
  void Serve(uint16_t port, Remote& remote) { servers_[port] = &remote; }  // what our Connect reaches
  void Unserve(uint16_t port) { servers_.erase(port); }
  PeerId ConnectTo(int listener, Remote& remote, const SockAddr& from);  // a client arrives
  void PeerSend(PeerId peer, ByteView bytes);
  // Where the shard's end of a connection that it made says it comes from; unknown unless it said so.
  const SockAddr& AddressOf(PeerId peer) const { return connections_.at(peer).peer; }
  void PeerFinish(PeerId peer);  // FIN: no more bytes from there
  void PeerReset(PeerId peer);
  void After(Duration delay, std::function<void()> action);
  Prng& prng() { return prng_; }
  size_t connections() const { return connections_.size(); }
  void set_wall_offset(Duration offset) { wall_offset_ = offset; }

  // --- Io ---
  void Accept(io::Op& op, int listener) override;
  void Connect(io::Op& op, const SockAddr& peer, const SockAddr* source = nullptr) override;
  void ConnectUnix(io::Op& op, const sockaddr_un& peer) override;
  void Recv(io::Op& op, io::Socket socket) override;
  void Send(io::Op& op, io::Socket socket, ByteView bytes) override;
  void Cancel(io::Op& op) override;
  void Pass(io::Op& op, io::Socket socket, io::Io& to) override;
  void Adopt(io::Socket socket) override;
  void Shutdown(io::Socket socket) override;
  void Close(io::Socket socket) override;
  void WriteFile(io::Op& op, int fd, uint64_t offset, ByteView bytes, Sync sync) override;
  void ReadFile(io::Op& op, int fd, uint64_t offset, MutableBytes bytes) override;
  void Wait(MonoTime until) override;
  int RunCallbacks() override;
  bool quiet() const override { return quiet_; }
  void Wake() override { woken_ = true; }

 private:
  // One connection, by its Socket value. The shard's end has at most one op each way.
  struct Connection {
    Remote* remote = nullptr;
    SockAddr peer;
    std::string to_shard;
    bool remote_finished = false;
    bool reset = false;
    bool announced = true;  // the remote knows of it
    bool passed = false;    // and not yet adopted
    io::Op* recv = nullptr;
    bool recv_cancelled = false;
    io::Op* send = nullptr;
    bool send_cancelled = false;
    ByteView sending;
    std::string sent_copy;  // what `sending` held when Send was called
    size_t sent = 0;
  };
  struct Connecting {
    io::Op* op;
    uint16_t port;
    SockAddr source;
    bool cancelled;
  };
  struct Passing {
    io::Op* op;
    uint32_t id;
  };
  enum class Act : uint8_t { kAccept, kConnect, kPass, kRecv, kSend, kSource };
  struct Choice {
    Act act;
    uint32_t at;
  };

  static constexpr uint32_t kToken = 1;  // ops are found by pointer; any token says "in flight"
  void FindChoices();
  void Do(const Choice& choice);
  void DoAccept(uint32_t index);
  void DoConnect(uint32_t index);
  void DoPass(uint32_t index);
  void DoRecv(uint32_t id);
  void DoSend(uint32_t id);
  size_t Chunk(size_t available);
  void Complete(io::Op& op, const io::Completion& completion);

  Prng prng_;
  Duration wall_offset_{};
  bool woken_ = false;
  bool quiet_ = false;  // changes from turn to turn
  uint32_t next_id_ = 1;
  std::map<uint32_t, Connection> connections_;
  std::map<int, io::Op*> acceptors_;
  std::vector<std::pair<int, PeerId>> arriving_;
  std::vector<Connecting> connecting_;
  std::vector<Passing> passing_;
  std::map<uint16_t, Remote*> servers_;
  std::vector<EventSource*> sources_;
  std::multimap<MonoTime, std::function<void()>> actions_;
  std::vector<Choice> choices_;
};

}  // namespace sluice::sim

#endif  // SLUICE_TESTS_SIM_SIM_IO_H_
