// The tables of counters.h and what is made of them: names, histograms, JSON and back, the
// Prometheus text, and the page that explains them.
#include "core/server/counters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/server/admin.h"

namespace sluice::server {
namespace {

using testing::HasSubstr;

TEST(HistogramTest, AValueFallsIntoTheFirstBucketThatIsNotBelowIt) {
  Histogram<kCountBounds> histogram;
  for (const uint64_t value : {0u, 1u, 2u, 3u, 5u, 5000u, 5001u}) histogram.Add(value);
  std::vector<uint64_t> cells;
  for (const Counter& cell : histogram.cells()) cells.push_back(cell.Get());
  //                                       <=1 2  5                         5000 above sum
  EXPECT_EQ(cells, (std::vector<uint64_t>{2, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 10012}));
}

template <const auto& kBounds>
void CheckEdges() {
  std::vector<uint64_t> values = {0, 1, UINT64_MAX};
  for (const uint64_t bound : kBounds) values.insert(values.end(), {bound - 1, bound, bound + 1});
  for (int bit = 1; bit < 64; bit++)
    values.insert(values.end(), {(uint64_t{1} << bit) - 1, uint64_t{1} << bit});
  for (const uint64_t value : values) {
    Histogram<kBounds> histogram;
    histogram.Add(value);
    const auto wanted = std::lower_bound(kBounds.begin(), kBounds.end(), value) - kBounds.begin();
    EXPECT_EQ(histogram.cells()[static_cast<size_t>(wanted)].Get(), 1u) << value;
  }
}

TEST(HistogramTest, TheEdgesOfEachBucketAreKept) {
  CheckEdges<kTimeBounds>();
  CheckEdges<kCountBounds>();
  CheckEdges<kByteBounds>();
}

TEST(HistogramTest, TimesGoFromAMicrosecondToTenSeconds) {
  EXPECT_EQ(kTimeBounds.front(), 1'000u);
  EXPECT_EQ(kTimeBounds[4], 20'000u);
  EXPECT_EQ(kTimeBounds.back(), 10'000'000'000u);
  Histogram<kTimeBounds> histogram;
  histogram.Add(milliseconds(5));
  histogram.Add(Duration(-1));  // two clocks read in the wrong order
  EXPECT_EQ(histogram.cells()[11].Get(), 1u);
  EXPECT_EQ(histogram.cells()[0].Get(), 1u);
  EXPECT_EQ(histogram.cells().back().Get(), 5'000'000u);
}

TEST(CountersTest, NamesAreWhatPrometheusWants) {
  std::set<std::string_view> seen;
  for (const MetricInfo& info : kShardMetrics) {
    EXPECT_TRUE(seen.insert(info.name).second) << info.name;
    const bool counter = info.kind == MetricKind::kCounter || info.kind == MetricKind::kSeconds;
    EXPECT_EQ(info.name.ends_with("_total"), counter) << info.name;
    EXPECT_EQ(info.name.find("_seconds") != std::string_view::npos, info.nanoseconds) << info.name;
    EXPECT_EQ(FindMetric(info.name), &info);
  }
  EXPECT_EQ(FindMetric("nothing"), nullptr);
}

TEST(CountersTest, EachCellHasItsPlaceInARow) {
  auto counters = std::make_unique<ShardCounters>();
  counters->connections_total.Set(1);
  counters->sessions[SessionState::kClosing].Set(2);
  counters->logins_total.At(auth::Mechanism::kLogin, LoginResult::kTemporary).Set(3);
  counters->loop_submissions.Add(uint64_t{4});
  Snapshot snapshot;
  snapshot.AddShard(*counters);
  const Snapshot::Shard& row = snapshot.shards[0];
  ASSERT_EQ(row.cells.size(), kShardCells);
  EXPECT_EQ(row.cells[0], 1u);
  EXPECT_EQ(row.Get(*FindMetric("sessions"), 8), 2u);
  const auto login = static_cast<size_t>(auth::Mechanism::kLogin) * kLoginResults + 3;
  EXPECT_EQ(row.Get(*FindMetric("logins_total"), login), 3u);
  EXPECT_EQ(row.cells.back(), 4u);
}

// --- a snapshot told ---------------------------------------------------------------------------

// Every cell another number, so that none can be lost or swapped.
Snapshot EveryCellAnother() {
  Snapshot snapshot;
  snapshot.version = "1.2.3";
  snapshot.hostname = "submit.example.net";
  snapshot.uptime_seconds = 77;
  snapshot.process_cpu_ns = 1'250'000'000;
  snapshot.process_resident_bytes = 4096;
  for (uint64_t shard = 0; shard < 2; shard++) {
    Snapshot::Shard& row = snapshot.shards.emplace_back();
    for (size_t i = 0; i < kShardCells; i++) row.cells.push_back(1000 * (shard + 1) + i);
  }
  snapshot.shards[1].answered = false;
  return snapshot;
}

TEST(SnapshotTest, JsonIsReadBackAsItWas) {
  const Snapshot told = EveryCellAnother();
  const auto read = ParseStats(StatsJson(told));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->version, told.version);
  EXPECT_EQ(read->hostname, told.hostname);
  EXPECT_EQ(read->uptime_seconds, told.uptime_seconds);
  EXPECT_EQ(read->process_cpu_ns, told.process_cpu_ns);
  EXPECT_EQ(read->process_resident_bytes, told.process_resident_bytes);
  ASSERT_EQ(read->shards.size(), 2u);
  for (size_t shard = 0; shard < 2; shard++) {
    EXPECT_EQ(read->shards[shard].answered, told.shards[shard].answered);
    for (const MetricInfo& info : kShardMetrics) {
      for (size_t i = 0; i < info.cells; i++) {
        EXPECT_EQ(read->shards[shard].Get(info, i), told.shards[shard].Get(info, i))
            << info.name << " " << i;
      }
    }
  }
}

TEST(SnapshotTest, AnOlderServersJsonIsReadAsFarAsItGoes) {
  const auto read = ParseStats(
      R"({"version":"0","hostname":"h","uptime_seconds":1,"shards":[{"connections_total":3,"sessions":{"data":2}}]})");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->shards[0].Get(*FindMetric("connections_total")), 3u);
  EXPECT_EQ(read->shards[0].Get(*FindMetric("sessions"), 6), 2u);
  EXPECT_EQ(read->shards[0].Get(*FindMetric("messages_queued")), 0u);
  EXPECT_TRUE(absl::IsInternal(ParseStats("{}").status()));
  EXPECT_TRUE(absl::IsInternal(ParseStats("no JSON").status()));
}

TEST(SnapshotTest, PrometheusTextHasHistogramsLabelsAndBaseUnits) {
  auto counters = std::make_unique<ShardCounters>();
  counters->commit_sync_seconds.Add(microseconds(300));
  counters->commit_sync_seconds.Add(milliseconds(30));
  counters->commit_sync_seconds.Add(seconds(30));
  counters->logins_total.At(auth::Mechanism::kPlain, LoginResult::kSuccess).Add(2);
  counters->cpu_seconds_total.Set(1'500'000'000);
  Snapshot snapshot;
  snapshot.AddShard(*counters);
  const std::string text = PrometheusText(snapshot, true);
  for (const char* line : {
           "# TYPE sluice_commit_sync_seconds histogram\n",
           "sluice_commit_sync_seconds_bucket{shard=\"0\",le=\"0.0002\"} 0\n",
           "sluice_commit_sync_seconds_bucket{shard=\"0\",le=\"0.0005\"} 1\n",
           "sluice_commit_sync_seconds_bucket{shard=\"0\",le=\"0.05\"} 2\n",
           "sluice_commit_sync_seconds_bucket{shard=\"0\",le=\"10\"} 2\n",
           "sluice_commit_sync_seconds_bucket{shard=\"0\",le=\"+Inf\"} 3\n",
           "sluice_commit_sync_seconds_sum{shard=\"0\"} 30.0303\n",
           "sluice_commit_sync_seconds_count{shard=\"0\"} 3\n",
           "sluice_logins_total{shard=\"0\",mechanism=\"PLAIN\",result=\"success\"} 2\n",
           "sluice_commands_total{shard=\"0\",verb=\"MAIL\"} 0\n",
           "sluice_commands_total{shard=\"0\",verb=\"other\"} 0\n",
           "# TYPE sluice_cpu_seconds_total counter\n",
           "sluice_cpu_seconds_total{shard=\"0\"} 1.5\n",
           "sluice_shard_answered{shard=\"0\"} 1\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

// --- METRICS.md ----------------------------------------------------------------------------------

std::string LabelsText(const Labels& labels) {
  std::string text;
  for (const Label& label : {labels.first, labels.second}) {
    if (label.value == nullptr) continue;
    absl::StrAppend(&text, text.empty() ? "" : "; ", "`", label.name, "`:");
    for (size_t i = 0; i < label.count; i++) absl::StrAppend(&text, " ", label.value(i));
  }
  return text;
}

// The rows of the page are made here: what a failure prints is to be pasted there.
TEST(MetricsPageTest, HasARowForEachFamilyAndNoOther) {
  std::string rows;
  for (const MetricInfo& info : kShardMetrics) {
    absl::StrAppend(&rows, "| `", info.name, "` | ", TypeName(info.kind), " | ",
                    LabelsText(*info.labels), " | ", info.help, " |\n");
  }
  std::ifstream file("core/server/METRICS.md");
  ASSERT_TRUE(file.is_open()) << "runs in the project's folder";
  std::stringstream page;
  page << file.rdbuf();
  const std::string text = page.str();
  const size_t begin = text.find("|---|---|---|---|\n");
  ASSERT_NE(begin, std::string::npos);
  const size_t first = begin + 18;
  EXPECT_EQ(text.substr(first, text.find("\n\n", first) + 1 - first), rows);
}

}  // namespace
}  // namespace sluice::server
