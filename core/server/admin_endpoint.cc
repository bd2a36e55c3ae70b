#include "core/server/admin_endpoint.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "core/base/check.h"
#include "core/server/admin.h"

namespace sluice::server {
namespace {

constexpr size_t kRequestBytesMax = 32 << 10;

MonoTime Now() { return std::chrono::steady_clock::now(); }

// A connection that ends at its deadline, or when its request is too long.
class BoundedStream : public httplib::Stream {
 public:
  explicit BoundedStream(int fd) : fd_(fd), deadline_(Now() + kAdminTimeout) {}

  bool is_readable() const override { return WaitFor(POLLIN); }
  bool is_writable() const override { return WaitFor(POLLOUT); }

  ssize_t read(char* data, size_t bytes) override {
    if (unread_ == 0 || !WaitFor(POLLIN)) return -1;
    const ssize_t n = recv(fd_, data, std::min(bytes, unread_), 0);
    if (n > 0) unread_ -= static_cast<size_t>(n);
    return n;
  }
  ssize_t write(const char* data, size_t bytes) override {
    if (!WaitFor(POLLOUT)) return -1;
    return send(fd_, data, bytes, MSG_NOSIGNAL);
  }

  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return fd_; }

 private:
  bool WaitFor(short event) const {
    const auto left = std::chrono::ceil<milliseconds>(deadline_ - Now());
    pollfd want = {fd_, event, 0};
    return left.count() > 0 && poll(&want, 1, static_cast<int>(left.count())) > 0;
  }

  const int fd_;
  const MonoTime deadline_;
  size_t unread_ = kRequestBytesMax;
};

bool IsOwnerOrRoot(int connection) {
  ucred peer = {};
  socklen_t bytes = sizeof peer;
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

}  // namespace

AdminEndpoint::AdminEndpoint(int listener, Peers peers)
    : listener_(listener), stop_(eventfd(0, EFD_CLOEXEC)), peers_(peers) {
  CHECK(stop_ >= 0);
}

AdminEndpoint::~AdminEndpoint() {
  eventfd_write(stop_, 1);
  for (std::thread& thread : threads_) thread.join();
  close(stop_);
  close(listener_);
}

void AdminEndpoint::Start() {
  sigset_t all, before;  // signals are for the main thread
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (int i = 0; i < kAdminThreads; i++) threads_.emplace_back([this] { Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void AdminEndpoint::Run() {
  while (true) {
    pollfd events[] = {{listener_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (poll(events, 2, -1) < 0) continue;
    if (events[1].revents != 0) return;
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection >= 0) {
      Serve(connection);
      close(connection);
    } else if (errno != EAGAIN && errno != ECONNABORTED) {
      std::this_thread::sleep_for(milliseconds(100));  // no descriptors: do not spin
    }
  }
}

void AdminEndpoint::Serve(int connection) {
  BoundedStream stream(connection);
  if (peers_ == Peers::kOwnerAndRoot && !IsOwnerOrRoot(connection)) {
    static constexpr std::string_view kForbidden =
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    char request[4096];  // closing with a request unread would take the answer away from its reader
    stream.read(request, sizeof request);
    stream.write(kForbidden.data(), kForbidden.size());
    return;
  }
  bool closed = false;
  process_request(stream, "", 0, "", 0, /*close_connection=*/true, closed, nullptr);
  shutdown(connection, SHUT_WR);
}

}  // namespace sluice::server
