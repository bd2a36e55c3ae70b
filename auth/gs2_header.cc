#include "auth/gs2_header.h"

#include <algorithm>

#include "absl/strings/str_replace.h"

namespace sluice::auth {
namespace {

constexpr size_t kHeaderBytesMax = 1024;

}  // namespace

bool TakeAttribute(ByteView& message, char name, ByteView& value) {
  if (message.size() < 2 || message[0] != name || message[1] != '=') return false;
  const size_t end = std::min(message.find(','), message.size());
  value = message.substr(2, end - 2);
  message.remove_prefix(std::min(end + 1, message.size()));
  return true;
}

bool DecodeSaslName(ByteView text, std::string& name) {
  name.clear();
  while (!text.empty()) {
    if (text[0] != '=') {
      name += text[0];
      text.remove_prefix(1);
      continue;
    }
    if (text.starts_with("=2C")) {
      name += ',';
    } else if (text.starts_with("=3D")) {
      name += '=';
    } else {
      return false;
    }
    text.remove_prefix(3);
  }
  return true;
}

std::string EncodeSaslName(ByteView name) {
  return absl::StrReplaceAll(name, {{"=", "=3D"}, {",", "=2C"}});
}

bool TakeGs2Header(ByteView& message, Gs2Header& header) {
  const ByteView before = message;
  const size_t end = message.find(',');
  if (end == ByteView::npos) return false;
  header.flag = message.substr(0, end);
  message.remove_prefix(end + 1);
  if (message.empty()) return false;
  if (message[0] == ',') {
    message.remove_prefix(1);
  } else {
    ByteView name;
    const bool ended = message.find(',') != ByteView::npos;
    if (!ended || !TakeAttribute(message, 'a', name)) return false;
    if (!DecodeSaslName(name, header.authorization)) return false;
  }
  header.whole = before.substr(0, before.size() - message.size());
  return header.whole.size() <= kHeaderBytesMax;
}

}  // namespace sluice::auth
