// A run as one page that needs nothing but a browser: charts and tables, light or dark, on a
// telephone too. tools/load/web/report.html is its template.
#ifndef SLUICE_TOOLS_LOAD_HTML_REPORT_H_
#define SLUICE_TOOLS_LOAD_HTML_REPORT_H_

#include <string>
#include <string_view>

#include "tools/load/report.h"

namespace sluice::load {

// The template with scripts and styles in it, made by the build (tools/cmake/EmbedPage.cmake).
extern const std::string_view kReportPage;

// `text`: what people read of it, ToText(report) or more.
std::string ToHtml(const RunReport& report, const std::string& text);

// `page` with @TITLE@, @TEXT@ and @DATA@ filled in. Nothing in them ends the element that they
// stand in: texts come from servers.
std::string FillPage(std::string_view page, std::string_view title, std::string_view text,
                     std::string_view json);

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_HTML_REPORT_H_
