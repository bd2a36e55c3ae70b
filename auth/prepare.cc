#include "auth/prepare.h"

#include <idn2.h>
#include <stringprep.h>

#include <algorithm>
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

// The same for a local part, which may mix the directions of writing.
const Profile& LocalPartProfile() {
  static const Profile profile = [] {
    Profile steps;
    for (const Stringprep_profile& step : LoginProfile()) {
      const bool bidi =
          step.operation == STRINGPREP_BIDI || step.operation == STRINGPREP_BIDI_PROHIBIT_TABLE ||
          step.operation == STRINGPREP_BIDI_RAL_TABLE || step.operation == STRINGPREP_BIDI_L_TABLE;
      if (!bidi) steps.push_back(step);
    }
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

}  // namespace

Prepared PrepareLogin(ByteView raw, Purpose purpose, std::string& login) {
  if (raw.empty()) return Prepared::kEmpty;
  if (raw.size() > kLoginBytesMax) return Prepared::kTooLong;
  if (IsPrintableAscii(raw)) {
    login.assign(raw);
    for (char& c : login) c = AsciiLower(c);
    return Prepared::kOk;
  }
  char work[kLoginBytesMax + 1];
  size_t bytes = 0;
  const Prepared result =
      RunLibrary(raw, LoginProfile().data(), purpose, work, kLoginBytesMax, bytes);
  if (result == Prepared::kOk) login.assign(work, bytes);
  return result;
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
  char work[kLoginBytesMax + 1];
  size_t bytes = 0;
  if (RunLibrary(local, LocalPartProfile().data(), Purpose::kQuery, work, kLoginBytesMax, bytes) !=
      Prepared::kOk)
    return std::nullopt;
  return std::string(work, bytes);
}

std::optional<std::string> DomainToAscii(ByteView domain) {
  if (domain.find('\0') != ByteView::npos) return std::nullopt;
  uint8_t* ascii = nullptr;
  if (idn2_lookup_u8(reinterpret_cast<const uint8_t*>(std::string(domain).c_str()), &ascii,
                     IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
    return std::nullopt;
  std::string result(reinterpret_cast<const char*>(ascii));
  idn2_free(ascii);
  return result;
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
