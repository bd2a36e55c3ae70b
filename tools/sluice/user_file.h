// Users in files: what `sluice user import` reads and `sluice user export` writes.
//
//   CSV      (RFC 4180) a line of column names first: login, and of password, keys, those of
//            user_policy.h, disabled and suspended (yes, no), suspended_at (RFC 3339) and
//            suspended_why those that there are. Several values of a column are separated by
//            blanks, rates by semicolons. A blank inside a value stands in a quoted local part
//            ("a b"@example.net) or behind a backslash.
//   Dovecot  a passwd-file: user:{SCHEME}value:..., the rest of a line is not looked at
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
};

enum class UserFormat : uint8_t { kCsv, kDovecot, kSasldb };

class UserFile {
 public:
  // `text` outlives the object.
  UserFile(ByteView text, UserFormat format) : text_(text), rest_(text), format_(format) {}

  // The next user; nullopt: no more. InvalidArgument names the line, and says what is wrong.
  absl::StatusOr<std::optional<FileUser>> Next();
  size_t line() const { return line_; }      // of the last user
  size_t offset() const { return offset_; }  // where its lines begin in the text

  // The next user is the one that begins there; lines are no longer counted. REQUIRES: all were
  // read before.
  void Seek(size_t offset) { rest_ = text_.substr(offset); }

 private:
  bool TakeLine(ByteView& line);
  bool TakeFirstLine(ByteView& line);  // of a user, maybe
  bool TakeCsvLines(ByteView& lines);
  absl::StatusOr<std::optional<FileUser>> NextCsv();
  absl::StatusOr<std::optional<FileUser>> NextDovecot();
  absl::StatusOr<std::optional<FileUser>> NextSasldb();
  absl::Status Problem(ByteView what) const;

  const ByteView text_;
  ByteView rest_;
  const UserFormat format_;
  size_t line_ = 0;
  size_t lines_inside_ = 0;  // CSV: line ends in quoted fields of the last user
  size_t offset_ = 0;
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
