// Users in files: what `sluice user import` reads and `sluice user export` writes.
//
//   CSV      (RFC 4180) a line of column names first: login, and of password, keys, those of
//            user_policy.h, disabled and suspended (yes, no), suspended_at (RFC 3339) and
//            suspended_why those that there are. Several values of a column are separated by
//            blanks, rates by semicolons. A blank inside a value stands in a quoted local part
//            ("a b"@example.net) or behind a backslash.
//   Dovecot  a passwd-file: user:{SCHEME}value, and of the extra fields allow_nets (networks),
//            nologin (disabled), sluice_address, sluice_domain and sluice_tenant (auth/README.md);
//            nodelay and userdb_... mean nothing here, others are counted
//   sasldb   what `db_dump` (with or without -p) prints of Cyrus SASL's /etc/sasldb2
//
// Keys, in CSV and Dovecot's files: {SCRAM-SHA-1}, {SCRAM-SHA-256} and {SCRAM-SHA-512} with
// count,salt,StoredKey,ServerKey (the last three in base64), {CRAM-MD5} with its states in
// hexadecimal, as `doveadm pw` makes them; {DIGEST-MD5} with H(user:realm:password) in hexadecimal,
// a comma and the realm (Dovecot's has no realm, and takes the login's domain for it: not taken);
// {PLAIN}, {CLEAR} and {CLEARTEXT} are passwords; {SSHA512}, {ARGON2ID} and others hashes that
// prove PLAIN and LOGIN alone (auth/foreign_hash.h). Pure.
#ifndef SLUICE_TOOLS_SLUICE_USER_FILE_H_
#define SLUICE_TOOLS_SLUICE_USER_FILE_H_

#include <bitset>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "auth/record.h"
#include "auth/secret.h"
#include "core/base/bytes.h"
#include "core/base/time.h"

namespace sluice {

inline constexpr size_t kSuspendedWhyBytesMax = 1000;

struct FileUser {
  std::string name;               // as it stands there
  auth::Secret password;          // empty: there are keys
  auth::CredentialRecord record;  // keys and what is allowed; addresses canonical
  // What the file says, if only by an empty field; of the rest `record` has what a new user has.
  // `disabled` and `suspended` are said by yes or no alone.
  std::bitset<32> says_policy;  // by places in PolicySettings()
  bool says_keys = false;
  bool says_disabled = false;
  bool says_suspended = false;
};

// Gives `record`, that of a user who is there, what the file says and leaves the rest. The keys of
// a password are made before.
void Replace(const FileUser& user, auth::CredentialRecord& record);

enum class UserFormat : uint8_t { kCsv, kDovecot, kSasldb };

class UserFile {
 public:
  // `text` outlives the object.
  UserFile(ByteView text, UserFormat format) : text_(text), rest_(text), format_(format) {}

  // The next user; nullopt: no more. InvalidArgument names the line, and says what is wrong.
  absl::StatusOr<std::optional<FileUser>> Next();
  size_t line() const { return line_; }      // of the last user
  size_t offset() const { return offset_; }  // where its lines begin in the text

  // Dovecot's extra fields that mean something there and nothing here: on how many lines.
  const std::map<std::string, size_t>& ignored() const { return ignored_; }

  // The next user is the one that begins there; lines and what is ignored are no longer counted.
  // REQUIRES: all were read before.
  void Seek(size_t offset) {
    rest_ = text_.substr(offset);
    sought_ = true;
  }

 private:
  bool TakeLine(ByteView& line);
  bool TakeFirstLine(ByteView& line);  // of a user, maybe
  bool TakeCsvLines(ByteView& lines);
  absl::StatusOr<std::optional<FileUser>> NextCsv();
  absl::StatusOr<std::optional<FileUser>> NextDovecot();
  absl::StatusOr<std::optional<FileUser>> NextSasldb();
  std::string TakeExtraFields(ByteView fields, FileUser& user);
  absl::Status Problem(ByteView what) const;

  const ByteView text_;
  ByteView rest_;
  const UserFormat format_;
  size_t line_ = 0;
  size_t lines_inside_ = 0;  // CSV: line ends in quoted fields of the last user
  size_t offset_ = 0;
  bool sought_ = false;
  std::map<std::string, size_t> ignored_;
  bool begun_ = false;                // CSV: columns were read; sasldb: the header
  bool printable_ = false;            // sasldb: db_dump -p
  std::vector<std::string> columns_;  // CSV
};

// "2026-01-31T12:00:00Z", with milliseconds where there are some.
std::string PrintTime(WallTime time);

// As a line of CSV, with its line end. No password, but keys: whoever has {CRAM-MD5} can log in.
std::string CsvColumns();
std::string CsvLine(ByteView login, const auth::CredentialRecord& record);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_USER_FILE_H_
