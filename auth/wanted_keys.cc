#include "auth/wanted_keys.h"

#include <algorithm>

#include "auth/scram_keys.h"

namespace sluice::auth {

WantedKeys WantedKeys::For(const MechanismSet& mechanisms) {
  WantedKeys wanted;
  bool any_password = false;
  for (const MechanismInfo& info : Mechanisms()) {
    if (!mechanisms.Has(info.mechanism)) continue;
    if (info.scram.has_value()) wanted.scram[static_cast<size_t>(*info.scram)] = true;
    wanted.cram_md5 |= info.mechanism == Mechanism::kCramMd5;
    any_password |= info.plaintext_password;
  }
  const bool none = std::find(wanted.scram.begin(), wanted.scram.end(), true) == wanted.scram.end();
  if (none && any_password) wanted.scram[static_cast<size_t>(ScramHash::kSha256)] = true;
  return wanted;
}

WantedKeys WantedKeys::MissingIn(const CredentialRecord& record) const {
  WantedKeys missing;
  for (size_t i = 0; i < kScramHashCount; i++)
    missing.scram[i] = scram[i] && !record.scram[i].has_value();
  missing.cram_md5 = cram_md5 && !record.cram_md5.has_value();
  return missing;
}

bool WantedKeys::any() const {
  return cram_md5 || std::find(scram.begin(), scram.end(), true) != scram.end();
}

void AddKeys(const WantedKeys& keys, ByteView password, const Salts& salts, uint32_t iterations,
             CredentialRecord& record) {
  for (size_t i = 0; i < kScramHashCount; i++) {
    if (!keys.scram[i]) continue;
    record.scram[i] =
        DeriveScramKeys(static_cast<ScramHash>(i), password, View(salts[i]), iterations);
  }
  if (keys.cram_md5) record.cram_md5 = DeriveCramMd5States(password);
}

}  // namespace sluice::auth
