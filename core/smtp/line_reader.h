// LineReader: cuts the client's input into lines at CR LF, and nothing else: a LF alone ends no
// command. A line that arrived whole is a view of the input; only a cut line is copied. One too
// long is skipped to its CR LF and reported once.
#ifndef SLUICE_CORE_SMTP_LINE_READER_H_
#define SLUICE_CORE_SMTP_LINE_READER_H_

#include <cstdint>

#include "core/base/buffer.h"
#include "core/base/bytes.h"

namespace sluice::smtp {

class LineReader {
 public:
  LineReader() = default;
  ~LineReader() { Reset(); }

  enum class Result : uint8_t {
    kPartial,      // all input is consumed; no line yet
    kLine,         // `line` is the next one, without CR LF
    kTooLong,      // a line beyond its bound ended here; its octets are gone
    kAuthTooLong,  // likewise, of an AUTH command or a response
  };

  // Consumes one line. `line` borrows from the input or from `storage` (empty before), which takes
  // a line that was cut: it may be an AUTH, so the caller wipes it. The bound is kAuthLineBytesMax
  // for AUTH and, with `sasl`, for a response; else kCommandLineBytesMax.
  [[nodiscard]] Result Next(ByteView& input, bool sasl, Buffer& storage, ByteView& line);

  // Forgets a partial line.
  void Reset();

 private:
  Buffer partial_;  // the start of a cut line; of one too long, only its last octet
  bool too_long_ = false;
  bool too_long_auth_ = false;  // when too_long_: kAuthTooLong
};

// True when a line holds NUL, CR or LF: none of them belongs in a command.
bool HasForbiddenControl(ByteView line);

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_LINE_READER_H_
