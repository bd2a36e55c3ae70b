// The fields that this server puts in front of a message: Received (RFC 5321 4.4, RFC 3848), and
// Date and Message-ID where the client left them out (RFC 6409 8.2, 8.3). All facts are arguments.
#ifndef SLUICE_CORE_SMTP_TRACE_H_
#define SLUICE_CORE_SMTP_TRACE_H_

#include <cstdint>

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/base/time.h"

namespace sluice::smtp {

// "Tue, 24 Nov 2026 03:58:29 +0000" (RFC 5322 3.3, UTC), made once a second. One a shard.
class DateText {
 public:
  // Valid until the next call.
  ByteView At(WallTime now);

  static constexpr size_t kBytes = 31;

 private:
  int64_t second_ = INT64_MIN;
  char text_[kBytes];
};

struct TraceInfo {
  ByteView helo;         // Session::helo()
  ByteView client_ip;    // "192.0.2.1" or "2001:db8::1"
  ByteView hostname;     // ours
  ByteView queue_id;     // also makes the Message-ID unique
  ByteView date;         // DateText::At
  ByteView tls_version;  // "TLSv1.3"; empty without TLS
  ByteView tls_cipher;   // may be empty
  bool esmtp = true;
  bool authenticated = false;
  bool add_date = false;        // !HeaderFilter::has_date()
  bool add_message_id = false;  // !HeaderFilter::has_message_id()
  ByteView sender;              // of a Sender field to add (RFC 6409 8.1); empty: none
  bool add_separator = false;   // HeaderFilter::needs_separator()
};

// "SMTP", "ESMTP", "ESMTPS", "ESMTPA" or "ESMTPSA" (RFC 3848).
ByteView TransmissionType(bool esmtp, bool tls, bool authenticated);

void AppendTrace(const TraceInfo& info, Buffer& out);

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_TRACE_H_
