// LineFile: a table of lines (auth/line_table.h) kept over a restart: what was counted against
// limits (usage.h) in state_dir/usage, where logins come from (auth/known_clients.h) in
// state_dir/clients.
//
// The file is a header with the secret that names are hashed with, and then the table's lines at
// their places, all little-endian. Save writes what has changed; once a second, so a kill loses a
// second's, and a power cut what the kernel had not written. A file that cannot be read is set
// aside and its table begins anew: that is no reason not to serve.
#ifndef SLUICE_CORE_SERVER_LINE_FILE_H_
#define SLUICE_CORE_SERVER_LINE_FILE_H_

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "auth/line_table.h"

namespace sluice::server {

class LineFile {
 public:
  static constexpr size_t kSecretBytes = 32;
  using Secret = std::array<char, kSecretBytes>;

  // Reads the file of that path, or begins one with `fresh` as its secret. `kind`: 8 octets that
  // tell it from other tables' files. `note`: what an operator should know, or empty.
  static absl::StatusOr<std::unique_ptr<LineFile>> Open(const std::string& path, ByteView kind,
                                                        const Secret& fresh, std::string& note);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  const Secret& secret() const { return secret_; }

  // Gives `table` what the file had, once, and makes the file fit it.
  absl::Status Restore(auth::LineTable& table, WallTime now);
  // What has changed. Not beside Restore.
  absl::Status Save(auth::LineTable& table);

 private:
  LineFile(std::string path, ByteView kind, int fd, const Secret& secret)
      : path_(std::move(path)), kind_(kind), fd_(fd), secret_(secret) {}

  const std::string path_;
  const std::string kind_;
  int fd_;
  Secret secret_;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_LINE_FILE_H_
