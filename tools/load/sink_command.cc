#include "tools/load/sink_command.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "core/io/listen.h"
#include "core/io/ring.h"
#include "tls/hooks.h"
#include "tls/self_signed.h"
#include "tools/load/control.h"
#include "tools/load/cpu_usage.h"
#include "tools/load/report.h"
#include "tools/load/sink.h"

namespace sluice::load {
namespace {

constexpr int kCannotStart = 2;
constexpr Duration kListenPatience = seconds(5);

// Under load the sink sleeps for so long before it looks again, so that it is not woken for each
// message (bench/sink).
constexpr Duration kGather = microseconds(100);
constexpr int kLoadedTurn = 3;  // completions

int CannotStart(const absl::Status& status) {
  std::fprintf(stderr, "sluice-load sink: %s\n", std::string(status.message()).c_str());
  return kCannotStart;
}

absl::StatusOr<std::string> ReadFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) return absl::NotFoundError("cannot read " + file);
  return text.str();
}

absl::StatusOr<tls::IdentityPem> MakeIdentity(const SinkOptions& options) {
  if (options.certificate.empty()) return tls::MakeSelfSigned({.names = {"sink.example"}});
  auto chain = ReadFile(options.certificate);
  if (!chain.ok()) return chain.status();
  auto key = ReadFile(options.key);
  if (!key.ok()) return key.status();
  return tls::IdentityPem{.chain_file = options.certificate,
                          .chain = *std::move(chain),
                          .key_file = options.key,
                          .key = *std::move(key)};
}

// A thread with its ring, its sink and its listeners. Made and destroyed on the main thread.
class Worker {
 public:
  static absl::StatusOr<std::unique_ptr<Worker>> Create(
      const SinkOptions& options, const SinkShared& shared, const io::RingFeatures& features,
      const std::optional<tls::IdentityPem>& identity, std::atomic<uint64_t>& messages,
      Control& control) {
    std::unique_ptr<Worker> worker(new Worker(options, messages, control));
    std::shared_ptr<tls::ServerContext> tls;
    if (identity.has_value()) {
      auto made = tls::ServerContext::Create({.identities = {*identity}});
      if (!made.ok()) return made.status();
      tls = *std::move(made);
    }
    io::RingOptions ring_options{.features = features};
    ring_options.sockets_max = options.connections_max;
    auto ring = io::Ring::Create(ring_options);
    if (!ring.ok()) return ring.status();
    worker->ring_ = *std::move(ring);
    worker->sink_.emplace(*worker->ring_, options, shared, std::move(tls));
    for (const SockAddr& address : options.listen) {
      auto listener = io::Listen(address);
      if (!listener.ok()) return listener.status();
      worker->listeners_.push_back(*listener);
    }
    return worker;
  }
  ~Worker() {
    for (int listener : listeners_) close(listener);
  }

  void Start() {
    thread_ = std::thread([this] { Run(); });
  }
  void AskToStop() {
    asked_.store(true, std::memory_order_relaxed);
    ring_->Wake();
  }
  void Join() { thread_.join(); }
  bool finished() const { return finished_.load(std::memory_order_acquire); }

  // After Join.
  const Sink& sink() const { return *sink_; }
  absl::Status status() const { return status_.ok() ? sink_->status() : status_; }

 private:
  Worker(const SinkOptions& options, std::atomic<uint64_t>& messages, Control& control)
      : options_(options), messages_(messages), control_(control) {}

  void Run() {
    status_ = ring_->Enable();
    if (status_.ok()) Loop();
    finished_.store(true, std::memory_order_release);
    control_.Notify();
  }

  void Loop() {
    for (int listener : listeners_) sink_->Listen(listener);
    uint64_t told = 0;
    for (bool busy = false; !sink_->done();) {
      const int came = ring_->Poll(busy ? ring_->now() : sink_->deadline());
      if (asked_.load(std::memory_order_relaxed) || !sink_->status().ok()) sink_->Stop();
      if (options_.until > 0 && sink_->stats().messages > told) {
        const uint64_t more = sink_->stats().messages - told;
        told += more;
        if (messages_.fetch_add(more) + more >= options_.until) control_.Notify();
      }
      busy = sink_->RunTurn();
      if (!busy && came >= kLoadedTurn) {
        ring_->Submit();
        std::this_thread::sleep_for(kGather);
        busy = true;
      }
    }
  }

  const SinkOptions& options_;
  std::atomic<uint64_t>& messages_;  // of all threads, with options_.until
  Control& control_;
  std::unique_ptr<io::Ring> ring_;
  std::optional<Sink> sink_;
  std::vector<int> listeners_;
  std::thread thread_;
  std::atomic<bool> asked_{false};
  std::atomic<bool> finished_{false};
  absl::Status status_;
};

using Workers = std::vector<std::unique_ptr<Worker>>;

struct Summary {
  SinkStats stats;
  uint64_t numbered = 0;
  uint64_t unique = 0;  // numbers
  CpuUsage cpu;
};

Summary Summarize(const Workers& workers, const CpuUsage& before) {
  Summary summary{.cpu = CpuUsage::OfProcess() - before};
  absl::flat_hash_set<MessageNumber> numbers;
  for (const auto& worker : workers) {
    summary.stats.Merge(worker->sink().stats());
    numbers.insert(worker->sink().numbers().begin(), worker->sink().numbers().end());
  }
  summary.numbered = summary.stats.messages - summary.stats.unnumbered;
  summary.unique = numbers.size();
  return summary;
}

std::string ToText(const Summary& summary, bool ledger) {
  const SinkStats& stats = summary.stats;
  const std::chrono::duration<double> cpu = summary.cpu.busy();
  std::string text = absl::StrFormat(
      "sink: %d messages, %d bytes, %d connections, %d refused, %d dropped; CPU %.2f s, %.0f "
      "messages a CPU second\n",
      stats.messages, stats.bytes, stats.connections, stats.refused, stats.dropped, cpu.count(),
      cpu.count() > 0 ? static_cast<double>(stats.messages) / cpu.count() : 0.0);
  if (ledger) {
    absl::StrAppendFormat(
        &text, "sink: %d different numbers, %d duplicates, %d messages without a number\n",
        summary.unique, summary.numbered - summary.unique, stats.unnumbered);
  }
  return text;
}

std::string ToJson(const Summary& summary, bool ledger) {
  const SinkStats& stats = summary.stats;
  const auto in_seconds = [](Duration duration) {
    return std::chrono::duration<double>(duration).count();
  };
  nlohmann::ordered_json json = {
      {"messages", stats.messages},
      {"bytes", stats.bytes},
      {"connections", stats.connections},
      {"handshakes", stats.handshakes},
      {"refused", stats.refused},
      {"dropped", stats.dropped},
      {"seconds", stats.messages > 0 ? in_seconds(stats.last - stats.first) : 0.0},
      {"cpu_seconds", in_seconds(summary.cpu.busy())},
      {"user_seconds", in_seconds(summary.cpu.user)},
      {"system_seconds", in_seconds(summary.cpu.system)},
  };
  if (ledger) {
    json["unique"] = summary.unique;
    json["duplicates"] = summary.numbered - summary.unique;
    json["unnumbered"] = stats.unnumbered;
  }
  return json.dump(2) + "\n";
}

void Supervise(const SinkOptions& options, Workers& workers, const std::atomic<uint64_t>& messages,
               FaultSwitch& faults, Control& control) {
  const auto finished = [](const auto& worker) { return worker->finished(); };
  bool stop = false;
  while (!std::all_of(workers.begin(), workers.end(), finished)) {
    switch (control.Wait(MonoTime::max())) {
      case Control::Event::kStop:
        stop = true;
        break;
      case Control::Event::kUser1:
        faults.Off();
        break;
      case Control::Event::kWord:  // enough messages, or one that failed and takes the others along
        stop = stop || (options.until > 0 && messages.load() >= options.until) ||
               std::any_of(workers.begin(), workers.end(), finished);
        break;
      case Control::Event::kTime:
        break;
    }
    if (stop) {
      for (auto& worker : workers) worker->AskToStop();
    }
  }
}

}  // namespace

int SinkCommand(const SinkOptions& options) {
  Control control;
  FaultSwitch faults(options.faults.messages);
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<MessageStore> store;
  if (!options.ledger.empty()) {
    auto opened = Ledger::Open(options.ledger);
    if (!opened.ok()) return CannotStart(opened.status());
    ledger = *std::move(opened);
  }
  if (!options.store.empty()) {
    auto opened = MessageStore::Open(options.store);
    if (!opened.ok()) return CannotStart(opened.status());
    store = *std::move(opened);
  }

  if (absl::Status status = tls::Init(); !status.ok()) return CannotStart(status);
  std::optional<tls::IdentityPem> identity;
  if (options.tls != SinkOptions::Tls::kNone) {
    auto made = MakeIdentity(options);
    if (!made.ok()) return CannotStart(made.status());
    identity = *std::move(made);
  }
  auto features = io::ProbeRingFeatures({});
  if (!features.ok()) return CannotStart(features.status());

  const SinkShared shared{.faults = faults, .ledger = ledger.get(), .store = store.get()};
  std::atomic<uint64_t> messages{0};
  Workers workers;
  for (const SockAddr& address : options.listen) {
    const absl::Status free = io::CheckFree(address, kListenPatience);
    if (!free.ok()) return CannotStart(free);
  }
  for (uint32_t i = 0; i < options.threads; i++) {
    auto worker = Worker::Create(options, shared, *features, identity, messages, control);
    if (!worker.ok()) return CannotStart(worker.status());
    workers.push_back(*std::move(worker));
  }
  const CpuUsage before = CpuUsage::OfProcess();
  for (auto& worker : workers) worker->Start();
  std::puts("ready");  // the sockets listen, so the kernel takes clients already
  std::fflush(stdout);
  Supervise(options, workers, messages, faults, control);
  for (auto& worker : workers) worker->Join();

  absl::Status status;
  for (const auto& worker : workers) status.Update(worker->status());
  const Summary summary = Summarize(workers, before);
  const bool numbers = ledger != nullptr;
  std::fputs(ToText(summary, numbers).c_str(), options.json == "-" ? stderr : stdout);
  if (!options.json.empty()) {
    status.Update(WriteFileOrOutput(options.json, ToJson(summary, numbers)));
  }
  return status.ok() ? 0 : CannotStart(status);
}

}  // namespace sluice::load
