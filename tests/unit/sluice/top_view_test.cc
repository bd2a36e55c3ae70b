#include "tools/sluice/top_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tools/sluice/stats.h"

namespace sluice {
namespace {

using server::FindMetric;
using server::Snapshot;
using testing::HasSubstr;
using testing::Not;

void Set(Snapshot::Shard& row, std::string_view name, uint64_t value, size_t cell = 0) {
  row.cells[FindMetric(name)->first + cell] = value;
}

Snapshot SnapshotOf(size_t shards, uint64_t uptime) {
  Snapshot snapshot;
  snapshot.version = "1.2.3";
  snapshot.hostname = "submit.example.net";
  snapshot.uptime_seconds = uptime;
  snapshot.process_resident_bytes = 100 << 20;
  snapshot.shards.resize(shards);
  for (Snapshot::Shard& row : snapshot.shards) row.cells.resize(server::kShardCells);
  return snapshot;
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// What stands under each title in a line.
std::map<std::string, std::string> Cells(const std::string& titles, const std::string& line) {
  std::map<std::string, std::string> cells;
  std::istringstream names(titles), values(line);
  for (std::string name, value; names >> name && values >> value;) cells[name] = value;
  return cells;
}

TEST(TopViewTest, RatesAreOfTheTimeBetweenAndGaugesOfNow) {
  Snapshot before = SnapshotOf(2, 10);
  Snapshot now = SnapshotOf(2, 12);
  now.process_cpu_ns = 3'000'000'000;
  Set(before.shards[0], "messages_received_total", 1000);
  Set(now.shards[0], "messages_received_total", 3000);
  Set(now.shards[1], "messages_received_total", 500);
  Set(now.shards[0], "bytes_received_total", 9'000'000);
  Set(before.shards[0], "connections_open", 99);
  Set(now.shards[0], "connections_open", 40'000);
  Set(now.shards[1], "connections_open", 10);
  Set(now.shards[0], "sessions", 39'990, static_cast<size_t>(server::SessionState::kAuthenticated));
  Set(now.shards[0], "sessions", 10, static_cast<size_t>(server::SessionState::kCommitting));
  Set(before.shards[0], "cpu_seconds_total", 1'000'000'000);
  Set(now.shards[0], "cpu_seconds_total", 2'500'000'000);
  Set(now.shards[1], "loop_stalls_total", 4);
  Set(now.shards[0], "commit_records", 10, 4);  // ten batches of 11 to 20, with 150 records
  Set(now.shards[0], "commit_records", 150, FindMetric("commit_records")->cells - 1);
  Set(now.shards[0], "commit_sync_seconds", 10, 8);  // 200 to 500 us
  const std::vector<std::string> lines = LinesOf(RenderTop(before, now, 2.0, {}));
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(
      lines[0],
      "submit.example.net  sluice 1.2.3  up 12s  processor 150%  resident 100 MiB  over 2.0 s");
  const auto all = Cells(lines[1], lines[2]);
  auto first = Cells(lines[1], lines[3]);
  auto second = Cells(lines[1], lines[4]);
  EXPECT_EQ(all.size(), 23u) << lines[2];
  EXPECT_EQ(first["SHARD"], "0");
  EXPECT_EQ(first["MSG/s"], "1000");
  EXPECT_EQ(second["MSG/s"], "250");
  EXPECT_EQ(all.at("MSG/s"), "1250");
  EXPECT_EQ(first["MB/s"], "4.5");
  EXPECT_EQ(first["CONNS"], "40.0k");
  EXPECT_EQ(all.at("CONNS"), "40.0k");
  EXPECT_EQ(first["IDLE"], "40.0k");
  EXPECT_EQ(first["COMMIT"], "10");
  EXPECT_EQ(first["CPU%"], "75");
  EXPECT_EQ(first["BATCH"], "15.0");
  EXPECT_EQ(first["SYNC50"], "350us");
  EXPECT_EQ(first["SYNC99"], "497us");
  EXPECT_EQ(second["SYNC99"], "-");
  EXPECT_EQ(second["STALLS"], "4");
}

TEST(TopViewTest, AServerThatWasStartedAnewCountsFromItsStart) {
  Snapshot before = SnapshotOf(1, 1000);
  Snapshot now = SnapshotOf(1, 1);
  Set(before.shards[0], "messages_received_total", 1'000'000);
  Set(now.shards[0], "messages_received_total", 7);
  const auto lines = LinesOf(RenderTop(before, now, 1.0, {}));
  EXPECT_EQ(Cells(lines[1], lines[2])["MSG/s"], "7");
  EXPECT_EQ(LinesOf(RenderTop(SnapshotOf(3, 5), SnapshotOf(1, 6), 1.0, {})).size(), 4u);
}

TEST(TopViewTest, AShardThatDoesNotAnswerIsMarked) {
  Snapshot now = SnapshotOf(2, 1);
  now.shards[1].answered = false;
  const auto lines = LinesOf(RenderTop(now, now, 1.0, {}));
  EXPECT_THAT(lines[3], HasSubstr("    0 "));
  EXPECT_THAT(lines[4], HasSubstr("   1? "));
}

TEST(TopViewTest, TheWindowIsObeyed) {
  const Snapshot now = SnapshotOf(40, 1);
  for (const size_t columns : {20u, 40u, 80u, 120u, 200u}) {
    for (const size_t lines_max : {1u, 3u, 4u, 5u, 24u, 43u, 60u}) {
      const auto lines = LinesOf(RenderTop(now, now, 1.0, {columns, lines_max}));
      EXPECT_LE(lines.size(), std::max<size_t>(lines_max, 3)) << columns;
      for (const std::string& line : lines) EXPECT_LE(line.size(), columns) << line;
    }
  }
  EXPECT_THAT(RenderTop(now, now, 1.0, {200, 24}),
              HasSubstr("... and 20 shards that do not fit\n"));
  EXPECT_THAT(RenderTop(now, now, 1.0, {200, 43}), Not(HasSubstr("do not fit")));
  const std::string narrow = LinesOf(RenderTop(now, now, 1.0, {40, 24}))[1];
  EXPECT_EQ(narrow, "SHARD  CONNS  MSG/s  CPU%  QUEUE");
}

// --- percentiles ------------------------------------------------------------------------------

TEST(QuantileTest, IsSpreadEvenlyOverItsBucket) {
  Snapshot snapshot = SnapshotOf(1, 1);
  Snapshot::Shard& row = snapshot.shards[0];
  const server::MetricInfo& info = *FindMetric("commit_records");  // 1 2 5 10 20 ...
  EXPECT_EQ(Quantile(info, row, 0.5), 0.0);
  Set(row, "commit_records", 50, 0);
  Set(row, "commit_records", 50, 3);  // 6 to 10
  EXPECT_DOUBLE_EQ(Quantile(info, row, 0.25), 0.5);
  EXPECT_DOUBLE_EQ(Quantile(info, row, 0.5), 1.0);
  EXPECT_DOUBLE_EQ(Quantile(info, row, 0.75), 7.5);
  Set(row, "commit_records", 900, info.bounds.size());  // above the last
  EXPECT_DOUBLE_EQ(Quantile(info, row, 0.99), 5000.0);
  EXPECT_EQ(CountOf(info, row), 1000u);
}

TEST(QuantileTest, TimesAreForPeople) {
  EXPECT_EQ(FormatNanoseconds(340'000), "340us");
  EXPECT_EQ(FormatNanoseconds(1'240'000), "1.2ms");
  EXPECT_EQ(FormatNanoseconds(15'400'000), "15ms");
  EXPECT_EQ(FormatNanoseconds(2'000'000'000), "2.0s");
}

TEST(FormatStatsTest, HasALineForEachFamilyAndTheSharesOfEachShard) {
  Snapshot snapshot = SnapshotOf(2, 5);
  Set(snapshot.shards[0], "connections_total", 3);
  Set(snapshot.shards[1], "connections_total", 4);
  Set(snapshot.shards[1], "commands_total", 6, 1);
  snapshot.shards[1].answered = false;
  const std::string text = FormatStats(snapshot);
  const auto lines = LinesOf(text);
  EXPECT_THAT(lines[1], HasSubstr("shard 1 did not answer"));
  EXPECT_EQ(Cells("name all 0 1", lines[2]),
            (std::map<std::string, std::string>{
                {"name", "connections_total"}, {"all", "7"}, {"0", "3"}, {"1", "4"}}));
  EXPECT_THAT(text, HasSubstr("commands_total RCPT"));
  EXPECT_THAT(text, Not(HasSubstr("commands_total MAIL"))) << "there was none";
  EXPECT_THAT(text, HasSubstr("loop_turn_seconds p99"));
}

}  // namespace
}  // namespace sluice
