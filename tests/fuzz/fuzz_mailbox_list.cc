// The addresses of a From or Sender field: whatever is read has a local part and a domain, cannot
// end a line, is no more than may be, and is read as the same again.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "core/base/check.h"
#include "core/smtp/mailbox_list.h"

using namespace sluice;
using namespace sluice::smtp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView value(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> addresses;
  if (!ParseMailboxList(value, addresses)) return 0;
  CHECK(addresses.size() <= kMailboxesMax);
  for (const std::string& address : addresses) {
    const size_t at = address.rfind('@');
    CHECK(at != std::string::npos && at > 0 && at + 1 < address.size());
    CHECK(address.size() <= value.size());
    std::vector<std::string> again;
    CHECK(ParseMailboxList("<" + address + ">", again));
    CHECK(again.size() == 1 && again[0] == address);
  }
  // Behind other addresses and in a group they are the same.
  std::vector<std::string> again;
  CHECK(ParseMailboxList("a group: " + absl::StrJoin(addresses, ", ") + ";", again));
  CHECK(again == addresses);
  return 0;
}
