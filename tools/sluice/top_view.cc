#include "tools/sluice/top_view.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/server/options_values.h"
#include "tools/sluice/stats.h"

namespace sluice {
namespace {

using server::FindMetric;
using server::kShardMetrics;
using server::MetricInfo;
using server::MetricKind;
using server::SessionState;
using Row = server::Snapshot::Shard;

// A shard, or all of them.
struct View {
  std::string name;
  Row now;
  Row change;  // of what is counted, in `seconds`
  double seconds = 1;
};

Row ChangeOf(const Row& before, const Row& now) {
  Row change = now;
  for (const MetricInfo& info : kShardMetrics) {
    if (info.kind == MetricKind::kGauge) continue;
    for (size_t i = info.first; i < info.first + info.cells; i++) {
      change.cells[i] -= std::min(before.cells[i], now.cells[i]);
    }
  }
  return change;
}

// --- the text of a cell
// ----------------------------------------------------------------------------

// "999", "12.3k", "4.5M": at most five wide.
std::string Short(double value) {
  if (value < 9'999.5) return absl::StrFormat("%.0f", value);
  if (value < 99'950) return absl::StrFormat("%.1fk", value / 1e3);
  if (value < 999'500) return absl::StrFormat("%.0fk", value / 1e3);
  if (value < 99'950'000) return absl::StrFormat("%.1fM", value / 1e6);
  return absl::StrFormat("%.0fM", value / 1e6);
}

double Now(const View& view, std::string_view name, size_t cell = 0) {
  return static_cast<double>(view.now.Get(*FindMetric(name), cell));
}

double Change(const View& view, std::string_view name, size_t cell = 0) {
  return static_cast<double>(view.change.Get(*FindMetric(name), cell));
}

std::string Rate(const View& view, std::string_view name) {
  return Short(Change(view, name) / view.seconds);
}

template <SessionState... kStates>
std::string Sessions(const View& view) {
  return Short((Now(view, "sessions", static_cast<size_t>(kStates)) + ...));
}

std::string Logins(const View& view) {
  double count = 0;
  for (size_t i = 0; i < auth::kMechanismCount; i++) {
    count += Change(view, "logins_total",
                    i * server::kLoginResults + static_cast<size_t>(server::LoginResult::kSuccess));
  }
  return Short(count / view.seconds);
}

std::string Percentile(const View& view, std::string_view name, double q) {
  const MetricInfo& info = *FindMetric(name);
  return CountOf(info, view.change) == 0 ? "-"
                                         : FormatQuantile(info, Quantile(info, view.change, q));
}

std::string Batch(const View& view) {
  const MetricInfo& info = *FindMetric("commit_records");
  const uint64_t batches = CountOf(info, view.change);
  if (batches == 0) return "-";
  return absl::StrFormat("%.1f", static_cast<double>(view.change.Get(info, info.cells - 1)) /
                                     static_cast<double>(batches));
}

// --- columns
// ----------------------------------------------------------------------------------------------

struct Column {
  std::string_view title;
  size_t width;  // with the blank before it
  int rank;      // columns of the highest go first when there is no room
  std::string (*text)(const View& view);
};

constexpr Column kColumns[] = {
    {"SHARD", 5, 0, [](const View& v) { return v.name; }},
    {"CONNS", 7, 0, [](const View& v) { return Short(Now(v, "connections_open")); }},
    {"TLS..", 6, 3, &Sessions<SessionState::kHandshaking>},
    {"NEW", 6, 3, &Sessions<SessionState::kConnected, SessionState::kGreeted>},
    {"AUTH..", 7, 3, &Sessions<SessionState::kAuthenticating>},
    {"IDLE", 6, 2, &Sessions<SessionState::kAuthenticated>},
    {"MAIL", 6, 4, &Sessions<SessionState::kTransaction>},
    {"DATA", 6, 2, &Sessions<SessionState::kData>},
    {"COMMIT", 7, 2, &Sessions<SessionState::kCommitting>},
    {"CLOSE", 6, 4, &Sessions<SessionState::kClosing>},
    {"LOGIN/s", 8, 1, Logins},
    {"MSG/s", 7, 0, [](const View& v) { return Rate(v, "messages_received_total"); }},
    {"MB/s", 7, 1,
     [](const View& v) {
       return absl::StrFormat("%.1f", Change(v, "bytes_received_total") / v.seconds / 1e6);
     }},
    {"BATCH", 6, 1, Batch},
    {"SYNC50", 7, 3, [](const View& v) { return Percentile(v, "commit_sync_seconds", 0.5); }},
    {"SYNC99", 7, 1, [](const View& v) { return Percentile(v, "commit_sync_seconds", 0.99); }},
    {"TURN99", 7, 2, [](const View& v) { return Percentile(v, "loop_turn_seconds", 0.99); }},
    {"CPU%", 6, 0,
     [](const View& v) {
       return absl::StrFormat("%.0f", Change(v, "cpu_seconds_total") / 1e9 / v.seconds * 100);
     }},
    {"QUEUE", 7, 0, [](const View& v) { return Short(Now(v, "messages_queued")); }},
    {"RETRY", 6, 3, [](const View& v) { return Short(Now(v, "messages_waiting")); }},
    {"RELAY", 6, 2, [](const View& v) { return Short(Now(v, "relay_attempts_open")); }},
    {"OUT/s", 7, 1, [](const View& v) { return Rate(v, "messages_delivered_total"); }},
    {"STALLS", 7, 1, [](const View& v) { return Short(Change(v, "loop_stalls_total")); }},
};

std::vector<const Column*> ColumnsFor(size_t width) {
  for (int rank = 4;; rank--) {
    std::vector<const Column*> columns;
    size_t used = 0;
    for (const Column& column : kColumns) {
      if (column.rank > rank) continue;
      columns.push_back(&column);
      used += column.width;
    }
    if (used <= width || rank == 0) return columns;
  }
}

// Cut to the window; the LF beside it.
void AppendLine(std::string& out, std::string line, const TopWindow& window) {
  line.resize(std::min(line.size(), window.columns));
  while (line.ends_with(' ')) line.pop_back();
  out += line + "\n";
}

std::string Padded(std::string_view text, size_t width) {
  return std::string(width > text.size() ? width - text.size() : 0, ' ') + std::string(text);
}

template <typename TextOf>
std::string LineOf(const std::vector<const Column*>& columns, TextOf text_of) {
  std::string line;
  for (const Column* column : columns) line += Padded(text_of(*column), column->width);
  return line;
}

std::string HeadOf(const server::Snapshot& before, const server::Snapshot& now, double span_s) {
  const uint64_t used = now.process_cpu_ns - std::min(before.process_cpu_ns, now.process_cpu_ns);
  return absl::StrFormat(
      "%s  sluice %s  up %s  processor %.0f%%  resident %d MiB  over %.1f s", now.hostname,
      now.version, server::FormatDuration(std::chrono::seconds(now.uptime_seconds)),
      static_cast<double>(used) / 1e9 / span_s * 100, now.process_resident_bytes >> 20, span_s);
}

}  // namespace

std::string RenderTop(const server::Snapshot& before, const server::Snapshot& now, double span_s,
                      const TopWindow& window) {
  const bool anew =
      now.uptime_seconds < before.uptime_seconds || now.shards.size() != before.shards.size();
  Row nothing;
  nothing.cells.resize(server::kShardCells);
  const auto view_of = [&](std::string name, const Row& old, const Row& fresh) {
    return View{std::move(name), fresh, ChangeOf(anew ? nothing : old, fresh), span_s};
  };
  const std::vector<const Column*> columns = ColumnsFor(window.columns);
  std::string out;
  AppendLine(out, HeadOf(anew ? server::Snapshot() : before, now, span_s), window);
  AppendLine(out, LineOf(columns, [](const Column& column) { return std::string(column.title); }),
             window);
  const auto row = [&](const View& view) {
    AppendLine(out, LineOf(columns, [&](const Column& column) { return column.text(view); }),
               window);
  };
  row(view_of("all", before.Total(), now.Total()));
  const size_t room = window.lines > 3 ? window.lines - 3 : 0;
  const bool all_fit = now.shards.size() <= room;
  const size_t shown = all_fit ? now.shards.size() : room > 0 ? room - 1 : 0;
  for (size_t i = 0; i < shown; i++) {
    // A shard that did not answer shows what it has counted; its processor time, queue and memory
    // are older.
    const std::string name = absl::StrCat(i, now.shards[i].answered ? "" : "?");
    row(view_of(name, anew ? nothing : before.shards[i], now.shards[i]));
  }
  if (!all_fit && room > 0) {
    AppendLine(out, absl::StrCat("... and ", now.shards.size() - shown, " shards that do not fit"),
               window);
  }
  return out;
}

}  // namespace sluice
