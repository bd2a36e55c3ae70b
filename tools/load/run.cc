#include "tools/load/run.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
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
constexpr int kCannotStart = 2;
constexpr int kMissed = 3;  // a bound

int CannotStart(const absl::Status& status) {
  std::fprintf(stderr, "sluice-load: %s\n", std::string(status.message()).c_str());
  return kCannotStart;
}

// A thread with its ring and its generator. Made and destroyed on the main thread.
class Worker {
 public:
  static absl::StatusOr<std::unique_ptr<Worker>> Create(const RunOptions& options, uint32_t index,
                                                        const io::RingFeatures& features,
                                                        Ledger* ledger, Control& control) {
    std::unique_ptr<Worker> worker(new Worker(options, index, control));
    if (options.tls != RunOptions::Tls::kNone) {
      auto tls = tls::ClientContext::Create(
          {.parameters = options.tls_parameters, .resumption = options.resume});
      if (!tls.ok()) return tls.status();
      worker->tls_ = *std::move(tls);
    }
    io::RingOptions ring_options{.features = features};
    ring_options.sockets_max =
        static_cast<uint32_t>(ShareOf(options.connections, index, options.threads)) + kSpareSockets;
    auto ring = io::Ring::Create(ring_options);
    if (!ring.ok()) return ring.status();
    worker->ring_ = *std::move(ring);
    worker->generator_.emplace(*worker->ring_, options, index, worker->tls_.get(), ledger);
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
  Latest<Snapshot>& snapshot() { return snapshot_; }  // with a live view

  // After Join.
  const Generator& generator() const { return *generator_; }
  const absl::Status& status() const { return status_; }
  const CpuUsage& cpu() const { return cpu_; }
  Duration wall() const { return wall_; }

 private:
  static constexpr uint32_t kSpareSockets = 64;  // a closed socket's slot comes back a little later

  Worker(const RunOptions& options, uint32_t index, Control& control)
      : options_(options), index_(index), control_(control) {}

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
    generator_->Start();
    int heard = 0;
    bool told = false;
    for (bool busy = false; !generator_->done(); busy = generator_->RunTurn()) {
      ring_->Poll(busy ? ring_->now() : generator_->deadline());
      const int asked = asked_.load(std::memory_order_relaxed);
      if (asked > heard) asked == 1 ? generator_->Stop() : generator_->Abort();
      heard = asked;
      if (generator_->settled() && !told) {
        told = true;
        open_.store(generator_->open(), std::memory_order_relaxed);
        settled_.store(true, std::memory_order_release);
        control_.Notify();
      }
      if (options_.report.live == true) LeaveSnapshot();
    }
  }

  void LeaveSnapshot() {
    const Results& results = generator_->results();
    if (results.series.closed() == snapshots_of_) return;
    snapshots_of_ = results.series.closed();
    const SeriesSlot& last = results.series.slots().back();
    auto snapshot = std::make_unique<Snapshot>();
    snapshot->accepted =
        options_.mode == RunOptions::Mode::kRun ? results.accepted : results.logins;
    snapshot->open = generator_->open();
    snapshot->rate = static_cast<double>(last.accepted) /
                     std::chrono::duration<double>(results.series.width()).count();
    snapshot->latency = last.latency;
    snapshot->failures = results.failures;
    snapshot_.Put(std::move(snapshot));
  }

  const RunOptions& options_;
  const uint32_t index_;
  Control& control_;
  std::shared_ptr<tls::ClientContext> tls_;
  std::unique_ptr<io::Ring> ring_;
  std::optional<Generator> generator_;
  std::thread thread_;
  std::atomic<int> asked_{0};
  std::atomic<bool> settled_{false};
  std::atomic<bool> finished_{false};
  std::atomic<uint32_t> open_{0};
  uint64_t snapshots_of_ = 0;  // how many slots were closed at the last one
  Latest<Snapshot> snapshot_;
  absl::Status status_;
  CpuUsage cpu_;
  Duration wall_{};
};

using Workers = std::vector<std::unique_ptr<Worker>>;

absl::StatusOr<Workers> CreateWorkers(const RunOptions& options, Ledger* ledger, Control& control) {
  if (absl::Status status = tls::Init(); !status.ok()) return status;
  auto features = io::ProbeRingFeatures({});
  if (!features.ok()) return features.status();
  if (!options.sources.empty() && !features->bind) {
    return absl::UnimplementedError("--source needs Linux 6.11 or newer (bind through io_uring)");
  }
  Workers workers;
  for (uint32_t i = 0; i < options.threads; i++) {
    auto worker = Worker::Create(options, i, *features, ledger, control);
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
        if (options.time > Duration(0)) until = MonoNow() + options.time;
        break;
    }
    if (stops > 0) {
      for (auto& worker : workers) worker->Ask(std::min(stops, 2));
    }
  }
  return stopped;
}

RunReport MakeReport(const RunOptions& options, const Workers& workers, const Monitor& monitor) {
  RunReport report{.options = options};
  for (const auto& worker : workers) {
    report.results.Merge(worker->generator().results());
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
  report.missed = Missed(options.report.bounds, ForBounds(report));
  return report;
}

bool Succeeded(const RunReport& report) {
  const RunOptions& options = report.options;
  const bool failures_are_fine = options.keep_going || options.report.bounds.failures.has_value();
  const bool none_failed = failures_are_fine || report.results.failed() == 0;
  if (options.mode == RunOptions::Mode::kIdle) return none_failed;
  const uint64_t done =
      options.mode == RunOptions::Mode::kLogin ? report.results.logins : report.results.accepted;
  return done > 0 && none_failed;
}

}  // namespace

absl::StatusOr<RunOutcome> Run(const RunOptions& options, Control& control) {
  std::unique_ptr<Ledger> ledger;
  if (!options.ledger.empty()) {
    auto opened = Ledger::Open(options.ledger);
    if (!opened.ok()) return opened.status();
    ledger = *std::move(opened);
  }
  auto workers = CreateWorkers(options, ledger.get(), control);
  if (!workers.ok()) return workers.status();
  std::vector<Latest<Snapshot>*> snapshots;
  for (auto& worker : *workers) snapshots.push_back(&worker->snapshot());
  Watch watch(options, std::move(snapshots), options.report.live == true);
  if (absl::Status status = watch.Begin(MonoNow()); !status.ok()) return status;
  for (auto& worker : *workers) worker->Start();
  const bool stopped = Supervise(options, *workers, control, watch);
  watch.End(MonoNow());
  for (auto& worker : *workers) worker->Join();

  absl::Status status;
  for (const auto& worker : *workers) {
    status.Update(worker->status());
    status.Update(worker->generator().ledger_status());
  }
  return RunOutcome{.report = MakeReport(options, *workers, watch.monitor()),
                    .status = std::move(status),
                    .stopped = stopped};
}

int RunCommand(const RunOptions& given) {
  RunOptions options = given;
  ReportOptions& wanted = options.report;
  const bool to_output = options.json == "-" || wanted.csv == "-" || wanted.html == "-";
  if (!wanted.live.has_value()) wanted.live = isatty(STDOUT_FILENO) == 1 && !to_output;
  Control control;
  auto outcome = Run(options, control);
  if (!outcome.ok()) return CannotStart(outcome.status());
  absl::Status status = std::move(outcome->status);
  const RunReport& report = outcome->report;
  std::fputs(ToText(report).c_str(), to_output ? stderr : stdout);
  if (!options.json.empty()) status.Update(WriteFileOrOutput(options.json, ToJson(report)));
  if (!wanted.csv.empty()) status.Update(WriteFileOrOutput(wanted.csv, ToCsv(report)));
  if (!wanted.html.empty()) status.Update(WriteFileOrOutput(wanted.html, ToHtml(report)));
  if (!status.ok()) return CannotStart(status);
  if (!report.missed.empty()) return kMissed;
  return Succeeded(report) ? 0 : kFailed;
}

}  // namespace sluice::load
