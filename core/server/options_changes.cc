// Which keys differ between two configurations: what a reload has to say.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/server/options.h"
#include "core/server/options_keys.h"

namespace sluice::server {
namespace {

// Every key with its value as TOML; a list of tables counts as one.
class Collector : public KeyVisitor {
 public:
  void Key(std::string_view name, Value&& value, std::string_view) override {
    keys.emplace_back(absl::StrCat(table_, name), value.Show());
  }
  void Table(std::string_view name, const std::function<void(KeyVisitor&)>& visit) override {
    table_ = absl::StrCat(name, ".");
    visit(*this);
    table_.clear();
  }
  void Tables(std::string_view name, TableList&& list) override {
    Collector inside;
    for (size_t i = 0; i < list.size(); i++) list.Visit(i, inside);
    std::string all;
    for (const auto& [key, value] : inside.keys) absl::StrAppend(&all, key, "=", value, "\n");
    keys.emplace_back(absl::StrCat("[[", name, "]]"), std::move(all));
  }

  std::vector<std::pair<std::string, std::string>> keys;

 private:
  std::string table_;
};

Collector Collect(Options options) {  // a copy: visitors may write
  Collector collector;
  VisitKeys(options, collector);
  return collector;
}

}  // namespace

std::vector<std::string> ChangedKeys(const Options& from, const Options& to) {
  const Collector before = Collect(from), after = Collect(to);  // the same keys in the same order
  std::vector<std::string> changed;
  for (size_t i = 0; i < before.keys.size(); i++) {
    if (before.keys[i].second != after.keys[i].second) changed.push_back(before.keys[i].first);
  }
  return changed;
}

}  // namespace sluice::server
