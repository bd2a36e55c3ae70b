// What smtp_bench and the instruction counts both work on: a message, its way over the wire, a
// session that is answered.
#ifndef SLUICE_BENCH_SMTP_PARTS_H_
#define SLUICE_BENCH_SMTP_PARTS_H_

#include <string>

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/smtp/dot_stuff.h"
#include "core/smtp/session.h"

namespace sluice::smtp {

inline constexpr char kHeader[] =
    "From: Alice <alice@example.net>\r\n"
    "To: Bob <bob@example.org>\r\n"
    "Subject: a message of the usual kind\r\n"
    "Date: Tue, 24 Nov 2026 03:58:29 +0000\r\n"
    "Message-ID: <0123456789abcdef@example.net>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n"
    "X-Mailer: bench\r\n"
    "\r\n";

// A message of about `bytes`, in lines of 72 octets, one of 16 of which begins with a dot.
inline std::string MakeMessage(size_t bytes) {
  std::string message = kHeader;
  for (int line = 0; message.size() + 72 <= bytes; line++) {
    message += line % 16 == 0 ? '.' : 'x';
    message.append(69, 'y').append("\r\n");
  }
  return message;
}

inline std::string OnTheWire(ByteView content) {
  DotStuffer stuffer;
  Buffer wire;
  stuffer.Append(content, wire);
  stuffer.Finish(wire);
  return std::string(wire.view());
}

inline SessionConfig MakeConfig() {
  SessionOptions options;
  options.hostname = "submit.example.net";
  options.require_auth = false;
  return SessionConfig(options);
}

// Answers yes to everything until all input is consumed.
inline void Feed(Session& session, ByteView input, Buffer& replies) {
  while (true) {
    switch (session.OnInput(input, replies)) {
      case Effect::kMail:
      case Effect::kRcpt:
      case Effect::kData:
        session.Accept(replies);
        break;
      case Effect::kMessage:
        session.Committed("01JDF3QW8Z-0001", replies);
        break;
      case Effect::kBodyPart:
        session.transaction().body.Clear();
        break;
      case Effect::kNone:
        return;
      default:
        break;
    }
  }
}

}  // namespace sluice::smtp

#endif  // SLUICE_BENCH_SMTP_PARTS_H_
