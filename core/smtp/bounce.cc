#include "core/smtp/bounce.h"

#include <algorithm>
#include <string>

#include "core/smtp/trace.h"

namespace sluice::smtp {
namespace {

// A diagnostic is one field, so it stays under the 998 octets of a line (RFC 5322 2.1.1).
constexpr size_t kDiagnosticBytesMax = 900;
constexpr size_t kDiagnosticBytesShort = 160;  // where there is not room for all of them at length
constexpr size_t kRecipientsBytes = size_t{40} << 10;  // what is said of all recipients
constexpr size_t kFramingBytes = 4 << 10;  // everything else but the original's header
static_assert(kBounceHeaderBytesMax + kRecipientsBytes + kFramingBytes <= kBounceBytesMax);

// Text of a peer inside a line of ours: printable ASCII, so that it cannot end the line.
void AppendPrintable(ByteView text, size_t bytes_max, Buffer& out) {
  text = text.substr(0, bytes_max);
  std::transform(text.begin(), text.end(), out.Extend(text.size()),
                 [](char c) { return c >= ' ' && c <= '~' ? c : '?'; });
}

void AppendField(ByteView name, ByteView value, Buffer& out, size_t bytes_max = kDiagnosticBytesMax) {
  out.Append(name);
  AppendPrintable(value, bytes_max, out);
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

// Which recipients the report names, and at what length it tells why.
struct Extent {
  std::span<const BounceRecipient> named;
  size_t diagnostic_bytes;
};

// Of a recipient in both parts.
size_t ReportBytes(const BounceRecipient& recipient, size_t diagnostic_bytes) {
  constexpr size_t kWords = 200;
  return kWords + 2 * (recipient.address.size() + recipient.remote_mta.size() +
                       std::min(recipient.diagnostic.size(), diagnostic_bytes));
}

Extent MeasureRecipients(std::span<const BounceRecipient> recipients) {
  for (const size_t diagnostic_bytes : {kDiagnosticBytesMax, kDiagnosticBytesShort}) {
    size_t bytes = 0;
    size_t fit = 0;
    while (fit < recipients.size()) {
      bytes += ReportBytes(recipients[fit], diagnostic_bytes);
      if (bytes > kRecipientsBytes) break;
      fit++;
    }
    const bool last = diagnostic_bytes == kDiagnosticBytesShort;
    if (fit == recipients.size() || last) return {recipients.first(fit), diagnostic_bytes};
  }
  return {};
}

void AppendExplanation(const BounceInfo& info, const Extent& extent, Buffer& out) {
  out.Append("This is the mail system at host ");
  out.Append(info.hostname);
  out.Append(
      ".\r\n\r\nYour message could not be delivered to the recipients below. No further attempt "
      "will be\r\n"
      "made for them. Its header section is attached.\r\n\r\n");
  for (const BounceRecipient& recipient : extent.named) {
    out.Append('<');
    AppendPrintable(recipient.address, kDiagnosticBytesMax, out);
    out.Append(">:\r\n    ");
    if (!recipient.remote_mta.empty()) {
      out.Append("host ");
      AppendPrintable(recipient.remote_mta, kDiagnosticBytesMax, out);
      out.Append(" said: ");
    }
    AppendPrintable(recipient.diagnostic, extent.diagnostic_bytes, out);
    out.Append("\r\n");
  }
  if (const size_t more = info.recipients.size() - extent.named.size(); more > 0) {
    out.Append("and " + std::to_string(more) + " more recipients, for whom there is no room here.\r\n");
  }
  out.Append("\r\n");
}

// RFC 3464 2.2 and 2.3: fields for the message, then a group of fields for each recipient.
void AppendDeliveryStatus(const BounceInfo& info, const Extent& extent, Buffer& out) {
  DateText arrival;
  AppendField("Reporting-MTA: dns; ", info.hostname, out);
  AppendField("X-Sluice-Queue-ID: ", info.original_id, out);
  AppendField("Arrival-Date: ", arrival.At(info.arrived), out);
  for (const BounceRecipient& recipient : extent.named) {
    out.Append("\r\n");
    AppendField("Final-Recipient: rfc822; ", recipient.address, out);
    out.Append("Action: failed\r\n");
    AppendField("Status: ", recipient.status.empty() ? ByteView("5.0.0") : recipient.status, out);
    if (!recipient.remote_mta.empty()) AppendField("Remote-MTA: dns; ", recipient.remote_mta, out);
    AppendField(
        recipient.remote_mta.empty() ? "Diagnostic-Code: X-Sluice; " : "Diagnostic-Code: smtp; ",
        recipient.diagnostic, out, extent.diagnostic_bytes);
  }
  out.Append("\r\n");
}

}  // namespace

void AppendBounce(const BounceInfo& info, Buffer& out) {
  CHECK(!info.sender.empty());
  const size_t before = out.size();
  const Extent extent = MeasureRecipients(info.recipients);
  const ByteView header = HeaderOf(info.original);
  const std::string boundary = MakeBoundary(info.bounce_id, header);
  const bool eight_bit = std::any_of(header.begin(), header.end(), [](char c) { return c < 0; });

  AppendHeader(info, boundary, eight_bit, out);
  BeginPart(boundary, "text/plain; charset=us-ascii", out);
  out.Append("\r\n");
  AppendExplanation(info, extent, out);
  BeginPart(boundary, "message/delivery-status", out);
  out.Append("\r\n");
  AppendDeliveryStatus(info, extent, out);
  BeginPart(boundary, "text/rfc822-headers", out);
  out.Append(eight_bit ? "Content-Transfer-Encoding: 8bit\r\n\r\n" : "\r\n");
  out.Append(header);
  out.Append("\r\n--");
  out.Append(boundary);
  out.Append("--\r\n");
  CHECK(out.size() - before <= kBounceBytesMax);
}

}  // namespace sluice::smtp
