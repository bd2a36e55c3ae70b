#include "tools/load/message_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"

namespace sluice::load {
namespace {

absl::Status WriteNew(const std::string& file, ByteView bytes) {
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return absl::ErrnoToStatus(errno, file);
  absl::Status status;
  while (!bytes.empty() && status.ok()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR) {
      status = absl::ErrnoToStatus(errno, file);
    }
  }
  close(fd);
  return status;
}

}  // namespace

std::string UnstuffDots(ByteView wire) {
  constexpr ByteView kEndOfData = ".\r\n";
  CHECK(wire.ends_with(kEndOfData));
  wire.remove_suffix(kEndOfData.size());
  std::string content;
  content.reserve(wire.size());
  if (wire.starts_with('.')) wire.remove_prefix(1);
  for (size_t line = wire.find("\r\n."); line != ByteView::npos; line = wire.find("\r\n.")) {
    content.append(wire.substr(0, line + 2));
    wire.remove_prefix(line + 3);
  }
  return content.append(wire);
}

absl::StatusOr<std::unique_ptr<MessageStore>> MessageStore::Open(const std::string& folder) {
  if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, folder);
  }
  return std::unique_ptr<MessageStore>(new MessageStore(folder));
}

absl::Status MessageStore::Save(ByteView content, ByteView envelope) {
  std::string name;
  absl::Status status;
  do {  // a name that is taken is from an earlier run
    name = absl::StrCat(folder_, "/", last_.fetch_add(1) + 1);
    status = WriteNew(name + ".env", envelope);
  } while (absl::IsAlreadyExists(status));
  if (!status.ok()) return status;
  const std::string part = name + ".part";
  if (status = WriteNew(part, content); !status.ok()) return status;
  if (std::rename(part.c_str(), (name + ".eml").c_str()) != 0) {
    return absl::ErrnoToStatus(errno, name);
  }
  return absl::OkStatus();
}

}  // namespace sluice::load
