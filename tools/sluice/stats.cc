#include "tools/sluice/stats.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/server/options.h"
#include "tools/sluice/fail.h"

namespace sluice {
namespace {

using server::MetricInfo;
using server::MetricKind;
using Row = server::Snapshot::Shard;

struct Arguments {
  std::string config = "/etc/sluice/sluice.toml";
  bool json = false;
};

std::string Value(const MetricInfo& info, const Row& row, size_t cell) {
  const uint64_t value = row.Get(info, cell);
  if (info.nanoseconds) return absl::StrFormat("%.3f", static_cast<double>(value) / 1e9);
  return absl::StrCat(value);
}

// One line: a name, the sum's text, and each shard's where there are several.
template <typename Text>
void AppendLine(std::string& out, std::string_view name, const Row& total,
                const server::Snapshot& stats, Text text) {
  absl::StrAppendFormat(&out, "%-42s %14s", name, text(total));
  for (size_t i = 0; stats.shards.size() > 1 && i < stats.shards.size(); i++) {
    absl::StrAppendFormat(&out, " %12s", text(stats.shards[i]));
  }
  out += "\n";
}

std::string CellName(const MetricInfo& info, size_t cell) {
  const server::Labels& labels = *info.labels;
  std::string name(info.name);
  if (labels.first.value != nullptr) {
    absl::StrAppend(&name, " ", labels.first.value(cell / labels.second.count));
  }
  if (labels.second.value != nullptr) {
    absl::StrAppend(&name, " ", labels.second.value(cell % labels.second.count));
  }
  return name;
}

}  // namespace

std::string FormatStats(const server::Snapshot& stats) {
  std::string out = absl::StrFormat("%s %s, up %d s, processor %.1f s, resident %d MiB\n",
                                    stats.hostname, stats.version, stats.uptime_seconds,
                                    static_cast<double>(stats.process_cpu_ns) / 1e9,
                                    stats.process_resident_bytes >> 20);
  for (size_t i = 0; i < stats.shards.size(); i++) {
    if (!stats.shards[i].answered) {
      absl::StrAppend(&out, "shard ", i, " did not answer: part of its numbers is older\n");
    }
  }
  const Row total = stats.Total();
  for (const MetricInfo& info : server::kShardMetrics) {
    if (info.kind == MetricKind::kHistogram) {
      AppendLine(out, absl::StrCat(info.name, " count"), total, stats,
                 [&](const Row& row) { return absl::StrCat(CountOf(info, row)); });
      for (const double q : {0.5, 0.99}) {
        AppendLine(out, absl::StrFormat("%s p%g", info.name, q * 100), total, stats,
                   [&](const Row& row) { return FormatQuantile(info, Quantile(info, row, q)); });
      }
      continue;
    }
    for (size_t cell = 0; cell < info.cells; cell++) {
      if (info.cells > 1 && total.Get(info, cell) == 0) continue;  // most verbs, most results
      AppendLine(out, CellName(info, cell), total, stats,
                 [&](const Row& row) { return Value(info, row, cell); });
    }
  }
  return out;
}

uint64_t CountOf(const MetricInfo& info, const Row& row) {
  uint64_t count = 0;
  for (size_t i = 0; i + 1 < info.cells; i++) count += row.Get(info, i);
  return count;
}

double Quantile(const MetricInfo& info, const Row& row, double q) {
  const double wanted = q * static_cast<double>(CountOf(info, row));
  double before = 0;
  for (size_t i = 0; i < info.bounds.size(); i++) {
    const auto here = static_cast<double>(row.Get(info, i));
    if (here > 0 && before + here >= wanted) {
      const double low = i == 0 ? 0 : static_cast<double>(info.bounds[i - 1]);
      const auto high = static_cast<double>(info.bounds[i]);
      return low + (high - low) * (wanted - before) / here;
    }
    before += here;
  }
  return wanted > before ? static_cast<double>(info.bounds.back()) : 0;
}

std::string FormatQuantile(const MetricInfo& info, double value) {
  if (info.nanoseconds) return FormatNanoseconds(value);
  return absl::StrFormat("%.0f", value);
}

std::string FormatNanoseconds(double ns) {
  if (ns >= 1e9) return absl::StrFormat("%.1fs", ns / 1e9);
  if (ns >= 1e6) return absl::StrFormat("%.*fms", ns >= 1e7 ? 0 : 1, ns / 1e6);
  return absl::StrFormat("%.0fus", ns / 1e3);
}

absl::StatusOr<server::Snapshot> FetchStats(const std::string& state_dir) {
  const auto body = server::AdminGet(server::AdminSocketPath(state_dir), "/v1/stats");
  if (!body.ok()) return body.status();
  return server::ParseStats(*body);
}

namespace {

void Stats(const Arguments& arguments) {
  const server::Options options = LoadOptionsOrFail("stats", arguments.config);
  const auto body = server::AdminGet(server::AdminSocketPath(options.state_dir), "/v1/stats");
  if (!body.ok()) Fail("stats", body.status());
  if (arguments.json) {
    std::cout << *body << '\n';
    return;
  }
  const auto stats = server::ParseStats(*body);
  if (!stats.ok()) Fail("stats", stats.status());
  std::cout << FormatStats(*stats);
}

}  // namespace

void RegisterStats(CLI::App& app) {
  CLI::App* command = app.add_subcommand("stats", "Show the running server's counters");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("--config", arguments->config, "Configuration file")->capture_default_str();
  command->add_flag("--json", arguments->json, "As JSON");
  command->callback([arguments] { Stats(*arguments); });
}

}  // namespace sluice
