#include "auth/mechanism.h"

#include <array>

namespace sluice::auth {
namespace {

constexpr std::array<MechanismInfo, kMechanismCount> kMechanisms = {{
    {Mechanism::kScramSha512Plus, "SCRAM-SHA-512-PLUS", false, ScramHash::kSha512, true},
    {Mechanism::kScramSha512, "SCRAM-SHA-512", false, ScramHash::kSha512, false},
    {Mechanism::kScramSha256Plus, "SCRAM-SHA-256-PLUS", false, ScramHash::kSha256, true},
    {Mechanism::kScramSha256, "SCRAM-SHA-256", false, ScramHash::kSha256, false},
    {Mechanism::kScramSha1Plus, "SCRAM-SHA-1-PLUS", false, ScramHash::kSha1, true},
    {Mechanism::kScramSha1, "SCRAM-SHA-1", false, ScramHash::kSha1, false},
    {Mechanism::kCramMd5, "CRAM-MD5", false, std::nullopt, false},
    {Mechanism::kDigestMd5, "DIGEST-MD5", false, std::nullopt, false},
    {Mechanism::kPlain, "PLAIN", true, std::nullopt, false},
    {Mechanism::kLogin, "LOGIN", true, std::nullopt, false},
    {Mechanism::kGssapi, "GSSAPI", false, std::nullopt, false, false, false},
    {Mechanism::kOauthBearer, "OAUTHBEARER", false, std::nullopt, false, true, false},
    {Mechanism::kXoauth2, "XOAUTH2", false, std::nullopt, false, true, false},
    {Mechanism::kExternal, "EXTERNAL", false, std::nullopt, false, false, false},
}};

constexpr bool IsIndexedByEnum() {
  for (size_t i = 0; i < kMechanisms.size(); i++) {
    if (static_cast<size_t>(kMechanisms[i].mechanism) != i) return false;
  }
  return true;
}
static_assert(IsIndexedByEnum());

}  // namespace

std::span<const MechanismInfo> Mechanisms() { return kMechanisms; }

const MechanismInfo& Info(Mechanism mechanism) {
  return kMechanisms[static_cast<size_t>(mechanism)];
}

std::optional<Mechanism> FindMechanism(ByteView name) {
  for (const MechanismInfo& info : kMechanisms) {
    if (EqualsIgnoreCase(info.name, name)) return info.mechanism;
  }
  return std::nullopt;
}

std::optional<Mechanism> PlusOf(Mechanism mechanism) {
  const MechanismInfo& of = Info(mechanism);
  if (!of.scram.has_value() || of.plus) return std::nullopt;
  for (const MechanismInfo& info : kMechanisms) {
    if (info.plus && info.scram == of.scram) return info.mechanism;
  }
  return std::nullopt;
}

}  // namespace sluice::auth
