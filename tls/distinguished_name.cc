#include "tls/distinguished_name.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tls/der_reader.h"

namespace sluice::tls {
namespace {

constexpr char kSequence = 0x30;
constexpr char kSet = 0x31;
constexpr char kObjectId = 0x06;
constexpr char kUtf8String = 0x0c;
constexpr char kPrintableString = 0x13;
constexpr char kIa5String = 0x16;

struct Attribute {
  ByteView id;  // the octets of its OBJECT IDENTIFIER
  ByteView name;
};

constexpr Attribute kAttributes[] = {
    {ByteView("\x55\x04\x03", 3), "CN"},
    {ByteView("\x55\x04\x06", 3), "C"},
    {ByteView("\x55\x04\x07", 3), "L"},
    {ByteView("\x55\x04\x08", 3), "ST"},
    {ByteView("\x55\x04\x0a", 3), "O"},
    {ByteView("\x55\x04\x0b", 3), "OU"},
    {ByteView("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", 10), "DC"},
    {ByteView("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", 10), "UID"},
    {ByteView("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", 9), "emailAddress"},
};

// RFC 4514 section 2.4. False: see NameText.
bool AppendValue(char tag, ByteView value, std::string& text) {
  if (tag != kUtf8String && tag != kPrintableString && tag != kIa5String) return false;
  for (size_t i = 0; i < value.size(); i++) {
    const auto octet = static_cast<unsigned char>(value[i]);
    if (octet < 0x20 || octet == 0x7f || (octet > 0x7f && tag != kUtf8String)) return false;
    const bool blank_at_end = octet == ' ' && (i == 0 || i + 1 == value.size());
    if (blank_at_end || (octet == '#' && i == 0) ||
        ByteView("\"+,;<>\\").find(value[i]) != ByteView::npos)
      text += '\\';
    text += value[i];
  }
  return true;
}

bool AppendAttribute(DerReader& set, std::string& text) {
  ByteView pair, id, value;
  char tag;
  if (!set.Take(kSequence, pair)) return false;
  DerReader reader(pair);
  if (!reader.Take(kObjectId, id) || !reader.TakeAny(tag, value) || !reader.empty()) return false;
  for (const Attribute& attribute : kAttributes) {
    if (attribute.id != id) continue;
    absl::StrAppend(&text, text.empty() ? "" : "+", attribute.name, "=");
    return AppendValue(tag, value, text);
  }
  return false;
}

}  // namespace

std::string NameText(ByteView rdn_sequence) {
  std::vector<std::string> parts;
  for (DerReader names(rdn_sequence); !names.empty();) {
    ByteView set;
    if (!names.Take(kSet, set) || set.empty()) return {};
    std::string part;
    for (DerReader attributes(set); !attributes.empty();) {
      if (!AppendAttribute(attributes, part)) return {};
    }
    parts.push_back(std::move(part));
  }
  std::string text = absl::StrJoin(parts.rbegin(), parts.rend(), ",");
  return text.size() <= kNameTextBytesMax ? text : std::string();
}

}  // namespace sluice::tls
