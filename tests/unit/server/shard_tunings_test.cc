#include "core/server/shard_tunings.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/server/options_values.h"

namespace sluice::server {
namespace {

using nlohmann::json;

constexpr std::string_view kMinimal = R"(hostname = "a.example"
relay = {next_hop = ["discard"]}
[[listener]]
address = "127.0.0.1:1"
mode = "plain"
)";

Options Parse(std::string_view more) {
  const auto options = ParseOptions(std::string(kMinimal) + std::string(more), "f");
  EXPECT_TRUE(options.ok()) << options.status();
  return options.ok() ? *options : Options();
}

std::string ProblemsOf(std::string_view more) {
  const auto options = ParseOptions(std::string(kMinimal) + std::string(more), "f");
  return options.ok() ? "" : std::string(options.status().message());
}

TEST(TuningTest, AShardHasWhatAllHaveButForItsOwn) {
  const Options options = Parse(
      "[queue]\nbatch_wait = \"1ms\"\n[io]\ncore = \"any\"\n"
      "[[shard]]\nindex = 1\nbatch_wait = \"3ms\"\naccept_weight = 0\n");
  EXPECT_EQ(TuningOf(options, 0).batch_wait, milliseconds(1));
  EXPECT_EQ(TuningOf(options, 0).accept_weight, 100u);
  EXPECT_EQ(TuningOf(options, 1).batch_wait, milliseconds(3));
  EXPECT_EQ(TuningOf(options, 1).accept_weight, 0u);
  EXPECT_EQ(TuningOf(options, 1).core, kCoreAny);
  EXPECT_EQ(TuningOf(options, 1).sessions, options.limits.sessions);
}

TEST(TuningTest, WhatShowsReadsBackForEachValue) {
  const Tuning tuning = TuningOf(Parse(""), 0);
  for (const Tunable& tunable : Tunables()) {
    Tuning read;
    EXPECT_EQ(ReadTunable(tunable, ShowTunable(tunable, tuning), read), "") << tunable.name;
    EXPECT_EQ(ShowTunable(tunable, read), ShowTunable(tunable, tuning)) << tunable.name;
  }
}

TEST(TuningTest, ValuesMayBeTypedBare) {
  Tuning tuning;
  EXPECT_EQ(ReadTunable(*FindTunable("batch_wait"), "2ms", tuning), "");
  EXPECT_EQ(tuning.batch_wait, milliseconds(2));
  EXPECT_EQ(ReadTunable(*FindTunable("batch_bytes"), "128K", tuning), "");
  EXPECT_EQ(tuning.batch_bytes, 128 * kKiB);
  EXPECT_EQ(ReadTunable(*FindTunable("core"), "any", tuning), "");
  EXPECT_EQ(tuning.core, kCoreAny);
  EXPECT_EQ(ReadTunable(*FindTunable("core"), "1", tuning), "");
  EXPECT_EQ(tuning.core, 1);
  EXPECT_EQ(ReadTunable(*FindTunable("sessions"), "0", tuning), "0 is out of range, expected a number from 1 to 10000000");
  EXPECT_EQ(ReadTunable(*FindTunable("core"), "-1", tuning),
            "-1 is out of range, expected the number of a core, \"auto\" or \"any\"");
  EXPECT_EQ(ReadTunable(*FindTunable("sessions"), "1\nx = 2", tuning), "is text, expected a number from 1 to 10000000");
}

TEST(TuningTest, ShardsInTheFileAreChecked) {
  EXPECT_EQ(ProblemsOf("[[shard]]\nsessions = 5\n"), "f:6:1: shard.index: is missing, expected the shard's number, from 0");
  EXPECT_EQ(ProblemsOf("[[shard]]\nindex = 0\n[[shard]]\nindex = 0\n"), "f:9:9: shard.index: 0 is that of shard[0] too");
  EXPECT_EQ(ProblemsOf("[[shard]]\nindex = 0\nbatch_bytes = \"32M\"\n"),
            "f:8:15: shard.batch_bytes: is above a quarter of queue.segment_bytes");
  EXPECT_EQ(ProblemsOf("[[shard]]\nindex = 0\nreceive_buffers = 100\n"),
            "f:8:19: shard.receive_buffers: is not a power of two");
  EXPECT_EQ(ProblemsOf("[io]\naccept_weight = 0\n"),
            "f:7:17: io.accept_weight: is 0 for every shard: nobody would take a connection");
  EXPECT_EQ(ProblemsOf("[io]\naccept_weight = 0\n[[shard]]\nindex = 0\naccept_weight = 1\n"), "");
  EXPECT_EQ(ProblemsOf("[io]\ncompletion_entries = 512\n"), "f:7:22: io.completion_entries: is below io.submission_entries");
}

class ShardTuningsTest : public testing::Test {
 protected:
  std::string Refused(const ShardTunings& tunings, const std::string& request) {
    const auto changes = tunings.Plan(request);
    return changes.ok() ? "" : std::string(changes.status().message());
  }

  void Set(ShardTunings& tunings, const std::string& request) {
    const auto changes = tunings.Plan(request);
    ASSERT_TRUE(changes.ok()) << changes.status();
    answer_ = json::parse(tunings.Commit(request, *changes));
  }

  json answer_;
};

TEST_F(ShardTuningsTest, OneShardOrAllAreChangedWithOldAndNew) {
  const Options options = Parse("");
  ShardTunings tunings(options, 2, {0, 1});
  Set(tunings, R"({"shard":1,"values":{"batch_wait":"2ms"}})");
  EXPECT_EQ(answer_.dump(), R"({"changes":[{"name":"batch_wait","new":"2ms","old":"0s","shard":1}]})");
  EXPECT_EQ(tunings.of(0).batch_wait, Duration(0));
  EXPECT_EQ(tunings.of(1).batch_wait, milliseconds(2));
  Set(tunings, R"({"values":{"queue.batch_wait":"1ms","handshake_steps":4}})");
  EXPECT_EQ(answer_["changes"].size(), 4u);
  EXPECT_EQ(tunings.of(0).batch_wait, milliseconds(1));
  EXPECT_EQ(tunings.of(1).handshake_steps, 4u);
}

TEST_F(ShardTuningsTest, WhatIsWrongIsToldAtOnceAndChangesNothing) {
  const Options options = Parse("[limits]\nsessions = 1000\n");
  ShardTunings tunings(options, 2, {0, 1});
  const Tuning before = tunings.of(0);
  EXPECT_EQ(Refused(tunings, R"({"values":{"handshake_steps":4,"batch_wait":"9s","sesions":1,"shards":3}})"),
            "batch_wait: \"9s\" is out of range, expected \"0s\" to \"1s\"\n"
            "sesions: is not a value of a shard, did you mean \"sessions\"?\n"
            "shards: is fixed while the server runs; change it in the configuration and restart");
  EXPECT_EQ(Refused(tunings, R"({"shard":0,"values":{"sessions":1001,"core":7,"batch_bytes":"32M"}})"),
            "shard 0: batch_bytes: is above a quarter of queue.segment_bytes\n"
            "sessions: 1001 is above 1000, which there is room for since the start; for more, raise limits.sessions and "
            "restart\n"
            "core: 7 is not among the cores that this process may use: 0, 1");
  EXPECT_EQ(Refused(tunings, R"({"shard":2,"values":{"sessions":1}})"), "shard: 2 is none, expected 0 to 1 or \"all\"");
  EXPECT_EQ(Refused(tunings, R"({"shard":-1,"values":{"sessions":1}})"), "shard: -1 is none, expected 0 to 1 or \"all\"");
  EXPECT_EQ(Refused(tunings, R"({"values":{}})"), "values: there is none, expected one at least");
  for (const char* text : {"", "{", "[]", "7", R"({"values":7})"}) {
    EXPECT_EQ(Refused(tunings, text), "expected {\"shard\":0,\"values\":{\"batch_wait\":\"2ms\"}}") << text;
  }
  EXPECT_EQ(tunings.of(0), before);
}

TEST_F(ShardTuningsTest, AllAreListedLiveAndFixed) {
  const Options options = Parse("");
  const ShardTunings tunings(options, 3, {0});
  const json told = json::parse(tunings.Json());
  EXPECT_EQ(told["shards"], 3);
  bool seen_live = false, seen_fixed = false;
  for (const json& tunable : told["tunables"]) {
    EXPECT_EQ(tunable["values"].size(), tunable["live"] ? 3u : 1u) << tunable;
    seen_live |= tunable["name"] == "accept_weight" && tunable["values"][2] == 100;
    seen_fixed |= tunable["name"] == "io.submission_entries" && !tunable["live"];
  }
  EXPECT_TRUE(seen_live);
  EXPECT_TRUE(seen_fixed);
}

TEST_F(ShardTuningsTest, TheTomlKeepsWhatWasSet) {
  const Options options = Parse("");
  ShardTunings tunings(options, 3, {0, 1});
  EXPECT_EQ(tunings.Toml(), "# Every value is as configured.\n");
  Set(tunings, R"({"values":{"batch_wait":"1ms","batch_bytes":"512K","handshake_steps":8}})");
  Set(tunings, R"({"shard":1,"values":{"accept_weight":0,"core":1}})");
  Set(tunings, R"({"shard":2,"values":{"handshake_steps":32}})");
  EXPECT_EQ(tunings.Toml(),
            "# In force now. These keys, in tables that may be there already, keep it after a restart.\n"
            "[queue]\nbatch_bytes = \"512K\"\nbatch_wait = \"1ms\"\n"
            "[[shard]]\nindex = 0\nhandshake_steps = 8\n"
            "[[shard]]\nindex = 1\nhandshake_steps = 8\naccept_weight = 0\ncore = 1\n"
            "[[shard]]\nindex = 2\nhandshake_steps = 32\n");
  const Options kept = Parse(tunings.Toml());
  for (uint32_t i = 0; i < 3; i++) EXPECT_EQ(TuningOf(kept, i), tunings.of(i)) << i;
}

TEST_F(ShardTuningsTest, ValuesOfOneShardInTheFileDoNotHideACommonOne) {
  const Options options = Parse("[[shard]]\nindex = 0\nbatch_wait = \"5ms\"\n");
  ShardTunings tunings(options, 2, {0, 1});
  Set(tunings, R"({"values":{"batch_wait":"1ms"}})");
  const std::string toml = tunings.Toml();
  EXPECT_NE(toml.find("no other [[shard]] is to stay"), std::string::npos) << toml;
  const Options kept = Parse(toml);
  for (uint32_t i = 0; i < 2; i++) EXPECT_EQ(TuningOf(kept, i), tunings.of(i)) << i;
}

TEST_F(ShardTuningsTest, WhatThisMachineLacksStopsTheStart) {
  const Options options = Parse("[[shard]]\nindex = 2\ncore = 5\n[[shard]]\nindex = 1\ncore = 5\n");
  const ShardTunings tunings(options, 2, {0, 1});
  EXPECT_EQ(tunings.Refusal(),
            "[[shard]] index = 2: there are 2 shards here, expected an index below that\n"
            "shard 1: core: 5 is not among the cores that this process may use: 0, 1");
  EXPECT_EQ(tunings.CoreOf(0), 0);
}

}  // namespace
}  // namespace sluice::server
