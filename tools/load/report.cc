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

const char* AuthName(smtp::ClientOptions::Auth auth) {
  switch (auth) {
    case smtp::ClientOptions::Auth::kNone:
      return "none";
    case smtp::ClientOptions::Auth::kPlain:
      return "PLAIN";
    case smtp::ClientOptions::Auth::kLogin:
      return "LOGIN";
  }
  return "";
}

std::string RecipientsText(const RunOptions& options) {
  if (options.recipients_min == options.recipients) return absl::StrCat(options.recipients);
  return absl::StrCat(options.recipients_min, " to ", options.recipients);
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
  if (IsBottleneck(report, report.busiest)) {
    to +=
        "WARNING      the generator was the bottleneck: give it more --threads, or measure the "
        "server's CPU\n";
  } else if (IsBottleneck(report, report.busiest + report.starved)) {
    absl::StrAppendFormat(
        &to,
        "WARNING      the generator waited for a core %.0f%% of the time: the machine was full\n",
        report.starved * 100);
  }
}

}  // namespace

double Seconds(const Results& results) {
  if (results.last_answer <= results.first_connect) return 0;
  return InSeconds(results.last_answer - results.first_connect);
}

std::string ToText(const RunReport& report) {
  const Results& results = report.results;
  const RunOptions& options = report.options;
  const double seconds = Seconds(results);
  std::string text = absl::StrFormat("%d connections, TLS %s, AUTH %s", options.connections,
                                     TlsName(options.tls), AuthName(options.auth));
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
      {"mechanism", AuthName(options.auth)},
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
        {"bottleneck", IsBottleneck(report, report.busiest)}}},
  };
  for (const auto& [where, failure] : results.failures) {
    json["failures"].push_back({{"phase", Name(where.first)},
                                {"code", where.second},
                                {"count", failure.count},
                                {"text", failure.text}});
  }
  return json.dump(2) + "\n";
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
