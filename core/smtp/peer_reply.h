// A server's reply as a client reads it (RFC 5321 4.2): one or more lines with the same code.
// Reading is tolerant where servers in the field are careless (LF alone, no text), and bounded:
// text is kept up to kPeerReplyTextBytesMax for logs and bounces, the rest is skipped.
#ifndef SLUICE_CORE_SMTP_PEER_REPLY_H_
#define SLUICE_CORE_SMTP_PEER_REPLY_H_

#include <cstdint>

#include "core/base/buffer.h"
#include "core/base/bytes.h"

namespace sluice::smtp {

// RFC 3463: "5.1.1". Class 0: the reply had none.
struct EnhancedStatus {
  uint8_t status_class = 0;
  uint16_t subject = 0;
  uint16_t detail = 0;
  bool operator==(const EnhancedStatus&) const = default;
};

// Takes an enhanced code from the front of `text`, with one blank behind it, when its class is
// `status_class`; else leaves the text and returns class 0.
EnhancedStatus TakeEnhancedStatus(ByteView& text, int status_class);

class PeerReply {
 public:
  enum class Result : uint8_t {
    kPartial,    // all input is consumed
    kLine,       // a line that has successors: line() is its text
    kComplete,   // the last line: line() is its text, code() and text() are the whole reply's
    kMalformed,  // no SMTP reply, or too many lines
  };

  // Consumes one line. After kComplete the next line begins a new reply.
  [[nodiscard]] Result Next(ByteView& input);

  int code() const { return code_; }
  bool positive() const { return code_ >= 200 && code_ < 400; }
  bool transient() const { return code_ >= 400 && code_ < 500; }
  bool permanent() const { return code_ >= 500; }
  EnhancedStatus enhanced() const { return enhanced_; }  // of the first line
  // The text of the line just read, as it came. Borrows from its input too: valid until either
  // changes.
  ByteView line() const { return line_; }
  // All lines' text joined by blanks, enhanced codes included, in printable ASCII. Valid until
  // Next.
  ByteView text() const { return text_.view(); }

 private:
  Result OnLine(ByteView line);
  void AppendText(ByteView text);

  Buffer partial_;  // the start of a cut line
  Buffer text_;
  ByteView line_;
  uint32_t lines_ = 0;
  uint16_t code_ = 0;
  EnhancedStatus enhanced_;
  bool line_taken_ = false;  // the line in `partial_` was handed out
  bool complete_ = true;
};

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_PEER_REPLY_H_
