#include "tools/load/run.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "core/io/ring.h"
#include "tls/hooks.h"
#include "tools/load/control.h"
#include "tools/load/generator.h"
#include "tools/load/html_report.h"
#include "tools/load/report.h"
#include "tools/load/watch.h"

namespace sluice::load {
namespace {

constexpr int kFailed = 1;
using Kinds = std::span<const RunOptions>;  // of clients; they run at once, and end with the last

// A thread with its ring and a generator for each kind of clients. Made and destroyed on the main
// thread.
class Worker {
 public:
  static absl::StatusOr<std::unique_ptr<Worker>> Create(const RunOptions& whole, Kinds kinds,
                                                        uint32_t index,
                                                        const io::RingFeatures& features,
                                                        Ledger* ledger, Control& control) {
    std::unique_ptr<Worker> worker(new Worker(whole, kinds, control));
    io::RingOptions ring_options{.features = features};
    ring_options.sockets_max = kSpareSockets;
    for (const RunOptions& kind : kinds) {
      ring_options.sockets_max +=
          static_cast<uint32_t>(ShareOf(kind.connections, index, kind.threads));
    }
    auto ring = io::Ring::Create(ring_options);
    if (!ring.ok()) return ring.status();
    worker->ring_ = *std::move(ring);
    for (const RunOptions& kind : kinds) {
      std::shared_ptr<tls::ClientContext> tls;
      if (kind.tls != RunOptions::Tls::kNone) {
        auto made = tls::ClientContext::Create({.parameters = kind.tls_parameters,
                                                .resumption = kind.resume,
                                                .identity = kind.client_certificate});
        if (!made.ok()) return made.status();
        tls = *std::move(made);
      }
      worker->tls_.push_back(tls);
      worker->generators_.emplace_back(*worker->ring_, kind, index, tls.get(), ledger);
    }
    return worker;
  }

  void Start() {
    thread_ = std::thread([this] { Run(); });
  }
  void Join() { thread_.join(); }

  // From the main thread.
  void Ask(int stops) {  // 1: stop; 2: at once
    asked_.store(stops, std::memory_order_relaxed);
    ring_->Wake();
  }
  bool settled() const { return settled_.load(std::memory_order_acquire) || finished(); }
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  uint32_t open() const { return open_.load(std::memory_order_relaxed); }
  // Of each kind; bad ones leave none. With a live view.
  std::deque<Latest<Snapshot>>& snapshots() { return snapshots_; }

  // After Join.
  const std::deque<Generator>& generators() const { return generators_; }
  const absl::Status& status() const { return status_; }
  const CpuUsage& cpu() const { return cpu_; }
  Duration wall() const { return wall_; }

 private:
  static constexpr uint32_t kSpareSockets = 64;  // a closed socket's slot comes back a little later

  Worker(const RunOptions& whole, Kinds kinds, Control& control)
      : whole_(whole),
        kinds_(kinds),
        control_(control),
        snapshots_of_(kinds.size()),
        snapshots_(kinds.size()) {}

  void Run() {
    const CpuUsage before = CpuUsage::OfThread();
    const MonoTime start = MonoNow();
    status_ = ring_->Enable();
    if (status_.ok()) Loop();
    cpu_ = CpuUsage::OfThread() - before;
    wall_ = MonoNow() - start;
    finished_.store(true, std::memory_order_release);
    control_.Notify();
  }

  void Loop() {
    for (Generator& generator : generators_) generator.Start();
    int heard = 0;
    bool told = false;
    bool busy = false;
    while (!All(&Generator::done)) {
      ring_->Poll(busy ? ring_->now() : Deadline());
      const int asked = asked_.load(std::memory_order_relaxed);
      if (asked > heard) {
        for (Generator& generator : generators_) asked == 1 ? generator.Stop() : generator.Abort();
      }
      heard = asked;
      if (!told && All(&Generator::settled)) {
        told = true;
        uint32_t open = 0;
        for (const Generator& generator : generators_) open += generator.open();
        open_.store(open, std::memory_order_relaxed);
        settled_.store(true, std::memory_order_release);
        control_.Notify();
      }
      busy = false;
      for (Generator& generator : generators_) busy = generator.RunTurn() || busy;
      if (whole_.report.live == true || whole_.every > Duration(0)) LeaveSnapshots();
    }
  }

  bool All(bool (Generator::*what)() const) const {
    return std::all_of(generators_.begin(), generators_.end(), std::mem_fn(what));
  }

  MonoTime Deadline() const {
    MonoTime first = MonoTime::max();
    for (const Generator& generator : generators_) first = std::min(first, generator.deadline());
    return first;
  }

  void LeaveSnapshots() {
    for (size_t i = 0; i < kinds_.size(); i++) {
      if (kinds_[i].behaviour == RunOptions::Behaviour::kGood) LeaveSnapshot(i);
    }
  }

  void LeaveSnapshot(size_t kind) {
    const Results& results = generators_[kind].results();
    if (results.series.closed() == snapshots_of_[kind]) return;
    snapshots_of_[kind] = results.series.closed();
    const SeriesSlot& last = results.series.slots().back();
    auto snapshot = std::make_unique<Snapshot>();
    snapshot->accepted = whole_.mode == RunOptions::Mode::kRun ? results.accepted : results.logins;
    snapshot->open = generators_[kind].open();
    snapshot->rate = static_cast<double>(last.accepted) /
                     std::chrono::duration<double>(results.series.width()).count();
    snapshot->latency = last.latency;
    snapshot->failures = results.failures;
    snapshots_[kind].Put(std::move(snapshot));
  }

  const RunOptions& whole_;
  const Kinds kinds_;
  Control& control_;
  std::vector<std::shared_ptr<tls::ClientContext>> tls_;
  std::unique_ptr<io::Ring> ring_;
  std::deque<Generator> generators_;
  std::thread thread_;
  std::atomic<int> asked_{0};
  std::atomic<bool> settled_{false};
  std::atomic<bool> finished_{false};
  std::atomic<uint32_t> open_{0};
  std::vector<uint64_t> snapshots_of_;  // how many slots were closed at the last one, of each kind
  std::deque<Latest<Snapshot>> snapshots_;
  absl::Status status_;
  CpuUsage cpu_;
  Duration wall_{};
};

using Workers = std::vector<std::unique_ptr<Worker>>;

absl::StatusOr<Workers> CreateWorkers(const RunOptions& whole, Kinds kinds, Ledger* ledger,
                                      Control& control) {
  if (absl::Status status = tls::Init(); !status.ok()) return status;
  auto features = io::ProbeRingFeatures({});
  if (!features.ok()) return features.status();
  const auto has_source = [](const RunOptions& kind) { return !kind.sources.empty(); };
  if (std::any_of(kinds.begin(), kinds.end(), has_source) && !features->bind) {
    return absl::UnimplementedError("--source needs Linux 6.11 or newer (bind through io_uring)");
  }
  Workers workers;
  for (uint32_t i = 0; i < kinds.front().threads; i++) {
    auto worker = Worker::Create(whole, kinds, i, *features, ledger, control);
    if (!worker.ok()) return worker.status();
    workers.push_back(*std::move(worker));
  }
  return workers;
}

// Until all have finished. True: a signal ended it. With kIdle says `ready` when all sessions are
// open and ends the holding.
bool Supervise(const RunOptions& options, Workers& workers, Control& control, Watch& watch) {
  const auto all = [&](auto&& what) { return std::all_of(workers.begin(), workers.end(), what); };
  const bool idle = options.mode == RunOptions::Mode::kIdle;
  MonoTime until = MonoTime::max();
  bool told = false;
  bool stopped = false;
  int stops = 0;
  while (!all([](const auto& worker) { return worker->finished(); })) {
    const Control::Event event = control.Wait(std::min(until, watch.next()));
    if (const MonoTime now = MonoNow(); now >= watch.next()) watch.Tick(now);
    switch (event) {
      case Control::Event::kStop:
        stopped = true;
        stops++;
        break;
      case Control::Event::kTime:
        if (MonoNow() < until) break;  // it was the watch's
        stops = std::max(stops, 1);
        until = MonoTime::max();
        break;
      case Control::Event::kUser1:
        break;
      case Control::Event::kWord:
        if (!idle || told || !all([](const auto& worker) { return worker->settled(); })) break;
        told = true;
        uint32_t open = 0;
        for (const auto& worker : workers) open += worker->open();
        if (open < options.connections) {  // what is not there cannot be held
          stops = std::max(stops, 1);
          break;
        }
        std::puts("ready");
        std::fflush(stdout);
        watch.Interrupt();
        if (options.time > Duration(0)) until = MonoNow() + options.time;
        break;
    }
    if (stops > 0) {
      for (auto& worker : workers) worker->Ask(std::min(stops, 2));
    }
  }
  return stopped;
}

// The processor time is the whole run's, whatever the kind.
RunReport MakeReport(const RunOptions& options, const std::vector<size_t>& kinds,
                     const Workers& workers, const Watch& watch) {
  const Monitor& monitor = watch.monitor();
  RunReport report{.options = options, .soak = watch.soak()};
  for (const auto& worker : workers) {
    for (const size_t kind : kinds) report.results.Merge(worker->generators()[kind].results());
    report.cpu += worker->cpu();
    const std::chrono::duration<double> wall = worker->wall();
    const double busy = worker->cpu().busy() / wall;
    const double waited = worker->cpu().waited / wall;
    report.busiest = std::max(report.busiest, busy);
    if (busy + waited < report.hindered) continue;
    report.hindered = busy + waited;
    report.starved = waited;
  }
  if (report.results.accepted > 0) {
    report.content_bytes = report.results.bytes / report.results.accepted;
  }
  report.results.series.Merge(monitor.series());
  report.server = monitor.server();
  report.drifts = FindDrifts(report.soak);
  report.missed = Missed(options.report.bounds, ForBounds(report));
  return report;
}

}  // namespace

bool Succeeded(const RunReport& report) {
  const RunOptions& options = report.options;
  if (options.behaviour != RunOptions::Behaviour::kGood) return true;
  if (Leaks(report.drifts)) return false;
  const bool failures_are_fine = options.keep_going || options.report.bounds.failures.has_value();
  const bool none_failed = failures_are_fine || report.results.failed() == 0;
  if (options.mode == RunOptions::Mode::kIdle) return none_failed;
  const uint64_t done =
      options.mode == RunOptions::Mode::kLogin ? report.results.logins : report.results.accepted;
  return done > 0 && none_failed;
}

absl::StatusOr<RunOutcome> Run(const RunOptions& whole, Kinds kinds, Control& control) {
  std::unique_ptr<Ledger> ledger;
  if (!whole.ledger.empty()) {
    auto opened = Ledger::Open(whole.ledger);
    if (!opened.ok()) return opened.status();
    ledger = *std::move(opened);
  }
  auto workers = CreateWorkers(whole, kinds, ledger.get(), control);
  if (!workers.ok()) return workers.status();
  std::vector<Latest<Snapshot>*> snapshots;
  for (auto& worker : *workers) {
    for (Latest<Snapshot>& snapshot : worker->snapshots()) snapshots.push_back(&snapshot);
  }
  Watch watch(whole, std::move(snapshots), whole.report.live == true);
  if (absl::Status status = watch.Begin(MonoNow()); !status.ok()) return status;
  for (auto& worker : *workers) worker->Start();
  const bool stopped = Supervise(whole, *workers, control, watch);
  watch.End(MonoNow());
  for (auto& worker : *workers) worker->Join();

  std::vector<size_t> good;
  for (size_t i = 0; i < kinds.size(); i++) {
    if (kinds[i].behaviour == RunOptions::Behaviour::kGood) good.push_back(i);
  }
  RunOutcome outcome{.whole = MakeReport(whole, good, *workers, watch), .stopped = stopped};
  for (const auto& worker : *workers) {
    outcome.status.Update(worker->status());
    for (const Generator& generator : worker->generators()) {
      outcome.status.Update(generator.ledger_status());
    }
  }
  for (size_t i = 0; i < kinds.size(); i++) {
    outcome.reports.push_back(MakeReport(kinds[i], {i}, *workers, watch));
  }
  return outcome;
}

int CannotStart(const absl::Status& status) {
  constexpr int kCannotStart = 2;
  std::fprintf(stderr, "sluice-load: %s\n", std::string(status.message()).c_str());
  return kCannotStart;
}

bool TakesOutput(const RunOptions& options) {
  return options.json == "-" || options.report.csv == "-" || options.report.html == "-";
}

void ChooseLive(RunOptions& options) {
  std::optional<bool>& live = options.report.live;
  if (!live.has_value()) live = isatty(STDOUT_FILENO) == 1 && !TakesOutput(options);
}

absl::Status WriteFiles(const ReportOptions& options, const RunReport& report,
                        const std::string& text) {
  absl::Status status;
  if (!options.csv.empty()) status.Update(WriteFileOrOutput(options.csv, ToCsv(report)));
  if (!options.html.empty()) status.Update(WriteFileOrOutput(options.html, ToHtml(report, text)));
  return status;
}

int RunCommand(const RunOptions& given) {
  RunOptions options = given;
  ChooseLive(options);
  Control control;
  auto outcome = Run(options, {&options, 1}, control);
  if (!outcome.ok()) return CannotStart(outcome.status());
  absl::Status status = std::move(outcome->status);
  const RunReport& report = outcome->whole;
  const std::string text = ToText(report);
  std::fputs(text.c_str(), TakesOutput(options) ? stderr : stdout);
  if (!options.json.empty()) status.Update(WriteFileOrOutput(options.json, ToJson(report)));
  status.Update(WriteFiles(options.report, report, text));
  if (!status.ok()) return CannotStart(status);
  if (!report.missed.empty()) return kMissed;
  return Succeeded(report) ? 0 : kFailed;
}

}  // namespace sluice::load
