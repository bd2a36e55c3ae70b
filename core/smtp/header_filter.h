// HeaderFilter: walks the header section of a message that is still arriving, and does what a
// submission server owes it (RFC 6409 section 8): notes which fields are there, counts Received,
// and removes Bcc, Resent-Bcc and Return-Path with their continuation lines. Every other octet
// stays as it is.
//
// It works on the buffer that the body reader fills: the buffer must keep the whole header section
// until done(). A line is judged when it is complete, so the answer does not depend on where input
// was cut. Field syntax is that of RFC 5322 with the obsolete white space before the colon. The
// section ends at an empty line, or before the first line that is no field: then the body begins
// there.
#ifndef SLUICE_CORE_SMTP_HEADER_FILTER_H_
#define SLUICE_CORE_SMTP_HEADER_FILTER_H_

#include <cstdint>

#include "core/base/buffer.h"

namespace sluice::smtp {

class HeaderFilter {
 public:
  // `bytes_max`: for the section as it is kept, with the line that ends it.
  explicit HeaderFilter(uint32_t bytes_max = UINT32_MAX) : bytes_max_(bytes_max) {}

  // Judges the lines that became complete. `body` holds everything read so far, and only grew (by
  // BodyReader::Read) since the last call. With `end`, nothing will follow: an open last line
  // counts.
  void Scan(Buffer& body, bool end);

  // True once the end of the header section was seen.
  bool done() const { return done_; }
  // True once the section passed its bound: it is judged no further, and is never done.
  bool too_big() const { return too_big_; }
  // Octets of the kept header section so far, without the empty line that ends it.
  uint32_t header_bytes() const { return line_start_; }
  // True when the message begins with a line that is no field: whoever puts fields in front of it
  // must put an empty line behind them. REQUIRES: done().
  bool needs_separator() const { return no_field_ && line_start_ == 0; }

  bool has_date() const { return has_date_; }
  bool has_message_id() const { return has_message_id_; }
  bool has_from() const { return has_from_; }
  uint32_t received_count() const { return received_count_; }

 private:
  enum class Verdict : uint8_t { kKeep, kRemove, kEnd };
  Verdict Judge(ByteView line);
  Verdict JudgeField(ByteView name);

  uint32_t bytes_max_;
  uint32_t line_start_ = 0;  // the first line not yet judged starts here
  uint32_t searched_ = 0;    // no LF between line_start_ and here
  uint32_t received_count_ = 0;
  bool in_field_ = false;  // the last line was (part of) a field, so a continuation may follow
  bool removing_ = false;  // ... and that field is being removed
  bool done_ = false;
  bool too_big_ = false;
  bool no_field_ = false;  // the section ended before a line that is no field
  bool has_date_ = false;
  bool has_message_id_ = false;
  bool has_from_ = false;
};

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_HEADER_FILTER_H_
