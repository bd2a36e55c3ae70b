#include "core/smtp/dot_stuff.h"

#include <cstring>

namespace sluice::smtp {

void DotStuffer::Append(ByteView content, Buffer& out) {
  if (content.empty()) return;
  out.Reserve(content.size() + content.size() / 64);
  if (line_start_ && content.front() == '.') out.Append('.');

  // Dots are rarer than lines in most mail, so it is they that are looked for.
  size_t copied = 0;
  for (size_t dot = content.find('.', 1); dot != ByteView::npos; dot = content.find('.', dot + 1)) {
    if (content[dot - 1] != '\n') continue;
    out.Append(content.substr(copied, dot - copied));
    out.Append('.');
    copied = dot;
  }
  out.Append(content.substr(copied));
  line_start_ = content.back() == '\n';
}

void DotStuffer::Finish(Buffer& out) {
  out.Append(line_start_ ? ".\r\n" : "\r\n.\r\n");
  line_start_ = true;
}

}  // namespace sluice::smtp
