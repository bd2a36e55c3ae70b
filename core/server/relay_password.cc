#include "core/server/relay_password.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace sluice::server {

absl::StatusOr<auth::Secret> LoadRelayPassword(const RelayOptions& options) {
  const auto wrong = [&](std::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("relay.password_file ", options.password_file, ": ", what));
  };
  const int fd = open(options.password_file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("relay.password_file ", options.password_file));
  const auto close_file = absl::MakeCleanup([fd] { close(fd); });
  char text[1024];
  const auto wipe = absl::MakeCleanup([&text] { Wipe(text, sizeof text); });
  const ssize_t bytes = read(fd, text, sizeof text);
  if (bytes < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("relay.password_file ", options.password_file));
  ByteView line(text, static_cast<size_t>(bytes));
  line = line.substr(0, line.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.size() == sizeof text) return wrong("its first line is too long for a password");
  if (line.empty()) return wrong("its first line is empty; expected the password");
  return auth::Secret(line);
}

}  // namespace sluice::server
