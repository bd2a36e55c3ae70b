#include "core/server/tuning.h"

#include <tuple>

#include "absl/strings/str_cat.h"
#include "core/server/options.h"
#include "core/server/options_values.h"

namespace sluice::server {
namespace {

template <typename Kind, typename Field, typename... Bounds>
std::unique_ptr<Value> Make(Field* field, std::tuple<Bounds...> bounds) {
  return std::apply([&](auto... bound) { return std::make_unique<Kind>(field, bound...); }, bounds);
}

constexpr Tunable kTunables[] = {
#define SLUICE_LINE(name, type, table, key, kind, bounds, help)                                         \
  {#name, #table, #key, help, [](Tuning& t) { return Make<kind>(&t.name, std::tuple bounds); },         \
   [](Options& o) { return Make<kind>(&o.table.key, std::tuple bounds); },                              \
   [](Tuning& t, const Options& o) { t.name = o.table.key; }},
    SLUICE_TUNABLES(SLUICE_LINE)
#undef SLUICE_LINE
};

}  // namespace

std::span<const Tunable> Tunables() { return kTunables; }

const Tunable* FindTunable(std::string_view name) {
  for (const Tunable& tunable : kTunables) {
    if (tunable.name == name) return &tunable;
  }
  return nullptr;
}

std::string ShowTunable(const Tunable& tunable, Tuning tuning) { return tunable.own(tuning)->Show(); }

std::string ReadTunable(const Tunable& tunable, std::string_view text, Tuning& tuning) {
  toml::table line;
  try {
    if (text.find('\n') == std::string_view::npos) line = toml::parse(absl::StrCat("v = ", text));
  } catch (const toml::parse_error&) {  // text without its quotes
  }
  if (!line.contains("v")) line.insert("v", std::string(text));
  const auto problem = tunable.own(tuning)->Read(*line.get("v"), "");
  return problem ? problem->text : "";
}

Tuning TuningOf(const Options& options, uint32_t shard) {
  for (const ShardOptions& own : options.shard) {
    if (own.index == shard) return own.tuning;
  }
  Tuning tuning;
  for (const Tunable& tunable : kTunables) tunable.inherit(tuning, options);
  return tuning;
}

void CheckTuning(const Tuning& tuning, const Options& options, const TuningReport& report) {
  if (tuning.batch_bytes % 4096 != 0) report("batch_bytes", "is not a multiple of 4K");
  if (tuning.batch_bytes > options.queue.segment_bytes / 4) {
    report("batch_bytes", "is above a quarter of queue.segment_bytes");
  }
}

}  // namespace sluice::server
