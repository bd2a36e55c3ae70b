// Addresses and parameters: whatever is accepted is within its bounds, cannot end a command or a
// path when it is written out again, and means the same when it is read again.
#include <algorithm>
#include <string>

#include "core/base/check.h"
#include "core/smtp/address.h"
#include "core/smtp/limits.h"

using namespace sluice;
using namespace sluice::smtp;

namespace {

void CheckMailbox(const Mailbox& mailbox) {
  const ByteView address = mailbox.address;
  CHECK(address.size() <= kMailboxBytesMax && mailbox.local.size() <= kLocalPartBytesMax);
  CHECK(mailbox.domain.size() <= kDomainBytesMax);
  CHECK(std::all_of(address.begin(), address.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  if (address.empty() || mailbox.domain.empty()) return;
  CHECK(address == std::string(mailbox.local) + "@" + std::string(mailbox.domain));

  Mailbox again;
  CHECK(ParseMailbox(address, again) == AddressError::kNone);
  CHECK(again.local == mailbox.local && again.domain == mailbox.domain);
  const std::string path = "<" + std::string(address) + "> SIZE=1";
  ByteView rest = path;
  CHECK(ParseReversePath(rest, again) == AddressError::kNone);
  CHECK(again.address == address && rest == " SIZE=1");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input(reinterpret_cast<const char*>(data), size);
  for (const bool forward : {false, true}) {
    ByteView rest = input;
    Mailbox mailbox;
    const AddressError error =
        forward ? ParseForwardPath(rest, mailbox) : ParseReversePath(rest, mailbox);
    CHECK(error == AddressError::kNone ? rest.size() < input.size() : rest.data() == input.data());
    if (error == AddressError::kNone) {
      CheckMailbox(mailbox);
      CHECK(input.ends_with(rest));
      CHECK(!forward || !mailbox.address.empty());
    }
  }

  // Parameters begin at the first blank.
  const ByteView text = input.substr(std::min(input.find(' '), input.size()));
  MailParameters parameters;
  if (ParseMailParameters(text, parameters) == ParameterError::kNone) {
    CHECK(parameters.has_size || parameters.size == 0);
    CHECK(parameters.has_auth == !parameters.auth.empty());
    Buffer decoded;
    if (DecodeXtext(parameters.auth, decoded)) CHECK(decoded.size() <= parameters.auth.size());
  }
  (void)ParseRcptParameters(text);
  return 0;
}
