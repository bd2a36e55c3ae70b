// Options as TOML: every key with the value in force, for `sluice check --show`. An array of tables
// that has none is shown as a comment, with the defaults of a first one.
#include "absl/strings/str_cat.h"
#include "core/server/options.h"
#include "core/server/options_keys.h"

namespace sluice::server {
namespace {

class Printer : public KeyVisitor {
 public:
  void Key(std::string_view name, Value&& value, std::string_view doc) override {
    const std::string text = value.Show();
    const std::string line = text.empty() ? absl::StrCat("# ", name, " is not given")
                                          : absl::StrCat(comment_, name, " = ", text);
    absl::StrAppend(&out, line,
                    std::string(line.size() < kDocColumn ? kDocColumn - line.size() : 1, ' '), "# ",
                    doc, "\n");
  }
  void Table(std::string_view name, const std::function<void(KeyVisitor&)>& keys) override {
    absl::StrAppend(&out, "\n[", name, "]\n");
    keys(*this);
  }
  void Tables(std::string_view name, TableList&& list) override {
    if (list.size() == 0) {
      list.Add();
      comment_ = "# ";
      absl::StrAppend(&out, "\n# [[", name, "]]\n");
      list.Visit(0, *this);
      comment_.clear();
      return;
    }
    for (size_t i = 0; i < list.size(); i++) {
      absl::StrAppend(&out, "\n[[", name, "]]\n");
      list.Visit(i, *this);
    }
  }

  std::string out;

 private:
  static constexpr size_t kDocColumn = 44;
  std::string comment_;  // begins each line
};

}  // namespace

std::string ShowOptions(const Options& options) {
  Options copy = options;  // visitors may write
  Printer printer;
  VisitKeys(copy, printer);
  return std::move(printer.out);
}

}  // namespace sluice::server
