// A snapshot as JSON and back, and as Prometheus text (exposition format 0.0.4), all from the
// tables of counters.h.
//
// In JSON a family is a member of its shard's object: a number; an object with a member a label's
// value (and in it one for the second label's); or {"count", "sum", "buckets": [{"le", "count"},
// ...]} where counts are of all values up to `le`, as in Prometheus, and those above the last are
// only in "count".
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "core/base/json_writer.h"
#include "core/server/admin.h"

namespace sluice::server {
namespace {

using Row = Snapshot::Shard;

// As short as it is exact enough for people: seconds of nanoseconds, or the number itself.
std::string Told(uint64_t value, bool nanoseconds) {
  if (!nanoseconds) return absl::StrCat(value);
  std::string text =
      absl::StrCat(value / 1'000'000'000, ".", absl::Dec(value % 1'000'000'000, absl::kZeroPad9));
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

uint64_t Sum(const MetricInfo& info, const Row& row) { return row.Get(info, info.cells - 1); }

// --- Prometheus
// ------------------------------------------------------------------------------------

void AppendHead(std::string& out, std::string_view name, std::string_view type,
                std::string_view help) {
  absl::StrAppend(&out, "# HELP sluice_", name, " ", help, "\n# TYPE sluice_", name, " ", type,
                  "\n");
}

void AppendOne(std::string& out, std::string_view name, std::string_view type,
               std::string_view help, std::string_view value, std::string_view labels = "") {
  AppendHead(out, name, type, help);
  absl::StrAppend(&out, "sluice_", name, labels, " ", value, "\n");
}

void AppendHistogram(std::string& out, const MetricInfo& info, const Row& row, size_t shard) {
  const std::string label = absl::StrCat("shard=\"", shard, "\"");
  uint64_t count = 0;
  for (size_t i = 0; i + 1 < info.cells; i++) {
    count += row.Get(info, i);
    const std::string bound =
        i < info.bounds.size() ? Told(info.bounds[i], info.nanoseconds) : "+Inf";
    absl::StrAppend(&out, "sluice_", info.name, "_bucket{", label, ",le=\"", bound, "\"} ", count,
                    "\n");
  }
  absl::StrAppend(&out, "sluice_", info.name, "_sum{", label, "} ",
                  Told(Sum(info, row), info.nanoseconds), "\n");
  absl::StrAppend(&out, "sluice_", info.name, "_count{", label, "} ", count, "\n");
}

void AppendFamily(std::string& out, const MetricInfo& info, const Row& row, size_t shard) {
  const Labels& labels = *info.labels;
  for (size_t i = 0; i < info.cells; i++) {
    absl::StrAppend(&out, "sluice_", info.name, "{shard=\"", shard, "\"");
    if (labels.first.value != nullptr) {
      absl::StrAppend(&out, ",", labels.first.name, "=\"",
                      labels.first.value(i / labels.second.count), "\"");
    }
    if (labels.second.value != nullptr) {
      absl::StrAppend(&out, ",", labels.second.name, "=\"",
                      labels.second.value(i % labels.second.count), "\"");
    }
    absl::StrAppend(&out, "} ", Told(row.Get(info, i), info.nanoseconds), "\n");
  }
}

// --- JSON
// --------------------------------------------------------------------------------------------

void HistogramJson(JsonWriter& json, const MetricInfo& info, const Row& row) {
  uint64_t count = 0;
  for (size_t i = 0; i + 1 < info.cells; i++) count += row.Get(info, i);
  json.BeginObject();
  json.Field("count", count);
  json.Key("sum");
  json.Raw(Told(Sum(info, row), info.nanoseconds));
  json.Key("buckets");
  json.BeginArray();
  count = 0;
  for (size_t i = 0; i < info.bounds.size(); i++) {
    count += row.Get(info, i);
    json.BeginObject();
    json.Key("le");
    json.Raw(Told(info.bounds[i], info.nanoseconds));
    json.Field("count", count);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

void FamilyJson(JsonWriter& json, const MetricInfo& info, const Row& row) {
  const Labels& labels = *info.labels;
  if (labels.first.value == nullptr) return json.Raw(Told(row.Get(info), info.nanoseconds));
  json.BeginObject();
  for (size_t i = 0; i < info.cells; i++) {
    const size_t second = i % labels.second.count;
    if (second == 0) json.Key(labels.first.value(i / labels.second.count));
    if (labels.second.value != nullptr) {
      if (second == 0) json.BeginObject();
      json.Key(labels.second.value(second));
    }
    json.Number(row.Get(info, i));
    if (labels.second.value != nullptr && second + 1 == labels.second.count) json.EndObject();
  }
  json.EndObject();
}

void RowJson(JsonWriter& json, const Row& row) {
  for (const MetricInfo& info : kShardMetrics) {
    json.Key(info.name);
    if (info.kind == MetricKind::kHistogram) {
      HistogramJson(json, info, row);
    } else {
      FamilyJson(json, info, row);
    }
  }
}

uint64_t ReadNumber(const nlohmann::json& json, bool nanoseconds) {
  if (!json.is_number()) return 0;
  if (!nanoseconds) return json.get<uint64_t>();
  return static_cast<uint64_t>(std::llround(json.get<double>() * 1e9));
}

void ReadHistogram(const nlohmann::json& json, const MetricInfo& info, uint64_t* cells) {
  uint64_t before = 0;
  const nlohmann::json buckets = json.value("buckets", nlohmann::json::array());
  for (size_t i = 0; i < info.bounds.size() && i < buckets.size(); i++) {
    const uint64_t count = buckets[i].value("count", uint64_t{0});
    cells[i] = count - before;
    before = count;
  }
  cells[info.bounds.size()] = json.value("count", before) - before;
  cells[info.cells - 1] = ReadNumber(json.value("sum", nlohmann::json()), info.nanoseconds);
}

void ReadFamily(const nlohmann::json& json, const MetricInfo& info, uint64_t* cells) {
  const Labels& labels = *info.labels;
  if (labels.first.value == nullptr) {
    *cells = ReadNumber(json, info.nanoseconds);
    return;
  }
  for (size_t i = 0; i < info.cells; i++) {
    const auto first = json.find(labels.first.value(i / labels.second.count));
    if (first == json.end()) continue;
    if (labels.second.value == nullptr) {
      cells[i] = ReadNumber(*first, false);
    } else if (const auto second = first->find(labels.second.value(i % labels.second.count));
               second != first->end()) {
      cells[i] = ReadNumber(*second, false);
    }
  }
}

Row ReadRow(const nlohmann::json& json) {
  Row row;
  row.cells.resize(kShardCells);
  row.answered = json.value("answered", true);
  for (const MetricInfo& info : kShardMetrics) {
    const auto found = json.find(info.name);
    if (found == json.end()) continue;
    uint64_t* const cells = row.cells.data() + info.first;
    if (info.kind == MetricKind::kHistogram) {
      ReadHistogram(*found, info, cells);
    } else {
      ReadFamily(*found, info, cells);
    }
  }
  return row;
}

}  // namespace

void Snapshot::AddShard(const ShardCounters& counters, bool answered) {
  Shard& row = shards.emplace_back();
  row.answered = answered;
  row.cells.reserve(kShardCells);
  for (const MetricInfo& info : kShardMetrics) {
    for (const Counter& cell : info.read(counters)) row.cells.push_back(cell.Get());
  }
}

Snapshot::Shard Snapshot::Total() const {
  Shard total;
  total.cells.resize(kShardCells);
  for (const Shard& shard : shards) {
    total.answered &= shard.answered;
    for (size_t i = 0; i < kShardCells; i++) total.cells[i] += shard.cells[i];
  }
  return total;
}

std::string PrometheusText(const Snapshot& snapshot, bool ready) {
  std::string out;
  AppendOne(out, "build_info", "gauge", "What is running", "1",
            absl::StrCat("{version=\"", snapshot.version, "\"}"));
  AppendOne(out, "uptime_seconds", "gauge", "Seconds since the start",
            absl::StrCat(snapshot.uptime_seconds));
  AppendOne(out, "ready", "gauge", "1 while mail is taken", ready ? "1" : "0");
  AppendOne(out, "process_cpu_seconds_total", "counter", "Processor time of all threads",
            Told(snapshot.process_cpu_ns, true));
  AppendOne(out, "process_resident_memory_bytes", "gauge", "Resident memory of the process",
            absl::StrCat(snapshot.process_resident_bytes));
  AppendHead(out, "shard_answered", "gauge", "1 when the shard answered just now");
  for (size_t shard = 0; shard < snapshot.shards.size(); shard++) {
    absl::StrAppend(&out, "sluice_shard_answered{shard=\"", shard, "\"} ",
                    snapshot.shards[shard].answered ? 1 : 0, "\n");
  }
  for (const MetricInfo& info : kShardMetrics) {
    AppendHead(out, info.name, TypeName(info.kind), info.help);
    for (size_t shard = 0; shard < snapshot.shards.size(); shard++) {
      if (info.kind == MetricKind::kHistogram) {
        AppendHistogram(out, info, snapshot.shards[shard], shard);
      } else {
        AppendFamily(out, info, snapshot.shards[shard], shard);
      }
    }
  }
  return out;
}

std::string StatsJson(const Snapshot& snapshot) {
  Buffer out;
  JsonWriter json(&out);
  json.BeginObject();
  json.Field("version", snapshot.version);
  json.Field("hostname", snapshot.hostname);
  json.Field("uptime_seconds", snapshot.uptime_seconds);
  json.Key("process_cpu_seconds_total");
  json.Raw(Told(snapshot.process_cpu_ns, true));
  json.Field("process_resident_memory_bytes", snapshot.process_resident_bytes);
  json.Key("total");
  json.BeginObject();
  RowJson(json, snapshot.Total());
  json.EndObject();
  json.Key("shards");
  json.BeginArray();
  for (const Row& row : snapshot.shards) {
    json.BeginObject();
    json.BoolField("answered", row.answered);
    RowJson(json, row);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  return std::string(out.view());
}

absl::StatusOr<Snapshot> ParseStats(const std::string& text) try {
  const nlohmann::json json = nlohmann::json::parse(text);
  Snapshot snapshot;
  snapshot.version = json.at("version").get<std::string>();
  snapshot.hostname = json.at("hostname").get<std::string>();
  snapshot.uptime_seconds = json.at("uptime_seconds").get<uint64_t>();
  snapshot.process_cpu_ns =
      ReadNumber(json.value("process_cpu_seconds_total", nlohmann::json()), true);
  snapshot.process_resident_bytes = json.value("process_resident_memory_bytes", uint64_t{0});
  for (const nlohmann::json& shard : json.at("shards")) snapshot.shards.push_back(ReadRow(shard));
  return snapshot;
} catch (const nlohmann::json::exception& error) {
  return absl::InternalError(
      absl::StrCat("the server's statistics cannot be read: ", error.what()));
}

}  // namespace sluice::server
