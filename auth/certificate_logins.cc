#include "auth/certificate_logins.h"

#include <algorithm>
#include <utility>

#include "auth/prepare.h"

namespace sluice::auth {

std::optional<std::string> ParseFingerprint(ByteView text) {
  constexpr size_t kPairs = 32;
  const bool colons = text.size() == 3 * kPairs - 1;
  if (!colons && text.size() != 2 * kPairs) return std::nullopt;
  std::string digits;
  for (size_t i = 0; i < text.size(); i++) {
    const char c = AsciiLower(text[i]);
    if (colons && i % 3 == 2) {
      if (c != ':') return std::nullopt;
      continue;
    }
    if (!IsAsciiDigit(c) && (c < 'a' || c > 'f')) return std::nullopt;
    digits += c;
  }
  return digits;
}

bool CertificateLogins::Add(Logins& logins, ByteView key, ByteView login) {
  std::string canonical;
  if (key.empty() || PrepareLogin(login, Purpose::kStore, canonical) != Prepared::kOk) return false;
  return logins.try_emplace(key, std::move(canonical)).second;
}

bool CertificateLogins::AddFingerprint(ByteView fingerprint, ByteView login) {
  return Add(by_fingerprint_, fingerprint, login);
}

bool CertificateLogins::AddSubject(ByteView subject, ByteView login) {
  return Add(by_subject_, subject, login);
}

std::vector<std::string> CertificateLogins::Of(ByteView fingerprint, ByteView subject,
                                               std::span<const std::string> emails) const {
  if (const auto at = by_fingerprint_.find(fingerprint); at != by_fingerprint_.end()) {
    return {at->second};
  }
  if (const auto at = by_subject_.find(subject); at != by_subject_.end()) return {at->second};
  std::vector<std::string> logins;
  for (const std::string& email : emails) {
    std::string login;
    if (PrepareLogin(email, Purpose::kQuery, login) != Prepared::kOk) continue;
    if (std::find(logins.begin(), logins.end(), login) == logins.end()) {
      logins.push_back(std::move(login));
    }
  }
  return logins;
}

}  // namespace sluice::auth
