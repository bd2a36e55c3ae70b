// Generator: one thread's part of a run: its connections, and what they share: the message, the
// users, what is left to do, the results. It works on any Io, so that tests can run it against a
// simulated world.
//
//   generator.Start();
//   for (bool busy = false; !generator.done(); busy = generator.RunTurn()) {
//     io.Poll(busy ? io.now() : generator.deadline());
//   }
//
// Closed loop: a connection takes its next message when the last is answered. Open loop: messages
// are due by a Schedule; who is due goes to a connection that is ready, or waits in the backlog for
// one, and its latency counts from when it was due, so that a slow server cannot slow down its own
// measurement (coordinated omission). The schedule begins when all kept sessions are open.
// Connections that are not kept are made when something is due, and that is in its latency.
#ifndef SLUICE_TOOLS_LOAD_GENERATOR_H_
#define SLUICE_TOOLS_LOAD_GENERATOR_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/intrusive_list.h"
#include "core/base/prng.h"
#include "core/io/io.h"
#include "core/net/stream.h"
#include "tls/client_context.h"
#include "tools/load/ledger.h"
#include "tools/load/load_connection.h"
#include "tools/load/message_template.h"
#include "tools/load/options.h"
#include "tools/load/results.h"
#include "tools/load/schedule.h"

namespace sluice::load {

// The part of `total` that belongs to thread `index` of `threads`.
uint64_t ShareOf(uint64_t total, uint32_t index, uint32_t threads);

// The envelope sender of whoever logged in so.
std::string SenderOf(const RunOptions& options, const Login& login);

// Something to do: a message to send, or a login.
struct Task {
  uint64_t number;  // of the message
  MonoTime due;     // open loop; else now
};

class Generator {
 public:
  // Thread `index` of options.threads. `tls` may be nullptr with Tls::kNone, `ledger` always. What
  // is given outlives it. REQUIRES of its end: done(), or Start was never called.
  Generator(io::Io& io, const RunOptions& options, uint32_t index, const tls::ClientContext* tls,
            Ledger* ledger);

  void Start();

  // After each Poll: starts what may start and sends what was written. True: do not sleep.
  [[nodiscard]] bool RunTurn();
  // Poll until then at most.
  MonoTime deadline() const;

  void Stop();   // no new messages; those under way are awaited
  void Abort();  // ends everything now
  bool done() const { return at_rest_ == connections_.size(); }

  // Sessions that are logged in, and whether all that should be either are or have failed.
  uint32_t open() const { return open_; }
  bool settled() const { return open_ + at_rest_ == connections_.size(); }

  const Results& results() const { return results_; }
  const absl::Status& ledger_status() const { return ledger_.status(); }

 private:
  friend class LoadConnection;

  // What LoadConnection asks and tells.
  std::optional<Task> TakeTask();  // nullopt: none now, or none any more: see MoreToDo
  bool MoreToDo() const;
  void WaitForTask(LoadConnection& connection);  // its Go is called when there is one, or the end
  Login NextLogin() { return options_.users.At(index_ + logins_++ * options_.threads); }
  void Queue(LoadConnection& connection) { waiting_.PushBack(connection); }
  void OnMade() { making_--; }  // logged in, or failed to
  void OnRest(LoadConnection& connection, bool failed);
  void CountScheduled(MonoTime due);
  void OnAccepted(uint64_t number, uint64_t bytes, ByteView reply);
  Body ChooseBody(uint64_t number);
  uint64_t ContentBytes(const Body& body) const;
  WireParts Wire(uint64_t number, const Body& body);
  std::span<const ByteView> ChooseRecipients();
  void Fail(Phase phase, int code, ByteView text);
  void CountAnswer(MonoTime began, MonoTime due);
  Duration ThinkTime();

  bool open_loop() const { return options_.rate > 0; }
  bool keeps_sessions() const {
    return options_.mode == RunOptions::Mode::kIdle ||
           (options_.mode == RunOptions::Mode::kRun && options_.per_connection == 0);
  }
  void Begin();
  void EndTasks();
  void GiveUpBacklog();
  void FollowSchedule();
  void HandOut();
  bool MayConnect() const;
  void StartWaiting();

  io::Io& io_;
  const RunOptions& options_;
  const tls::ClientContext* tls_;
  const uint32_t index_;
  net::StreamSet streams_;
  MessageTemplate message_;
  std::string number_field_;  // of a message from a file
  std::vector<std::string> recipient_names_;
  std::vector<ByteView> recipients_;
  Buffer scratch_;  // commands and bodies of one call on their way to a stream
  Prng prng_;
  auth::ScramCache scram_cache_;
  LedgerWriter ledger_;
  Results results_;

  const uint64_t tasks_max_;  // UINT64_MAX: no limit
  uint64_t tasks_taken_ = 0;
  std::optional<Schedule> schedule_;  // open loop, once it has begun
  uint64_t tasks_due_ = 0;            // that the schedule has given
  std::deque<MonoTime> backlog_;      // due and not taken: since when
  MonoTime measured_from_ = MonoTime::min();
  uint64_t logins_ = 0;
  bool begun_ = false;
  MonoTime end_ = MonoTime::max();
  bool stopping_ = false;

  std::deque<LoadConnection> connections_;
  IntrusiveList<LoadConnection> waiting_;  // to connect
  IntrusiveList<LoadConnection> ready_;    // open loop: for a task
  uint32_t making_ = 0;                    // between Connect and OnMade
  uint32_t open_ = 0;
  uint32_t at_rest_ = 0;  // for good
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_GENERATOR_H_
