#include "tools/load/live_view.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice::load {
namespace {

constexpr size_t kFailuresMax = 6;  // lines of them
constexpr const char* kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

// 1234567 -> "1,234,567"
std::string Grouped(uint64_t number) {
  std::string digits = absl::StrCat(number);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string Clock(Duration duration) {
  const auto total = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  return absl::StrFormat("%02d:%02d:%02d", total / 3600, total / 60 % 60, total % 60);
}

double InMillis(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

// Cuts what is too long for the line. What is not ASCII (the sparkline) fits by its own width, and
// a reply's text with octets of more than one column is cut a little early.
std::string Line(std::string text, size_t columns) {
  const bool ascii =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 127; });
  if (!ascii) {
    for (char& c : text) {
      if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';  // no control of the terminal
    }
  }
  if (text.size() > columns) {
    text.resize(columns);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80)
      text.pop_back();
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0) text.pop_back();
  }
  return text + "\n";
}

std::string Progress(const LiveFrame& frame) {
  std::string text = Clock(frame.elapsed);
  if (frame.planned > Duration(0)) absl::StrAppend(&text, " of ", Clock(frame.planned));
  return text;
}

}  // namespace

std::string Sparkline(const std::deque<double>& values, size_t width) {
  const size_t count = std::min(values.size(), width);
  const auto begin = values.end() - static_cast<std::ptrdiff_t>(count);
  const double most = count == 0 ? 0 : *std::max_element(begin, values.end());
  std::string line;
  for (auto value = begin; value != values.end(); ++value) {
    const double share = most > 0 ? std::clamp(*value / most, 0.0, 1.0) : 0;
    line += kBlocks[std::lround(share * 7)];
  }
  return line;
}

std::string Render(const LiveFrame& frame, size_t columns) {
  columns = std::max<size_t>(columns, 40);
  const double now = frame.rates.empty() ? 0 : frame.rates.back();
  const double seconds = std::chrono::duration<double>(frame.elapsed).count();
  const double mean = seconds > 0 ? static_cast<double>(frame.accepted) / seconds : 0;

  std::string text = Line(absl::StrCat(Progress(frame), "  ", frame.title), columns);
  const std::string rate = absl::StrFormat("rate         %s a second (mean %s)  ",
                                           Grouped(std::llround(now)), Grouped(std::llround(mean)));
  // The sparkline's characters are one column and three octets each.
  text += rate;
  if (columns > rate.size()) text += Sparkline(frame.rates, columns - rate.size());
  text += '\n';
  std::string counts = absl::StrFormat("%-12s %s accepted", frame.unit, Grouped(frame.accepted));
  if (frame.planned_count > 0) absl::StrAppend(&counts, " of ", Grouped(frame.planned_count));
  absl::StrAppend(&counts, ", ", Grouped(frame.failed), " failures; ", Grouped(frame.open), " of ",
                  Grouped(frame.connections), " sessions open");
  text += Line(counts, columns);
  if (frame.latency.count() > 0) {
    const auto at = [&](double quantile) { return InMillis(frame.latency.Quantile(quantile)); };
    text +=
        Line(absl::StrFormat("%-12s p50 %.3f  p90 %.3f  p99 %.3f  max %.3f ms", frame.latency_of,
                             at(0.5), at(0.9), at(0.99), InMillis(frame.latency.max())),
             columns);
  } else {
    text += Line(absl::StrFormat("%-12s nothing answered in the last second", frame.latency_of),
                 columns);
  }
  text += Line(absl::StrFormat("generator    CPU %.2f cores, %d threads", frame.generator_cores,
                               frame.generator_threads),
               columns);
  if (frame.server) {
    std::string server =
        absl::StrFormat("server       CPU %.2f cores, %.1f MiB", frame.server_cores,
                        static_cast<double>(frame.server_rss_bytes) / (1 << 20));
    if (frame.server_cores > 0) {
      absl::StrAppend(&server, ", ", Grouped(std::llround(now / frame.server_cores)), " ",
                      frame.unit, " a CPU second");
    }
    text += Line(server, columns);
  }

  std::vector<std::pair<std::pair<Phase, int>, Failure>> failures(frame.failures.begin(),
                                                                  frame.failures.end());
  std::stable_sort(failures.begin(), failures.end(),
                   [](const auto& a, const auto& b) { return a.second.count > b.second.count; });
  for (size_t i = 0; i < failures.size() && i < kFailuresMax; i++) {
    const auto& [where, failure] = failures[i];
    const std::string code = where.second == 0 ? "" : absl::StrCat(" ", where.second);
    text += Line(absl::StrFormat("%-12s %-16s%10s  %s", i == 0 ? "failures" : "",
                                 absl::StrCat(Name(where.first), code), Grouped(failure.count),
                                 failure.text),
                 columns);
  }
  if (failures.size() > kFailuresMax) {
    text += Line(absl::StrCat("             and ", failures.size() - kFailuresMax, " other kinds"),
                 columns);
  }
  return text;
}

}  // namespace sluice::load
