// What of auth/ reads octets of names, addresses and the store: the preparation of logins and
// passwords, addresses of the sender policy, and the record's codec.
//
// The first octet chooses; the rest is the input. What must hold beyond not crashing is checked:
// what may be stored is found again by asking for it, an address is its own canonical form's
// mailbox, and a record that can be read is written back to the same.
#include <cstddef>
#include <cstdint>
#include <string>

#include "auth/prepare.h"
#include "auth/record.h"
#include "auth/sender_policy.h"
#include "core/base/check.h"

namespace sluice::auth {
namespace {

void RunPrepare(ByteView input) {
  std::string login;
  if (PrepareLogin(input, Purpose::kStore, login) == Prepared::kOk) {
    CHECK(!login.empty() && login.size() <= kLoginBytesMax &&
          login.find('\0') == std::string::npos);
    std::string asked;
    CHECK(PrepareLogin(input, Purpose::kQuery, asked) == Prepared::kOk && asked == login);
  }
  Secret password;
  if (PreparePassword(input, Purpose::kStore, password) == Prepared::kOk) {
    CHECK(!password.empty() && password.view().size() <= kPasswordBytesMax);
    Secret asked;
    CHECK(PreparePassword(input, Purpose::kQuery, asked) == Prepared::kOk &&
          asked.view() == password.view());
  }
}

void RunSender(ByteView input) {
  CredentialRecord record;
  record.domains = {"example.org"};
  const bool by_domain = SenderPolicy("x", record).Allows(input);
  const std::optional<std::string> canonical = CanonicalAddress(input);
  if (!canonical.has_value()) {
    CHECK(by_domain == input.empty());
    return;
  }
  CHECK(canonical->size() <= kAddressBytesMax);
  CHECK(by_domain == canonical->ends_with("@example.org"));
  CHECK(CanonicalAddress(PrintAddress(*canonical)) == *canonical);
  record.domains.clear();
  record.addresses = {*canonical};
  CHECK(SenderPolicy("x", record).Allows(input));
}

void RunRecord(ByteView input) {
  CredentialRecord record;
  if (!DecodeRecord(input, record)) return;
  std::string bytes;
  CredentialRecord again;
  if (!EncodeRecord(record, bytes)) {  // with states that it had not
    CHECK(input.size() > kRecordBytesMax - 6 * kDigestBytesMax * kScramHashCount);
    return;
  }
  CHECK(DecodeRecord(bytes, again) && again == record);
}

}  // namespace
}  // namespace sluice::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::auth;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const sluice::ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'n':
      RunPrepare(input);
      break;
    case 's':
      RunSender(input);
      break;
    case 'r':
      RunRecord(input);
      break;
    default:
      break;
  }
  return 0;
}
