// What `sluice user` can say of what a user may do, in one table: an option of `add` and `set`, a
// line of `show`, a column of CSV and a name in JSON each.
#ifndef SLUICE_TOOLS_SLUICE_USER_POLICY_H_
#define SLUICE_TOOLS_SLUICE_USER_POLICY_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "auth/record.h"
#include "core/base/bytes.h"

namespace sluice::users {

struct PolicySetting {
  ByteView option;  // "address", behind two dashes
  ByteView name;    // "addresses", in CSV, JSON and listings
  ByteView help;
  char separator;  // of values in CSV; 0: there is one value at most
  // Takes these for what was there; none, or an empty one: as if it had never been said.
  // InvalidArgument says what is wrong with which value.
  absl::Status (*set)(std::span<const std::string> values, auth::CredentialRecord& record);
  // As they are written; none: nothing is said.
  std::vector<std::string> (*get)(const auth::CredentialRecord& record);
};

std::span<const PolicySetting> PolicySettings();
const PolicySetting* FindPolicySetting(ByteView name);

}  // namespace sluice::users

#endif  // SLUICE_TOOLS_SLUICE_USER_POLICY_H_
