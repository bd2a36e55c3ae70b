#include "core/server/pid_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/base/act_as.h"

namespace sluice::server {
namespace {

int Open(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
}

// Nobody else puts links there.
bool IsInFolderOfRoot(const std::string& path) {
  const std::string folder = path.substr(0, path.find_last_of('/') + 1) + ".";
  struct stat facts {};
  if (stat(folder.c_str(), &facts) == 0 && facts.st_uid == 0) return true;
  errno = EACCES;
  return false;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PidFile>> PidFile::Write(const std::string& path, uid_t uid,
                                                        gid_t gid) {
  int fd;
  {
    const ActAs account(uid, gid);
    fd = Open(path);
  }
  if (fd < 0 && errno == EACCES && IsInFolderOfRoot(path)) fd = Open(path);
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    const int error = errno;
    if (fd >= 0) close(fd);
    const std::string why =
        error == ELOOP ? "it is a symbolic link, and none is followed here" : std::strerror(error);
    return absl::UnavailableError(absl::StrCat("pid_file: cannot write ", path, ": ", why));
  }
  return std::unique_ptr<PidFile>(new PidFile(path, fd));
}

PidFile::~PidFile() {
  const bool gone = unlink(path_.c_str()) == 0 || ftruncate(fd_, 0) == 0;
  if (!gone) std::fprintf(stderr, "sluice: pid_file: cannot remove %s\n", path_.c_str());
  close(fd_);
}

}  // namespace sluice::server
