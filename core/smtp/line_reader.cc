#include "core/smtp/line_reader.h"

#include <utility>

#include "core/smtp/limits.h"

namespace sluice::smtp {
namespace {

// Where the first CR LF begins, or npos.
size_t FindCrLf(ByteView text) {
  size_t lf = text.find('\n');
  while (lf != ByteView::npos && (lf == 0 || text[lf - 1] != '\r')) lf = text.find('\n', lf + 1);
  return lf == ByteView::npos ? lf : lf - 1;
}

bool IsAuth(bool sasl, ByteView line) { return sasl || StartsWithIgnoreCase(line, "AUTH "); }

size_t LineBytesMax(bool auth) { return auth ? kAuthLineBytesMax : kCommandLineBytesMax; }

LineReader::Result TooLong(bool auth) {
  return auth ? LineReader::Result::kAuthTooLong : LineReader::Result::kTooLong;
}

// What was cut may be an AUTH with a password: no copy of it is left behind.
void WipeAndReset(Buffer& buffer) {
  if (!buffer.empty()) Wipe(buffer.data(), buffer.size());
  buffer.Reset();
}

void AppendWithoutTrace(Buffer& buffer, ByteView bytes) {
  if (buffer.room() < bytes.size()) {
    Buffer larger;
    larger.Reserve(2 * buffer.size() + bytes.size());
    larger.Append(buffer.view());
    WipeAndReset(buffer);
    buffer = std::move(larger);
  }
  buffer.Append(bytes);
}

}  // namespace

LineReader::Result LineReader::Next(ByteView& input, bool sasl, Buffer& storage, ByteView& line) {
  if (input.empty()) return Result::kPartial;
  size_t bytes = 0;  // of the line in `input`, CR LF included; 0: its end is not there
  if (!partial_.empty() && partial_.view().back() == '\r' && input.front() == '\n') {
    bytes = 1;  // the cut went between CR and LF
  } else if (const size_t crlf = FindCrLf(input); crlf != ByteView::npos) {
    bytes = crlf + 2;
  }

  const ByteView piece = input.substr(0, bytes > 0 ? bytes : input.size());
  input.remove_prefix(piece.size());
  if (partial_.empty() && bytes > 0) {  // the common case: nothing was cut, nothing is copied
    const bool auth = IsAuth(sasl, piece);
    if (bytes > LineBytesMax(auth)) return TooLong(auth);
    line = piece.substr(0, bytes - 2);
    return Result::kLine;
  }

  if (!too_long_) {
    // The verb may itself be cut, so the bound is looked up on what there is after this piece.
    AppendWithoutTrace(partial_, piece.substr(0, kAuthLineBytesMax + 1));
    too_long_auth_ = IsAuth(sasl, partial_.view());
    too_long_ = partial_.size() > LineBytesMax(too_long_auth_);
  }
  if (bytes == 0) {
    if (too_long_) {  // only a CR at the end of it is still of interest
      WipeAndReset(partial_);
      partial_.Append(piece.back());
    }
    return Result::kPartial;
  }
  const bool was_too_long = too_long_;
  storage.Swap(partial_);
  Reset();
  if (was_too_long) return TooLong(too_long_auth_);
  line = storage.view().substr(0, storage.size() - 2);
  return Result::kLine;
}

void LineReader::Reset() {
  WipeAndReset(partial_);
  too_long_ = false;
}

bool HasForbiddenControl(ByteView line) {
  bool found = false;
  for (char c : line)
    found |= (c == '\0') | (c == '\r') | (c == '\n');  // no branch: this vectorises
  return found;
}

}  // namespace sluice::smtp
