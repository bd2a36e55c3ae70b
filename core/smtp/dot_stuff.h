// Transparency on the way out (RFC 5321 4.5.2): a dot at the start of a line is doubled, and the
// end of the message is CR LF "." CR LF. Streaming: a body may come in any parts.
#ifndef SLUICE_CORE_SMTP_DOT_STUFF_H_
#define SLUICE_CORE_SMTP_DOT_STUFF_H_

#include "core/base/buffer.h"
#include "core/base/bytes.h"

namespace sluice::smtp {

class DotStuffer {
 public:
  // Appends the next part of the content. REQUIRES: content has no bare CR or LF (as BodyReader
  // gives it): only then do the next server and we agree where the message ends.
  void Append(ByteView content, Buffer& out);

  // Appends the end of data, completing an open last line first. Then the next message may begin.
  void Finish(Buffer& out);

 private:
  bool line_start_ = true;
};

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_DOT_STUFF_H_
