// A snapshot as JSON and as Prometheus text (exposition format 0.0.4), both from the table of
// counters.
#include "absl/strings/str_cat.h"
#include "core/base/json_writer.h"
#include "core/server/admin.h"

namespace sluice::server {
namespace {

void AppendHead(std::string& out, std::string_view name, CounterKind kind, std::string_view help) {
  absl::StrAppend(&out, "# HELP sluice_", name, " ", help, "\n# TYPE sluice_", name, " ",
                  kind == CounterKind::kCounter ? "counter" : "gauge", "\n");
}

void AppendGauge(std::string& out, std::string_view name, std::string_view help,
                 std::string_view labels, uint64_t value) {
  AppendHead(out, name, CounterKind::kGauge, help);
  absl::StrAppend(&out, "sluice_", name, labels, " ", value, "\n");
}

void ShardJson(JsonWriter& json, const std::vector<uint64_t>& values) {
  json.BeginObject();
  for (size_t i = 0; i < kShardCounterCount; i++) json.Field(kShardCounters[i].name, values[i]);
  json.EndObject();
}

}  // namespace

void Snapshot::AddShard(const ShardCounters& counters) {
  std::vector<uint64_t>& row = shards.emplace_back();
  for (const CounterInfo& info : kShardCounters) row.push_back((counters.*info.field).Get());
}

std::string PrometheusText(const Snapshot& snapshot, bool ready) {
  std::string out;
  AppendGauge(out, "build_info", "What is running",
              absl::StrCat("{version=\"", snapshot.version, "\"}"), 1);
  AppendGauge(out, "uptime_seconds", "Seconds since the start", "", snapshot.uptime_seconds);
  AppendGauge(out, "ready", "1 while mail is taken", "", ready ? 1 : 0);
  for (size_t i = 0; i < kShardCounterCount; i++) {
    const CounterInfo& info = kShardCounters[i];
    AppendHead(out, info.name, info.kind, info.help);
    for (size_t shard = 0; shard < snapshot.shards.size(); shard++) {
      absl::StrAppend(&out, "sluice_", info.name, "{shard=\"", shard, "\"} ",
                      snapshot.shards[shard][i], "\n");
    }
  }
  return out;
}

std::string StatsJson(const Snapshot& snapshot) {
  std::vector<uint64_t> total(kShardCounterCount);
  for (const std::vector<uint64_t>& row : snapshot.shards) {
    for (size_t i = 0; i < kShardCounterCount; i++) total[i] += row[i];
  }
  Buffer out;
  JsonWriter json(&out);
  json.BeginObject();
  json.Field("version", snapshot.version);
  json.Field("hostname", snapshot.hostname);
  json.Field("uptime_seconds", snapshot.uptime_seconds);
  json.Key("total");
  ShardJson(json, total);
  json.Key("shards");
  json.BeginArray();
  for (const std::vector<uint64_t>& row : snapshot.shards) ShardJson(json, row);
  json.EndArray();
  json.EndObject();
  return std::string(out.view());
}

}  // namespace sluice::server
