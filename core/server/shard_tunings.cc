#include "core/server/shard_tunings.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/server/options_keys.h"

namespace sluice::server {
namespace {

using JsonValue = nlohmann::ordered_json;

// What a shard is made of once: told here too, so that nobody looks for it in vain.
constexpr std::string_view kStatic[] = {
    "shards",           "auth.remember_entries",     "queue.segment_bytes",    "queue.memory_bytes",
    "limits.held_bytes", "limits.body_bytes",         "io.disable",             "io.receive_buffer_bytes",
    "io.submission_entries", "io.completion_entries",
};

// Gives those of kStatic with value and help.
class StaticKeys : public KeyVisitor {
 public:
  void Key(std::string_view name, Value&& value, std::string_view help) override {
    const std::string key = absl::StrCat(table_, name);
    if (std::find(std::begin(kStatic), std::end(kStatic), key) == std::end(kStatic)) return;
    found.push_back({{"name", key}, {"key", key}, {"live", false}, {"help", std::string(help)},
                     {"values", JsonValue::array({JsonValue::parse(value.Show())})}});
  }
  void Table(std::string_view name, const std::function<void(KeyVisitor&)>& keys) override {
    table_ = absl::StrCat(name, ".");
    keys(*this);
    table_.clear();
  }
  void Tables(std::string_view, TableList&&) override {}

  std::vector<JsonValue> found;

 private:
  std::string table_;
};

std::string KeyOf(const Tunable& tunable) { return absl::StrCat(tunable.table, ".", tunable.key); }

// Numbers and texts are written alike in TOML and JSON.
JsonValue JsonOf(const Tunable& tunable, const Tuning& tuning) {
  return JsonValue::parse(ShowTunable(tunable, tuning));
}

// "batch_wait" or "queue.batch_wait".
const Tunable* Find(std::string_view name) {
  for (const Tunable& tunable : Tunables()) {
    if (tunable.name == name || KeyOf(tunable) == name) return &tunable;
  }
  return nullptr;
}

std::string WhyNot(std::string_view name) {
  if (std::find(std::begin(kStatic), std::end(kStatic), name) != std::end(kStatic)) {
    return absl::StrCat(name, ": is fixed while the server runs; change it in the configuration and restart");
  }
  std::vector<std::string_view> known;
  for (const Tunable& tunable : Tunables()) known.push_back(tunable.name);
  const std::string_view near = Nearest(name, known);
  return absl::StrCat(name, ": is not a value of a shard, ",
                      near.empty() ? absl::StrCat("expected ", QuotedList(known)) : absl::StrCat("did you mean \"", near, "\"?"));
}

struct Request {
  std::optional<uint32_t> shard;  // without: all
  std::vector<std::pair<std::string, std::string>> values;
};

std::string TextOf(const JsonValue& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

absl::StatusOr<Request> Parse(std::string_view text, uint32_t shards) {
  const JsonValue json = JsonValue::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto bad = [](std::string why) { return absl::InvalidArgumentError(why); };
  if (!json.is_object() || !json.contains("values") || !json["values"].is_object()) {
    return bad("expected {\"shard\":0,\"values\":{\"batch_wait\":\"2ms\"}}");
  }
  Request request;
  const JsonValue shard = json.value("shard", JsonValue("all"));
  if (shard.is_number_unsigned() && shard.get<uint64_t>() < shards) {
    request.shard = shard.get<uint32_t>();
  } else if (shard != "all") {
    return bad(absl::StrCat("shard: ", shard.dump(), " is none, expected 0 to ", shards - 1, " or \"all\""));
  }
  for (const auto& [name, value] : json["values"].items()) request.values.emplace_back(name, TextOf(value));
  if (request.values.empty()) return bad("values: there is none, expected one at least");
  return request;
}

}  // namespace

ShardTunings::ShardTunings(const Options& options, uint32_t shards, std::vector<int> cores)
    : options_(options), cores_(std::move(cores)) {
  for (uint32_t i = 0; i < shards; i++) start_.push_back(TuningOf(options, i));
  now_ = start_;
}

int ShardTunings::CoreOf(uint32_t shard) const {
  const int32_t core = now_[shard].core;
  return core == kCoreAuto ? cores_[shard % cores_.size()] : core;
}

std::string ShardTunings::Refusal() const {
  std::string problems;
  for (const ShardOptions& own : options_.shard) {
    if (own.index < shards()) continue;
    absl::StrAppend(&problems, "[[shard]] index = ", own.index, ": there are ", shards(),
                    " shards here, expected an index below that\n");
  }
  for (uint32_t i = 0; i < shards(); i++) {
    const std::string problem = CheckLive(now_[i], i);
    if (!problem.empty()) absl::StrAppend(&problems, "shard ", i, ": ", problem, "\n");
  }
  if (!problems.empty()) problems.pop_back();
  return problems;
}

// One problem a line.
std::string ShardTunings::CheckLive(const Tuning& tuning, uint32_t shard) const {
  std::vector<std::string> problems;
  const auto report = [&](std::string_view name, const std::string& text) {
    problems.push_back(absl::StrCat(name, ": ", text));
  };
  // What is sized at start.
  const auto bound = [&](std::string_view name, uint32_t value, uint32_t most, std::string_view key) {
    if (value <= most) return;
    report(name, absl::StrCat(value, " is above ", most, ", which there is room for since the start; for more, raise ",
                              key, " and restart"));
  };
  const Tuning& start = start_[shard];
  CheckTuning(tuning, options_, report);
  bound("sessions", tuning.sessions, start.sessions, "limits.sessions");
  bound("receive_buffers", tuning.receive_buffers, start.receive_buffers, "io.receive_buffers");
  bound("relay_connections", tuning.relay_connections, std::max(start.relay_connections, kRelayConnectionsRoom),
        "relay.connections");
  if (tuning.core >= 0 && std::find(cores_.begin(), cores_.end(), tuning.core) == cores_.end()) {
    report("core", absl::StrCat(tuning.core, " is not among the cores that this process may use: ",
                                absl::StrJoin(cores_, ", ")));
  }
  return absl::StrJoin(problems, "\n");
}

std::string ShardTunings::Json() const {
  JsonValue::array_t tunables;
  for (const Tunable& tunable : Tunables()) {
    JsonValue::array_t values;
    for (const Tuning& tuning : now_) values.push_back(JsonOf(tunable, tuning));
    tunables.push_back({{"name", tunable.name}, {"key", KeyOf(tunable)}, {"live", true}, {"help", tunable.help},
                        {"values", std::move(values)}});
  }
  StaticKeys fixed;
  Options copy = options_;  // visitors may write
  VisitKeys(copy, fixed);
  tunables.insert(tunables.end(), fixed.found.begin(), fixed.found.end());
  return JsonValue{{"shards", shards()}, {"tunables", std::move(tunables)}, {"toml", Toml()}}.dump();
}

std::string ShardTunings::Toml() const {
  Options copy = options_;
  std::vector<std::string> own(now_.size());  // the lines of each [[shard]]
  std::string common, table;
  for (const Tunable& tunable : Tunables()) {
    const auto show = [&](const Tuning& tuning) { return ShowTunable(tunable, tuning); };
    const std::string configured = tunable.common(copy)->Show(), first = show(now_[0]);
    const bool alike = std::all_of(now_.begin(), now_.end(), [&](const Tuning& t) { return show(t) == first; });
    if (alike && first != configured) {
      if (table != tunable.table) absl::StrAppend(&common, "[", tunable.table, "]\n");
      table = tunable.table;
      absl::StrAppend(&common, tunable.key, " = ", first, "\n");
    }
    for (size_t i = 0; !alike && i < now_.size(); i++) {
      if (show(now_[i]) != configured) absl::StrAppend(&own[i], tunable.name, " = ", show(now_[i]), "\n");
    }
  }
  std::string shards;
  for (size_t i = 0; i < own.size(); i++) {
    if (!own[i].empty()) absl::StrAppend(&shards, "[[shard]]\nindex = ", i, "\n", own[i]);
  }
  const bool had_own = !options_.shard.empty();
  if (now_ == start_) return "# Every value is as configured.\n";
  return absl::StrCat("# In force now. These keys, in tables that may be there already, keep it after a restart",
                      had_own ? ";\n# no other [[shard]] is to stay" : "", ".\n", common, shards);
}

absl::StatusOr<std::vector<ShardTunings::Change>> ShardTunings::Plan(std::string_view text) const {
  const auto request = Parse(text, shards());
  if (!request.ok()) return request.status();
  std::vector<std::string> problems;
  std::vector<Change> changes;
  for (uint32_t i = 0; i < shards(); i++) {
    if (!request->shard || *request->shard == i) changes.push_back({i, now_[i]});
  }
  for (const auto& [name, value] : request->values) {
    const Tunable* tunable = Find(name);
    if (tunable == nullptr) {
      problems.push_back(WhyNot(name));
      continue;
    }
    std::string problem;
    for (Change& change : changes) problem = ReadTunable(*tunable, value, change.tuning);
    if (!problem.empty()) problems.push_back(absl::StrCat(name, ": ", problem));
  }
  for (size_t i = 0; problems.empty() && i < changes.size(); i++) {
    const std::string problem = CheckLive(changes[i].tuning, changes[i].shard);
    if (!problem.empty()) problems.push_back(absl::StrCat("shard ", changes[i].shard, ": ", problem));
  }
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
  return changes;
}

std::string ShardTunings::Commit(std::string_view text, const std::vector<Change>& changes) {
  const auto request = Parse(text, shards());
  JsonValue::array_t told;
  for (const Change& change : changes) {
    for (const auto& [name, value] : request->values) {
      const Tunable& tunable = *Find(name);
      told.push_back({{"shard", change.shard}, {"name", tunable.name},
                      {"old", JsonOf(tunable, now_[change.shard])}, {"new", JsonOf(tunable, change.tuning)}});
    }
    now_[change.shard] = change.tuning;
  }
  return JsonValue{{"changes", std::move(told)}}.dump();
}

}  // namespace sluice::server
