// EventFile: where event lines go: <dir>/events-YYYYMMDD.jsonl of the present UTC day, opened to
// append, or standard output. Errors are the caller's to handle. One thread: the event log's
// writer.
#ifndef SLUICE_CORE_SERVER_EVENT_FILE_H_
#define SLUICE_CORE_SERVER_EVENT_FILE_H_

#include <sys/types.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "core/base/bytes.h"
#include "core/base/time.h"

namespace sluice::server {

using WallClock = std::function<WallTime()>;

class EventFile {
 public:
  EventFile(std::string dir, WallClock clock) : dir_(std::move(dir)), clock_(std::move(clock)) {}
  ~EventFile() { Close(); }
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  // Opens today's file, in place of the one that is open.
  absl::Status Open();
  // Whether the open file is the one for now.
  bool Current() const { return fd_ >= 0 && path_ == PathNow(); }

  // Writes the front of `bytes` and returns how many octets went, 0 when a pipe takes none for 100
  // ms (it never blocks longer), or -errno. REQUIRES: open.
  ssize_t WriteSome(ByteView bytes);

  const std::string& path() const { return path_; }

 private:
  std::string PathNow() const;
  void Close();

  const std::string dir_;
  const WallClock clock_;
  std::string path_;  // of what is open
  int fd_ = -1;
  bool regular_ = false;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_EVENT_FILE_H_
