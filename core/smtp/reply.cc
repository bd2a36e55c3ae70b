#include "core/smtp/reply.h"

#include <algorithm>

namespace sluice::smtp {

Reply FormatReply(int code, ByteView enhanced, ByteView text, Buffer& out) {
  const size_t fixed_bytes = 3 + 1 + enhanced.size() + 1 + 2;
  CHECK(code >= 200 && code <= 599 && fixed_bytes < kReplyLineBytesMax);
  text = text.substr(0, kReplyLineBytesMax - fixed_bytes);

  const size_t bytes = fixed_bytes + text.size();
  char* const line = out.Extend(bytes);
  char* at = line;
  *at++ = static_cast<char>('0' + code / 100);
  *at++ = static_cast<char>('0' + code / 10 % 10);
  *at++ = static_cast<char>('0' + code % 10);
  *at++ = ' ';
  at = std::copy(enhanced.begin(), enhanced.end(), at);
  *at++ = ' ';
  for (char c : text) *at++ = c >= ' ' && c <= '~' ? c : '?';
  *at++ = '\r';
  *at++ = '\n';
  DCHECK(IsReplyLine(ByteView(line, bytes)));
  return Reply{ByteView(line, bytes)};
}

}  // namespace sluice::smtp
