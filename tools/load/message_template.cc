#include "tools/load/message_template.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "core/base/check.h"
#include "core/base/prng.h"

namespace sluice::load {
namespace {

constexpr size_t kLineBytes = 78;  // RFC 5322 2.1.1, with CR LF
constexpr ByteView kLineEnd = "\r\n";
constexpr ByteView kEndOfData = ".\r\n";
constexpr ByteView kLastLines =
    "x\r\n.\r\n";  // the end of a line with a letter for a CR, and of data

// Letters that do not compress, and no dot, so that the text is dot-stuffed as it is.
void AppendText(size_t bytes, std::string& to) {
  constexpr ByteView kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  Prng prng(bytes);
  while (bytes > 0) {
    size_t line = std::min(bytes, kLineBytes);
    if (bytes - line == 1) line--;  // one octet is no line
    for (size_t i = 2; i < line; i++) to.push_back(kLetters[prng.Next() % kLetters.size()]);
    to.append("\r\n");
    bytes -= line;
  }
}

}  // namespace

MessageTemplate::MessageTemplate(const Options& options) : number_{.run = options.run} {
  const absl::Time date = absl::FromUnixMillis(WallMillis(options.date));
  absl::StrAppend(&head_, "Date: ", absl::FormatTime(absl::RFC1123_full, date, absl::UTCTimeZone()),
                  "\r\nFrom: <", options.from, ">\r\nTo: <", options.to, ">\r\n");
  AppendNumberField("Message-ID: <", id_at_, "@load.invalid>\r\n");
  AppendNumberField(absl::StrCat(kNumberField, ": "), field_at_, "\r\n");
  absl::StrAppend(&head_, "Subject: A message of sluice-load\r\nMIME-Version: 1.0\r\n",
                  "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
  AppendText(TextBytes(options.bytes_max), text_);
}

size_t MessageTemplate::TextBytes(size_t bytes) const {
  const size_t text_bytes = bytes > head_.size() ? bytes - head_.size() : 0;
  return text_bytes == 1 ? 2 : text_bytes;  // one octet is no line
}

void MessageTemplate::AppendNumberField(ByteView before, size_t& at, ByteView after) {
  head_.append(before);
  at = head_.size();
  head_.append(MessageNumber::kTextBytes, '0').append(after);
}

// The text is cut so that its last line can be ended; never between CR and LF.
WireParts MessageTemplate::Wire(uint64_t n, size_t bytes) {
  number_.n = n;
  number_.Write(&head_[field_at_]);
  std::memcpy(&head_[id_at_], &head_[field_at_], MessageNumber::kTextBytes);
  const size_t text_bytes = TextBytes(bytes);
  CHECK(text_bytes <= text_.size());
  if (text_bytes == 0) return {.head = head_, .body = {}, .tail = kEndOfData};
  ByteView body = ByteView(text_).substr(0, text_bytes - kLineEnd.size());
  const bool behind_cr = body.ends_with('\r');
  if (behind_cr) body.remove_suffix(1);
  return {.head = head_, .body = body, .tail = kLastLines.substr(behind_cr ? 0 : 1)};
}

}  // namespace sluice::load
