#include "auth/wanted_keys.h"

#include <algorithm>

#include "auth/digest_md5.h"
#include "auth/scram_keys.h"

namespace sluice::auth {

WantedKeys WantedKeys::For(const MechanismSet& mechanisms, ByteView digest_realm) {
  WantedKeys wanted;
  bool any_password = false;
  for (const MechanismInfo& info : Mechanisms()) {
    if (!mechanisms.Has(info.mechanism)) continue;
    if (info.scram.has_value()) wanted.scram[static_cast<size_t>(*info.scram)] = true;
    wanted.cram_md5 |= info.mechanism == Mechanism::kCramMd5;
    if (info.mechanism == Mechanism::kDigestMd5) wanted.digest_realm = digest_realm;
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
  const bool in_realm = record.digest_md5.has_value() && record.digest_md5->realm == digest_realm;
  if (!in_realm) missing.digest_realm = digest_realm;
  return missing;
}

bool WantedKeys::any() const {
  return cram_md5 || !digest_realm.empty() ||
         std::find(scram.begin(), scram.end(), true) != scram.end();
}

void AddKeys(const WantedKeys& keys, ByteView login, ByteView password, const Salts& salts,
             uint32_t iterations, CredentialRecord& record) {
  for (size_t i = 0; i < kScramHashCount; i++) {
    if (!keys.scram[i]) continue;
    record.scram[i] =
        DeriveScramKeys(static_cast<ScramHash>(i), password, View(salts[i]), iterations);
    record.foreign_hash.clear();
  }
  if (keys.cram_md5) record.cram_md5 = DeriveCramMd5States(password);
  if (!keys.digest_realm.empty()) {
    record.digest_md5 = DeriveDigestMd5Key(login, keys.digest_realm, password);
  }
}

}  // namespace sluice::auth
