#include "tools/load/html_report.h"

#include "absl/strings/str_replace.h"

namespace sluice::load {
namespace {

std::string Escape(std::string_view text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
}

}  // namespace

// A marker in what is filled in stays as it is: all are replaced in one pass.
std::string FillPage(std::string_view page, std::string_view title, std::string_view text,
                     std::string_view json) {
  return absl::StrReplaceAll(page, {{"@TITLE@", Escape(title)},
                                    {"@TEXT@", Escape(text)},
                                    {"@DATA@", absl::StrReplaceAll(json, {{"<", "\\u003c"}})}});
}

std::string ToHtml(const RunReport& report, const std::string& text) {
  return FillPage(kReportPage, Title(report.options), text, ToJson(report));
}

}  // namespace sluice::load
