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
constexpr ByteView kEndOfData = ".\r\n";

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
  absl::StrAppend(&wire_, "Date: ", absl::FormatTime(absl::RFC1123_full, date, absl::UTCTimeZone()),
                  "\r\nFrom: <", options.from, ">\r\nTo: <", options.to, ">\r\n");
  AppendNumberField("Message-ID: <", id_at_, "@load.invalid>\r\n");
  AppendNumberField(absl::StrCat(kNumberField, ": "), field_at_, "\r\n");
  absl::StrAppend(&wire_, "Subject: A message of sluice-load\r\nMIME-Version: 1.0\r\n",
                  "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
  CHECK(wire_.size() <= kHeadBytes);

  size_t text_bytes = options.bytes > wire_.size() ? options.bytes - wire_.size() : 0;
  if (text_bytes == 1) text_bytes = 2;
  AppendText(text_bytes, wire_);
  content_bytes_ = wire_.size();
  wire_.append(kEndOfData);
}

void MessageTemplate::AppendNumberField(ByteView before, size_t& at, ByteView after) {
  wire_.append(before);
  at = wire_.size();
  wire_.append(MessageNumber::kTextBytes, '0').append(after);
}

ByteView MessageTemplate::Wire(uint64_t n) {
  number_.n = n;
  number_.Write(&wire_[field_at_]);
  std::memcpy(&wire_[id_at_], &wire_[field_at_], MessageNumber::kTextBytes);
  return wire_;
}

}  // namespace sluice::load
