// PidFile: the number of this process in a file, for service managers and scripts, for as long as
// it serves.
#ifndef SLUICE_CORE_SERVER_PID_FILE_H_
#define SLUICE_CORE_SERVER_PID_FILE_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace sluice::server {

class PidFile {
 public:
  // Written as that account where it may write there, so that root follows no link of its; else, in
  // a folder of root's, as root.
  static absl::StatusOr<std::unique_ptr<PidFile>> Write(const std::string& path, uid_t uid,
                                                        gid_t gid);

  // Removes the file. Where that is no longer allowed (root made it in a folder of root's, and is
  // root no more) it is left empty.
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  PidFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  const std::string path_;
  const int fd_;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_PID_FILE_H_
