// Shard: one thread's whole server: its connections, its journal, its relay, over one Io. No other thread touches
// any of it; others read the counters or send a task to the mailbox.
//
// A turn of its loop, which is also the unit of work: everything that arrived is parsed, one commit serves all
// messages that became complete, one send a connection carries all its replies.
//
//   Wait -> callbacks: parse, answer what became durable      -> mailbox tasks -> input that had to wait
//        -> relay: start deliveries -> queue: close a batch    -> flush every stream that wrote
//
// In a quiet turn that has deliveries to begin, the batch is closed and answers go out before them, and the rest after.
//
// The simulator runs the same Shard on SimIo and SimDisk.
#ifndef SLUICE_CORE_SERVER_SHARD_H_
#define SLUICE_CORE_SERVER_SHARD_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "auth/authenticator.h"
#include "auth/secret.h"
#include "core/base/mailbox.h"
#include "core/base/prng.h"
#include "core/base/slab.h"
#include "core/io/io.h"
#include "core/net/stream.h"
#include "core/server/access_rules.h"
#include "core/server/body_budget.h"
#include "core/server/connection.h"
#include "core/server/containment.h"
#include "core/server/counters.h"
#include "core/server/dovecot_client.h"
#include "core/server/event_log.h"
#include "core/server/guess_listing.h"
#include "core/server/load_board.h"
#include "core/server/memory_tide.h"
#include "core/server/options.h"
#include "core/server/queue_listing.h"
#include "core/server/relay.h"
#include "core/server/session_listing.h"
#include "core/server/tls_files.h"
#include "core/server/tuning.h"
#include "core/server/usage.h"
#include "core/smtp/session_config.h"
#include "core/smtp/trace.h"
#include "core/smtp/transaction.h"
#include "queue/queue.h"
#include "tls/server_context.h"

namespace sluice::server {

// One [[listener]] as this shard has it.
struct Listener {
  int fd = -1;
  ListenerMode mode = ListenerMode::kStartTls;
  SockAddr address;
  const smtp::SessionConfig* config = nullptr;  // of new sessions
  // All that sessions may have: more than one where a Dovecot server has changed what it offers.
  std::vector<std::unique_ptr<const smtp::SessionConfig>> configs;
  bool offers_plus = false;  // SCRAM bound to the TLS channel
  std::shared_ptr<tls::ServerContext> tls;  // nullptr: no certificate is configured
};

// The session texts and limits of a listener. `offered`: of a Dovecot server, when it is known; such
// a one cannot bind to our TLS channel, so there is no -PLUS.
smtp::SessionOptions MakeSessionOptions(const Options& options, const ListenerOptions& listener,
                                        const auth::MechanismSet* offered = nullptr);

// A folder of the spool, as this shard has it.
struct ShardSpool {
  uint32_t folder = 0;  // its number; the shard's own index, or one left by more shards than there are now
  queue::Device* device = nullptr;
};

class Shard;

// The shards of a process, as they see each other.
struct ShardGroup {
  explicit ShardGroup(uint32_t count) : loads(count), shards(count) {}
  LoadBoard loads;
  std::vector<Shard*> shards;  // all made before any of them starts
};

// What a shard is made of. All of it outlives the shard.
struct ShardParts {
  uint32_t index = 0;
  const Options* options = nullptr;
  io::Io* io = nullptr;
  queue::SpoolId spool_id{};
  std::vector<ShardSpool> spools;  // its own first
  auth::CredentialSource* store = nullptr;
  auth::PasswordVerifier* verifier = nullptr;
  const auth::GssAcceptor* gss = nullptr;  // where GSSAPI is offered
  EventLog* event_log = nullptr;
  Usage* usage = nullptr;  // nullptr: nothing is counted against limits
  auth::GuessGuard* guard = nullptr;  // nullptr: failed logins are not counted
  Containment* containment = nullptr;            // nullptr: no login is suspended by itself
  const auth::Secret* relay_password = nullptr;  // where relay.username is not empty
  // Neither is needed after construction.
  ByteView remember_key;          // secret of this process, for remembered logins and nonces
  ByteView decoy_key;             // secret of the credential store
  uint64_t seed = 0;              // jitter and spreading
  std::vector<int> listener_fds;  // one for each of options->listener
  ShardGroup* group = nullptr;    // nullptr: alone
};

// Where in its turn a shard is: what the watchdog tells of a stall.
enum class Stage : uint8_t { kAsleep, kCallbacks, kTasks, kInput, kRelay, kQueue, kFlush };

class Shard {
 public:
  explicit Shard(ShardParts parts);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // TLS identities and trust. Again at reload: new connections use the new ones.
  void SetTls(TlsContexts contexts);
  // The keys that seal tickets from now on. The shard's thread.
  void SetTicketKeys(const std::shared_ptr<const tls::TicketKeys>& keys);

  // Who may send without logging in, and which domains are local (`domains`: those of `rules`).
  // Others than at the start, at a reload: sessions that are open and queued mail follow.
  void SetAccess(std::shared_ptr<const AccessRules> rules,
                 const std::vector<LocalDomainOptions>& domains);

  // What tokens are verified by; nullptr: no mechanism takes any. Again at reload.
  void SetTokens(std::shared_ptr<auth::TokenVerifier> tokens) {
    authenticator_.set_tokens(std::move(tokens));
  }

  // Reads its journals; blocking, before Start, on any one thread. What was found goes into `report`, a line a
  // folder; what an operator must know of it (damage set aside, an end that was not clean, a clock in doubt) into
  // the event log too.
  absl::Status Recover(queue::Now now, std::vector<std::string>& report);

  // Accepts from now on.
  void Start();

  // One turn; waits for at most `patience`.
  void Turn(Duration patience);

  // Begins the end: takes who is already queued at the listeners, says 421, finishes what is under way, seals the
  // journal. Turn goes on until finished(), which is within `grace`: what takes longer is broken off, and a
  // journal that cannot be sealed by then is left as a crash would leave it.
  void BeginStop(Duration grace);
  bool finished() const { return finished_; }

  // Runs a function on the shard's thread, soon. Any thread.
  void Post(std::function<void()> task);

  // A connection that another shard has accepted and passed to this one's Io.
  struct Arrival {
    size_t listener = 0;
    io::Socket socket;
    SockAddr peer;
  };
  // Any thread.
  void PostArrival(const Arrival& arrival);

  // A verifier's answer. Any thread.
  void PostVerdict(const auth::VerifyToken& token, auth::Verdict verdict);

  // Takes over other values; what changed goes into the event log. The shard's thread; never before Start.
  void Tune(const Tuning& tuning);

  // Whether the spool is nearly full: new mail then gets 452, and what is queued goes on. The shard's thread.
  void SetSpaceLow(bool low) {
    for (auto& queue : queues_) queue->set_space_low(low);
  }

  // Any thread. What is only published (counters.h) is as of the last PublishCounters, on the shard's thread.
  const ShardCounters& counters() const { return counters_; }
  void PublishCounters();
  // Turns so far, and where in the present one it is. Any thread.
  uint64_t turns() const { return counters_.loop_turns_total.Get(); }
  Stage stage() const { return stage_.load(std::memory_order_relaxed); }
  bool poisoned() const { return counters_.journal_poisoned.Get() != 0; }

  // The messages in this shard's journals, for the admin interface. The shard's thread.
  std::vector<ListedMessage> ListQueue(const QueueFilter& filter);

  // Carries out an order and logs what was done to each; for how many. The shard's thread.
  size_t OrderQueue(const QueueOrder& order);

  // Looks at sessions from a slot on, at a bounded number of them and at most until `room` are found that `filter`
  // names; those are ended when `end` is set. The shard's thread.
  SessionSlice LookAtSessions(const SessionFilter& filter, uint32_t from_slot, uint32_t room, bool end);

  // --- for connections and the relay; the shard's thread ---
  MonoTime now() const { return io_.now(); }
  WallTime wall_now() const { return io_.wall_now(); }
  const Options& options() const { return options_; }
  const Tuning& tuning() const { return tuning_; }
  uint32_t index() const { return index_; }
  io::Io& io() { return io_; }
  net::StreamSet& streams() { return streams_; }
  queue::Queue& queue() { return *queues_.front(); }  // the one that takes new mail
  Usage* usage() { return usage_; }
  Containment* containment() { return containment_; }
  const Account& anybody() const { return anybody_; }  // whom mail without a login counts for
  const AccessRules& access() const { return *access_; }
  auth::Authenticator& authenticator() { return authenticator_; }
  RecentGuesses& guesses() { return guesses_; }
  DovecotClient* dovecot() { return dovecot_.get(); }  // nullptr: logins are proved here
  smtp::TransactionPool& transactions() { return transactions_; }
  BodyBudget& bodies() { return bodies_; }
  smtp::DateText& date() { return date_; }
  ShardCounters& stats() { return counters_; }
  ShardEvents& events() { return events_; }
  Prng& prng() { return prng_; }
  Buffer& words() { return words_; }  // likewise, for the text of one reply
  Buffer& replies() { return replies_; }                       // scratch of one call; clear it before use
  std::vector<ByteView>& recipients() { return recipients_; }  // likewise
  ByteView relay_password() const {
    return relay_password_ == nullptr ? ByteView() : relay_password_->view();
  }
  const auth::CertificateLogins& certificate_logins() const { return *certificate_logins_; }
  const std::shared_ptr<tls::ClientContext>& client_tls() const { return client_tls_; }
  uint64_t NewSessionId();
  void Remove(SlabHandle connection) { connections_.Delete(connection); }

  // --- for the Dovecot client ---
  void LogAdmin(ByteView words);
  // Whose attempt waits for its result; nullptr: nobody does any more.
  Connection* WaitsForLogin(SlabHandle connection);
  // The server offers these: new sessions are told.
  void OnMechanisms(const auth::MechanismSet& offered);

 private:
  struct Acceptor {
    Acceptor(Shard& s, Listener& l) : shard(s), listener(l), op(io::Completes<&Acceptor::OnAccept>, this) {}
    void OnAccept(const io::Completion& completion) { shard.OnAccept(listener, completion); }
    Shard& shard;
    Listener& listener;
    io::Op op;
  };
  // Tells counters and log what a queue does.
  struct Observer final : queue::QueueObserver {
    explicit Observer(Shard& s) : shard(s) {}
    void OnPoisoned(int error) override;
    void OnCommitted(const queue::Committed& batch) override;
    void OnClockDoubt(bool in_doubt) override { shard.SetClockDoubt(in_doubt); }
    Shard& shard;
  };
  struct SealWaiter : queue::CommitWaiter {
    SealWaiter();
    bool sealed = false;
    bool asked = false;
  };
  struct Verified {
    auth::VerifyToken token;
    auth::Verdict verdict;
  };

  // A fresh connection on its way to another shard.
  struct Passage {
    Passage(SlabHandle h, Shard& s, uint32_t t, const Arrival& a)
        : handle(h), shard(s), target(t), arrival(a), op(io::Completes<&Passage::OnPassed>, this) {}
    void OnPassed(const io::Completion& completion) { shard.OnPassed(*this, completion); }
    const SlabHandle handle;
    Shard& shard;
    const uint32_t target;
    const Arrival arrival;
    io::Op op;
  };

  void OnAccept(Listener& listener, const io::Completion& completion);
  bool PassOn(const Arrival& arrival);
  void OnPassed(Passage& passage, const io::Completion& completion);
  void Take(const Arrival& arrival);
  void DrainMailboxes();
  void PumpQueues();
  void ApplyTuning();
  void CountTurn();
  void PublishQueues();
  void PublishRing();
  void SetClockDoubt(bool in_doubt);
  void GoOnStopping();
  void SealAndFinish();
  uint64_t MemoryHeld() const;
  void At(Stage stage) { stage_.store(stage, std::memory_order_relaxed); }

  const uint32_t index_;
  const Options& options_;
  Tuning tuning_;
  io::Io& io_;
  Observer observer_;
  std::vector<std::unique_ptr<queue::Queue>> queues_;
  std::vector<std::unique_ptr<SealWaiter>> seals_;  // one a queue
  std::vector<uint32_t> folders_;                   // of each queue
  net::StreamSet streams_;
  auth::RememberedLogins remembered_;
  auth::Authenticator authenticator_;
  smtp::TransactionPool transactions_;
  BodyBudget bodies_;
  smtp::DateText date_;
  ShardEvents events_;
  Prng prng_;
  Usage* const usage_;
  RecentGuesses guesses_;
  Containment* const containment_;
  const auth::Secret* const relay_password_;
  const Account anybody_;
  std::shared_ptr<const AccessRules> access_;
  Buffer words_;
  Buffer replies_;
  std::vector<ByteView> recipients_;
  std::shared_ptr<const auth::CertificateLogins> certificate_logins_;
  std::shared_ptr<tls::ClientContext> client_tls_;
  ShardCounters counters_;
  std::vector<Listener> listeners_;
  std::unique_ptr<DovecotClient> dovecot_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  Slab<Connection> connections_;
  ShardGroup* const group_;
  Slab<Passage> passages_;
  std::unique_ptr<Relay> relay_;
  Mailbox<std::function<void()>> tasks_;
  Mailbox<Verified> verdicts_;
  Mailbox<Arrival> arrivals_;
  std::atomic<Stage> stage_{Stage::kAsleep};
  uint64_t sessions_ = 0;
  MemoryTide memory_tide_;
  uint64_t submissions_ = 0;  // of the ring, when the last turn was counted
  bool busy_ = false;  // something waits for the next turn: do not sleep
  bool clock_in_doubt_ = false;
  bool stopping_ = false;
  bool finished_ = false;
  int stop_turns_ = 0;
  MonoTime stop_said_;      // those in the middle of a message get their 421,
  MonoTime stop_deadline_;  // what is left is broken off,
  MonoTime stop_end_;       // and nothing is waited for any more
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_SHARD_H_
