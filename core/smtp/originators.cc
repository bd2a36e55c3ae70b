#include "core/smtp/originators.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "core/smtp/mailbox_list.h"

namespace sluice::smtp {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// Takes the next field off `header`, with its continuation lines and last line end.
ByteView TakeField(ByteView& header) {
  size_t end = 0;
  do {
    const size_t lf = header.find('\n', end);
    end = lf == ByteView::npos ? header.size() : lf + 1;
  } while (end < header.size() && IsBlank(header[end]));
  const ByteView field = header.substr(0, end);
  header.remove_prefix(end);
  return field;
}

// Whether `field` is of that name; `value` is then what stands behind its colon.
bool IsField(ByteView field, ByteView name, ByteView& value) {
  if (!StartsWithIgnoreCase(field, name)) return false;
  field.remove_prefix(name.size());
  while (!field.empty() && IsBlank(field[0])) field.remove_prefix(1);
  if (!field.starts_with(':')) return false;
  value = field.substr(1);
  return true;
}

}  // namespace

Originators CheckOriginators(ByteView header, absl::FunctionRef<bool(ByteView address)> owned) {
  bool has_from = false;
  bool foreign_sender = false;
  std::vector<std::string> addresses;
  size_t count = 0;
  while (!header.empty()) {
    const ByteView field = TakeField(header);
    ByteView value;
    const bool from = IsField(field, "From", value);
    if (!from && !IsField(field, "Sender", value)) continue;
    addresses.clear();
    if (!ParseMailboxList(value, addresses) || addresses.empty()) return Originators::kUnreadable;
    count += addresses.size();
    if (count > kMailboxesMax) return Originators::kUnreadable;
    const bool all = std::all_of(addresses.begin(), addresses.end(), owned);
    if (from && !all) return Originators::kForeignFrom;
    foreign_sender |= !all;
    has_from |= from;
  }
  if (foreign_sender) return Originators::kForeignSender;
  return has_from ? Originators::kOwned : Originators::kNone;
}

void RemoveFields(Buffer& body, size_t header_bytes, ByteView name) {
  char* const data = body.data();
  ByteView header = body.view().substr(0, header_bytes);
  size_t kept = 0;
  while (!header.empty()) {
    const ByteView field = TakeField(header);
    ByteView value;
    if (IsField(field, name, value)) continue;
    std::memmove(data + kept, field.data(), field.size());
    kept += field.size();
  }
  std::memmove(data + kept, data + header_bytes, body.size() - header_bytes);
  body.Truncate(body.size() - (header_bytes - kept));
}

}  // namespace sluice::smtp
