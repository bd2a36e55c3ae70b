#include "core/smtp/bounce.h"

#include <algorithm>
#include <string>

#include "core/smtp/trace.h"

namespace sluice::smtp {
namespace {

// A diagnostic is one field, so it stays under the 998 octets of a line (RFC 5322 2.1.1).
constexpr size_t kDiagnosticBytesMax = 900;

// Text of a peer inside a line of ours: printable ASCII, so that it cannot end the line.
void AppendPrintable(ByteView text, size_t bytes_max, Buffer& out) {
  text = text.substr(0, bytes_max);
  std::transform(text.begin(), text.end(), out.Extend(text.size()),
                 [](char c) { return c >= ' ' && c <= '~' ? c : '?'; });
}

void AppendField(ByteView name, ByteView value, Buffer& out) {
  out.Append(name);
  AppendPrintable(value, kDiagnosticBytesMax, out);
  out.Append("\r\n");
}

// The header section, or as many of its first lines as fit, without the empty line that ends it.
ByteView HeaderOf(ByteView message) {
  size_t bytes = 0;
  while (true) {
    const size_t lf = message.find('\n', bytes);
    if (lf == ByteView::npos || lf + 1 > kBounceHeaderBytesMax) return message.substr(0, bytes);
    const ByteView line = message.substr(bytes, lf + 1 - bytes);
    if (line == "\r\n" || line == "\n") return message.substr(0, bytes);
    bytes = lf + 1;
  }
}

// Unique by the report's queue id. The original may have been written to contain it (it is not
// secret), so it is made to differ from what is in there.
std::string MakeBoundary(ByteView bounce_id, ByteView header) {
  std::string boundary = "=_sluice_" + std::string(bounce_id);
  while (header.find(boundary) != ByteView::npos) boundary += '_';
  return boundary;
}

void BeginPart(ByteView boundary, ByteView type, Buffer& out) {
  out.Append("--");
  out.Append(boundary);
  out.Append("\r\nContent-Type: ");
  out.Append(type);
  out.Append("\r\n");
}

void AppendHeader(const BounceInfo& info, ByteView boundary, bool eight_bit, Buffer& out) {
  out.Append("From: Mail Delivery System <MAILER-DAEMON@");
  out.Append(info.hostname);
  out.Append(">\r\n");
  AppendField("To: <", std::string(info.sender) + ">", out);
  out.Append("Subject: Undelivered mail returned to sender\r\n");
  AppendField("Date: ", info.date, out);
  AppendField("Message-ID: <", std::string(info.bounce_id) + "@" + std::string(info.hostname) + ">",
              out);
  out.Append(
      "Auto-Submitted: auto-replied\r\n"  // RFC 3834
      "MIME-Version: 1.0\r\n");
  if (eight_bit) out.Append("Content-Transfer-Encoding: 8bit\r\n");
  out.Append("Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"");
  out.Append(boundary);
  out.Append("\"\r\n\r\n");
}

void AppendExplanation(const BounceInfo& info, Buffer& out) {
  out.Append("This is the mail system at host ");
  out.Append(info.hostname);
  out.Append(
      ".\r\n\r\nYour message could not be delivered to the recipients below. No further attempt "
      "will be\r\n"
      "made for them. Its header section is attached.\r\n\r\n");
  for (const BounceRecipient& recipient : info.recipients) {
    out.Append('<');
    AppendPrintable(recipient.address, kDiagnosticBytesMax, out);
    out.Append(">:\r\n    ");
    if (!recipient.remote_mta.empty()) {
      out.Append("host ");
      AppendPrintable(recipient.remote_mta, kDiagnosticBytesMax, out);
      out.Append(" said: ");
    }
    AppendPrintable(recipient.diagnostic, kDiagnosticBytesMax, out);
    out.Append("\r\n");
  }
  out.Append("\r\n");
}

// RFC 3464 2.2 and 2.3: fields for the message, then a group of fields for each recipient.
void AppendDeliveryStatus(const BounceInfo& info, Buffer& out) {
  DateText arrival;
  AppendField("Reporting-MTA: dns; ", info.hostname, out);
  AppendField("X-Sluice-Queue-ID: ", info.original_id, out);
  AppendField("Arrival-Date: ", arrival.At(info.arrived), out);
  for (const BounceRecipient& recipient : info.recipients) {
    out.Append("\r\n");
    AppendField("Final-Recipient: rfc822; ", recipient.address, out);
    out.Append("Action: failed\r\n");
    AppendField("Status: ", recipient.status.empty() ? ByteView("5.0.0") : recipient.status, out);
    if (!recipient.remote_mta.empty()) AppendField("Remote-MTA: dns; ", recipient.remote_mta, out);
    AppendField(
        recipient.remote_mta.empty() ? "Diagnostic-Code: X-Sluice; " : "Diagnostic-Code: smtp; ",
        recipient.diagnostic, out);
  }
  out.Append("\r\n");
}

}  // namespace

void AppendBounce(const BounceInfo& info, Buffer& out) {
  CHECK(!info.sender.empty());
  const ByteView header = HeaderOf(info.original);
  const std::string boundary = MakeBoundary(info.bounce_id, header);
  const bool eight_bit = std::any_of(header.begin(), header.end(), [](char c) { return c < 0; });

  AppendHeader(info, boundary, eight_bit, out);
  BeginPart(boundary, "text/plain; charset=us-ascii", out);
  out.Append("\r\n");
  AppendExplanation(info, out);
  BeginPart(boundary, "message/delivery-status", out);
  out.Append("\r\n");
  AppendDeliveryStatus(info, out);
  BeginPart(boundary, "text/rfc822-headers", out);
  out.Append(eight_bit ? "Content-Transfer-Encoding: 8bit\r\n\r\n" : "\r\n");
  out.Append(header);
  out.Append("\r\n--");
  out.Append(boundary);
  out.Append("--\r\n");
}

}  // namespace sluice::smtp
