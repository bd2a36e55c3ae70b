#include "auth/mechanism.h"

#include <array>

namespace sluice::auth {
namespace {

constexpr std::array<MechanismInfo, kMechanismCount> kMechanisms = {{
    {Mechanism::kScramSha256, "SCRAM-SHA-256", /*offered=*/false, /*plaintext_password=*/false},
    {Mechanism::kPlain, "PLAIN", /*offered=*/true, /*plaintext_password=*/true},
    {Mechanism::kLogin, "LOGIN", /*offered=*/true, /*plaintext_password=*/true},
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

MechanismSet MechanismSet::Offered() const {
  MechanismSet offered;
  for (const MechanismInfo& info : kMechanisms) {
    if (info.offered && Has(info.mechanism)) offered.Add(info.mechanism);
  }
  return offered;
}

}  // namespace sluice::auth
