#include "tools/sluice/user_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <span>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "auth/foreign_hash.h"
#include "auth/scram_keys.h"
#include "auth/sender_policy.h"
#include "core/base/base64.h"
#include "core/base/hex.h"
#include "tools/sluice/user_policy.h"

namespace sluice {
namespace {

using auth::CredentialRecord;
using auth::ScramHash;
using auth::ScramKeys;

constexpr std::pair<ByteView, ScramHash> kScramSchemes[] = {{"SCRAM-SHA-1", ScramHash::kSha1},
                                                            {"SCRAM-SHA-256", ScramHash::kSha256},
                                                            {"SCRAM-SHA-512", ScramHash::kSha512}};

// Of an export.
std::vector<ByteView> Columns() {
  std::vector<ByteView> columns = {"login", "keys"};
  for (const users::PolicySetting& setting : users::PolicySettings())
    columns.push_back(setting.name);
  columns.insert(columns.end(), {"disabled", "suspended", "suspended_at", "suspended_why"});
  return columns;
}

// Words between blanks. One that begins with a quote goes to the end of its quoted string, which
// stays as it is: "a b"@example.net is a word. Elsewhere a backslash takes the blank, quote or
// backslash behind it into the word.
std::vector<std::string> SplitWords(ByteView text) {
  std::vector<std::string> words;
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    if (text.empty()) return words;
    size_t i = 0;
    if (text[0] == '"') {
      for (i = 1; i < text.size() && text[i] != '"'; i++) {
        if (text[i] == '\\') i++;
      }
      i = std::min(i + 1, text.size());
    }
    std::string& word = words.emplace_back(text.substr(0, i));
    for (; i < text.size() && text[i] != ' '; i++) {
      const bool escapes = text[i] == '\\' && i + 1 < text.size() &&
                           ByteView(" \"\\").find(text[i + 1]) != ByteView::npos;
      if (escapes) i++;
      word += text[i];
    }
    text.remove_prefix(i);
  }
}

// So that SplitWords() finds the same words.
std::string JoinWords(std::vector<std::string> words) {
  for (std::string& word : words) {
    const std::vector<std::string> found = SplitWords(word + " .");
    if (found.size() == 2 && found[0] == word) continue;
    word = absl::StrReplaceAll(word, {{" ", "\\ "}, {"\"", "\\\""}, {"\\", "\\\\"}});
  }
  return absl::StrJoin(words, " ");
}

// Base64 into `to`; its octets, or -1.
ptrdiff_t Decode(ByteView text, MutableBytes to) {
  std::string octets(Base64DecodedBytesMax(text.size()), '\0');
  const ptrdiff_t bytes = Base64Decode(text, octets);
  if (bytes < 0 || static_cast<size_t>(bytes) > to.size()) return -1;
  std::copy_n(octets.begin(), bytes, to.begin());
  return bytes;
}

std::optional<ScramKeys> ParseScram(ScramHash hash, ByteView text) {
  const std::vector<std::string_view> parts = absl::StrSplit(text, ',');
  if (parts.size() != 4) return std::nullopt;
  ScramKeys keys;
  keys.hash = hash;
  const char* const end = parts[0].data() + parts[0].size();
  const auto read = std::from_chars(parts[0].data(), end, keys.iterations);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  if (keys.iterations == 0 || keys.iterations > auth::kIterationsMax) return std::nullopt;
  const ptrdiff_t salt = Decode(parts[1], keys.salt);
  const auto bytes = static_cast<ptrdiff_t>(auth::DigestBytes(hash));
  if (salt <= 0 || Decode(parts[2], keys.stored_key) != bytes ||
      Decode(parts[3], keys.server_key) != bytes) {
    return std::nullopt;
  }
  keys.salt_bytes = static_cast<uint8_t>(salt);
  KeepStates(keys);
  return keys;
}

// "{SCHEME}value". What is wrong; empty: nothing.
std::string TakeKeys(ByteView text, FileUser& user) {
  const size_t end = text.find('}');
  if (!text.starts_with('{') || end == text.npos)
    return "no {SCHEME} stands before the key or password";
  const std::string scheme = absl::AsciiStrToUpper(text.substr(1, end - 1));
  const ByteView value = text.substr(end + 1);
  for (const auto& [name, hash] : kScramSchemes) {
    if (scheme != name) continue;
    user.record.Scram(hash) = ParseScram(hash, value);
    if (user.record.Scram(hash).has_value()) return "";
    return absl::StrCat("{", scheme, "} has no count,salt,StoredKey,ServerKey of the right sizes");
  }
  if (scheme == "CRAM-MD5") {
    const std::string problem = auth::ProblemOfForeignHash(absl::StrCat("{", scheme, "}", value));
    if (!problem.empty()) return absl::StrCat("{", scheme, "} ", problem);
    const std::string states = *DecodeHex(value);
    std::copy(states.begin(), states.end(), user.record.cram_md5.emplace().begin());
    return "";
  }
  if (scheme == "DIGEST-MD5") {
    constexpr size_t kHexBytes = 2 * auth::Md5::kBytes;
    const std::optional<std::string> hash = DecodeHex(value.substr(0, kHexBytes));
    if (value.size() <= kHexBytes + 1 || value[kHexBytes] != ',' || !hash.has_value()) {
      return "{DIGEST-MD5} has not 32 hexadecimal digits, a comma and a realm (Dovecot's is of a "
             "name without its domain and cannot be used)";
    }
    auth::DigestMd5Key& key = user.record.digest_md5.emplace();
    std::copy(hash->begin(), hash->end(), key.hash.begin());
    key.realm = value.substr(kHexBytes + 1);
    return "";
  }
  if (scheme == "PLAIN" || scheme == "CLEAR" || scheme == "CLEARTEXT") {
    if (value.empty()) return "the password is empty";
    user.password = auth::Secret(value);
    return "";
  }
  if (auth::IsForeignScheme(scheme)) {
    user.record.foreign_hash = absl::StrCat("{", scheme, "}", value);
    const std::string problem = auth::ProblemOfForeignHash(user.record.foreign_hash);
    return problem.empty() ? "" : absl::StrCat("{", scheme, "} ", problem);
  }
  return absl::StrCat("{", scheme,
                      "} is not known; known are {SCRAM-SHA-1}, {SCRAM-SHA-256}, {SCRAM-SHA-512}, "
                      "{DIGEST-MD5}, {PLAIN} and, of other servers, ",
                      auth::ForeignSchemes());
}

std::string TakeFlag(ByteView column, ByteView value, bool& flag, bool& says) {
  if (value.empty()) return "";
  if (value != "yes" && value != "no")
    return absl::StrCat(column, " is ", value, ", expected yes or no");
  flag = value == "yes";
  says = true;
  return "";
}

// What is wrong; empty: nothing.
std::string TakeSetting(const users::PolicySetting& setting, const std::vector<std::string>& values,
                        FileUser& user) {
  user.says_policy.set(static_cast<size_t>(&setting - users::PolicySettings().data()));
  return std::string(setting.set(values, user.record).message());
}

std::string TakeColumn(ByteView column, ByteView value, FileUser& user) {
  if (column == "login") {
    user.name = value;
  } else if (column == "password") {
    if (value.empty()) return "";
    user.password = auth::Secret(value);
    user.says_keys = true;
  } else if (column == "keys") {
    user.says_keys = true;
    for (const std::string& word : SplitWords(value)) {
      if (std::string wrong = TakeKeys(word, user); !wrong.empty()) return wrong;
    }
  } else if (const users::PolicySetting* const setting = users::FindPolicySetting(column)) {
    std::vector<std::string> values = {std::string(value)};
    if (setting->separator == ' ') {
      values = SplitWords(value);
    } else if (setting->separator != 0) {
      values = absl::StrSplit(value, setting->separator, absl::SkipEmpty());
    }
    return TakeSetting(*setting, values, user);
  } else if (column == "suspended") {
    return TakeFlag(column, value, user.record.suspended, user.says_suspended);
  } else if (column == "suspended_at") {
    absl::Time at;
    if (value.empty()) return "";
    if (!absl::ParseTime(absl::RFC3339_full, value, &at, nullptr))
      return absl::StrCat(column, " is ", value, ", expected a time such as 2026-01-31T12:00:00Z");
    user.record.suspended_at = WallFromMillis(absl::ToUnixMillis(at));
  } else if (column == "suspended_why") {
    if (value.size() > kSuspendedWhyBytesMax)
      return absl::StrCat(column, " is longer than ", kSuspendedWhyBytesMax, " octets");
    user.record.suspended_why = value;
  } else {
    return TakeFlag(column, value, user.record.disabled, user.says_disabled);
  }
  return "";
}

// When and why stand only where it is suspended, and why only beside when: the record can say it no
// other way.
std::string ProblemOfSuspension(const CredentialRecord& record) {
  const bool timed = record.suspended_at != WallTime();
  if (!record.suspended_why.empty() && !timed) return "suspended_why stands without suspended_at";
  if (timed && !record.suspended) return "suspended_at stands there, but suspended is not yes";
  return "";
}

// The fields of a line of RFC 4180; nullopt: a quote that does not end, or something behind its
// end.
std::optional<std::vector<std::string>> SplitCsv(ByteView line) {
  std::vector<std::string> fields;
  for (;;) {
    std::string& field = fields.emplace_back();
    if (!line.starts_with('"')) {
      const size_t end = std::min(line.find(','), line.size());
      field = line.substr(0, end);
      line.remove_prefix(end);
    } else {
      for (line.remove_prefix(1);; line.remove_prefix(1)) {
        const size_t end = line.find('"');
        if (end == line.npos) return std::nullopt;
        field += line.substr(0, end);
        line.remove_prefix(end + 1);
        if (!line.starts_with('"')) break;
        field += '"';
      }
    }
    if (line.empty()) return fields;
    if (line[0] != ',') return std::nullopt;
    line.remove_prefix(1);
  }
}

std::string QuotedCsv(ByteView field) {
  if (field.find_first_of("\",\r\n") == field.npos) return std::string(field);
  return absl::StrCat("\"", absl::StrReplaceAll(field, {{"\"", "\"\""}}), "\"");
}

// A line of db_dump: octets in hexadecimal, or with -p as they are but for \xx and \\.
std::optional<std::string> DecodeDump(ByteView line, bool printable) {
  if (!printable) return DecodeHex(line);
  std::string octets;
  while (!line.empty()) {
    if (line[0] != '\\') {
      octets += line[0];
      line.remove_prefix(1);
    } else if (line.starts_with("\\\\")) {
      octets += '\\';
      line.remove_prefix(2);
    } else {
      const std::optional<std::string> octet = DecodeHex(line.substr(1, 2));
      if (line.size() < 3 || !octet.has_value()) return std::nullopt;
      octets += *octet;
      line.remove_prefix(3);
    }
  }
  return octets;
}

}  // namespace

bool UserFile::TakeLine(ByteView& line) {
  if (rest_.empty()) return false;
  const size_t end = std::min(rest_.find('\n'), rest_.size());
  line = rest_.substr(0, end);
  rest_.remove_prefix(std::min(end + 1, rest_.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  line_++;
  return true;
}

bool UserFile::TakeFirstLine(ByteView& line) {
  offset_ = text_.size() - rest_.size();
  return TakeLine(line);
}

// Up to a line end that is in no quoted field (RFC 4180). A quote that does not end takes the rest
// of the text, and SplitCsv() says so.
bool UserFile::TakeCsvLines(ByteView& lines) {
  line_ += std::exchange(lines_inside_, 0);
  offset_ = text_.size() - rest_.size();
  bool begins = true, quoted = false;  // a field
  size_t end = 0;
  for (; end < rest_.size(); end++) {
    const char c = rest_[end];
    if (c == '\n') {
      if (!quoted) break;
      lines_inside_++;
    }
    if (c == '"' && (begins || quoted)) {
      const bool doubled = quoted && rest_.substr(end + 1).starts_with('"');
      if (doubled) {
        end++;
      } else {
        quoted = !quoted;
      }
    }
    begins = c == ',' && !quoted;
  }
  if (rest_.empty()) return false;
  lines = rest_.substr(0, end);
  rest_.remove_prefix(std::min(end + 1, rest_.size()));
  if (lines.ends_with('\r')) lines.remove_suffix(1);
  line_++;
  return true;
}

absl::Status UserFile::Problem(ByteView what) const {
  return absl::InvalidArgumentError(absl::StrCat("line ", line_, ": ", what));
}

absl::StatusOr<std::optional<FileUser>> UserFile::Next() {
  switch (format_) {
    case UserFormat::kCsv:
      return NextCsv();
    case UserFormat::kDovecot:
      return NextDovecot();
    case UserFormat::kSasldb:
      break;
  }
  return NextSasldb();
}

absl::StatusOr<std::optional<FileUser>> UserFile::NextCsv() {
  ByteView line;
  constexpr ByteView kByteOrderMark = "\xef\xbb\xbf";
  if (!begun_ && rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
  while (TakeCsvLines(line)) {
    if (line.empty()) continue;
    auto fields = SplitCsv(line);
    if (!fields.has_value()) return Problem("a quoted field does not end where it should");
    if (!std::exchange(begun_, true)) {
      const std::vector<ByteView> known = Columns();
      for (const std::string& column : *fields) {
        if (column == "password" || std::find(known.begin(), known.end(), column) != known.end())
          continue;
        return Problem(absl::StrCat("'", column, "' is no column; columns are ",
                                    absl::StrJoin(known, ", "), ", password"));
      }
      for (auto column = fields->begin(); column != fields->end(); ++column) {
        if (std::find(fields->begin(), column, *column) != column)
          return Problem(absl::StrCat("the column ", *column, " stands there twice"));
      }
      if (std::find(fields->begin(), fields->end(), "login") == fields->end()) {
        return Problem("there is no column login");
      }
      columns_ = *std::move(fields);
      continue;
    }
    if (fields->size() != columns_.size()) {
      return Problem(
          absl::StrCat(fields->size(), " fields where there are ", columns_.size(), " columns"));
    }
    FileUser user;
    for (size_t i = 0; i < columns_.size(); i++) {
      if (std::string wrong = TakeColumn(columns_[i], (*fields)[i], user); !wrong.empty())
        return Problem(wrong);
    }
    if (std::string wrong = ProblemOfSuspension(user.record); !wrong.empty()) return Problem(wrong);
    return user;
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<FileUser>> UserFile::NextDovecot() {
  ByteView line;
  while (TakeFirstLine(line)) {
    if (line.empty() || line[0] == '#') continue;
    const std::vector<std::string_view> fields = absl::StrSplit(line, ':');
    if (fields.size() < 2) return Problem("no password stands behind a colon");
    FileUser user;
    user.name = fields[0];
    user.says_keys = true;
    if (std::string wrong = TakeKeys(fields[1], user); !wrong.empty()) return Problem(wrong);
    // user:password:uid:gid:gecos:home:shell:extra fields, which may have colons.
    constexpr size_t kFieldsBefore = 7;
    ByteView extra = line;
    for (size_t i = 0; i < kFieldsBefore; i++)
      extra.remove_prefix(std::min(extra.find(':'), extra.size() - 1) + 1);
    if (std::string wrong = TakeExtraFields(extra, user); !wrong.empty()) return Problem(wrong);
    return user;
  }
  return std::nullopt;
}

// Between blanks: name, or name=value. What restricts a login and cannot be read is an error. The
// lists are separated by commas, and said twice they add up.
std::string UserFile::TakeExtraFields(ByteView fields, FileUser& user) {
  std::map<ByteView, std::vector<std::string>> lists;  // by settings' names
  std::set<std::string> ignored;
  for (const std::string_view field : absl::StrSplit(fields, ' ', absl::SkipEmpty())) {
    const std::pair<std::string_view, std::string_view> parts =
        absl::StrSplit(field, absl::MaxSplits('=', 1));
    const auto& [name, value] = parts;
    const auto add = [&, value = value](ByteView setting) {
      for (const std::string_view item : absl::StrSplit(value, ',', absl::SkipEmpty()))
        lists[setting].emplace_back(item);
    };
    if (name == "allow_nets") {
      add("networks");
      if (lists["networks"].empty()) return "allow_nets names no network, so nobody could log in";
    } else if (name == "nologin") {
      user.record.disabled = value != "n" && value != "no";
      user.says_disabled = true;
    } else if (name == "sluice_address") {
      add("addresses");
    } else if (name == "sluice_domain") {
      add("domains");
    } else if (name == "sluice_tenant") {
      lists["tenant"] = {std::string(value)};
    } else if (name != "nodelay" && !name.starts_with("userdb_")) {
      ignored.emplace(name);
    }
  }
  for (const auto& [name, values] : lists) {
    std::string wrong = TakeSetting(*users::FindPolicySetting(name), values, user);
    if (wrong.empty()) continue;
    return name == "networks" ? absl::StrCat("allow_nets: ", wrong) : wrong;
  }
  if (!sought_) {
    for (const std::string& name : ignored) ignored_[name]++;
  }
  return "";
}

// Lines in pairs: "user NUL realm NUL userPassword" and the password, each behind a space. Users of
// other properties (of mechanisms that were removed long ago) are passed over.
absl::StatusOr<std::optional<FileUser>> UserFile::NextSasldb() {
  ByteView line;
  while (!begun_ && TakeLine(line)) {
    if (line == "format=print") printable_ = true;
    begun_ = line == "HEADER=END";
  }
  if (!begun_) return Problem("there is no HEADER=END: this is not what db_dump prints");
  ByteView value_line;
  for (;;) {
    if (!TakeFirstLine(line))
      return Problem("there is no DATA=END behind it: the dump was cut off");
    if (line == "DATA=END") return std::nullopt;
    if (!line.starts_with(' ') || !TakeLine(value_line) || !value_line.starts_with(' ')) {
      return Problem("a key without its value");
    }
    auto key = DecodeDump(line.substr(1), printable_);
    auto value = DecodeDump(value_line.substr(1), printable_);
    if (!key.has_value() || !value.has_value())
      return Problem("octets that db_dump does not write");
    const std::vector<std::string> parts = absl::StrSplit(*key, '\0');
    if (parts.size() != 3 || parts[2] != "userPassword") continue;
    FileUser user;
    user.name = parts[1].empty() || parts[0].find('@') != std::string::npos
                    ? parts[0]
                    : absl::StrCat(parts[0], "@", parts[1]);
    if (value->empty()) return Problem("the password is empty");
    user.password = auth::Secret(*value);
    user.says_keys = true;
    Wipe(*value);
    return user;
  }
}

void Replace(const FileUser& user, CredentialRecord& record) {
  const CredentialRecord& from = user.record;
  if (user.says_keys) {
    record.scram = from.scram;
    record.cram_md5 = from.cram_md5;
    record.digest_md5 = from.digest_md5;
    record.foreign_hash = from.foreign_hash;
  }
  const auto settings = users::PolicySettings();
  for (size_t i = 0; i < settings.size(); i++) {
    // What it got it takes again.
    if (user.says_policy[i]) settings[i].set(settings[i].get(from), record).IgnoreError();
  }
  if (user.says_disabled) record.disabled = from.disabled;
  if (!user.says_suspended) return;
  // Suspended again it keeps its first time and reason, unless the file has others.
  if (!from.suspended || !record.suspended || from.suspended_at != WallTime()) {
    record.suspended_at = from.suspended_at;
    record.suspended_why = from.suspended_why;
  }
  record.suspended = from.suspended;
}

std::string PrintTime(WallTime time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMillis(WallMillis(time)),
                          absl::UTCTimeZone());
}

std::string CsvColumns() { return absl::StrCat(absl::StrJoin(Columns(), ","), "\n"); }

std::string CsvLine(ByteView login, const CredentialRecord& record) {
  std::vector<std::string> keys;
  for (const auto& [name, hash] : kScramSchemes) {
    const std::optional<ScramKeys>& scram = record.Scram(hash);
    if (!scram.has_value()) continue;
    keys.push_back(absl::StrCat(
        "{", name, "}", scram->iterations, ",", Base64Encode(scram->salt_view()), ",",
        Base64Encode(scram->stored_key_view()), ",", Base64Encode(scram->server_key_view())));
  }
  if (record.cram_md5.has_value()) {
    keys.push_back(auth::ForeignHashOf(*record.cram_md5));
  }
  if (record.digest_md5.has_value()) {
    keys.push_back(absl::StrCat("{DIGEST-MD5}",
                                absl::BytesToHexString(auth::View(record.digest_md5->hash)), ",",
                                record.digest_md5->realm));
  }
  if (!record.foreign_hash.empty()) keys.push_back(record.foreign_hash);
  std::vector<std::string> fields = {QuotedCsv(login), QuotedCsv(JoinWords(keys))};
  for (const users::PolicySetting& setting : users::PolicySettings()) {
    const std::vector<std::string> values = setting.get(record);
    const char separator[] = {setting.separator, '\0'};
    fields.push_back(
        QuotedCsv(setting.separator == ' ' ? JoinWords(values) : absl::StrJoin(values, separator)));
  }
  fields.push_back(record.disabled ? "yes" : "no");
  fields.push_back(record.suspended ? "yes" : "no");
  fields.push_back(record.suspended_at == WallTime() ? "" : PrintTime(record.suspended_at));
  fields.push_back(QuotedCsv(record.suspended_why));
  return absl::StrCat(absl::StrJoin(fields, ","), "\n");
}

}  // namespace sluice
