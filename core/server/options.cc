// Reading sluice.toml: a visitor of the key table fills Options from the parsed file and collects
// every problem with its place, so that an operator mends a file in one go.
#include "core/server/options.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "auth/mechanism.h"
#include "core/server/options_check.h"
#include "core/server/options_keys.h"

namespace sluice::server {
namespace {

struct Place {
  uint32_t line = 1;
  uint32_t column = 1;
};

Place PlaceOf(const toml::source_region& region) {
  if (!region.begin) return {};
  return {region.begin.line, region.begin.column};
}

// "listener[1].address" to "listener.address": the place tells which one.
std::string WithoutIndexes(std::string_view path) {
  std::string out;
  bool inside = false;
  for (const char c : path) {
    if (c == '[') inside = true;
    if (!inside) out += c;
    if (c == ']') inside = false;
  }
  return out;
}

// "listener[1].address" to "listener".
std::string TopOf(std::string_view path) {
  return std::string(path.substr(0, path.find_first_of("[.")));
}

class Problems {
 public:
  explicit Problems(const std::string& file) : file_(file) {}

  void Add(Place place, std::string_view key, std::string_view text) {
    list_.push_back(
        {place, key.empty() ? std::string(text) : absl::StrCat(WithoutIndexes(key), ": ", text)});
    tables_.insert(TopOf(key));
  }
  bool empty() const { return list_.empty(); }
  const std::set<std::string>& Tables() const { return tables_; }

  // In the order of the file.
  absl::Status ToStatus() {
    std::stable_sort(list_.begin(), list_.end(), [](const Problem& a, const Problem& b) {
      return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
    });
    std::string text;
    for (const Problem& p : list_) {
      absl::StrAppend(&text, text.empty() ? "" : "\n", file_, ":", p.place.line, ":",
                      p.place.column, ": ", p.text);
    }
    return absl::InvalidArgumentError(text);
  }

 private:
  struct Problem {
    Place place;
    std::string text;
  };
  const std::string& file_;
  std::vector<Problem> list_;
  std::set<std::string> tables_;  // top parts of the keys that have a problem
};

// All full names, "limits.message_bytes", for advice.
class NameCollector : public KeyVisitor {
 public:
  void Key(std::string_view name, Value&&, std::string_view) override {
    names.push_back(absl::StrCat(prefix_, name));
  }
  void Table(std::string_view name, const std::function<void(KeyVisitor&)>& keys) override {
    prefix_ = absl::StrCat(name, ".");
    keys(*this);
    prefix_.clear();
  }
  void Tables(std::string_view name, TableList&& list) override {
    list.Add();
    Table(name, [&](KeyVisitor& v) { list.Visit(list.size() - 1, v); });
  }

  std::vector<std::string> names;

 private:
  std::string prefix_;
};

class Reader : public KeyVisitor {
 public:
  Reader(const toml::table& root, std::string folder, Problems* problems)
      : table_(&root), folder_(std::move(folder)), problems_(problems) {}

  void Key(std::string_view name, Value&& value, std::string_view) override {
    const toml::node* node = Find(name);
    if (node == nullptr) return;
    if (auto problem = value.Read(*node, folder_)) {
      problems_->Add(PlaceOf(problem->at->source()), absl::StrCat(prefix_, name), problem->text);
    }
  }

  void Table(std::string_view name, const std::function<void(KeyVisitor&)>& keys) override {
    const toml::node* node = Find(name);
    if (node == nullptr) return;
    if (const toml::table* table = node->as_table()) {
      Inside(*table, absl::StrCat(prefix_, name), [&] { keys(*this); });
    } else {
      problems_->Add(PlaceOf(node->source()), name,
                     absl::StrCat("is no table, expected [", name, "]"));
    }
  }

  void Tables(std::string_view name, TableList&& list) override {
    const toml::node* node = Find(name);
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr || !array->is_homogeneous(toml::node_type::table)) {
      problems_->Add(PlaceOf(node->source()), name,
                     absl::StrCat("is no list of tables, expected [[", name, "]]"));
      return;
    }
    for (size_t i = 0; i < array->size(); i++) {
      list.Add();
      Inside(*(*array)[i].as_table(), absl::StrCat(name, "[", i, "]"),
             [&] { list.Visit(i, *this); });
    }
  }

  // Tells the keys of the table just visited that nobody asked for.
  void ReportUnknown() {
    for (const auto& [key, node] : *table_) {
      if (std::find(known_.begin(), known_.end(), key.str()) != known_.end()) continue;
      problems_->Add(PlaceOf(key.source()), absl::StrCat(prefix_, key.str()), Advice(key.str()));
    }
  }

  // Where the value of `path` stands; else where the nearest table around it begins.
  Place Where(std::string path) const {
    while (true) {
      if (const auto place = places_.find(path); place != places_.end()) return place->second;
      const size_t dot = path.rfind('.');
      if (dot == std::string::npos) return {};
      path.resize(dot);
    }
  }
  bool Given(const std::string& path) const { return places_.contains(path); }

 private:
  const toml::node* Find(std::string_view name) {
    known_.push_back(name);
    const toml::node* node = table_->get(name);
    if (node != nullptr) places_[absl::StrCat(prefix_, name)] = PlaceOf(node->source());
    return node;
  }

  template <typename Visit>
  void Inside(const toml::table& table, const std::string& path, Visit visit) {
    places_[path] = PlaceOf(table.source());
    const toml::table* outer_table = std::exchange(table_, &table);
    std::string outer_prefix = std::exchange(prefix_, absl::StrCat(path, "."));
    std::vector<std::string_view> outer_known = std::exchange(known_, {});
    visit();
    ReportUnknown();
    table_ = outer_table;
    prefix_ = std::move(outer_prefix);
    known_ = std::move(outer_known);
  }

  // The nearest key of this table; else the same key of another one, since whatever follows a
  // [table] line belongs to that table.
  std::string Advice(std::string_view key) const {
    const std::string_view near = Nearest(key, known_);
    if (!near.empty()) return absl::StrCat("is not a key, did you mean \"", near, "\"?");
    Options scratch;
    NameCollector all;
    VisitKeys(scratch, all);
    for (const std::string& name : all.names) {
      const size_t dot = name.find('.');
      if (std::string_view(name).substr(dot == std::string::npos ? 0 : dot + 1) != key) continue;
      return dot == std::string::npos
                 ? absl::StrCat("is not a key of this table, did you mean \"", name,
                                "\" before the first [table]?")
                 : absl::StrCat("is not a key here, did you mean \"", name, "\"?");
    }
    return absl::StrCat("is not a key, expected ", QuotedList(known_));
  }

  const toml::table* table_;
  const std::string folder_;
  Problems* problems_;
  std::string prefix_;
  std::vector<std::string_view> known_;  // keys of table_ that were asked for
  std::map<std::string, Place> places_;
};

void Fill(const toml::table& root, const std::string& path, Options* options, Problems* problems) {
  Reader reader(root, std::filesystem::absolute(path).parent_path().string(), problems);
  VisitKeys(*options, reader);
  reader.ReportUnknown();

  for (size_t i = 0; i < options->listener.size(); i++) {
    ListenerOptions& listener = options->listener[i];
    const std::string where = absl::StrCat("listener[", i, "].");
    if (!reader.Given(where + "mechanisms")) listener.mechanisms = options->auth.mechanisms;
    if (!reader.Given(where + "mechanisms_clear"))
      listener.mechanisms_clear = options->auth.mechanisms_clear;
    if (!reader.Given(where + "channel_binding"))
      listener.channel_binding = options->auth.channel_binding;
  }
  for (size_t i = 0; i < options->shard.size(); i++) {
    const std::string where = absl::StrCat("shard[", i, "].");
    if (!reader.Given(where + "index")) {
      problems->Add(reader.Where(where + "index"), where + "index", "is missing, expected the shard's number, from 0");
    }
    for (const Tunable& tunable : Tunables()) {
      if (!reader.Given(absl::StrCat(where, tunable.name))) tunable.inherit(options->shard[i].tuning, *options);
    }
  }
  // Where a table has a value that could not be read, more would only be talk about that value's
  // default.
  const std::set<std::string> doubtful = problems->Tables();
  CheckOptions(*options, [&](const std::string& where, const std::string& text) {
    if (!doubtful.contains(TopOf(where))) problems->Add(reader.Where(where), where, text);
  });
  if (options->auth.digest_realm.empty()) options->auth.digest_realm = options->hostname;
}

}  // namespace

std::vector<std::string> MechanismsUnderTls(const ListenerOptions& listener) {
  std::vector<std::string> offered;
  for (const std::string& name : listener.mechanisms) {
    const auto plus = auth::PlusOf(*auth::FindMechanism(name));
    if (plus.has_value() && listener.channel_binding) offered.emplace_back(auth::Info(*plus).name);
    offered.push_back(name);
  }
  return offered;
}

auth::MechanismSet ConfiguredMechanisms(const Options& options) {
  auth::MechanismSet set;
  const auto add = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names)
      set.Add(*auth::FindMechanism(name));  // LoadOptions knows them all
  };
  for (const ListenerOptions& listener : options.listener) {
    if (listener.mode != ListenerMode::kPlain) add(listener.mechanisms);
    if (listener.mode != ListenerMode::kImplicit) add(listener.mechanisms_clear);
  }
  if (set.empty()) {
    add(options.auth.mechanisms);
    add(options.auth.mechanisms_clear);
  }
  return set;
}

bool TakesTokens(const Options& options) {
  const auth::MechanismSet configured = ConfiguredMechanisms(options);
  const auto mechanisms = auth::Mechanisms();
  return std::any_of(mechanisms.begin(), mechanisms.end(), [&](const auth::MechanismInfo& info) {
    return info.token && configured.Has(info.mechanism);
  });
}

absl::StatusOr<Options> ParseOptions(std::string_view text, const std::string& path) {
  Problems problems(path);
  Options options;
  try {
    Fill(toml::parse(text, path), path, &options, &problems);
  } catch (const toml::parse_error& error) {
    problems.Add(PlaceOf(error.source()), "",
                 absl::StrCat("this is not TOML: ", error.description()));
  }
  if (!problems.empty()) return problems.ToStatus();
  return options;
}

absl::StatusOr<Options> LoadOptions(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file) {
    const int error = errno;
    const absl::Status status =
        absl::ErrnoToStatus(error, absl::StrCat(path, ": cannot read the configuration"));
    if (!absl::IsNotFound(status)) return status;
    return absl::NotFoundError(
        absl::StrCat(status.message(), "; `sluice init` makes one, --config names another"));
  }
  return ParseOptions(text.str(), path);
}

std::string RefusalToServe(const Options& options, uint32_t effective_uid) {
  if (effective_uid != 0 || !options.user.empty()) return "";
  return "user: is missing and this is root; expected the account to become once the ports are "
         "bound, such as "
         "user = \"sluice\" (user = \"root\" stays root)";
}

}  // namespace sluice::server
