#include "core/server/relay.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "core/base/base64.h"
#include "core/base/random.h"
#include "core/server/relay_connection.h"
#include "core/server/shard.h"
#include "core/smtp/bounce.h"
#include "core/smtp/trace.h"

namespace sluice::server {
namespace {

constexpr Duration kHopRestMin = seconds(1);  // after a failed connection; doubles
constexpr Duration kHopRestMax = minutes(1);
constexpr Duration kHopPatience = seconds(3);  // with hops that are down, before messages are deferred
constexpr Duration kReadAgain = minutes(1);  // after the spool could not be read
constexpr uint8_t kRestartsMax = 2;
constexpr uint32_t kResumedATurn = 1024;  // messages of logins that are suspended no more
// While a group of next hops is full, so many messages are read this often to look for those of
// other groups.
constexpr uint32_t kLook = 32;
constexpr Duration kLookEvery = milliseconds(50);
// What is too many for a group comes back one by one, soon ...
constexpr Duration kReturnMin = seconds(1);
constexpr Duration kReturnStep = milliseconds(2);
constexpr Duration kReturnMax = minutes(5);  // ... or in this time
constexpr uint32_t kDiscardsATurn = 4096;

smtp::ClientOptions MakeClientOptions(const Options& options) {
  smtp::ClientOptions client;
  client.ehlo_name = options.hostname;
  client.chunking = true;
  client.tell_submitter = true;
  client.ignored = options.relay.discard_ehlo_keywords;
  switch (options.relay.tls) {
    case RelayTls::kNone:
      client.tls = smtp::ClientOptions::Tls::kNever;
      break;
    case RelayTls::kOpportunistic:
      client.tls = smtp::ClientOptions::Tls::kIfOffered;
      break;
    case RelayTls::kRequired:
    case RelayTls::kVerify:
      client.tls = smtp::ClientOptions::Tls::kRequired;
      break;
  }
  return client;
}

std::string StatusText(const smtp::EnhancedStatus& status) {
  if (status.status_class == 0) return "";
  return absl::StrCat(status.status_class, ".", status.subject, ".", status.detail);
}

}  // namespace

Relay::Relay(Shard& shard, std::vector<queue::Queue*> queues, auth::CredentialSource& logins)
    : shard_(shard),
      queues_(std::move(queues)),
      suspensions_(logins),
      resumptions_(queues_.size()) {
  const Options& options = shard.options();
  AddGroup(options.relay.next_hop, options.relay.tls_name).discard = options.relay.discard;
  SetLocalDomains(options.local_domain);
}

HopGroup& Relay::AddGroup(const std::vector<SockAddr>& addresses, const std::string& tls_name) {
  HopGroup& group = groups_.emplace_back();
  group.index = static_cast<uint32_t>(groups_.size() - 1);
  for (const SockAddr& address : addresses) {
    NextHop hop;
    hop.group = &group;
    hop.address = address;
    hop.name = address.ToString();
    hop.tls_name = tls_name.empty() ? address.ip() : tls_name;
    hop.client = MakeClientOptions(shard_.options());
    group.hops.push_back(std::move(hop));
  }
  return group;
}

void Relay::SetLocalDomains(const std::vector<LocalDomainOptions>& domains) {
  local_groups_.clear();
  for (const LocalDomainOptions& domain : domains) {
    const auto is_hop = [&](const NextHop& hop, const SockAddr& address) {
      return hop.name == address.ToString() &&
             hop.tls_name == (domain.tls_name.empty() ? address.ip() : domain.tls_name);
    };
    // Never that of [relay], even to the same server: what comes for our own domains has its own
    // share.
    const auto same = std::find_if(groups_.begin() + 1, groups_.end(), [&](const HopGroup& group) {
      return std::equal(group.hops.begin(), group.hops.end(), domain.next_hop.begin(),
                        domain.next_hop.end(), is_hop);
    });
    local_groups_.push_back(same != groups_.end() ? &*same
                                                  : &AddGroup(domain.next_hop, domain.tls_name));
  }
}

HopGroup& Relay::GroupOf(ByteView address) {
  const auto place = shard_.access().domains.Find(address);
  return place.has_value() ? *local_groups_[*place] : groups_.front();
}

uint32_t Relay::LegOrder(const HopGroup& group) const {
  const bool waits = Resting(group) || group.busy >= DeliveriesMax(group);
  return group.index + (waits ? static_cast<uint32_t>(groups_.size()) : 0);
}

Relay::~Relay() = default;

std::unique_ptr<SaslClient> Relay::MakeLogin(const NextHop& hop) {
  const RelayOptions& options = shard_.options().relay;
  if (options.username.empty() || hop.group->index != 0) return nullptr;
  char random[18];
  FillRandom(random, sizeof random);
  return auth::MakeSaslClient(*auth::FindMechanism(options.mechanism),
                              {.user = options.username,
                               .password = std::string(shard_.relay_password()),
                               .nonce = Base64Encode(ByteView(random, sizeof random)),
                               .cache = &scram_cache_,
                               .host = ""});
}

// --- taking messages ------------------------------------------------------------------------------------------

// What a few connections to a fast server can have under way and ready, or all of them to a slow one.
uint32_t Relay::DeliveriesMax(const HopGroup& group) const {
  // Discarding has no peer to wait for, but a turn is not to take for ever.
  if (group.discard) return kDiscardsATurn;
  return 8 * shard_.tuning().relay_connections *
         static_cast<uint32_t>(std::max<size_t>(1, group.hops.size()));
}

// How many more can be taken, whichever group they turn out to be for.
uint32_t Relay::Room() const {
  uint32_t least = UINT32_MAX, placed = 0;
  for (const HopGroup& group : groups_) {
    const uint32_t max = DeliveriesMax(group);
    least = std::min(least, max - std::min(group.busy, max));
    placed += group.busy;
  }
  const uint32_t unread = busy_ - placed;
  return least - std::min(unread, least);
}

queue::Entry* Relay::TakeFrom(queue::Queue*& queue) {
  for (size_t i = 0; i < queues_.size(); i++) {
    queue = queues_[(queue_turn_ + i) % queues_.size()];
    if (queue::Entry* entry = queue->TakeDue(shard_.now())) {
      queue_turn_ = (queue_turn_ + i + 1) % queues_.size();
      return entry;
    }
  }
  return nullptr;
}

void Relay::TakeDue() {
  const bool none_can = std::all_of(groups_.begin(), groups_.end(), [&](const HopGroup& group) {
    return Resting(group) && !Hopeless(group);
  });
  if (none_can) return;  // those due wait where they are, unread
  uint32_t room = Room();
  if (room == 0 && groups_.size() > 1 && shard_.now() >= look_at_) {
    look_at_ = shard_.now() + kLookEvery;
    room = kLook;
  }
  for (; room > 0; room--) {
    queue::Queue* queue = nullptr;
    queue::Entry* entry = TakeFrom(queue);
    if (entry == nullptr) return;
    if (spare_.empty()) {
      deliveries_.push_back(std::make_unique<Delivery>(*this));
      spare_.PushBack(*deliveries_.back());
    }
    Delivery& delivery = *spare_.PopFront();
    busy_++;
    loading_.PushBack(delivery);
    if (delivery.Begin(*queue, *entry)) OnLoaded(delivery, queue::LoadResult::kOk);
  }
}

void Relay::OnLoaded(Delivery& delivery, queue::LoadResult result) {
  delivery.Unlink();
  switch (result) {
    case queue::LoadResult::kOk:
      break;
    case queue::LoadResult::kFailed:
      return Release(delivery, kReadAgain);
    case queue::LoadResult::kCorrupt: {
      const std::string id = delivery.entry().id.ToString();
      Event event;
      event.type = EventType::kAdmin;
      event.time = shard_.wall_now();
      event.id = id;
      event.detail = "the message's record is damaged on disk; it stays in the spool and is not delivered";
      shard_.events().Write(event);
      delivery.queue().SetDamaged(delivery.entry());
      return Recycle(delivery);
    }
  }
  if (stopping_) return Release(delivery, Duration::zero());
  if (IsSuspended(delivery)) return PutAside(delivery);
  delivery.Prepare();
  HopGroup& group = *delivery.leg().group;
  if (groups_.size() > 1 && group.busy >= 2 * DeliveriesMax(group)) {
    delivery.queue().Release(delivery.entry(), WhenToReturn(group));
    return Recycle(delivery);
  }
  Place(delivery);
}

MonoTime Relay::WhenToReturn(HopGroup& group) {
  const MonoTime now = shard_.now();
  group.return_at = std::clamp(group.return_at + kReturnStep, now + kReturnMin, now + kReturnMax);
  return group.return_at;
}

// A leg begins.
void Relay::Place(Delivery& delivery) {
  HopGroup& group = *delivery.leg().group;
  group.busy++;
  if (group.discard) {
    delivery.Discard();
    return EndLeg(delivery);
  }
  group.waiting.PushBack(delivery);
  group.waiting_count++;
  placed_ = true;
}

Delivery* Relay::NextDelivery(HopGroup& group) {
  while (Delivery* delivery = group.waiting.PopFront()) {
    group.waiting_count--;
    // One that waited while its login was suspended goes back, and is put aside when it comes anew.
    if (stopping_ || !IsSuspended(*delivery)) return delivery;
    GiveBack(*delivery);
  }
  return nullptr;
}

// --- suspended logins ------------------------------------------------------------------------

// Whether the message is not to be sent now, since whose it is is suspended.
bool Relay::IsSuspended(Delivery& delivery) {
  return suspensions_.Has(delivery.message().envelope().login());
}

// REQUIRES: nothing of it has been tried.
void Relay::PutAside(Delivery& delivery) {
  const std::string name(delivery.message().envelope().login());  // its octets go with the load
  queue::Queue& queue = delivery.queue();
  queue::Entry& entry = delivery.entry();
  Recycle(delivery);
  queue.Suspend(entry, name);
}

// What was put aside and may go on is due again: looked at when the store has changed, a part a
// turn.
void Relay::ResumeMail() {
  const bool changed = suspensions_.TakeChange();
  for (size_t i = 0; i < queues_.size(); i++) {
    queue::Queue::Resumption& at = resumptions_[i];
    if (changed) at = {.login = "", .more = true};
    if (!at.more) continue;
    at = queues_[i]->Resume(std::move(at), kResumedATurn,
                            [this](ByteView login) { return !suspensions_.Has(login); });
  }
}

// --- connections ------------------------------------------------------------------------------------------------

void Relay::Pump() {
  closed_.clear();
  if (stopping_) return;
  ResumeMail();
  TakeDue();
  do {  // a message whose first leg is deferred may have one at a group that has had its turn
    placed_ = false;
    for (HopGroup& group : groups_) PumpGroup(group);
  } while (placed_);
}

void Relay::PumpGroup(HopGroup& group) {
  for (NextHop& hop : group.hops) {
    // Those beyond the number, where it was made smaller meanwhile, leave when what they have is answered.
    for (size_t i = shard_.tuning().relay_connections; i < hop.connections.size(); i++) hop.connections[i]->Leave();
    for (size_t i = 0; group.waiting_count > 0 && i < hop.connections.size(); i++)
      hop.connections[i]->StartMore();
  }
  if (group.waiting_count > 0) OpenConnections(group);
}

void Relay::OpenConnections(HopGroup& group) {
  // The first in the configured order that does not rest after a failure.
  const auto hop = std::find_if(group.hops.begin(), group.hops.end(),
                                [&](const NextHop& h) { return !Rests(h); });
  if (hop == group.hops.end()) {
    if (Resting(group) && Hopeless(group)) DeferWaiting(group);
    return;
  }
  uint32_t connecting = 0;
  for (const auto& connection : hop->connections) connecting += connection->connecting();
  const uint32_t connections_max = shard_.tuning().relay_connections;
  const uint32_t connecting_max = hop->failures > 0 ? 1 : group.waiting_count;
  while (connecting < connecting_max && hop->connections.size() < connections_max) {
    hop->connections.push_back(std::make_unique<RelayConnection>(*this, *hop));
    connections_++;
    connecting++;
    ShardCounters& stats = shard_.stats();
    stats.relay_connections_total.Add();
    stats.relay_connections_open.Add();
    hop->connections.back()->Start();
  }
}

bool Relay::Rests(const NextHop& hop) const { return shard_.now() < hop.down_until; }

// Nothing can be sent, nor can it be found out just now whether it could be.
bool Relay::Resting(const HopGroup& group) const {
  return !group.hops.empty() && !AnyConnection(group) &&
         std::all_of(group.hops.begin(), group.hops.end(),
                     [&](const NextHop& h) { return Rests(h); });
}

bool Relay::AnyConnection(const HopGroup& group) const {
  for (const NextHop& hop : group.hops) {
    for (const auto& connection : hop.connections) {
      if (connection->ready() || connection->connecting()) return true;
    }
  }
  return false;
}

bool Relay::Hopeless(const HopGroup& group) const {
  for (const NextHop& hop : group.hops) {
    if (hop.failures == 0 || shard_.now() - hop.down_since < kHopPatience) return false;
  }
  return true;
}

void Relay::OnHopReady(NextHop& hop) {
  hop.failures = 0;
  hop.down_until = MonoTime();
}

void Relay::OnHopFailed(NextHop& hop, MonoTime began, const std::string& why) {
  hop.last_error = why;
  if (began <= hop.failed_at) return;  // opened together with one that failed: no further failure
  hop.failed_at = shard_.now();
  const bool full = std::any_of(hop.connections.begin(), hop.connections.end(), [](const auto& c) { return c->ready(); });
  if (full) {  // it takes no more connections than it has
    hop.down_until = shard_.now() + kHopRestMin;
    return;
  }
  if (hop.failures == 0) hop.down_since = shard_.now();
  hop.down_until = shard_.now() + std::min(kHopRestMin * (1 << std::min(hop.failures, 6u)), kHopRestMax);
  hop.failures++;
}

void Relay::OnConnectionClosed(RelayConnection& connection) {
  auto& connections = connection.hop().connections;
  const auto it =
      std::find_if(connections.begin(), connections.end(), [&](const auto& c) { return c.get() == &connection; });
  CHECK(it != connections.end());
  closed_.push_back(std::move(*it));
  connections.erase(it);
  connections_--;
  shard_.stats().relay_connections_open.Sub();
}

void Relay::PublishCounters() {
  ShardCounters& stats = shard_.stats();
  stats.relay_attempts_open.Set(busy_);
  uint64_t waiting = 0, down = 0;
  for (const HopGroup& group : groups_) {
    waiting += group.waiting_count;
    for (const NextHop& hop : group.hops) down += Rests(hop);
  }
  stats.relay_attempts_waiting.Set(waiting);
  stats.relay_next_hops_down.Set(down);
}

// --- results ----------------------------------------------------------------------------------------------------

void Relay::OnAnswered(Delivery& delivery) {
  if (delivery.part().in_flight()) return loading_.PushBack(delivery);  // OnStrayPart goes on
  EndLeg(delivery);
}

void Relay::OnLost(Delivery& delivery, bool may_retry, const std::string& why) {
  if (delivery.part().in_flight()) {  // its bytes are still being read; OnStrayPart goes on
    delivery.AnswerRest(why);
    loading_.PushBack(delivery);
    return;
  }
  if (stopping_) return GiveBack(delivery);
  if (may_retry && delivery.restarts < kRestartsMax) {
    delivery.restarts++;
    shard_.stats().relay_restarts_total.Add();
    delivery.RestartLeg();
    HopGroup& group = *delivery.leg().group;
    group.waiting.PushFront(delivery);
    group.waiting_count++;
    return;
  }
  delivery.AnswerRest(why);
  EndLeg(delivery);
}

void Relay::OnStrayPart(Delivery& delivery, queue::LoadResult result) {
  delivery.Unlink();
  if (!delivery.header_asked) return EndLeg(delivery);
  delivery.header_read = result == queue::LoadResult::kOk;
  Conclude(delivery);
}

void Relay::DeferWaiting(HopGroup& group) {
  std::string why = "no next hop can be reached";
  for (const NextHop& hop : group.hops) absl::StrAppend(&why, "; ", hop.last_error);
  while (Delivery* delivery = NextDelivery(group)) {
    delivery->AnswerRest(why);
    EndLeg(*delivery);
  }
}

// All recipients of a leg have an answer.
void Relay::EndLeg(Delivery& delivery) {
  delivery.leg().group->busy--;
  if (!stopping_ && delivery.NextLeg()) return Place(delivery);
  Conclude(delivery);
}

// The leg at hand is not to be tried any more; what earlier ones achieved counts.
void Relay::GiveBack(Delivery& delivery) {
  delivery.leg().group->busy--;
  if (!delivery.DropLeg()) return Release(delivery, Duration::zero());
  Conclude(delivery);
}

void Relay::Conclude(Delivery& delivery) {
  const queue::Now now{shard_.now(), shard_.wall_now()};
  const bool expired = delivery.queue().Expired(delivery.entry(), now.wall);
  std::vector<queue::RecipientOutcome>& outcomes = outcomes_;
  outcomes.clear();
  bool failed = false;
  for (const Delivery::Answered& answer : delivery.answers()) {
    const bool failed_here = answer.permanent() || (expired && !answer.positive());
    failed |= failed_here;
    outcomes.push_back({answer.recipient, answer.positive() || failed_here, answer.text});
  }
  if (failed && delivery.message().parts() > 0 && !delivery.header_asked) {
    delivery.header_asked = true;  // a bounce returns the header section, which is in the first part
    delivery.next_part = 0;
    loading_.PushBack(delivery);
    return delivery.LoadPart();
  }
  queue::Outcome outcome{.recipients = outcomes};
  queue::Submission bounce;
  const bool bounced = failed && MakeBounce(delivery, expired, bounce);
  const bool held = bounced && !delivery.queue().HasRoomForBounce(bounce);
  if (held) {  // a full spool: it is tried, and fails, again when there is room to say so
    failed = false;
    for (size_t i = 0; i < outcomes.size(); i++) outcomes[i].finished = delivery.answers()[i].positive();
  } else if (bounced) {
    outcome.bounce = &bounce;
  }
  if (Containment* const containment = shard_.containment()) {
    uint64_t sent = 0, refused = 0;
    for (const Delivery::Answered& answer : delivery.answers()) {
      sent += answer.positive();
      refused += answer.permanent() && !held;
    }
    containment->OnRecipients(delivery.message().envelope().login(), sent, refused, now.wall);
  }
  Report(delivery, {.expired = expired, .held = held, .bounce = outcome.bounce});
  const queue::FinishResult result =
      delivery.queue().Finish(delivery.entry(), delivery.message(), outcome, now);
  ShardCounters& stats = shard_.stats();
  if (!result.done) {
    stats.messages_deferred_total.Add();
  } else if (failed) {
    (expired ? stats.messages_expired_total : stats.messages_bounced_total).Add();
  } else {
    stats.messages_delivered_total.Add();
  }
  Recycle(delivery);
}

// One report for all recipients that failed. A null sender gets none: its failures are logged alone.
bool Relay::MakeBounce(Delivery& delivery, bool expired, queue::Submission& bounce) {
  const queue::EnvelopeView& envelope = delivery.message().envelope();
  if (envelope.sender().empty()) return false;
  const WallTime now = shard_.wall_now();
  std::vector<smtp::BounceRecipient> recipients;
  std::vector<std::string> statuses;
  statuses.reserve(delivery.answers().size());
  for (const Delivery::Answered& answer : delivery.answers()) {
    if (answer.positive() || (!answer.permanent() && !expired)) continue;
    statuses.push_back(answer.permanent() ? StatusText(answer.enhanced) : "5.4.7");  // RFC 3463: expired
    recipients.push_back({delivery.recipient(answer), statuses.back(), answer.text, answer.mta});
  }
  bounce.id = delivery.queue().NewId(now);
  const QueueIdText bounce_id(bounce.id);
  const QueueIdText original_id(delivery.entry().id);
  Buffer original;
  original.Append(delivery.message().prefix());
  const bool in_parts = delivery.message().parts() > 0;
  const ByteView content = in_parts ? (delivery.header_read ? delivery.part().bytes() : ByteView())
                                    : delivery.message().body();
  original.Append(content.substr(0, smtp::kBounceHeaderBytesMax));
  smtp::AppendBounce({.hostname = shard_.options().hostname,
                      .bounce_id = bounce_id.view(),
                      .date = shard_.date().At(now),
                      .sender = envelope.sender(),
                      .original_id = original_id.view(),
                      .arrived = delivery.entry().created(),
                      .recipients = recipients,
                      .original = original.view()},
                     bounce.body);
  queue::EnvelopeBuilder builder;
  builder.SetSender("");
  builder.AddRecipient(envelope.sender());
  builder.SetCreated(now);
  builder.SetFlags(queue::kBounce | (envelope.flags() & queue::kBody8BitMime));
  bounce.envelope = builder.Take();
  return true;
}

// One event for each reply and what it means, with the recipients that got it.
void Relay::Report(Delivery& delivery, const Fate& fate) {
  const auto type_of = [&](const Delivery::Answered& answer) {
    if (answer.positive()) return EventType::kDelivery;
    if (fate.held) return EventType::kTransientFailure;
    if (answer.permanent()) return EventType::kBounce;
    return fate.expired ? EventType::kExpiration : EventType::kTransientFailure;
  };
  by_reply_.clear();
  for (const Delivery::Answered& answer : delivery.answers()) by_reply_.push_back(&answer);
  const auto order = [&](const Delivery::Answered* a) {
    return std::tie(a->leg, a->code, a->text);
  };
  std::sort(by_reply_.begin(), by_reply_.end(), [&](const Delivery::Answered* a, const Delivery::Answered* b) {
    return order(a) != order(b) ? order(a) < order(b) : a < b;
  });
  std::vector<ByteView>& recipients = shard_.recipients();
  for (size_t i = 0; i < by_reply_.size();) {
    const Delivery::Answered& answer = *by_reply_[i];
    recipients.clear();
    for (; i < by_reply_.size() && order(by_reply_[i]) == order(&answer); i++) {
      recipients.push_back(delivery.recipient(*by_reply_[i]));
    }
    ReportGroup(delivery, type_of(answer), answer, fate);
  }
}

// REQUIRES: the shard's recipients are those of the group.
void Relay::ReportGroup(Delivery& delivery, EventType type, const Delivery::Answered& answer,
                        const Fate& fate) {
  const queue::Submission* bounce = fate.bounce;
  const queue::EnvelopeView& envelope = delivery.message().envelope();
  const QueueIdText id(delivery.entry().id);
  const QueueIdText bounce_id(bounce != nullptr ? bounce->id : queue::QueueId());
  const std::string status = StatusText(answer.enhanced);
  Event event;
  event.type = type;
  event.time = shard_.wall_now();
  event.id = id.view();
  event.has_sender = true;
  event.sender = envelope.sender();
  event.recipients = shard_.recipients();
  event.size = delivery.outgoing().bytes;
  if (answer.code != 0) {
    ByteView words = answer.positive() ? ByteView(delivery.leg_of(answer).accepted_text)
                                       : ByteView(answer.text).substr(4);
    smtp::TakeEnhancedStatus(words, answer.code / 100);
    event.response = {.code = answer.code, .enhanced = status, .content = words, .command = ""};
  }
  std::string detail = answer.code == 0 ? answer.text : "";  // our own words
  if (fate.held && type == EventType::kTransientFailure) {
    absl::StrAppend(&detail, detail.empty() ? "" : "; ", "the spool has no room for the report to the sender");
  }
  if (type == EventType::kBounce || type == EventType::kExpiration) {
    if (bounce != nullptr) event.bounce_id = bounce_id.view();
    if (bounce == nullptr) absl::StrAppend(&detail, detail.empty() ? "" : "; ", "dropped: a null sender gets no report");
  }
  event.detail = detail;
  event.login = envelope.login();
  event.created = delivery.entry().created();
  event.attempts = delivery.entry().attempts + 1u;
  const Delivery::Route& route = delivery.leg_of(answer).route;
  if (const NextHop* hop = route.hop) {
    event.site = hop->name;
    event.peer = hop->address;
    event.tls_protocol = route.tls_version;
    event.tls_cipher = route.tls_cipher;
    event.protocol = smtp::TransmissionType(route.esmtp, !event.tls_protocol.empty(), false);
  } else if (delivery.leg_of(answer).group->discard) {
    event.site = "discard";
  }
  shard_.events().Write(event);
}

void Relay::Release(Delivery& delivery, Duration wait) {
  delivery.queue().Release(delivery.entry(), shard_.now() + wait);
  Recycle(delivery);
}

void Relay::Recycle(Delivery& delivery) {
  delivery.Reset();
  busy_--;
  spare_.PushBack(delivery);
}

// --- time and end -----------------------------------------------------------------------------------------------

std::optional<MonoTime> Relay::NextDeadline() const {
  std::optional<MonoTime> first;
  const auto consider = [&](std::optional<MonoTime> when) {
    if (when && (!first || *when < *first)) first = when;
  };
  std::optional<MonoTime> due;
  for (const queue::Queue* queue : queues_) {
    consider(queue->NextDeadline());
    if (const auto next = queue->NextDue(); next && (!due || *next < *due)) due = next;
  }
  if (stopping_) return first;
  for (const queue::Queue::Resumption& resumption : resumptions_) {
    if (resumption.more) consider(MonoTime::min());
  }
  bool all_rest = true;
  for (const HopGroup& group : groups_) {
    if (!Resting(group)) {
      all_rest = false;
    } else if (group.waiting_count > 0 || due) {
      for (const NextHop& hop : group.hops) consider(hop.down_until);
    }
  }
  if (all_rest) return first;
  if (Room() > 0) {  // TakeDue has taken all that were due
    consider(due);
  } else if (due && groups_.size() > 1) {
    consider(std::max(*due, look_at_));
  }
  return first;
}

void Relay::BeginStop() {
  stopping_ = true;
  for (HopGroup& group : groups_) {
    while (Delivery* delivery = NextDelivery(group)) GiveBack(*delivery);
    for (NextHop& hop : group.hops) {
      for (size_t i = 0; i < hop.connections.size(); i++) hop.connections[i]->Leave();
    }
  }
}

void Relay::Abort() {
  for (HopGroup& group : groups_) {
    for (NextHop& hop : group.hops) {
      for (size_t i = 0; i < hop.connections.size(); i++) hop.connections[i]->Abort();
    }
  }
}

}  // namespace sluice::server
