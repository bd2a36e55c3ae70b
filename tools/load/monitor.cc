#include "tools/load/monitor.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sluice::load {
namespace {

double Cores(Duration busy, Duration wall) {
  if (wall <= Duration(0)) return 0;
  return std::chrono::duration<double>(busy) / wall;
}

}  // namespace

absl::Status Monitor::Begin(MonoTime now) {
  if (!server_pids_.empty()) {
    auto usage = ProcessUsage::OfTrees(server_pids_);
    if (!usage.ok()) {
      return absl::NotFoundError(absl::StrCat("--server-pid: ", usage.status().message(), " here"));
    }
    server_first_ = server_last_ = *usage;
    server_.emplace().rss_bytes_max = usage->rss_bytes;
  }
  generator_last_ = CpuUsage::OfProcess();
  begun_ = last_ = now;
  next_ = now + seconds(1);
  series_.Begin(now);
  return absl::OkStatus();
}

void Monitor::Sample(MonoTime now) {
  Measure(now);
  series_.Turn(now);
  while (next_ <= now) next_ += seconds(1);
}

void Monitor::End(MonoTime now) {
  Measure(now);
  series_.Finish();
}

// What was used since the last time goes to the second that is over now.
void Monitor::Measure(MonoTime now) {
  const Duration wall = now - last_;
  last_ = now;
  SeriesSlot& slot = series_.open();

  const CpuUsage generator = CpuUsage::OfProcess();
  const Duration generator_busy = (generator - generator_last_).busy();
  generator_last_ = generator;
  slot.generator_cpu += generator_busy;
  generator_cores_ = Cores(generator_busy, wall);

  if (!server_.has_value() || server_->ended) return;
  const auto usage = ProcessUsage::OfTrees(server_pids_);
  if (!usage.ok()) {
    server_->ended = true;
    server_cores_ = 0;
    return;
  }
  // Less than before: a child ended and nobody waited for it.
  const Duration server_busy = std::max(usage->busy() - server_last_.busy(), Duration(0));
  server_last_ = *usage;
  slot.server_cpu += server_busy;
  slot.server_rss_bytes = std::max(slot.server_rss_bytes, usage->rss_bytes);
  server_cores_ = Cores(server_busy, wall);
  server_->user = usage->user - server_first_.user;
  server_->system = usage->system - server_first_.system;
  server_->wall = now - begun_;
  server_->rss_bytes_max = std::max(server_->rss_bytes_max, usage->rss_bytes);
}

}  // namespace sluice::load
