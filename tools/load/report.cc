#include "tools/load/report.h"

#include <cerrno>
#include <cstdio>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice::load {
namespace {

using Json = nlohmann::ordered_json;

struct Quantile {
  const char* name;
  double share;
};
constexpr Quantile kQuantiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}};

// Above this a thread has no time to send more: the server may well have had. Processor time is too
// coarse to tell it of a short run.
constexpr double kBottleneck = 0.95;
constexpr double kTellingSeconds = 0.5;

double InSeconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }
double InMillis(Duration duration) { return InSeconds(duration) * 1e3; }

bool IsBottleneck(const RunReport& report, double share) {
  return share > kBottleneck && Seconds(report.results) >= kTellingSeconds;
}

double PerSecond(uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

const char* TlsName(RunOptions::Tls tls) {
  switch (tls) {
    case RunOptions::Tls::kNone:
      return "none";
    case RunOptions::Tls::kStartTls:
      return "starttls";
    case RunOptions::Tls::kImplicit:
      return "implicit";
  }
  return "";
}

const char* PipeliningName(RunOptions::Pipelining pipelining) {
  switch (pipelining) {
    case RunOptions::Pipelining::kOff:
      return "off";
    case RunOptions::Pipelining::kAuto:
      return "auto";
    case RunOptions::Pipelining::kDeep:
      return "deep";
  }
  return "";
}

const char* ModeName(RunOptions::Mode mode) {
  switch (mode) {
    case RunOptions::Mode::kRun:
      return "run";
    case RunOptions::Mode::kLogin:
      return "login";
    case RunOptions::Mode::kIdle:
      return "idle";
  }
  return "";
}

const char* ArrivalsName(Arrivals arrivals) {
  return arrivals == Arrivals::kPoisson ? "poisson" : "fixed";
}

std::string_view AuthName(const RunOptions& options) {
  return options.mechanism.has_value() ? auth::Info(*options.mechanism).name : "none";
}

std::string RecipientsText(const RunOptions& options) {
  if (options.recipients_min == options.recipients) return absl::StrCat(options.recipients);
  return absl::StrCat(options.recipients_min, " to ", options.recipients);
}

const char* Unit(const RunOptions& options) {
  return options.mode == RunOptions::Mode::kRun ? "messages" : "logins";
}

double ServerCores(const ServerUsage& server) {
  const double wall = InSeconds(server.wall);
  return wall > 0 ? InSeconds(server.busy()) / wall : 0;
}

// Messages, or logins, of a second of the server's CPU.
double DoneACpuSecond(const RunReport& report) {
  const bool messages = report.options.mode == RunOptions::Mode::kRun;
  return PerSecond(messages ? report.results.accepted : report.results.logins,
                   InSeconds(report.server->busy()));
}

// In an open loop the generator may be late without being busy: its figures are then of itself.
bool IsLate(const RunReport& report) {
  const Results& results = report.results;
  const Duration lag = results.lag.Quantile(0.99);
  return results.scheduled.count() > 0 && lag > milliseconds(1) &&
         lag * 4 > results.scheduled.Quantile(0.99);
}

void AppendLatency(const char* name, const Histogram& histogram, std::string& to) {
  if (histogram.count() == 0) return;
  absl::StrAppendFormat(&to, "%-12s", name);
  for (const Quantile& quantile : kQuantiles) {
    absl::StrAppendFormat(&to, "%10.3f", InMillis(histogram.Quantile(quantile.share)));
  }
  absl::StrAppendFormat(&to, "%10.3f\n", InMillis(histogram.max()));
}

Json LatencyJson(const Histogram& histogram) {
  Json json = {{"count", histogram.count()}, {"mean", InMillis(histogram.mean())}};
  for (const Quantile& quantile : kQuantiles) {
    json[quantile.name] = InMillis(histogram.Quantile(quantile.share));
  }
  json["max"] = InMillis(histogram.max());
  return json;
}

void AppendFailures(const Results& results, std::string& to) {
  if (results.failures.empty()) {
    to += "failures     none\n";
    return;
  }
  const char* title = "failures";
  for (const auto& [where, failure] : results.failures) {
    const std::string code = where.second == 0 ? "" : absl::StrFormat(" %d", where.second);
    absl::StrAppendFormat(&to, "%-12s %-16s%10d  %s\n", title, Name(where.first) + code,
                          failure.count, failure.text);
    title = "";
  }
}

void AppendOpenLoop(const RunReport& report, std::string& to) {
  const Results& results = report.results;
  if (report.options.rate == 0) return;
  absl::StrAppendFormat(
      &to, "open loop    %g a second offered, arrivals %s; largest backlog %d, never sent %d\n",
      report.options.rate, ArrivalsName(report.options.arrivals), results.backlog_max,
      results.unsent);
}

void AppendGenerator(const RunReport& report, std::string& to) {
  absl::StrAppendFormat(
      &to, "generator    CPU %.2f s (user %.2f, system %.2f); busiest thread %.0f%% of the time\n",
      InSeconds(report.cpu.busy()), InSeconds(report.cpu.user), InSeconds(report.cpu.system),
      report.busiest * 100);
  if (IsLate(report)) {
    absl::StrAppendFormat(
        &to,
        "WARNING      the generator itself was late (p99 of lag %.3f ms): give it "
        "more --threads, or a lower --rate\n",
        InMillis(report.results.lag.Quantile(0.99)));
  }
  if (IsBottleneck(report, report.busiest)) {
    to +=
        "WARNING      the generator was the bottleneck: give it more --threads, or measure the "
        "server's CPU\n";
  } else if (IsBottleneck(report, report.hindered)) {
    absl::StrAppendFormat(
        &to,
        "WARNING      the generator waited for a core %.0f%% of the time: the machine was full\n",
        report.starved * 100);
  }
}

void AppendServer(const RunReport& report, std::string& to) {
  if (!report.server.has_value()) return;
  const ServerUsage& server = *report.server;
  absl::StrAppendFormat(
      &to,
      "server       CPU %.2f s (user %.2f, system %.2f); %.0f%% of a core; %s; at most %.1f MiB\n",
      InSeconds(server.busy()), InSeconds(server.user), InSeconds(server.system),
      100 * ServerCores(server),
      absl::StrFormat("%.0f %s a CPU second", DoneACpuSecond(report), Unit(report.options)),
      static_cast<double>(server.rss_bytes_max) / (1 << 20));
  if (server.ended) to += "WARNING      the server ended before the run did\n";
}

Json ServerJson(const RunReport& report) {
  if (!report.server.has_value()) return nullptr;
  const ServerUsage& server = *report.server;
  return {{"cpu_seconds", InSeconds(server.busy())},
          {"user_seconds", InSeconds(server.user)},
          {"system_seconds", InSeconds(server.system)},
          {"cores", ServerCores(server)},
          {"accepted_per_cpu_second", DoneACpuSecond(report)},
          {"rss_bytes_max", server.rss_bytes_max},
          {"ended", server.ended}};
}

// Columns, as charts want them.
Json SeriesJson(const RunReport& report) {
  const Series& series = report.results.series;
  const double width = InSeconds(series.width());
  Json json = {{"width_seconds", width},        {"latency", LatencyName(report.options)},
               {"second", Json::array()},       {"started", Json::array()},
               {"accepted", Json::array()},     {"failed", Json::array()},
               {"p50_ms", Json::array()},       {"p99_ms", Json::array()},
               {"max_ms", Json::array()},       {"generator_cores", Json::array()},
               {"server_cores", Json::array()}, {"server_rss_bytes", Json::array()}};
  double second = 0;
  for (const SeriesSlot& slot : series.slots()) {
    json["second"].push_back(second);
    second += width;
    json["started"].push_back(slot.started);
    json["accepted"].push_back(slot.accepted);
    json["failed"].push_back(slot.failed);
    const bool answered = slot.latency.count() > 0;
    const auto latency = [&](Duration value) { return answered ? Json(InMillis(value)) : Json(); };
    json["p50_ms"].push_back(latency(slot.latency.Quantile(0.5)));
    json["p99_ms"].push_back(latency(slot.latency.Quantile(0.99)));
    json["max_ms"].push_back(latency(slot.latency.max()));
    json["generator_cores"].push_back(InSeconds(slot.generator_cpu) / width);
    if (!report.server.has_value()) continue;
    json["server_cores"].push_back(InSeconds(slot.server_cpu) / width);
    json["server_rss_bytes"].push_back(slot.server_rss_bytes > 0 ? Json(slot.server_rss_bytes)
                                                                 : Json());
  }
  return json;
}

}  // namespace

std::string Title(const RunOptions& options) {
  std::string title = absl::StrCat("sluice-load ", ModeName(options.mode));
  if (!options.to.empty()) absl::StrAppend(&title, " to ", options.to.front().ToString());
  if (options.to.size() > 1) absl::StrAppend(&title, " and ", options.to.size() - 1, " more");
  absl::StrAppend(&title, ", TLS ", TlsName(options.tls), ", AUTH ", AuthName(options));
  if (options.rate > 0) absl::StrAppend(&title, ", ", options.rate, " a second offered");
  return title;
}

const char* LatencyName(const RunOptions& options) {
  if (options.rate > 0) return "scheduled";
  return options.mode == RunOptions::Mode::kRun ? "answer" : "login";
}

const Histogram& MainLatency(const RunReport& report) {
  if (report.options.rate > 0) return report.results.scheduled;
  return report.options.mode == RunOptions::Mode::kRun ? report.results.answer
                                                       : report.results.login;
}

Measured ForBounds(const RunReport& report) {
  const Results& results = report.results;
  const Histogram& latency = MainLatency(report);
  const bool messages = report.options.mode == RunOptions::Mode::kRun;
  const uint64_t not_accepted = results.refused + results.unanswered;
  return {.latency_name = LatencyName(report.options),
          .answers = latency.count(),
          .p99 = latency.Quantile(0.99),
          .p99_9 = latency.Quantile(0.999),
          .started = messages ? results.accepted + not_accepted : results.connections,
          .failed = results.failed(),
          .rate = PerSecond(messages ? results.accepted : results.logins, Seconds(results))};
}

double Seconds(const Results& results) {
  if (results.last_answer <= results.first_connect) return 0;
  return InSeconds(results.last_answer - results.first_connect);
}

Json SoakJson(const RunReport& report) {
  Json json = {{"samples", Json::array()}, {"drifts", Json::array()}};
  for (const SoakSample& sample : report.soak) {
    json["samples"].push_back({{"at_seconds", InSeconds(sample.at)},
                               {"accepted", sample.accepted},
                               {"accepted_per_second", sample.rate},
                               {"p50_ms", InMillis(sample.p50)},
                               {"p99_ms", InMillis(sample.p99)},
                               {"failed", sample.failed},
                               {"server_cores", sample.server_cores},
                               {"rss_bytes", sample.rss_bytes},
                               {"pss_bytes", sample.pss_bytes},
                               {"descriptors", sample.descriptors}});
  }
  for (const Drift& drift : report.drifts) {
    json["drifts"].push_back({{"figure", drift.name},
                              {"unit", drift.unit},
                              {"mean", drift.trend.mean()},
                              {"per_hour", drift.trend.per_hour()},
                              {"margin", drift.trend.margin()},
                              {"told", drift.trend.told()},
                              {"sure", drift.trend.sure()},
                              {"grows", drift.trend.grows()}});
  }
  return json;
}

std::string ToText(const RunReport& report) {
  const Results& results = report.results;
  const RunOptions& options = report.options;
  const double seconds = Seconds(results);
  std::string text = absl::StrFormat("%d connections, TLS %s, AUTH %s", options.connections,
                                     TlsName(options.tls), AuthName(options));
  if (options.mode == RunOptions::Mode::kRun) {
    absl::StrAppendFormat(&text, ", messages of %d bytes%s to %s recipients, pipelining %s",
                          report.content_bytes, options.sizes.fixed() ? "" : " (mean)",
                          RecipientsText(options), PipeliningName(options.pipelining));
  }
  text += '\n';
  if (options.mode == RunOptions::Mode::kRun) {
    absl::StrAppendFormat(&text, "accepted     %d in %.3f s: %.0f a second, %.1f MiB/s\n",
                          results.accepted, seconds, PerSecond(results.accepted, seconds),
                          PerSecond(results.bytes, seconds) / (1 << 20));
    absl::StrAppendFormat(&text, "not accepted %d refused, %d unanswered\n", results.refused,
                          results.unanswered);
  }
  AppendOpenLoop(report, text);
  absl::StrAppendFormat(&text, "logins       %d of %d connections; %d lost\n", results.logins,
                        results.connections, results.logins_lost);
  if (options.mode == RunOptions::Mode::kLogin) {
    absl::StrAppendFormat(&text, "             in %.3f s: %.0f a second\n", seconds,
                          PerSecond(results.logins, seconds));
  }
  if (options.mode == RunOptions::Mode::kIdle) {
    absl::StrAppendFormat(&text, "held         %d sessions to the end; %d NOOPs sent\n",
                          results.survivors, results.keepalives);
  }
  if (results.handshakes > 0) {
    absl::StrAppendFormat(&text, "handshakes   %d, of them %d resumed\n", results.handshakes,
                          results.resumed);
  }
  if (results.login.count() > 0) {
    absl::StrAppendFormat(&text, "%-12s%10s%10s%10s%10s%10s%10s\n", "ms", "p50", "p90", "p99",
                          "p99.9", "p99.99", "max");
  }
  AppendLatency("scheduled", results.scheduled, text);
  AppendLatency("lag", results.lag, text);
  AppendLatency("login", results.login, text);
  AppendLatency("answer", results.answer, text);
  AppendLatency("transaction", results.transaction, text);
  AppendFailures(results, text);
  AppendGenerator(report, text);
  AppendServer(report, text);
  text += ToText(report.drifts);
  for (const std::string& missed : report.missed) {
    absl::StrAppend(&text, "MISSED       ", missed, "\n");
  }
  return text;
}

std::string ToJson(const RunReport& report) {
  const Results& results = report.results;
  const RunOptions& options = report.options;
  const double seconds = Seconds(results);
  Json json = {
      {"run", absl::StrFormat("%08x", options.run)},
      {"mode", ModeName(options.mode)},
      {"connections", options.connections},
      {"threads", options.threads},
      {"tls", TlsName(options.tls)},
      {"mechanism", AuthName(options)},
      {"pipelining", PipeliningName(options.pipelining)},
      {"message_bytes", report.content_bytes},
      {"recipients", options.recipients},
      {"recipients_min", options.recipients_min},
      {"accepted", results.accepted},
      {"refused", results.refused},
      {"unanswered", results.unanswered},
      {"bytes", results.bytes},
      {"seconds", seconds},
      {"accepted_per_second", PerSecond(results.accepted, seconds)},
      {"connections_tried", results.connections},
      {"logins", results.logins},
      {"logins_lost", results.logins_lost},
      {"logins_per_second", PerSecond(results.logins, seconds)},
      {"survivors", results.survivors},
      {"keepalives", results.keepalives},
      {"handshakes", results.handshakes},
      {"handshakes_resumed", results.resumed},
      {"open_loop",
       {{"rate", options.rate},
        {"arrivals", ArrivalsName(options.arrivals)},
        {"backlog_max", results.backlog_max},
        {"unsent", results.unsent}}},
      {"latency_ms",
       {{"login", LatencyJson(results.login)},
        {"answer", LatencyJson(results.answer)},
        {"transaction", LatencyJson(results.transaction)},
        {"scheduled", LatencyJson(results.scheduled)},
        {"lag", LatencyJson(results.lag)}}},
      {"failed", results.failed()},
      {"failures", Json::array()},
      {"generator",
       {{"cpu_seconds", InSeconds(report.cpu.busy())},
        {"user_seconds", InSeconds(report.cpu.user)},
        {"system_seconds", InSeconds(report.cpu.system)},
        {"busiest_thread", report.busiest},
        {"waited_for_core", report.starved},
        {"late", IsLate(report)},
        {"bottleneck", IsBottleneck(report, report.busiest) || IsLate(report)}}},
      {"server", ServerJson(report)},
      {"bounds_missed", report.missed},
      {"series", SeriesJson(report)},
  };
  if (options.every > Duration(0)) json["soak"] = SoakJson(report);
  for (const auto& [where, failure] : results.failures) {
    json["failures"].push_back({{"phase", Name(where.first)},
                                {"code", where.second},
                                {"count", failure.count},
                                {"text", failure.text}});
  }
  // Replies of servers may be anything: what is no UTF-8 is replaced.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string ToCsv(const RunReport& report) {
  const Series& series = report.results.series;
  const double width = InSeconds(series.width());
  std::string csv =
      "second,started,accepted,failed,p50_ms,p99_ms,max_ms,generator_cores,server_cores,"
      "server_rss_bytes\n";
  double second = 0;
  for (const SeriesSlot& slot : series.slots()) {
    absl::StrAppendFormat(&csv, "%g,%d,%d,%d,", second, slot.started, slot.accepted, slot.failed);
    second += width;
    if (slot.latency.count() > 0) {
      absl::StrAppendFormat(&csv, "%.3f,%.3f,%.3f,", InMillis(slot.latency.Quantile(0.5)),
                            InMillis(slot.latency.Quantile(0.99)), InMillis(slot.latency.max()));
    } else {
      csv += ",,,";
    }
    absl::StrAppendFormat(&csv, "%.3f,", InSeconds(slot.generator_cpu) / width);
    if (report.server.has_value()) {
      absl::StrAppendFormat(&csv, "%.3f,", InSeconds(slot.server_cpu) / width);
      if (slot.server_rss_bytes > 0) absl::StrAppend(&csv, slot.server_rss_bytes);
      csv += '\n';
    } else {
      csv += ",\n";
    }
  }
  return csv;
}

absl::Status WriteFileOrOutput(const std::string& file, const std::string& text) {
  std::FILE* out = file == "-" ? stdout : std::fopen(file.c_str(), "we");
  if (out == nullptr) return absl::ErrnoToStatus(errno, file);
  const bool written =
      std::fwrite(text.data(), 1, text.size(), out) == text.size() && std::fflush(out) == 0;
  const int error = errno;
  if (out != stdout) std::fclose(out);
  return written ? absl::OkStatus() : absl::ErrnoToStatus(error, file);
}

}  // namespace sluice::load
