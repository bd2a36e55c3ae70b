// Sink: one thread's part of a next hop that takes every message, counts it, and keeps what it was
// asked to keep: nothing, numbers (a ledger), or whole messages. It works on any Io.
//
//   sink.Listen(descriptor);
//   for (bool busy = false; !sink.done(); busy = sink.RunTurn()) io.Poll(busy ? io.now() :
//   sink.deadline());
//
// A message that was answered 250 is in the ledger and in the folder before the answer leaves.
#ifndef SLUICE_TOOLS_LOAD_SINK_H_
#define SLUICE_TOOLS_LOAD_SINK_H_

#include <cstdint>
#include <deque>
#include <memory>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "core/base/prng.h"
#include "core/base/slab.h"
#include "core/io/io.h"
#include "core/net/stream.h"
#include "tls/server_context.h"
#include "tools/load/fault_switch.h"
#include "tools/load/ledger.h"
#include "tools/load/message_number.h"
#include "tools/load/message_store.h"
#include "tools/load/options.h"
#include "tools/load/sink_connection.h"

namespace sluice::load {

struct SinkStats {
  uint64_t connections = 0;
  uint64_t handshakes = 0;
  uint64_t messages = 0;             // answered 250
  uint64_t bytes = 0;                // of their content, as it came
  uint64_t refused = 0;              // after their end
  uint64_t dropped = 0;              // connections, as ordered
  uint64_t unnumbered = 0;           // messages of nobody we know; counted with a ledger only
  MonoTime first = MonoTime::max();  // message
  MonoTime last = MonoTime::min();

  void Merge(const SinkStats& other);
};

// What the threads of a sink share. All of it outlives them.
struct SinkShared {
  FaultSwitch& faults;
  Ledger* ledger = nullptr;
  MessageStore* store = nullptr;
};

class Sink {
 public:
  // `tls` may be nullptr with Tls::kNone. What is given outlives it, `tls` excepted. REQUIRES of
  // its end: done(), or Listen was never called.
  Sink(io::Io& io, const SinkOptions& options, const SinkShared& shared,
       std::shared_ptr<tls::ServerContext> tls);
  ~Sink();

  void Listen(int listener);  // a bound, listening descriptor, the caller's

  [[nodiscard]] bool RunTurn();  // after each Poll; true: do not sleep
  MonoTime deadline();           // Poll until then at most
  void Stop();                   // drops everything; done() a few turns later
  bool done() const;

  const SinkStats& stats() const { return stats_; }
  const absl::flat_hash_set<MessageNumber>& numbers() const { return numbers_; }  // with a ledger
  const absl::Status& status() const { return status_; }  // what went wrong with files or accepting

 private:
  friend class SinkConnection;

  void OnAccept(const io::Completion& completion);
  Due Delay(SinkConnection& connection, Duration wait);
  void Forget(const Due& due) { delayed_.erase(due); }
  // A message that will be answered 250, as it came.
  void Keep(ByteView wire, bool chunked, ByteView envelope);

  io::Io& io_;
  const SinkOptions& options_;
  const SinkShared shared_;
  std::shared_ptr<tls::ServerContext> tls_;
  net::StreamSet streams_;
  Buffer scratch_;  // replies of one call on their way to a stream
  Prng prng_{1};
  LedgerWriter ledger_;
  std::deque<io::Op> accepts_;
  Slab<SinkConnection> connections_;
  absl::btree_map<Due, SinkConnection*> delayed_;
  uint64_t delays_ = 0;
  SinkStats stats_;
  absl::flat_hash_set<MessageNumber> numbers_;
  absl::Status status_;
  bool stopped_ = false;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_SINK_H_
