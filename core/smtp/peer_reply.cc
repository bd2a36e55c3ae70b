#include "core/smtp/peer_reply.h"

#include <algorithm>
#include <charconv>

#include "core/smtp/limits.h"

namespace sluice::smtp {

EnhancedStatus TakeEnhancedStatus(ByteView& text, int status_class) {
  const char* at = text.data();
  const char* const end = at + text.size();
  unsigned parts[3];
  for (int i = 0; i < 3; i++) {
    const char* const digits = at;
    const auto [stop, error] = std::from_chars(digits, end, parts[i]);
    if (error != std::errc() || stop - digits > 3) return {};
    at = stop;
    if (i < 2 && (at == end || *at++ != '.')) return {};
  }
  if (parts[0] != static_cast<unsigned>(status_class)) return {};
  if (at != end && *at++ != ' ') return {};
  text.remove_prefix(static_cast<size_t>(at - text.data()));
  return EnhancedStatus{static_cast<uint8_t>(parts[0]), static_cast<uint16_t>(parts[1]),
                        static_cast<uint16_t>(parts[2])};
}

PeerReply::Result PeerReply::Next(ByteView& input) {
  if (line_taken_) partial_.Clear();
  line_taken_ = false;
  const size_t lf = input.find('\n');
  const ByteView piece = input.substr(0, lf);
  input.remove_prefix(lf == ByteView::npos ? input.size() : lf + 1);

  if (lf == ByteView::npos || !partial_.empty()) {
    partial_.Append(piece.substr(0, kPeerReplyLineBytesMax - partial_.size()));
  }
  if (lf == ByteView::npos) return Result::kPartial;
  line_taken_ = true;
  ByteView line = partial_.empty() ? piece.substr(0, kPeerReplyLineBytesMax) : partial_.view();
  if (line.ends_with('\r')) line.remove_suffix(1);
  return OnLine(line);
}

PeerReply::Result PeerReply::OnLine(ByteView line) {
  if (complete_) {
    text_.Clear();
    lines_ = 0;
    enhanced_ = {};
  }
  complete_ = true;  // a malformed line ends the reply, too

  if (line.size() < 3 || line[0] < '2' || line[0] > '5') return Result::kMalformed;
  if (!IsAsciiDigit(line[1]) || !IsAsciiDigit(line[2])) return Result::kMalformed;
  const bool more = line.size() > 3 && line[3] == '-';
  if (line.size() > 3 && !more && line[3] != ' ') return Result::kMalformed;
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (lines_ > 0 && code != code_) return Result::kMalformed;
  if (++lines_ > kPeerReplyLinesMax) return Result::kMalformed;
  code_ = static_cast<uint16_t>(code);
  line_ = line.substr(std::min<size_t>(line.size(), 4));

  if (lines_ == 1) {
    ByteView text = line_;
    enhanced_ = TakeEnhancedStatus(text, code / 100);
  }
  AppendText(line_);
  complete_ = !more;
  return more ? Result::kLine : Result::kComplete;
}

void PeerReply::AppendText(ByteView text) {
  if (lines_ > 1 && text_.size() < kPeerReplyTextBytesMax) text_.Append(' ');
  text = text.substr(0, kPeerReplyTextBytesMax - text_.size());
  std::transform(text.begin(), text.end(), text_.Extend(text.size()),
                 [](char c) { return c >= ' ' && c <= '~' ? c : '?'; });
}

}  // namespace sluice::smtp
