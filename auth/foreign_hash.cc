#include "auth/foreign_hash.h"

#include <argon2.h>
#include <crypt.h>
#include <sys/mman.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "auth/hash.h"
#include "auth/scram_keys.h"
#include "auth/secret.h"
#include "core/base/base64.h"
#include "core/base/hex.h"

namespace sluice::auth {
namespace {

// A scheme: how to find fault with a value, and how to prove a password against one without.
struct Scheme {
  ByteView name;
  std::string (*problem)(ByteView value);
  Verdict (*prove)(ByteView value, ByteView password);
};

Verdict VerdictOf(bool equal) { return equal ? Verdict::kMatch : Verdict::kMismatch; }

std::optional<std::string> DecodeBase64(ByteView text) {
  std::string octets(Base64DecodedBytesMax(text.size()), '\0');
  const ptrdiff_t bytes = Base64Decode(text, octets);
  if (bytes < 0) return std::nullopt;
  octets.resize(static_cast<size_t>(bytes));
  return octets;
}

// A decimal number that takes all of `text`.
std::optional<uint32_t> Number(ByteView text) {
  uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return number;
}

// --- Salted digests -----------------------------------------------------------------------------

template <typename H>
std::string SaltedProblem(ByteView value) {
  const auto octets = DecodeBase64(value);
  if (octets.has_value() && octets->size() > H::kBytes) return "";
  return absl::StrCat("is not base64 of ", H::kBytes, " octets and a salt");
}

template <typename H>
Verdict ProveSalted(ByteView value, ByteView password) {
  const std::string octets = *DecodeBase64(value);
  std::string message(password);
  message.append(octets, H::kBytes);
  const DigestOf<H> digest = HashOf<H>(message);
  Wipe(message);
  return VerdictOf(ConstantTimeEquals(View(digest), ByteView(octets).substr(0, H::kBytes)));
}

// --- Argon2id -----------------------------------------------------------------------------------

struct Argon2 {
  uint32_t kib = 0;
  uint32_t passes = 0;
  uint32_t lanes = 0;
  std::string salt;
  std::string hash;
};

// Base64 as the format of hashes has it: without padding.
std::optional<std::string> DecodeUnpadded(std::string_view text) {
  return DecodeBase64(absl::StrCat(text, std::string((4 - text.size() % 4) % 4, '=')));
}

// What is wrong; empty: nothing, and `argon2` is set.
std::string ReadArgon2(ByteView value, Argon2& argon2) {
  constexpr char kForm[] = "is not $argon2id$v=19$m=...,t=...,p=...$salt$hash";
  const std::vector<std::string_view> parts = absl::StrSplit(value, '$');
  if (parts.size() != 6 || !parts[0].empty() || parts[1] != "argon2id" || parts[2] != "v=19") {
    return kForm;
  }
  const std::vector<std::string_view> costs = absl::StrSplit(parts[3], ',');
  constexpr std::string_view kNames[] = {"m=", "t=", "p="};
  uint32_t* const numbers[] = {&argon2.kib, &argon2.passes, &argon2.lanes};
  if (costs.size() != 3) return kForm;
  for (size_t i = 0; i < 3; i++) {
    if (!costs[i].starts_with(kNames[i])) return kForm;
    const auto number = Number(costs[i].substr(2));
    if (!number.has_value()) return kForm;
    *numbers[i] = *number;
  }
  auto salt = DecodeUnpadded(parts[4]);
  auto hash = DecodeUnpadded(parts[5]);
  if (!salt.has_value() || !hash.has_value()) return kForm;
  argon2.salt = *std::move(salt);
  argon2.hash = *std::move(hash);
  // RFC 9106 section 3.1; salts from 8 octets on, as the library wants them.
  if (argon2.salt.size() < 8 || argon2.hash.size() < 16 || argon2.hash.size() > 64) {
    return "has a salt of less than 8 octets, or a hash of less than 16 or more than 64";
  }
  if (argon2.passes == 0 || argon2.lanes == 0 || argon2.kib / 8 < argon2.lanes) return kForm;
  if (argon2.kib > kArgon2KibMax || argon2.lanes > kArgon2LanesMax ||
      uint64_t{argon2.kib} * argon2.passes > kArgon2KibPassesMax) {
    return absl::StrCat("costs more than may be: m at most ", kArgon2KibMax, ", m times t at most ",
                        kArgon2KibPassesMax, ", p at most ", kArgon2LanesMax);
  }
  return "";
}

std::string Argon2Problem(ByteView value) {
  Argon2 argon2;
  return ReadArgon2(value, argon2);
}

// Of its own mapping, so that it goes back to the system: a heap would keep it.
int Map(uint8_t** memory, size_t bytes) {
  void* const mapped =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *memory = mapped == MAP_FAILED ? nullptr : static_cast<uint8_t*>(mapped);
  return *memory == nullptr ? ARGON2_MEMORY_ALLOCATION_ERROR : ARGON2_OK;
}
void Unmap(uint8_t* memory, size_t bytes) { munmap(memory, bytes); }

uint8_t* Bytes(ByteView view) {
  return reinterpret_cast<uint8_t*>(const_cast<char*>(view.data()));  // the library only reads it
}

// The lanes run one after the other on this thread: threads of their own would not be bounded.
Verdict ProveArgon2(ByteView value, ByteView password) {
  Argon2 argon2;
  if (!ReadArgon2(value, argon2).empty()) return Verdict::kMismatch;
  std::string hash(argon2.hash.size(), '\0');
  argon2_context context{};
  context.out = Bytes(hash);
  context.outlen = static_cast<uint32_t>(hash.size());
  context.pwd = Bytes(password);
  context.pwdlen = static_cast<uint32_t>(password.size());
  context.salt = Bytes(argon2.salt);
  context.saltlen = static_cast<uint32_t>(argon2.salt.size());
  context.t_cost = argon2.passes;
  context.m_cost = argon2.kib;
  context.lanes = argon2.lanes;
  context.threads = 1;
  context.version = ARGON2_VERSION_13;
  context.allocate_cbk = Map;
  context.free_cbk = Unmap;
  context.flags = ARGON2_DEFAULT_FLAGS;  // the password stays: it is its owner's to wipe
  switch (argon2id_ctx(&context)) {
    case ARGON2_OK:
      return VerdictOf(ConstantTimeEquals(hash, argon2.hash));
    case ARGON2_MEMORY_ALLOCATION_ERROR:
      return Verdict::kTemporary;
    default:
      return Verdict::kMismatch;
  }
}

// --- crypt(3) -----------------------------------------------------------------------------------

bool IsCryptText(ByteView text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '/';
  });
}

// $6$salt$hash, $6$rounds=N$salt$hash
std::string ShaCryptProblem(ByteView value, ByteView prefix, size_t hash_bytes) {
  if (!value.starts_with(prefix)) return absl::StrCat("does not begin with ", prefix);
  std::vector<std::string_view> parts = absl::StrSplit(value.substr(prefix.size()), '$');
  if (parts.size() == 3 && parts[0].starts_with("rounds=")) {
    const auto rounds = Number(parts[0].substr(7));
    if (!rounds.has_value() || *rounds > kCryptRoundsMax) {
      return absl::StrCat("has more than ", kCryptRoundsMax, " rounds");
    }
    parts.erase(parts.begin());
  }
  if (parts.size() != 2 || parts[0].size() > 16 || parts[1].size() != hash_bytes ||
      !IsCryptText(parts[0]) || !IsCryptText(parts[1])) {
    return absl::StrCat("is not ", prefix, "salt$hash");
  }
  return "";
}
std::string Sha512CryptProblem(ByteView value) { return ShaCryptProblem(value, "$6$", 86); }
std::string Sha256CryptProblem(ByteView value) { return ShaCryptProblem(value, "$5$", 43); }

// $2y$cost$salt-and-hash
std::string BcryptProblem(ByteView value) {
  const std::vector<std::string_view> parts = absl::StrSplit(value, '$');
  const bool known = parts.size() == 4 && parts[0].empty() &&
                     (parts[1] == "2y" || parts[1] == "2b" || parts[1] == "2a");
  const auto cost = known && parts[2].size() == 2 ? Number(parts[2]) : std::nullopt;
  if (!cost.has_value() || parts[3].size() != 53 || !IsCryptText(parts[3])) {
    return "is not $2y$cost$ and 53 characters";
  }
  if (*cost > kBcryptCostMax) return absl::StrCat("has a cost above ", kBcryptCostMax);
  return "";
}

std::string CryptProblem(ByteView value) {
  if (value.starts_with("$6$")) return Sha512CryptProblem(value);
  if (value.starts_with("$5$")) return Sha256CryptProblem(value);
  if (value.starts_with("$2")) return BcryptProblem(value);
  return "is of none of the kinds $6$, $5$ and $2y$";
}

Verdict ProveCrypt(ByteView value, ByteView password) {
  const auto data = std::make_unique<crypt_data>();  // 32 KiB, zeros
  std::string text(password);                        // no NUL is in it: preparation refuses one
  const std::string setting(value);
  const char* const made = crypt_r(text.c_str(), setting.c_str(), data.get());
  const bool equal = made != nullptr && ConstantTimeEquals(made, value);
  Wipe(text);
  Wipe(reinterpret_cast<char*>(data.get()), sizeof *data);
  return VerdictOf(equal);
}

// --- CRAM-MD5 -----------------------------------------------------------------------------------

std::string CramMd5Problem(ByteView value) {
  const bool right = value.size() == 2 * sizeof(CramMd5States) && DecodeHex(value).has_value();
  return right ? "" : "has not 64 hexadecimal digits";
}

Verdict ProveCramMd5(ByteView value, ByteView password) {
  const CramMd5States made = DeriveCramMd5States(password);
  return VerdictOf(
      ConstantTimeEquals(absl::BytesToHexString(View(made)), absl::AsciiStrToLower(value)));
}

constexpr Scheme kSchemes[] = {
    {"SSHA", SaltedProblem<Sha1>, ProveSalted<Sha1>},
    {"SSHA256", SaltedProblem<Sha256>, ProveSalted<Sha256>},
    {"SSHA512", SaltedProblem<Sha512>, ProveSalted<Sha512>},
    {"ARGON2ID", Argon2Problem, ProveArgon2},
    {"SHA512-CRYPT", Sha512CryptProblem, ProveCrypt},
    {"SHA256-CRYPT", Sha256CryptProblem, ProveCrypt},
    {"BLF-CRYPT", BcryptProblem, ProveCrypt},
    {"CRYPT", CryptProblem, ProveCrypt},
    {"CRAM-MD5", CramMd5Problem, ProveCramMd5},
};

const Scheme* Find(ByteView name) {
  const auto* const found = std::find_if(std::begin(kSchemes), std::end(kSchemes),
                                         [name](const Scheme& s) { return s.name == name; });
  return found == std::end(kSchemes) ? nullptr : found;
}

// "{SCHEME}value"; nullptr: no scheme of these.
const Scheme* Split(ByteView text, ByteView& value) {
  const size_t end = text.find('}');
  if (end == text.npos || text.size() > kForeignHashBytesMax || text[0] != '{') return nullptr;
  value = text.substr(end + 1);
  return Find(text.substr(1, end - 1));
}

}  // namespace

bool IsForeignScheme(ByteView scheme) { return Find(scheme) != nullptr; }

std::string ForeignSchemes() {
  std::string names;
  for (const Scheme& scheme : kSchemes) {
    absl::StrAppend(&names, names.empty() ? "{" : ", {", scheme.name, "}");
  }
  return names;
}

ByteView SchemeOf(ByteView text) {
  const size_t end = text.find('}');
  return text.starts_with('{') && end != text.npos ? text.substr(1, end - 1) : ByteView();
}

std::string ProblemOfForeignHash(ByteView text) {
  ByteView value;
  const Scheme* const scheme = Split(text, value);
  return scheme == nullptr ? "is too long, or of no scheme that is known" : scheme->problem(value);
}

std::string ForeignHashOf(const CramMd5States& states) {
  return absl::StrCat("{CRAM-MD5}", absl::BytesToHexString(View(states)));
}

Verdict ProveForeignHash(ByteView text, ByteView password) {
  ByteView value;
  const Scheme* const scheme = Split(text, value);
  if (scheme == nullptr || !scheme->problem(value).empty()) return Verdict::kMismatch;
  return scheme->prove(value, password);
}

}  // namespace sluice::auth
