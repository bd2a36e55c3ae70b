// BodyReader: finds the end of a message after DATA and undoes the transparency of RFC 5321 4.5.2.
//
// Only CR LF "." CR LF ends a message, wherever the input is cut; every other spelling is content.
// That is the defence against SMTP smuggling: two servers must never disagree where a message ends.
// A LF without CR becomes CR LF or is a fault; a CR without LF and a NUL are always faults. After a
// fault the reader goes on to the end of the message, so that the reply comes where the client
// expects it, and keeps nothing.
//
// Not here: header fields (header_filter.h), replies (session.h). Clean text is found 64 octets at
// a time and copied in runs.
#ifndef SLUICE_CORE_SMTP_BODY_READER_H_
#define SLUICE_CORE_SMTP_BODY_READER_H_

#include <cstdint>

#include "core/base/buffer.h"
#include "core/base/bytes.h"

namespace sluice::smtp {

enum class BareLf : uint8_t { kNormalize, kReject };

enum class BodyFault : uint8_t { kNone, kBareCr, kBareLf, kNul, kTooBig };

class BodyReader {
 public:
  struct Options {
    BareLf bare_lf = BareLf::kNormalize;
    uint64_t bytes_max = UINT64_MAX;  // of content; beyond it is the fault kTooBig
  };

  explicit BodyReader(const Options& options) : options_(options) {}

  // Consumes input and appends content to `out`. Returns true when the end was consumed; what
  // follows it stays in `input`. Returns false when all input is consumed, or `out` holds
  // `out_bytes_max` or more (it may be passed by less than what was read). After a fault content is
  // counted, not appended.
  [[nodiscard]] bool Read(ByteView& input, Buffer& out, size_t out_bytes_max = kBufferBytesMax);

  BodyFault fault() const { return fault_; }
  // The line, counted from 1, on which the first bare LF was refused. REQUIRES: fault() == kBareLf.
  uint64_t fault_line() const { return lines_ + 1; }
  // Octets of content so far, those dropped after a fault included.
  uint64_t bytes() const { return bytes_; }

  // Bounds the content by `bytes_max` where that is less than it was.
  void LimitBytes(uint64_t bytes_max) {
    options_.bytes_max = std::min(options_.bytes_max, bytes_max);
  }
  // From now on content is dropped, as after a fault: the message is refused for another reason.
  void Drop() { drop_ = true; }
  bool dropping() const { return drop_; }

 private:
  // What has been consumed ends with:
  enum class State : uint8_t {
    kLineStart,  // CR LF, or nothing yet
    kText,       // something inside a line
    kCr,         // a CR inside a line, not yet appended
    kDot,        // a dot at the start of a line, dropped
    kDotCr,      // that dot and a CR
  };

  const char* ReadText(const char* p, const char* end, Buffer& out);
  void Keep(ByteView content, Buffer& out);
  void Fail(BodyFault fault);

  Options options_;
  uint64_t bytes_ = 0;
  uint64_t lines_ = 0;  // counted only where a bare LF is refused
  State state_ = State::kLineStart;
  BodyFault fault_ = BodyFault::kNone;
  bool drop_ = false;
};

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_BODY_READER_H_
