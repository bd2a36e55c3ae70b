// The queue from a seed: thousands of submissions, deliveries, deferrals and bounces on a disk that fails and
// forgets, with the power cut at any moment, also while recovering and while segments are recycled.
//
// What must hold: whoever was told "durable" finds the message, byte for byte, after every restart, until its
// done record is durable; after that it never comes back; nothing appears that was not submitted; no id is
// given out twice; what the index says is live is what the entries add up to; and when all is delivered, all
// segments but one are free again.
//
//   SLUICE_SIM_SEEDS=N   how many seeds (300 by default)
//   SLUICE_SIM_SEED=N    one seed, with its story on standard error
#include <gtest/gtest.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "queue/queue.h"
#include "tests/sim/sim_disk.h"

namespace sluice::sim {
namespace {

using queue::CommitResult;
using queue::CommitWaiter;
using queue::Entry;
using queue::EnvelopeBuilder;
using queue::MessageLoad;
using queue::Now;
using queue::PartLoad;
using queue::Queue;
using queue::QueueId;
using queue::ReadResult;
using queue::RecipientView;
using queue::Submission;
using queue::SubmitResult;

// What the test knows of a message.
struct Message {
  std::string sender;
  std::vector<std::string> recipients;
  std::string content;  // prefix and body
  bool submitted = false;
  bool durable = false;   // somebody was told
  bool finishing = false; // Finish said done
  bool done = false;      // durably
  std::set<uint32_t> finished;          // recipients, as ever told to Finish
  std::set<uint32_t> finished_now;      // as the newest status of this process has it
  std::set<uint32_t> finished_durably;  // those known to be on disk
};

class World;

// A client in the middle of a message.
struct Client {
  explicit Client(World& w) : world(w), waiter(&OnDone) {}
  struct Waiter : CommitWaiter {
    explicit Waiter(Done done) : CommitWaiter(done) {}
    Client* client = nullptr;
  };
  static void OnDone(CommitWaiter& waiter, CommitResult result);

  World& world;
  Submission submission;
  std::string rest;  // of the body, not yet given to the queue
  bool submitted = false;
  bool over = false;
  Waiter waiter;
};

// A delivery in progress.
struct Delivery {
  Delivery(World& w, Entry* e) : world(w), entry(e), id(e->id), load(&OnLoad), part(&OnPart) {
    load.delivery = part.delivery = this;
  }
  struct Load : MessageLoad {
    explicit Load(Done done) : MessageLoad(done) {}
    Delivery* delivery = nullptr;
  };
  struct Part : PartLoad {
    explicit Part(Done done) : PartLoad(done) {}
    Delivery* delivery = nullptr;
  };
  static void OnLoad(MessageLoad& load, ReadResult result);
  static void OnPart(PartLoad& part, ReadResult result);

  World& world;
  Entry* entry;  // nullptr: only looking
  QueueId id;
  Load load;
  Part part;
  std::string content;
  size_t next_part = 0;
  bool ready = false;
  bool failed = false;
};

class World : public queue::QueueObserver {
 public:
  World(uint64_t seed, bool verbose);
  ~World() override;
  void Run();

  // What happened, over all seeds: a simulation that never gets anywhere proves nothing.
  struct Totals {
    uint64_t submitted = 0;
    uint64_t finished = 0;
    uint64_t moved = 0;
    uint64_t voided = 0;
    uint64_t crashes = 0;
    uint64_t seals = 0;
    uint64_t poisoned = 0;
    uint64_t torn = 0;
    uint64_t full = 0;
    uint64_t large = 0;
  };
  static Totals totals;

 private:
  friend struct Client;
  friend struct Delivery;

  void Say(const char* format, ...) __attribute__((format(printf, 2, 3)));
  Now now() const { return {mono_, wall_}; }
  bool Chance(uint64_t a, uint64_t b) { return prng_.Chance(a, b); }

  // --- what can happen ---
  void Step();
  void NewClient();
  void Advance(Client& client);
  void StartDelivery();
  void Look();
  void Continue(Delivery& delivery);
  void FinishDelivery(Delivery& delivery);
  void Tick();
  void Crash();
  void CloseClean();
  void Open();
  void DrainAll();

  // --- what must hold ---
  void CheckRecovered();
  void CheckAccounting();
  void CheckLoad(const Delivery& delivery);
  void OnDone(QueueId id) override;
  void OnPoisoned(int error) override;

  Submission NewSubmission(size_t body_bytes, size_t recipients, std::string& body);
  Submission NewBounce();
  std::string RandomText(size_t bytes);

  uint64_t seed_;
  bool verbose_;
  Prng prng_;
  SimDisk disk_;
  MonoTime mono_{hours(1)};
  WallTime wall_ = WallFromMillis(1'800'000'000'000);
  std::unique_ptr<Queue> queue_;
  std::map<QueueId, Message> messages_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Delivery>> deliveries_;
  bool poisoned_ = false;
  bool clean_ = false;
  bool draining_ = false;
  uint64_t submit_weight_ = 0;
  uint64_t large_weight_ = 0;
  uint64_t finish_percent_ = 0;
  uint64_t crash_weight_ = 0;
};

World::Totals World::totals;

uint64_t RandomFault(Prng& prng, uint64_t per_million) {
  return prng.Chance(1, 3) ? prng.Below(per_million) : 0;
}

DiskOptions MakeDiskOptions(uint64_t seed) {
  Prng prng(seed ^ 0xd15c);
  return {.segment_bytes = queue::kSegmentBytesMin,
          .sector_bytes = prng.Chance(1, 2) ? size_t{512} : size_t{4096},
          .segments_max = static_cast<uint32_t>(prng.Between(6, 40))};
}

World::World(uint64_t seed, bool verbose)
    : seed_(seed), verbose_(verbose), prng_(seed), disk_(seed, MakeDiskOptions(seed)) {
  disk_.faults.write_error = static_cast<uint32_t>(RandomFault(prng_, 6000));
  disk_.faults.short_write = static_cast<uint32_t>(RandomFault(prng_, 1000));
  disk_.faults.read_error = static_cast<uint32_t>(RandomFault(prng_, 20'000));
  disk_.faults.prepare_error = static_cast<uint32_t>(RandomFault(prng_, 500'000));
  submit_weight_ = prng_.Between(1, 30);
  large_weight_ = prng_.Chance(1, 4) ? 80 : prng_.Between(0, 30);
  finish_percent_ = prng_.Between(20, 100);
  crash_weight_ = prng_.Between(1, 5);
  Open();
}

World::~World() {
  if (queue_ != nullptr) Crash();
}

void World::Say(const char* format, ...) {
  if (!verbose_) return;
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
}

void World::Run() {
  const uint64_t steps = prng_.Between(1500, 9000);
  for (uint64_t i = 0; i < steps && !::testing::Test::HasFailure(); i++) Step();
  if (::testing::Test::HasFailure()) return;
  DrainAll();
}

void World::Step() {
  const uint64_t choice = prng_.Below(1000);
  if (choice < 10 * submit_weight_) {
    NewClient();
  } else if (choice < 400 && !clients_.empty()) {
    Advance(*clients_[prng_.Below(clients_.size())]);
  } else if (choice < 550) {
    StartDelivery();
  } else if (choice < 750 && !deliveries_.empty()) {
    Continue(*deliveries_[prng_.Below(deliveries_.size())]);
  } else if (choice < 780) {
    Look();
  } else if (choice < 780 + crash_weight_) {
    Chance(1, 4) ? CloseClean() : Crash();
    Open();
    // A crash while it recovers, or soon after.
    while (Chance(1, 4)) {
      for (uint64_t i = prng_.Below(5); i > 0; i--) Tick();
      Crash();
      Open();
    }
  } else if (choice < 787) {
    queue_->set_batch_bytes(prng_.Between(1, 256) << 10);
    queue_->set_batch_linger(microseconds(prng_.Below(2000)));
  } else if (choice < 790) {
    wall_ += milliseconds(static_cast<int64_t>(prng_.Below(200'000)) - 100'000);  // somebody sets the clock
  } else {
    Tick();
  }
  std::erase_if(clients_, [](const auto& client) { return client->over && !client->waiter.waiting(); });
  std::erase_if(deliveries_, [](const auto& delivery) {
    return delivery->failed && !delivery->load.in_flight() && !delivery->part.in_flight();
  });
}

// A loop turn: some requests end, time passes, the queue is pumped.
void World::Tick() {
  for (uint64_t i = prng_.Below(4); i > 0 && disk_.Pending(); i--) disk_.RunOne();
  const Duration passed = Chance(1, 20) ? Duration(milliseconds(prng_.Below(2000))) : Duration(microseconds(prng_.Below(500)));
  mono_ += passed;
  wall_ += std::chrono::duration_cast<milliseconds>(passed);
  queue_->Pump(now());
  if (poisoned_ && Chance(1, 50)) {
    Crash();
    Open();
  }
}

// --- reception -----------------------------------------------------------------------------------------------

std::string World::RandomText(size_t bytes) {
  std::string text(bytes, ' ');
  uint64_t word = prng_.Next();
  for (size_t i = 0; i < bytes; i++) {
    if (i % 8 == 0) word = word * 6364136223846793005u + 1442695040888963407u;
    text[i] = static_cast<char>(word >> (8 * (i % 8)));
  }
  return text;
}

Submission World::NewSubmission(size_t body_bytes, size_t recipients, std::string& body) {
  Submission submission;
  submission.id = queue_->NewId(wall_);
  Message& message = messages_[submission.id];
  // An id that was handed out, but never became durable, may be handed out again after a crash.
  EXPECT_FALSE(message.durable) << "id given out twice: " << submission.id.ToString();
  message = Message();
  message.sender = Chance(1, 10) ? "" : absl::StrCat("sender", prng_.Below(100), "@example.net");
  EnvelopeBuilder envelope;
  envelope.SetSender(message.sender);
  envelope.SetCreated(wall_);
  for (size_t i = 0; i < recipients; i++) {
    message.recipients.push_back(absl::StrCat("r", prng_.Below(1'000'000), "@example.org"));
    envelope.AddRecipient(message.recipients.back());
    if (Chance(1, 5)) envelope.AddRecipientOption(queue::RecipientTag::kNotify, "NEVER");
  }
  submission.envelope = envelope.Take();
  const std::string prefix = absl::StrCat("Received: by sim; id ", submission.id.ToString(), "\r\n");
  submission.prefix.Append(prefix);
  body = RandomText(body_bytes);
  message.content = prefix + body;
  return submission;
}

void World::NewClient() {
  if (queue_->admission() != queue::Admission::kOpen || clients_.size() > 40) return;
  auto client = std::make_unique<Client>(*this);
  client->waiter.client = client.get();
  size_t bytes = prng_.Below(6000);
  if (prng_.Below(100) < large_weight_) bytes = prng_.Below(Chance(1, 4) ? 400'000 : 70'000);
  const size_t recipients = Chance(1, 4) ? prng_.Between(1, 40) : 1;
  client->submission = NewSubmission(bytes, recipients, client->rest);
  clients_.push_back(std::move(client));
}

void World::Advance(Client& client) {
  if (client.over) return;
  if (client.submitted) {
    if (Chance(1, 10)) {  // the connection goes before its 250
      client.waiter.Detach();
      client.over = true;
    }
    return;
  }
  if (client.waiter.waiting()) {
    if (!Chance(1, 8)) return;  // mostly a part at a time
    queue_->Abandon(client.submission);
    EXPECT_FALSE(client.waiter.waiting());
    client.over = true;
    return;
  }
  if (Chance(1, 30)) {
    queue_->Abandon(client.submission);
    client.over = true;
    return;
  }
  SubmitResult result;
  const bool part = client.rest.size() > queue::kPartBytesMax || (!client.rest.empty() && Chance(1, 50));
  if (part) {
    const size_t bytes = std::min<size_t>(client.rest.size(), prng_.Between(1, queue::kPartBytesMax));
    Buffer buffer;
    buffer.Append(ByteView(client.rest).substr(0, bytes));
    result = queue_->AppendPart(client.submission, std::move(buffer), client.waiter);
    if (result == SubmitResult::kAccepted) client.rest.erase(0, bytes);
  } else {
    client.submission.body.Append(client.rest);
    Message& message = messages_[client.submission.id];
    message.submitted = true;
    if (client.submission.upload != nullptr) totals.large++;
    result = queue_->Submit(client.submission, &client.waiter);
    client.submitted = result == SubmitResult::kAccepted;
    if (!client.submitted) message.submitted = false;
  }
  if (result == SubmitResult::kAccepted) return;
  EXPECT_TRUE(result == SubmitResult::kFull || (poisoned_ && result == SubmitResult::kPoisoned));
  if (result == SubmitResult::kFull) totals.full++;
  queue_->Abandon(client.submission);
  client.over = true;
}

void Client::OnDone(CommitWaiter& waiter, CommitResult result) {
  Client& client = *static_cast<Waiter&>(waiter).client;
  if (result == CommitResult::kFailed) {
    EXPECT_TRUE(client.world.queue_->admission() == queue::Admission::kPoisoned);
    if (!client.submitted) client.world.queue_->Abandon(client.submission);
    client.over = true;
    return;
  }
  if (!client.submitted) return;  // a part
  // The id is gone from the submission, which was moved from; the content says it.
  client.world.messages_[client.submission.id].durable = true;
  client.over = true;
}

// --- relay ---------------------------------------------------------------------------------------------------

void World::StartDelivery() {
  if (deliveries_.size() > 10) return;
  Entry* entry = queue_->TakeDue(mono_);
  if (entry == nullptr) return;
  Message& message = messages_[entry->id];
  EXPECT_TRUE(message.submitted) << "made up: " << entry->id.ToString();
  EXPECT_FALSE(message.done) << "came back: " << entry->id.ToString();
  // What was deferred comes due only when its status is durable, or never will be.
  if (!poisoned_ && !message.finished_now.empty()) message.finished_durably = message.finished_now;
  deliveries_.push_back(std::make_unique<Delivery>(*this, entry));
  Delivery& delivery = *deliveries_.back();
  if (queue_->Load(*entry, delivery.load)) Delivery::OnLoad(delivery.load, ReadResult::kOk);
}

// An operator lists the queue.
void World::Look() {
  std::vector<Entry*> all;
  queue_->ForEach([&](Entry& entry) { all.push_back(&entry); });
  if (all.empty()) return;
  Entry* entry = all[prng_.Below(all.size())];
  auto look = std::make_unique<Delivery>(*this, entry);
  look->entry = nullptr;
  if (queue_->Load(*entry, look->load)) return;
  deliveries_.push_back(std::move(look));
}

void Delivery::OnLoad(MessageLoad& load, ReadResult result) {
  Delivery& delivery = *static_cast<Load&>(load).delivery;
  EXPECT_NE(result, ReadResult::kCorrupt);
  delivery.ready = result == ReadResult::kOk;
  delivery.failed = !delivery.ready || delivery.entry == nullptr;
  if (delivery.ready) {
    delivery.content = load.prefix();
    if (load.parts() == 0) delivery.content += load.body();
    delivery.world.CheckLoad(delivery);
  } else if (delivery.entry != nullptr) {
    delivery.world.queue_->Release(*delivery.entry, delivery.world.mono_);
  }
}

void Delivery::OnPart(PartLoad& part, ReadResult result) {
  Delivery& delivery = *static_cast<Part&>(part).delivery;
  EXPECT_NE(result, ReadResult::kCorrupt);
  if (result != ReadResult::kOk) {
    delivery.failed = true;
    delivery.load.Reset();
    delivery.world.queue_->Release(*delivery.entry, delivery.world.mono_);
    return;
  }
  delivery.content += part.bytes();
  part.Reset();
  delivery.next_part++;
  if (delivery.next_part == delivery.load.parts()) delivery.content += delivery.load.body();
}

void World::CheckLoad(const Delivery& delivery) {
  const Message& message = messages_[delivery.id];
  EXPECT_TRUE(message.submitted);
  EXPECT_EQ(delivery.load.envelope().sender(), message.sender);
  EXPECT_EQ(delivery.load.content_bytes(), message.content.size());
  uint32_t count = 0;
  delivery.load.envelope().ForEachRecipient([&](uint32_t index, const RecipientView& recipient) {
    EXPECT_EQ(recipient.address, message.recipients.at(index));
    count++;
    const bool finished = delivery.load.finished(index);
    if (finished) {
      EXPECT_TRUE(message.finished.contains(index));
    } else if (delivery.entry != nullptr) {  // a look may be of an earlier moment
      EXPECT_FALSE(message.finished_durably.contains(index));
    }
  });
  EXPECT_EQ(count, message.recipients.size());
}

void World::Continue(Delivery& delivery) {
  if (!delivery.ready || delivery.failed || delivery.part.in_flight()) return;
  if (delivery.next_part < delivery.load.parts()) {
    queue_->LoadPart(delivery.load, delivery.next_part, delivery.part);
  } else if (draining_ || Chance(1, 3)) {
    FinishDelivery(delivery);
  }
}

void World::FinishDelivery(Delivery& delivery) {
  Message& message = messages_[delivery.id];
  EXPECT_EQ(delivery.content, message.content);
  delivery.failed = true;  // over, at any rate
  if (!draining_ && Chance(1, 10)) {
    delivery.load.Reset();
    return queue_->Release(*delivery.entry, mono_ + milliseconds(prng_.Below(1000)));
  }
  std::vector<queue::RecipientOutcome> outcomes;
  std::set<uint32_t> finished;
  const bool all = draining_ || prng_.Below(100) < finish_percent_;
  for (uint32_t i = 0; i < message.recipients.size(); i++) {
    if (delivery.load.finished(i)) finished.insert(i);
    if (delivery.load.finished(i)) continue;
    const bool done = all || Chance(1, 3);
    outcomes.push_back({i, done, done ? "250 ok" : "450 4.2.0 try later"});
    if (done) finished.insert(i);
  }
  Submission bounce;
  const bool bounces = !message.sender.empty() && !draining_ && Chance(1, 8) &&
                       queue_->admission() != queue::Admission::kPoisoned;
  if (bounces) bounce = NewBounce();
  const QueueId bounce_id = bounce.id;
  message.finished.insert(finished.begin(), finished.end());
  message.finished_now = finished;
  if (bounces) messages_[bounce_id].submitted = true;
  const queue::FinishResult result =
      queue_->Finish(*delivery.entry, delivery.load, {outcomes, bounces ? &bounce : nullptr}, now());
  EXPECT_TRUE(!all || result.done);
  message.finishing = result.done;
}

Submission World::NewBounce() {
  std::string body;
  Submission bounce = NewSubmission(prng_.Below(3000), 1, body);
  bounce.body.Append(body);
  return bounce;
}

void World::OnDone(QueueId id) {
  Message& message = messages_[id];
  EXPECT_TRUE(message.finishing);
  message.done = true;
}

void World::OnPoisoned(int error) {
  Say("poisoned: %d\n", error);
  poisoned_ = true;
  totals.poisoned++;
}

// --- ends and starts -------------------------------------------------------------------------------------------

void World::Crash() {
  Say("crash\n");
  totals.crashes++;
  const queue::QueueStats stats = queue_->stats();
  totals.submitted += stats.submitted;
  totals.finished += stats.finished;
  totals.moved += stats.moved;
  totals.voided += stats.voided;
  disk_.Crash();
  for (auto& client : clients_) {
    if (!client->submitted) queue_->Abandon(client->submission);
  }
  queue_.reset();
  clients_.clear();
  deliveries_.clear();
  clean_ = false;
}

void World::CloseClean() {
  for (auto& client : clients_) {
    if (!client->submitted) queue_->Abandon(client->submission);
    client->submitted = true;
  }
  for (int i = 0; i < 1000 && !deliveries_.empty(); i++) {
    for (auto& delivery : deliveries_) {
      if (delivery->load.in_flight() || delivery->part.in_flight() || delivery->failed) continue;
      delivery->load.Reset();
      queue_->Release(*delivery->entry, mono_);
      delivery->failed = true;
    }
    Tick();
    std::erase_if(deliveries_, [](const auto& delivery) {
      return delivery->failed && !delivery->load.in_flight() && !delivery->part.in_flight();
    });
  }
  struct SealWaiter : CommitWaiter {
    SealWaiter() : CommitWaiter([](CommitWaiter& w, CommitResult r) {
          static_cast<SealWaiter&>(w).durable = r == CommitResult::kDurable;
        }) {}
    bool durable = false;
  } waiter;
  queue_->Seal(waiter);
  for (int i = 0; i < 1000 && waiter.waiting(); i++) Tick();
  const bool sealed = waiter.durable;
  waiter.Detach();
  Say("seal: %d\n", sealed);
  totals.seals += sealed ? 1 : 0;
  Crash();
  clean_ = sealed;
}

void World::Open() {
  poisoned_ = false;
  queue::QueueOptions options;
  options.spool = {'s', 'i', 'm'};
  options.shard = 7;
  options.seed = prng_.Next();
  options.retry = {milliseconds(50), seconds(2), hours(100)};
  options.segments_max = static_cast<uint32_t>(prng_.Between(5, 40));
  options.memory_bytes = Chance(1, 2) ? 1 << 20 : prng_.Below(50'000);
  options.batch_bytes = prng_.Between(4, 256) << 10;
  options.segments_spare = static_cast<uint32_t>(prng_.Between(1, 3));
  queue_ = std::make_unique<Queue>(options, disk_, this);
  const absl::Status status = queue_->Recover(now());
  ASSERT_TRUE(status.ok()) << status;
  CheckRecovered();
  Say("open: %llu messages, %u segments\n", static_cast<unsigned long long>(queue_->recovery().messages),
      queue_->stats().segments);
}

void World::CheckRecovered() {
  const queue::RecoveryReport& report = queue_->recovery();
  for (const queue::DamagedRange& damage : report.damage) {
    ADD_FAILURE() << "damage in segment " << damage.segment << " at " << damage.offset << ": " << damage.what;
  }
  EXPECT_EQ(report.messages_damaged, 0u);
  totals.torn += report.torn_bytes > 0 ? 1 : 0;
  if (clean_) {
    EXPECT_TRUE(report.clean);
    EXPECT_EQ(report.torn_bytes, 0u);
  }
  std::set<QueueId> found;
  queue_->ForEach([&](Entry& entry) {
    EXPECT_TRUE(found.insert(entry.id).second);
    const Message& message = messages_[entry.id];
    EXPECT_TRUE(message.submitted) << "made up: " << entry.id.ToString();
    EXPECT_FALSE(message.done) << "came back: " << entry.id.ToString();
    EXPECT_EQ(entry.recipients, message.recipients.size());
  });
  for (auto& [id, message] : messages_) {
    message.finished_now.clear();
    const bool is_found = found.contains(id);
    if (message.durable && !message.done) {
      // Its done record may have become durable without our hearing of it.
      EXPECT_TRUE(is_found || message.finishing) << "lost: " << id.ToString();
      if (!is_found) message.done = true;
    }
    if (is_found) {
      message.durable = true;
      message.finishing = false;
    } else if (!message.durable) {
      message.submitted = false;  // its id may come again
    }
  }
  CheckAccounting();
}

void World::CheckAccounting() {
  uint64_t live = 0;
  uint32_t count = 0;
  queue_->ForEach([&](Entry& entry) {
    count++;
    live += entry.message.bytes + entry.status.bytes;
    if (entry.upload == nullptr) return;
    for (const auto& span : entry.upload->spans) live += span->bytes;
  });
  EXPECT_EQ(queue_->stats().live_bytes, live);
  EXPECT_EQ(queue_->stats().messages, count);
}

// Everything is delivered; then nothing is live, and every segment but the last can be used again.
void World::DrainAll() {
  draining_ = true;
  disk_.faults = {};
  disk_.set_segments_max(100);
  Crash();
  Open();
  int turns = 0;
  const auto busy = [&] {
    const queue::QueueStats stats = queue_->stats();
    return stats.messages > 0 || stats.segments - stats.segments_free > 1 || !queue_->idle();
  };
  for (; turns < 200'000 && busy() && !::testing::Test::HasFailure(); turns++) {
    StartDelivery();
    for (auto& delivery : deliveries_) Continue(*delivery);
    Tick();
    std::erase_if(deliveries_, [](const auto& delivery) {
      return delivery->failed && !delivery->load.in_flight() && !delivery->part.in_flight();
    });
  }
  const queue::QueueStats stats = queue_->stats();
  EXPECT_EQ(stats.messages, 0u);
  EXPECT_EQ(stats.live_bytes, 0u);
  EXPECT_EQ(stats.hot_bytes, 0u);
  EXPECT_LE(stats.segments - stats.segments_free, 1u);
  for (const auto& [id, message] : messages_) {
    EXPECT_TRUE(!message.durable || message.done) << "never done: " << id.ToString();
  }
  Say("drained in %d turns\n", turns);
}

uint64_t Number(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

unsigned long long Count(uint64_t n) { return n; }

TEST(QueueSimTest, LosesNothingAndResurrectsNothing) {
  const uint64_t one = Number("SLUICE_SIM_SEED", 0);
  const uint64_t seeds = one != 0 ? 1 : Number("SLUICE_SIM_SEEDS", 300);
  for (uint64_t i = 0; i < seeds; i++) {
    const uint64_t seed = one != 0 ? one : i + 1;
    World(seed, one != 0).Run();
    ASSERT_FALSE(HasFailure()) << "replay with SLUICE_SIM_SEED=" << seed;
  }
  const World::Totals& t = World::totals;
  std::printf("%llu submitted, %llu large, %llu finished, %llu moved, %llu segments recycled, %llu crashes, "
              "%llu clean ends, %llu torn tails, %llu poisoned, %llu refused for room\n",
              Count(t.submitted), Count(t.large), Count(t.finished), Count(t.moved), Count(t.voided),
              Count(t.crashes), Count(t.seals), Count(t.torn), Count(t.poisoned), Count(t.full));
  if (seeds < 100) return;
  EXPECT_GT(t.moved, 0u);
  EXPECT_GT(t.voided, 0u);
  EXPECT_GT(t.large, 0u);
  EXPECT_GT(t.seals, 0u);
  EXPECT_GT(t.torn, 0u);
  EXPECT_GT(t.poisoned, 0u);
  EXPECT_GT(t.full, 0u);
}

}  // namespace
}  // namespace sluice::sim
