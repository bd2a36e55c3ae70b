#include "core/io/listen.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"

namespace sluice::io {
namespace {

constexpr int kBacklog = 4096;

absl::Status Failed(const SockAddr& address, const char* what, int error) {
  std::string text = absl::StrCat("listener ", address.ToString(), ": ", what, ": ", std::strerror(error));
  if (error == EACCES) absl::StrAppend(&text, " (ports below 1024 need root or CAP_NET_BIND_SERVICE)");
  if (error == EADDRINUSE) absl::StrAppend(&text, " (another server has this address)");
  return absl::UnavailableError(text);
}

// A bound descriptor. With `share` others may be bound there, or will be, that share it as well.
absl::StatusOr<int> Bind(const SockAddr& address, bool share, Duration patience) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failed(address, "socket", errno);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (share) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  if (address.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);

  constexpr Duration kStep = milliseconds(50);
  for (Duration waited{}; bind(fd, &address.generic, address.bytes()) != 0; waited += kStep) {
    const int error = errno;
    if (error != EADDRINUSE || waited >= patience) {
      close(fd);
      return Failed(address, "bind", error);
    }
    std::this_thread::sleep_for(kStep);
  }
  return fd;
}

}  // namespace

absl::Status CheckFree(const SockAddr& address, Duration patience) {
  const absl::StatusOr<int> fd = Bind(address, /*share=*/false, patience);
  if (!fd.ok()) return fd.status();
  close(*fd);
  return absl::OkStatus();
}

absl::StatusOr<int> Listen(const SockAddr& address) {
  const absl::StatusOr<int> fd = Bind(address, /*share=*/true, Duration::zero());
  if (!fd.ok()) return fd.status();
  const int one = 1;
  setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (listen(*fd, kBacklog) != 0) {
    const int error = errno;
    close(*fd);
    return Failed(address, "listen", error);
  }
  return fd;
}

}  // namespace sluice::io
