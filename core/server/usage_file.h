// UsageFile: what was counted against limits (usage.h), kept over a restart in state_dir/usage.
//
// The file is a header with the secret that names are hashed with, and then the table's lines at
// their places (auth/meters.h), all little-endian. Save writes what has changed; once a second, so
// a kill loses a second's counts, and a power cut what the kernel had not written. A file that
// cannot be read is set aside and counting begins anew: limits are no reason not to serve.
#ifndef SLUICE_CORE_SERVER_USAGE_FILE_H_
#define SLUICE_CORE_SERVER_USAGE_FILE_H_

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "auth/meters.h"

namespace sluice::server {

class UsageFile {
 public:
  static constexpr size_t kSecretBytes = 32;
  using Secret = std::array<char, kSecretBytes>;

  // Reads the file of that path, or begins one with `fresh` as its secret. `note`: what an operator
  // should know, or empty.
  static absl::StatusOr<std::unique_ptr<UsageFile>> Open(const std::string& path,
                                                         const Secret& fresh, std::string& note);
  ~UsageFile();
  UsageFile(const UsageFile&) = delete;
  UsageFile& operator=(const UsageFile&) = delete;

  const Secret& secret() const { return secret_; }

  // Gives `meters` what the file had, once, and makes the file fit it.
  absl::Status Restore(auth::Meters& meters, WallTime now);
  // What has changed. Not beside Restore.
  absl::Status Save(auth::Meters& meters);

 private:
  UsageFile(std::string path, int fd, const Secret& secret)
      : path_(std::move(path)), fd_(fd), secret_(secret) {}

  const std::string path_;
  int fd_;
  Secret secret_;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_USAGE_FILE_H_
