#include "core/smtp/trace.h"

#include <chrono>

namespace sluice::smtp {
namespace {

constexpr char kWeekdays[] = "SunMonTueWedThuFriSat";
constexpr char kMonths[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

char* Put(char* at, ByteView text) { return at + text.copy(at, text.size()); }

char* PutTwoDigits(char* at, unsigned number) {
  *at++ = static_cast<char>('0' + number / 10 % 10);
  *at++ = static_cast<char>('0' + number % 10);
  return at;
}

}  // namespace

ByteView DateText::At(WallTime now) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(now);
  if (whole.time_since_epoch().count() != second_) {
    second_ = whole.time_since_epoch().count();
    const auto day = std::chrono::floor<std::chrono::days>(whole);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(whole - day);
    const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
    char* at = text_;
    at = Put(at, ByteView(kWeekdays).substr(size_t{3} * std::chrono::weekday(day).c_encoding(), 3));
    at = Put(at, ", ");
    at = PutTwoDigits(at, static_cast<unsigned>(date.day()));
    *at++ = ' ';
    at =
        Put(at, ByteView(kMonths).substr(size_t{3} * (static_cast<unsigned>(date.month()) - 1), 3));
    *at++ = ' ';
    at = PutTwoDigits(at, year / 100);
    at = PutTwoDigits(at, year);
    *at++ = ' ';
    at = PutTwoDigits(at, static_cast<unsigned>(time.hours().count()));
    *at++ = ':';
    at = PutTwoDigits(at, static_cast<unsigned>(time.minutes().count()));
    *at++ = ':';
    at = PutTwoDigits(at, static_cast<unsigned>(time.seconds().count()));
    at = Put(at, " +0000");
    DCHECK(at == text_ + kBytes);
  }
  return ByteView(text_, kBytes);
}

ByteView TransmissionType(bool esmtp, bool tls, bool authenticated) {
  if (tls) return authenticated ? "ESMTPSA" : "ESMTPS";
  if (authenticated) return "ESMTPA";
  return esmtp ? "ESMTP" : "SMTP";
}

void AppendTrace(const TraceInfo& info, Buffer& out) {
  out.Append("Received: from ");
  out.Append(info.helo.empty() ? ByteView("unknown") : info.helo);
  // RFC 5321 4.1.3: the address that the connection really came from, as a literal.
  out.Append(info.client_ip.find(':') == ByteView::npos ? " ([" : " ([IPv6:");
  out.Append(info.client_ip);
  out.Append("])\r\n\tby ");
  out.Append(info.hostname);
  out.Append(" (Sluice) with ");
  out.Append(TransmissionType(info.esmtp, !info.tls_version.empty(), info.authenticated));
  if (!info.tls_version.empty()) {
    out.Append(" (");
    out.Append(info.tls_version);
    if (!info.tls_cipher.empty()) out.Append(' ');
    out.Append(info.tls_cipher);
    out.Append(')');
  }
  out.Append(" id ");
  out.Append(info.queue_id);
  out.Append(";\r\n\t");
  out.Append(info.date);
  out.Append("\r\n");
  if (info.add_date) {
    out.Append("Date: ");
    out.Append(info.date);
    out.Append("\r\n");
  }
  if (info.add_message_id) {
    out.Append("Message-ID: <");
    out.Append(info.queue_id);
    out.Append('@');
    out.Append(info.hostname);
    out.Append(">\r\n");
  }
  if (!info.sender.empty()) {
    out.Append("Sender: ");
    out.Append(info.sender);
    out.Append("\r\n");
  }
  if (info.add_separator) out.Append("\r\n");
}

}  // namespace sluice::smtp
