#include "core/server/shard.h"

#include <time.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/free_memory.h"

namespace sluice::server {
namespace {

constexpr uint32_t kRefusals = 64;    // connections beyond the limit that are being told so
constexpr uint32_t kPassages = 1024;  // connections on their way to other shards
constexpr int kStopTurns = 3;         // in which those already queued at the listeners are still taken
constexpr size_t kConfigsMax =
    64;  // of a listener: what a Dovecot server that cannot make up its mind gets
constexpr Duration kStopPatience = milliseconds(20);

net::StreamLimits MakeStreamLimits(const Options& options) {
  net::StreamLimits limits;
  limits.held_bytes = options.limits.held_bytes;
  return limits;
}

auth::RememberedLogins::Options MakeRememberOptions(const Options& options) {
  auth::RememberedLogins::Options remember;
  remember.entries = options.auth.remember_entries;
  remember.keep = options.auth.remember;
  return remember;
}

char DetailDelimiter(const SubmissionOptions& options) {
  return options.detail_delimiter.empty() ? '\0' : options.detail_delimiter[0];
}

absl::flat_hash_map<std::string, auth::TenantBounds> TenantBoundsOf(const Options& options) {
  absl::flat_hash_map<std::string, auth::TenantBounds> bounds;
  for (const TenantOptions& tenant : options.tenant) {
    bounds[tenant.name] = {.recipients = tenant.recipients,
                           .message_bytes = tenant.message_bytes,
                           .networks = tenant.networks};
  }
  return bounds;
}

queue::QueueOptions MakeQueueOptions(const ShardParts& parts, uint32_t folder) {
  const QueueOptions& from = parts.options->queue;
  queue::QueueOptions options;
  options.spool = parts.spool_id;
  options.shard = folder;
  options.seed = parts.seed + folder;
  options.retry = {.retry_min = from.retry_min, .retry_max = from.retry_max, .expire = from.expire};
  options.memory_bytes = from.memory_bytes;
  return options;
}

}  // namespace

smtp::SessionOptions MakeSessionOptions(const Options& options, const ListenerOptions& listener,
                                        const auth::MechanismSet* offered) {
  smtp::SessionOptions session;
  session.hostname = options.hostname;
  session.starttls = listener.mode == ListenerMode::kStartTls;
  session.mechanisms = options.auth.backend == AuthBackend::kDovecot ? listener.mechanisms
                                                                     : MechanismsUnderTls(listener);
  session.mechanisms_clear = listener.mechanisms_clear;
  session.require_auth = listener.policy == ListenerPolicy::kAlways;
  if (offered != nullptr) {
    const auto is_not = [&](const std::string& name) {
      return !offered->Has(*auth::FindMechanism(name));
    };
    std::erase_if(session.mechanisms, is_not);
    std::erase_if(session.mechanisms_clear, is_not);
  }
  session.message_bytes_max = options.limits.message_bytes;
  session.recipients_max = options.limits.recipients;
  session.errors_max = options.limits.errors;
  session.received_max = options.limits.hops;
  session.bare_lf = options.smtp.bare_lf == BareLf::kReject ? smtp::BareLf::kReject : smtp::BareLf::kNormalize;
  return session;
}

Shard::SealWaiter::SealWaiter()
    : CommitWaiter([](queue::CommitWaiter& waiter, queue::CommitResult) {
        static_cast<SealWaiter&>(waiter).sealed = true;  // or poisoned: there is nothing more to do
      }) {}

void Shard::Observer::OnPoisoned(int error) {
  const std::string words = absl::StrCat("a write to the journal of shard ", shard.index_, " failed (",
                                         std::strerror(-error), "): no mail is taken until restart");
  std::fprintf(stderr, "sluice: %s\n", words.c_str());
  shard.counters_.journal_poisoned.Set(1);
  shard.LogAdmin(words);
}

void Shard::Observer::OnCommitted(const queue::Committed& batch) {
  ShardCounters& stats = shard.counters_;
  stats.journal_batches_total.Add();
  if (batch.records == 0) return;  // the end of a segment, or the seal: nobody waited
  stats.journal_records_total.Add(batch.records);
  stats.commit_records.Add(batch.records);
  stats.commit_bytes.Add(batch.bytes);
  stats.commit_wait_seconds.Add(batch.asked - batch.first);
  stats.commit_sync_seconds.Add(shard.now() - batch.asked);
}

void Shard::LogAdmin(ByteView words) {
  Event event;
  event.time = wall_now();
  event.detail = words;
  events_.Write(event);
}

// Each queue has its own guard, but they look at the same clocks.
void Shard::SetClockDoubt(bool in_doubt) {
  if (in_doubt == clock_in_doubt_) return;
  clock_in_doubt_ = in_doubt;
  LogAdmin(absl::StrCat("shard ", index_, ": ",
                        in_doubt ? "the wall clock has jumped, or is behind the newest record of the spool: no message "
                                   "expires until it is right again"
                                 : "the wall clock is right again: messages expire"));
}

Shard::Shard(ShardParts parts)
    : index_(parts.index),
      options_(*parts.options),
      tuning_(TuningOf(options_, parts.index)),
      io_(*parts.io),
      observer_(*this),
      streams_(io_, MakeStreamLimits(options_)),
      remembered_(parts.remember_key, MakeRememberOptions(options_)),
      authenticator_(
          *parts.store, remembered_, *parts.verifier,
          {.process_key = parts.remember_key,
           .decoy_key = parts.decoy_key,
           .iterations = options_.auth.iterations,
           .wanted =
               auth::WantedKeys::For(ConfiguredMechanisms(options_), options_.auth.digest_realm),
           .hostname = options_.hostname,
           .tell_transition = options_.auth.tell_transition,
           .detail_delimiter = DetailDelimiter(options_.submission),
           .gss = parts.gss,
           .guard = parts.guard,
           .principals = {.login = options_.gssapi.login, .realms = options_.gssapi.realms},
           .tenants = TenantBoundsOf(options_),
           .shard = parts.index}),
      bodies_(options_.limits.body_bytes, options_.limits.body_bytes_login),
      events_(parts.event_log),
      prng_(parts.seed),
      usage_(parts.usage),
      containment_(parts.containment),
      relay_password_(parts.relay_password),
      anybody_(usage_ == nullptr ? Account() : usage_->OfAnybody()),
      access_(MakeAccessRules(options_)),
      connections_(tuning_.sessions + kRefusals),
      group_(parts.group),
      passages_(kPassages) {
  std::vector<queue::Queue*> queues;
  for (const ShardSpool& spool : parts.spools) {
    queues_.push_back(
        std::make_unique<queue::Queue>(MakeQueueOptions(parts, spool.folder), *spool.device, &observer_));
    seals_.push_back(std::make_unique<SealWaiter>());
    folders_.push_back(spool.folder);
    queues.push_back(queues_.back().get());
  }
  relay_ = std::make_unique<Relay>(*this, std::move(queues), *parts.store);
  if (group_ != nullptr) group_->shards[index_] = this;
  for (size_t i = 0; i < options_.listener.size(); i++) {
    const ListenerOptions& from = options_.listener[i];
    Listener& listener = listeners_.emplace_back();
    listener.fd = parts.listener_fds[i];
    listener.mode = from.mode;
    listener.address = from.address;
    listener.configs.push_back(
        std::make_unique<smtp::SessionConfig>(MakeSessionOptions(options_, from)));
    listener.config = listener.configs.back().get();
    listener.offers_plus = listener.config->options().mechanisms != from.mechanisms;
  }
  if (options_.auth.backend == AuthBackend::kDovecot) {
    dovecot_ = std::make_unique<DovecotClient>(*this, options_.auth.dovecot_socket);
  }
}

Shard::~Shard() = default;

// Values that are not read where they count, but told. The others: sessions, relay_connections, and core, which is the
// thread's.
void Shard::ApplyTuning() {
  streams_.limits().heavy_steps_turn = tuning_.handshake_steps;
  for (auto& queue : queues_) {
    queue->set_batch_bytes(tuning_.batch_bytes);
    queue->set_batch_linger(tuning_.batch_wait);
  }
  const uint64_t buffer = options_.io.receive_buffer_bytes;
  const uint64_t turn_buffers = (tuning_.turn_bytes + buffer - 1) / buffer;
  io_.TuneReceive({.buffers = tuning_.receive_buffers,
                   .turn_buffers = static_cast<uint32_t>(std::clamp<uint64_t>(turn_buffers, 1, 255))});
  if (group_ != nullptr && !stopping_) group_->loads.Open(index_, tuning_.accept_weight, tuning_.sessions);
}

void Shard::Tune(const Tuning& tuning) {
  std::string words;
  for (const Tunable& tunable : Tunables()) {
    const std::string before = ShowTunable(tunable, tuning_), after = ShowTunable(tunable, tuning);
    if (before == after) continue;
    absl::StrAppend(&words, words.empty() ? "" : ", ", tunable.name, " from ", before, " to ", after);
  }
  if (words.empty()) return;
  tuning_ = tuning;
  ApplyTuning();
  LogAdmin(absl::StrCat("shard ", index_, " is tuned: ", words));
}

void Shard::SetTls(TlsContexts contexts) {
  for (size_t i = 0; i < listeners_.size(); i++) listeners_[i].tls = std::move(contexts.servers[i]);
  client_tls_ = std::move(contexts.client);
  certificate_logins_ = std::move(contexts.certificate_logins);
}

void Shard::SetAccess(std::shared_ptr<const AccessRules> rules,
                      const std::vector<LocalDomainOptions>& domains) {
  access_ = std::move(rules);
  relay_->SetLocalDomains(domains);
}

void Shard::SetTicketKeys(const std::shared_ptr<const tls::TicketKeys>& keys) {
  for (Listener& listener : listeners_) {
    if (listener.tls != nullptr) listener.tls->set_ticket_keys(keys);
  }
}

absl::Status Shard::Recover(queue::Now now, std::vector<std::string>& report) {
  for (size_t i = 0; i < queues_.size(); i++) {
    if (absl::Status status = queues_[i]->Recover(now); !status.ok()) return status;
    const queue::RecoveryReport& found = queues_[i]->recovery();
    const std::string folder = absl::StrCat("spool folder ", folders_[i], ": ");
    const auto tell = [&](std::string words, bool log) {
      report.push_back(absl::StrCat(folder, words));
      if (log) LogAdmin(report.back());
    };
    tell(absl::StrCat(found.messages, " messages, ", found.message_bytes >> 10, " KiB, ", found.segments, " segments, ",
                      found.clean ? "clean end" : "no clean end", ", ", found.torn_bytes,
                      " octets cut from an unfinished batch"),
         !found.clean);
    for (const queue::DamagedRange& range : found.damage) {
      tell(absl::StrCat("DAMAGE in segment ", range.segment, " at ", range.offset, ", ", range.bytes,
                        " octets set aside under corrupt/: ", range.what),
           true);
    }
    if (found.messages_damaged > 0) {
      tell(absl::StrCat("DAMAGE: ", found.messages_damaged,
                        " messages have lost parts; they stay in the spool and are not delivered"),
           true);
    }
    if (queues_[i]->expiry_suspended()) SetClockDoubt(true);
  }
  PublishCounters();  // until it runs, readers see what it begins with
  return absl::OkStatus();
}

void Shard::Start() {
  ApplyTuning();
  if (dovecot_ != nullptr) dovecot_->Start();
  for (Listener& listener : listeners_) {
    acceptors_.push_back(std::make_unique<Acceptor>(*this, listener));
    io_.Accept(acceptors_.back()->op, listener.fd);
  }
}

// --- the loop -----------------------------------------------------------------------------------------------------

void Shard::Turn(Duration patience) {
  MonoTime until = busy_ ? MonoTime() : io_.now() + (stopping_ ? kStopPatience : patience);
  if (const auto deadline = relay_->NextDeadline()) until = std::min(until, *deadline);
  At(Stage::kAsleep);
  io_.Wait(until);
  CountTurn();
  At(Stage::kCallbacks);
  counters_.loop_completions.Add(static_cast<uint64_t>(io_.RunCallbacks()));
  At(Stage::kTasks);
  DrainMailboxes();
  At(Stage::kInput);
  streams_.RunInput();
  // Few are here: what they wait for goes out before the deliveries that nobody waits for, if there are any.
  if (io_.quiet() && relay_->NextDeadline().value_or(MonoTime::max()) <= now()) {
    At(Stage::kQueue);
    PumpQueues();
    At(Stage::kFlush);
    (void)streams_.Flush();
    io_.Submit();
  }
  At(Stage::kRelay);
  relay_->Pump();
  At(Stage::kQueue);
  PumpQueues();
  At(Stage::kFlush);
  if (stopping_) GoOnStopping();
  busy_ = streams_.Flush();
  events_.Turn(now());
  counters_.loop_turns_total.Add();
  if (group_ != nullptr) group_->loads.Publish(index_, connections_.size());
  if (memory_tide_.Due(now()) && memory_tide_.Ebbed(MemoryHeld(), io_.quiet(), now())) ReturnFreeMemory();
}

// About, and only what comes and goes in bulk.
uint64_t Shard::MemoryHeld() const {
  constexpr uint64_t kSession = 5 << 10;  // with its TLS
  constexpr uint64_t kMessage = 512;      // an entry of the queue's index
  uint64_t held = connections_.size() * kSession + bodies_.bytes();
  for (const auto& queue : queues_) {
    const queue::QueueStats stats = queue->stats();
    held += stats.messages * kMessage + stats.hot_bytes;
  }
  return held;
}

// Of the turn before, which ended when the Wait began that has just returned, and gave the kernel what it asked for.
void Shard::CountTurn() {
  const uint64_t before = std::exchange(submissions_, io_.stats().submissions);
  if (counters_.loop_turns_total.Get() == 0) return;
  counters_.loop_turn_seconds.Add(io_.last_turn());
  counters_.loop_submissions.Add(submissions_ - before);
}

void Shard::PumpQueues() {
  // The turn's time is as old as the work since then, which the disk is not to be blamed for.
  for (auto& queue : queues_) queue->Pump({queue->commit_waits() ? io_.ReadClock() : now(), wall_now()});
}

void Shard::DrainMailboxes() {
  tasks_.Drain([](std::function<void()>&& task) { task(); });
  verdicts_.Drain([this](Verified&& verified) {
    const SlabHandle handle{static_cast<uint32_t>(verified.token.connection >> 32),
                            static_cast<uint32_t>(verified.token.connection)};
    if (Connection* connection = connections_.Get(handle)) {
      connection->OnVerified(verified.token, verified.verdict);
    }
  });
  arrivals_.Drain([this](Arrival&& arrival) {
    group_->loads.Arrived(index_);
    io_.Adopt(arrival.socket);
    Take(arrival);
  });
}

void Shard::Post(std::function<void()> task) {
  tasks_.Send(std::move(task));
  io_.Wake();
}

void Shard::PostVerdict(const auth::VerifyToken& token, auth::Verdict verdict) {
  verdicts_.Send({token, verdict});
  io_.Wake();
}

void Shard::PostArrival(const Arrival& arrival) {
  arrivals_.Send(arrival);
  io_.Wake();
}

// What no event of the shard's own counts. Costs about a microsecond.
void Shard::PublishCounters() {
  PublishQueues();
  PublishRing();
  relay_->PublishCounters();
  const net::StreamStats& streams = streams_.stats();
  counters_.network_received_bytes_total.Set(streams.received_bytes);
  counters_.network_sent_bytes_total.Set(streams.sent_bytes);
  counters_.streams_evicted_total.Set(streams.evicted);
  counters_.events_dropped_total.Set(events_.dropped_total());
  counters_.timers_fired_total.Set(io_.timers().fired());
  counters_.memory_bytes[MemoryUse::kConnections].Set(connections_.memory_bytes());
  counters_.memory_bytes[MemoryUse::kStreams].Set(streams_.held_bytes());
  counters_.memory_bytes[MemoryUse::kBodies].Set(bodies_.bytes());
  timespec used{};
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0) {
    counters_.cpu_seconds_total.Set(static_cast<uint64_t>(used.tv_sec) * 1'000'000'000 +
                                    static_cast<uint64_t>(used.tv_nsec));
  }
}

void Shard::PublishQueues() {
  queue::QueueStats sum;
  for (auto& queue : queues_) {
    const queue::QueueStats stats = queue->stats();
    sum.batch_bytes += stats.batch_bytes;
    sum.messages += stats.messages;
    sum.deferred += stats.deferred;
    sum.damaged += stats.damaged;
    sum.held += stats.held;
    sum.suspended += stats.suspended;
    sum.live_bytes += stats.live_bytes;
    sum.hot_bytes += stats.hot_bytes;
    sum.segments += stats.segments;
    sum.segments_free += stats.segments_free;
  }
  counters_.journal_bytes_total.Set(sum.batch_bytes);
  counters_.journal_segments.Set(sum.segments);
  counters_.journal_segments_free.Set(sum.segments_free);
  counters_.journal_live_bytes.Set(sum.live_bytes);
  counters_.messages_queued.Set(sum.messages);
  counters_.messages_waiting.Set(sum.deferred);
  counters_.messages_damaged.Set(sum.damaged);
  counters_.messages_held.Set(sum.held);
  counters_.messages_suspended.Set(sum.suspended);
  counters_.memory_bytes[MemoryUse::kQueuedMessages].Set(sum.hot_bytes);
}

void Shard::PublishRing() {
  const io::IoStats& ring = io_.stats();
  counters_.loop_stalls_total.Set(ring.stalls);
  counters_.ring_submissions_total.Set(ring.submissions);
  counters_.ring_submission_queue_full_total.Set(ring.submissions_full);
  counters_.ring_completions_total.Set(ring.completions);
  counters_.ring_overflows_total.Set(ring.overflows);
  counters_.ring_no_buffer_total.Set(ring.starved);
  counters_.ring_paused_total.Set(ring.paused);
  counters_.ring_operations_open.Set(ring.operations);
  counters_.ring_sockets_open.Set(ring.sockets);
  counters_.ring_submission_entries.Set(ring.submission_entries);
  counters_.ring_completion_entries.Set(ring.completion_entries);
  counters_.receive_buffers.Set(ring.receive_buffers);
  counters_.receive_buffers_used.Set(ring.turn_buffers);
  counters_.memory_bytes[MemoryUse::kReceiveBuffers].Set(ring.receive_bytes);
}

// --- connections ----------------------------------------------------------------------------------------------------

void Shard::OnAccept(Listener& listener, const io::Completion& completion) {
  const Arrival arrival{.listener = static_cast<size_t>(&listener - listeners_.data()),
                        .socket = completion.socket,
                        .peer = *completion.peer};
  if (!PassOn(arrival)) Take(arrival);
}

// To another shard, if it should have the connection and this one is not to keep it: nothing of it was read or said yet.
bool Shard::PassOn(const Arrival& arrival) {
  if (group_ == nullptr || stopping_) return false;
  const uint32_t target = group_->loads.Choose(index_, connections_.size());
  if (target == LoadBoard::kNobody) return false;
  Passage* passage = passages_.New(*this, target, arrival);
  if (passage == nullptr) {
    group_->loads.Arrived(target);
    return false;
  }
  io_.Pass(passage->op, arrival.socket, group_->shards[target]->io());
  return true;
}

void Shard::OnPassed(Passage& passage, const io::Completion& completion) {
  Arrival arrival = passage.arrival;
  const uint32_t target = passage.target;
  passages_.Delete(passage.handle);
  if (completion.result < 0) {  // its table is full, say
    group_->loads.Arrived(target);
    return Take(arrival);
  }
  counters_.connections_passed_total.Add();
  arrival.socket = completion.socket;
  group_->shards[target]->PostArrival(arrival);
}

void Shard::Take(const Arrival& arrival) {
  counters_.connections_total.Add();
  Connection* connection = connections_.New(*this, listeners_[arrival.listener], arrival.peer);
  if (connection == nullptr) {
    counters_.connections_refused_total.Add();
    return io_.Close(arrival.socket);
  }
  counters_.connections_open.Add();
  if (stopping_) return connection->Refuse(arrival.socket, smtp::reply::kShuttingDown);
  if (connections_.size() > tuning_.sessions || tuning_.accept_weight == 0) {
    return connection->Refuse(arrival.socket, smtp::reply::kServerFull);
  }
  connection->Start(arrival.socket);
}

Connection* Shard::WaitsForLogin(SlabHandle connection) {
  Connection* found = connections_.Get(connection);
  return found != nullptr && found->waits_for_login() ? found : nullptr;
}

// Sessions keep the config that they began with, so all are kept: there are only as many as differ.
void Shard::OnMechanisms(const auth::MechanismSet& offered) {
  for (size_t i = 0; i < listeners_.size(); i++) {
    Listener& listener = listeners_[i];
    smtp::SessionOptions fresh = MakeSessionOptions(options_, options_.listener[i], &offered);
    const auto same =
        std::find_if(listener.configs.begin(), listener.configs.end(), [&](const auto& config) {
          return config->options().mechanisms == fresh.mechanisms &&
                 config->options().mechanisms_clear == fresh.mechanisms_clear;
        });
    if (same != listener.configs.end()) {
      listener.config = same->get();
    } else if (listener.configs.size() < kConfigsMax) {
      listener.configs.push_back(std::make_unique<smtp::SessionConfig>(std::move(fresh)));
      listener.config = listener.configs.back().get();
    }
  }
}

uint64_t Shard::NewSessionId() { return uint64_t{index_} << 48 | ++sessions_; }

SessionSlice Shard::LookAtSessions(const SessionFilter& filter, uint32_t from_slot, uint32_t room, bool end) {
  SessionSlice slice;
  const uint32_t slots = connections_.slots();
  const uint32_t stop = std::min(slots, from_slot + std::min(kSlotsASlice, UINT32_MAX - from_slot));
  if (end) room = std::min(room, kEndedASlice);
  uint32_t slot = from_slot;
  for (; slot < stop && slice.found.size() < room; slot++) {
    Connection* connection = connections_.At(slot);
    if (connection == nullptr || !connection->Matches(filter)) continue;
    slice.found.push_back(connection->Describe());
    if (end) connection->EndByOperator();
  }
  slice.next_slot = slot;
  slice.end = slot >= slots;
  return slice;
}

std::vector<ListedMessage> Shard::ListQueue(const QueueFilter& filter) {
  std::vector<ListedMessage> messages;
  for (size_t i = 0; i < queues_.size(); i++) SnapshotQueue(*queues_[i], folders_[i], filter, messages);
  return messages;
}

size_t Shard::OrderQueue(const QueueOrder& order) {
  std::vector<queue::QueueId> done;
  for (auto& queue : queues_) server::OrderQueue(*queue, order, {now(), wall_now()}, done);
  for (const queue::QueueId id : done) {
    const QueueIdText text(id);
    Event event;
    event.time = wall_now();
    event.id = text.view();
    event.detail = order.release ? "released by an operator" : "deleted by an operator";
    events_.Write(event);
  }
  return done.size();
}

// --- the end ----------------------------------------------------------------------------------------------------------

void Shard::BeginStop(Duration grace) {
  if (stopping_) return;
  stopping_ = true;
  if (group_ != nullptr) group_->loads.Close(index_);
  stop_said_ = now() + grace / 2;
  stop_deadline_ = now() + grace * 3 / 4;  // the rest is for the journal's seal
  stop_end_ = now() + grace;
  connections_.ForEach([](Connection& connection) { connection.BeginStop(); });
  relay_->BeginStop();
}

void Shard::GoOnStopping() {
  if (++stop_turns_ == kStopTurns) {
    for (auto& acceptor : acceptors_) io_.Cancel(acceptor->op);
  }
  if (stop_turns_ < kStopTurns) return;
  if (now() >= stop_said_) {
    connections_.ForEach([](Connection& connection) { connection.EndStop(); });
    stop_said_ = MonoTime::max();
  }
  if (now() >= stop_deadline_) {
    connections_.ForEach([](Connection& connection) { connection.Abort(); });
    relay_->Abort();
  }
  if (dovecot_ != nullptr && connections_.size() == 0) dovecot_->Stop();
  const bool passing = passages_.size() > 0 || (group_ != nullptr && group_->loads.expects(index_));
  const bool idle = relay_->idle() && (dovecot_ == nullptr || dovecot_->idle());
  if (connections_.size() == 0 && !passing && idle) SealAndFinish();
  if (!finished_ && now() >= stop_end_) {
    std::fprintf(stderr, "sluice: shard %u: the journal could not be closed in time; the next start recovers it\n",
                 index_);
    finished_ = true;
  }
}

void Shard::SealAndFinish() {
  bool all = true;
  for (size_t i = 0; i < queues_.size(); i++) {
    SealWaiter& seal = *seals_[i];
    if (!seal.asked) queues_[i]->Seal(seal);
    seal.asked = true;
    all &= seal.sealed && queues_[i]->idle();
  }
  finished_ = all;
}

}  // namespace sluice::server
