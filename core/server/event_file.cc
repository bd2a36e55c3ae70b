#include "core/server/event_file.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace sluice::server {

std::string EventFile::PathNow() const {
  if (dir_.empty()) return "standard output";
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(clock_()));
  char name[40];
  std::snprintf(name, sizeof name, "/events-%04d%02u%02u.jsonl", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return dir_ + name;
}

absl::Status EventFile::Open() {
  const std::string path = PathNow();
  const int fd = dir_.empty() ? STDOUT_FILENO
                              : open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot open the event log"));
  }
  Close();
  fd_ = fd;
  path_ = path;
  regular_ = S_ISREG(status.st_mode);
  return absl::OkStatus();
}

ssize_t EventFile::WriteSome(ByteView bytes) {
  if (!regular_) {
    // A pipe that polls writable takes PIPE_BUF octets without blocking, and not always more.
    pollfd want = {fd_, POLLOUT, 0};
    if (poll(&want, 1, 100) == 0) return 0;
    bytes = bytes.substr(0, PIPE_BUF);
  }
  const ssize_t written = write(fd_, bytes.data(), bytes.size());
  if (written >= 0) return written;
  return errno == EINTR || errno == EAGAIN ? 0 : -errno;
}

void EventFile::Close() {
  if (fd_ > STDERR_FILENO) close(fd_);
  fd_ = -1;
}

}  // namespace sluice::server
