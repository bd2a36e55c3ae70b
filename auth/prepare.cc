#include "auth/prepare.h"

#include <idn2.h>
#include <stringprep.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "core/base/check.h"

namespace sluice::auth {
namespace {

using Profile = std::vector<Stringprep_profile>;  // ends with a step of no operation

// SASLprep with case folding put in before its normalisation: table B.2 is the one made for use
// with NFKC (RFC 3454 section 3.2). The step is taken from nameprep, since a table's size is not
// exported by itself.
const Profile& LoginProfile() {
  static const Profile profile = [] {
    const Stringprep_profile* fold = stringprep_nameprep;
    while (fold->table != stringprep_rfc3454_B_2) CHECK((++fold)->operation != 0);
    Profile steps;
    for (const Stringprep_profile* step = stringprep_saslprep; step->operation != 0; step++) {
      if (step->operation == STRINGPREP_NFKC) steps.push_back(*fold);
      steps.push_back(*step);
    }
    CHECK(!steps.empty());
    steps.push_back(Stringprep_profile{});
    return steps;
  }();
  return profile;
}

bool IsPrintableAscii(ByteView text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

Prepared FromLibrary(int result) {
  switch (result) {
    case STRINGPREP_OK:
      return Prepared::kOk;
    case STRINGPREP_CONTAINS_UNASSIGNED:
      return Prepared::kUnassigned;
    case STRINGPREP_CONTAINS_PROHIBITED:
      return Prepared::kProhibited;
    case STRINGPREP_BIDI_BOTH_L_AND_RAL:
    case STRINGPREP_BIDI_LEADTRAIL_NOT_RAL:
    case STRINGPREP_BIDI_CONTAINS_PROHIBITED:
      return Prepared::kBidi;
    case STRINGPREP_TOO_SMALL_BUFFER:
      return Prepared::kTooLong;
    case STRINGPREP_ICONV_ERROR:  // how it reports text that is not UTF-8
      return Prepared::kNotUtf8;
    default:
      return Prepared::kProhibited;  // it could not normalise it, or had no memory
  }
}

// Runs `profile` over `raw` in `work`, which has room for `bytes_max` and a NUL; `bytes` is what
// came out.
Prepared RunLibrary(ByteView raw, const Stringprep_profile* profile, Purpose purpose, char* work,
                    size_t bytes_max, size_t& bytes) {
  if (raw.find('\0') != ByteView::npos) return Prepared::kNotUtf8;  // the library would stop there
  std::memcpy(work, raw.data(), raw.size());
  work[raw.size()] = '\0';
  const auto flags =
      purpose == Purpose::kStore ? STRINGPREP_NO_UNASSIGNED : Stringprep_profile_flags{};
  const Prepared result = FromLibrary(stringprep(work, bytes_max + 1, flags, profile));
  if (result != Prepared::kOk) return result;
  bytes = std::strlen(work);
  return bytes == 0 ? Prepared::kEmpty : Prepared::kOk;
}

// NFC. REQUIRES: UTF-8.
std::optional<std::string> Compose(ByteView text) {
  size_t bytes = 0;
  uint8_t* const composed =
      u8_normalize(UNINORM_NFC, reinterpret_cast<const uint8_t*>(text.data()), text.size(),
                   /*resultbuf=*/nullptr, &bytes);
  if (composed == nullptr) return std::nullopt;  // no memory
  std::string result(reinterpret_cast<const char*>(composed), bytes);
  std::free(composed);
  return result;
}

Prepared PrepareName(ByteView raw, Purpose purpose, std::string& name) {
  if (IsPrintableAscii(raw)) {
    name.assign(raw);
    for (char& c : name) c = AsciiLower(c);
    return name.empty() ? Prepared::kEmpty : Prepared::kOk;
  }
  char work[kLoginBytesMax + 1];
  size_t bytes = 0;
  const Prepared result =
      RunLibrary(raw, LoginProfile().data(), purpose, work, kLoginBytesMax, bytes);
  if (result == Prepared::kOk) name.assign(work, bytes);
  return result;
}

// The domain of an address is no name like another.
Prepared PrepareAddress(ByteView raw, size_t at, Purpose purpose, std::string& login) {
  const ByteView domain = raw.substr(at + 1);
  std::optional<std::string> ascii(domain);
  if (!IsPrintableAscii(domain)) ascii = DomainToAscii(domain);
  if (domain.empty() || !ascii.has_value()) return PrepareName(raw, purpose, login);
  std::string address;
  const Prepared result = PrepareName(raw.substr(0, at), purpose, address);
  if (result != Prepared::kOk) return result;
  address += '@';
  for (const char c : *ascii) address += AsciiLower(c);
  if (address.size() > kLoginBytesMax) return Prepared::kTooLong;
  login = std::move(address);
  return Prepared::kOk;
}

}  // namespace

Prepared PrepareLogin(ByteView raw, Purpose purpose, std::string& login) {
  if (raw.empty()) return Prepared::kEmpty;
  if (raw.size() > kLoginBytesMax) return Prepared::kTooLong;
  if (IsPrintableAscii(raw)) return PrepareName(raw, purpose, login);
  if (const size_t at = raw.rfind('@'); at != ByteView::npos)
    return PrepareAddress(raw, at, purpose, login);
  std::string name;
  const Prepared result = PrepareName(raw, purpose, name);
  if (result != Prepared::kOk) return result;
  // A wide '@' has become one: an address after all.
  if (const size_t at = name.rfind('@'); at != std::string::npos)
    return PrepareAddress(name, at, purpose, login);
  login = std::move(name);
  return Prepared::kOk;
}

Prepared PreparePassword(ByteView raw, Purpose purpose, Secret& password) {
  if (raw.empty()) return Prepared::kEmpty;
  if (raw.size() > kPasswordBytesMax) return Prepared::kTooLong;
  if (IsPrintableAscii(raw)) {
    password = Secret(raw);
    return Prepared::kOk;
  }
  char work[kPasswordBytesMax + 1];
  size_t bytes = 0;
  const Prepared result =
      RunLibrary(raw, stringprep_saslprep, purpose, work, kPasswordBytesMax, bytes);
  if (result == Prepared::kOk) password = Secret(ByteView(work, bytes));
  Wipe(work, sizeof work);
  return result;
}

std::optional<std::string> FoldLocalPart(ByteView local) {
  if (local.empty() || local.size() > kLoginBytesMax) return std::nullopt;
  const auto* const octets = reinterpret_cast<const uint8_t*>(local.data());
  if (u8_check(octets, local.size()) != nullptr) return std::nullopt;
  const std::optional<std::string> composed = Compose(local);
  if (!composed.has_value()) return std::nullopt;
  std::string folded;
  for (size_t i = 0; i < composed->size();) {
    ucs4_t c = 0;
    i += static_cast<size_t>(u8_mbtouc(&c, reinterpret_cast<const uint8_t*>(composed->data()) + i,
                                       composed->size() - i));
    if (uc_is_general_category(c, UC_CONTROL)) return std::nullopt;
    const ucs4_t lower = uc_tolower(uc_toupper(c));
    uint8_t text[6];
    const int bytes = u8_uctomb(text, c >= 0x80 && lower < 0x80 ? c : lower, sizeof text);
    folded.append(reinterpret_cast<const char*>(text), static_cast<size_t>(bytes));
  }
  return Compose(folded);
}

std::optional<std::string> DomainToAscii(ByteView domain) {
  if (domain.size() > kUnicodeDomainBytesMax || domain.find('\0') != ByteView::npos)
    return std::nullopt;
  uint8_t* ascii = nullptr;
  if (idn2_lookup_u8(reinterpret_cast<const uint8_t*>(std::string(domain).c_str()), &ascii,
                     IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
    return std::nullopt;
  std::string result(reinterpret_cast<const char*>(ascii));
  idn2_free(ascii);
  // Control characters pass the library.
  return IsPrintableAscii(result) ? std::optional(std::move(result)) : std::nullopt;
}

ByteView Explain(Prepared result) {
  switch (result) {
    case Prepared::kOk:
      return "is fine";
    case Prepared::kEmpty:
      return "is empty";
    case Prepared::kTooLong:
      return "is too long (a login has at most 255 octets, a password 1024)";
    case Prepared::kNotUtf8:
      return "is not UTF-8 text; check the terminal's or the file's encoding";
    case Prepared::kProhibited:
      return "has a character that SASLprep (RFC 4013) forbids, such as a control character, a tab "
             "or a "
             "line break; take it out";
    case Prepared::kBidi:
      return "mixes right-to-left with left-to-right letters in a way SASLprep (RFC 3454 section "
             "6) "
             "forbids; begin and end with a right-to-left letter and use no left-to-right ones";
    case Prepared::kUnassigned:
      return "has a character newer than Unicode 3.2, such as an emoji, which SASLprep (RFC 4013) "
             "does not "
             "know; clients would disagree about it, so choose another";
  }
  CHECK(false);
  return "";
}

}  // namespace sluice::auth
