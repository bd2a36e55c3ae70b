// Relay: carries a shard's due messages to the configured next hops, over a bounded number of
// connections a hop that are kept and reused. Each shard relays what its own journals hold; limits
// are per shard.
//
//   Queue::TakeDue -> Delivery (loads the message) -> RelayConnection (smtp::Client over Stream)
//                  <- Finish: done, deferred, or with a bounce                    <- replies
//
// Where a recipient goes is decided when the message is taken from the queue, so that queued mail
// follows the configuration: to the next hops of its [[local_domain]], or to those of [relay]. The
// next hops of a group are tried in turn: one that cannot be reached rests, and is then tried with
// a single connection. While all of a group rest its messages wait, so that a restart of the next
// hop costs them seconds; when that takes too long they are deferred. A message that was lost with
// a kept connection before the server said anything about it goes to a fresh connection at once.
//
// A group that is slow must not take the places of the others: each has its share of deliveries.
// Whom a message is for is known when it is read, so where a group is full a few more are read now
// and then, for the sake of the others; what is then one too many for the full one goes back to the
// queue for a while.
//
// Mail of a login that is suspended is put aside when its time comes, and is due again when the
// login is resumed; what a connection has taken goes on. One thread.
#ifndef SLUICE_CORE_SERVER_RELAY_H_
#define SLUICE_CORE_SERVER_RELAY_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/sasl_client.h"
#include "core/base/intrusive_list.h"
#include "core/base/time.h"
#include "core/server/delivery.h"
#include "core/server/event_log.h"
#include "core/server/options.h"
#include "core/server/suspensions.h"
#include "core/smtp/client.h"
#include "queue/queue.h"

namespace sluice::server {

class RelayConnection;
class Shard;

// One next_hop as this shard sees it.
struct NextHop {
  HopGroup* group = nullptr;
  SockAddr address;
  std::string name;           // for logs and bounces
  std::string tls_name;       // what its certificate must say, with tls = "verify"
  smtp::ClientOptions client;
  MonoTime down_until;        // not tried before
  MonoTime down_since;        // its first failure in a row
  MonoTime failed_at;         // its last
  uint32_t failures = 0;      // in a row; of connections that were opened together one counts
  std::string last_error;
  std::vector<std::unique_ptr<RelayConnection>> connections;
};

// Next hops that stand in for each other: those of [relay], or of a [[local_domain]].
struct HopGroup {
  uint32_t index = 0;
  bool discard = false;
  std::vector<NextHop> hops;        // as they were made
  IntrusiveList<Delivery> waiting;  // loaded, without a connection
  uint32_t waiting_count = 0;
  uint32_t busy = 0;   // deliveries that are at a leg of it
  MonoTime return_at;  // when the last one that was too many comes due again
};

class Relay {
 public:
  // `queues`: of this shard, its own first; all recovered. `logins` outlives the relay.
  Relay(Shard& shard, std::vector<queue::Queue*> queues, auth::CredentialSource& logins);
  ~Relay();

  // Takes over the [[local_domain]]s that the shard's access rules count. Next hops that are there
  // already are kept, and those that are not named any more go on with what they have.
  void SetLocalDomains(const std::vector<LocalDomainOptions>& domains);

  // Starts deliveries as far as connections allow. Once a turn.
  void Pump();

  // When Pump has something to do that no completion announces; nullopt: never.
  std::optional<MonoTime> NextDeadline() const;

  // Its published ones: counters.h.
  void PublishCounters();

  // Takes no new message; those under way go on until Abort.
  void BeginStop();
  void Abort();
  bool idle() const { return busy_ == 0 && connections_ == 0; }

  // --- for connections and deliveries ---
  // As whom a connection logs in to a next hop; nullptr: as nobody. Only those of [relay] may hear
  // the password.
  std::unique_ptr<SaslClient> MakeLogin(const NextHop& hop);
  Shard& shard() { return shard_; }
  Buffer& scratch() { return scratch_; }
  // A message for a connection that can start one; nullptr: none is waiting.
  Delivery* NextDelivery(HopGroup& group);
  // Where an address goes.
  HopGroup& GroupOf(ByteView address);
  // Of a message's legs the one with the lowest is tried first: one that would wait must not keep
  // the others.
  uint32_t LegOrder(const HopGroup& group) const;
  // The connection, begun at `began`, failed before it was ready: the hop rests.
  void OnHopFailed(NextHop& hop, MonoTime began, const std::string& why);
  void OnHopReady(NextHop& hop);
  // A delivery lost its connection: again at once if it may, deferred otherwise.
  void OnLost(Delivery& delivery, bool may_retry, const std::string& why);
  // All recipients have an answer.
  void OnAnswered(Delivery& delivery);
  void OnLoaded(Delivery& delivery, queue::LoadResult result);
  // A part was read for a delivery that has no connection (any more).
  void OnStrayPart(Delivery& delivery, queue::LoadResult result);
  void OnConnectionClosed(RelayConnection& connection);

 private:
  HopGroup& AddGroup(const std::vector<SockAddr>& addresses, const std::string& tls_name);
  uint32_t DeliveriesMax(const HopGroup& group) const;
  uint32_t Room() const;
  void TakeDue();
  queue::Entry* TakeFrom(queue::Queue*& queue);
  void Place(Delivery& delivery);
  MonoTime WhenToReturn(HopGroup& group);
  void PumpGroup(HopGroup& group);
  void OpenConnections(HopGroup& group);
  bool AnyConnection(const HopGroup& group) const;
  bool Rests(const NextHop& hop) const;
  bool Resting(const HopGroup& group) const;
  bool Hopeless(const HopGroup& group) const;
  void DeferWaiting(HopGroup& group);
  void EndLeg(Delivery& delivery);
  void GiveBack(Delivery& delivery);
  bool IsSuspended(Delivery& delivery);
  void PutAside(Delivery& delivery);
  void ResumeMail();
  void Conclude(Delivery& delivery);
  bool MakeBounce(Delivery& delivery, bool expired, queue::Submission& bounce);
  struct Fate {
    bool expired = false;
    bool held = false;                           // the spool had no room for a bounce
    const queue::Submission* bounce = nullptr;  // nullptr: none was made
  };
  void Report(Delivery& delivery, const Fate& fate);
  void ReportGroup(Delivery& delivery, EventType type, const Delivery::Answered& answer, const Fate& fate);
  void Release(Delivery& delivery, Duration wait);
  void Recycle(Delivery& delivery);

  Shard& shard_;
  std::vector<queue::Queue*> queues_;
  std::deque<HopGroup> groups_;          // the first is that of [relay]; only ever more
  std::vector<HopGroup*> local_groups_;  // of each [[local_domain]]
  std::vector<std::unique_ptr<Delivery>> deliveries_;  // all that were ever needed
  IntrusiveList<Delivery> spare_;
  IntrusiveList<Delivery> loading_;
  uint32_t busy_ = 0;                // deliveries that hold an entry
  MonoTime look_at_;                 // while a group is full: when a few more are taken
  bool placed_ = false;              // something waits that did not before
  uint32_t connections_ = 0;
  std::vector<std::unique_ptr<RelayConnection>> closed_;  // to be destroyed outside their own calls
  auth::ScramCache scram_cache_;  // or each connection would cost a slow function on the shard
  Suspensions suspensions_;
  std::vector<queue::Queue::Resumption> resumptions_;  // of each queue, while `more`
  size_t queue_turn_ = 0;  // whose turn it is among the queues
  Buffer scratch_;
  std::vector<queue::RecipientOutcome> outcomes_;
  std::vector<const Delivery::Answered*> by_reply_;  // scratch of Report
  bool stopping_ = false;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_RELAY_H_
