// The least that a submission server can do and still keep its promise: what Sluice is divided by
// (bench/limit).
//
//   null_server --port P --folder DIR [--threads N] [--handshakes]
//
// TLS from the first octet (1.3, X25519, P-256, no tickets). Commands are told apart by their first
// letter and get a canned reply; nothing is parsed but the end of data, no password is looked at,
// nothing is indexed. What came in a turn of the loop goes to DIR in one durable write before it is
// answered: O_DIRECT and RWF_DSYNC over blocks written before, round and round. A thread has a
// listener (SO_REUSEPORT), an epoll and a file of its own.
//
// --handshakes: accept, full handshake and close, nothing else. Prints "ready"; a signal ends it.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/base/aligned_bytes.h"
#include "core/base/buffer.h"
#include "tls/channel.h"
#include "tls/hooks.h"
#include "tls/self_signed.h"
#include "tls/server_context.h"

namespace {

using sluice::AlignedBytes;
using sluice::Buffer;
using sluice::ByteView;
namespace tls = sluice::tls;

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "null_server: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

// The bodies of a turn, and the file they go to.
class Spool {
 public:
  explicit Spool(const std::string& path) : batch_(kBatchBytes) {
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    if (fd_ < 0) Die("open " + path);
    std::memset(batch_.data(), 0, batch_.size());
    for (at_ = 0; at_ < kFileBytes; at_ += kBatchBytes) Write(kBatchBytes, 0);
    if (fsync(fd_) != 0) Die("fsync");
    at_ = 0;
  }
  // Commits first what would not fit beside it: a second write in the turn, which only large bodies
  // need.
  void Add(ByteView body) {
    while (!body.empty()) {
      const ByteView part = body.substr(0, kBatchBytes - used_);
      std::memcpy(batch_.data() + used_, part.data(), part.size());
      used_ += part.size();
      body.remove_prefix(part.size());
      if (used_ == kBatchBytes) Commit();
    }
  }
  void Commit() {
    if (used_ == 0) return;
    const size_t blocks = (used_ + AlignedBytes::kAlignment - 1) & ~(AlignedBytes::kAlignment - 1);
    if (at_ + blocks > kFileBytes) at_ = 0;
    Write(blocks, RWF_DSYNC);
    at_ += blocks;
    used_ = 0;
  }

 private:
  static constexpr size_t kBatchBytes = 4 << 20;
  static constexpr size_t kFileBytes = 256 << 20;

  void Write(size_t bytes, int flags) {
    const iovec part{.iov_base = batch_.data(), .iov_len = bytes};
    if (pwritev2(fd_, &part, 1, static_cast<off_t>(at_), flags) != static_cast<ssize_t>(bytes))
      Die("durable write");
  }

  int fd_;
  size_t at_ = 0;
  size_t used_ = 0;
  AlignedBytes batch_;
};

struct Connection {
  int fd;
  tls::Channel channel;
  Buffer input;        // plain text that is not used up: the start of a command or of a body
  Buffer replies;      // not encrypted yet
  size_t scanned = 0;  // of `input`, without finding the end of a line or body
  bool body = false;
  bool closed = false;
  bool waits = false;  // for the batch
};

class Server {
 public:
  Server(uint16_t port, const std::string& path, bool handshakes_only)
      : spool_(path), handshakes_only_(handshakes_only), wire_(256 << 10) {
    tls::ServerOptions options;
    options.identities = {*tls::MakeSelfSigned({.names = {"null.example"}})};
    options.parameters = {.versions = tls::Versions::kOnly13, .groups = {"X25519"}};
    context_ = *tls::ServerContext::Create(options);
    Listen(port);
  }

  void Run() {
    std::vector<epoll_event> events(512);
    for (;;) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; i++) {
        auto* connection = static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
        connection == nullptr ? Accept() : Readable(*connection);
      }
      spool_.Commit();
      for (Connection* connection : waiting_) {
        connection->waits = false;
        Flush(*connection);
      }
      waiting_.clear();
      for (Connection* connection : closing_) {
        close(connection->fd);
        delete connection;
      }
      closing_.clear();
    }
  }

 private:
  void Listen(uint16_t port) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int one = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener_, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    setsockopt(listener_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // inherited
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) Die("bind");
    if (listen(listener_, 4096) != 0) Die("listen");
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    Watch(listener_, nullptr);
  }

  void Watch(int fd, Connection* connection) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connection;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) Die("epoll_ctl");
  }

  void Accept() {
    for (;;) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      Watch(fd, new Connection{.fd = fd, .channel = tls::Channel::Accept(context_)});
    }
  }

  void Readable(Connection& connection) {
    const ssize_t got = recv(connection.fd, wire_.data(), wire_.size(), 0);
    if (got <= 0) {
      if (got == 0 || errno != EAGAIN) Close(connection);
      return;
    }
    ByteView cipher(wire_.data(), static_cast<size_t>(got));
    if (!connection.channel.handshake_done() && !Handshake(connection, cipher)) return;
    while (!connection.closed) {
      char* const plain = connection.input.Extend(kRecordBytes);
      const auto result = connection.channel.Read(cipher, {plain, kRecordBytes}, out_);
      connection.input.Truncate(connection.input.size() - kRecordBytes + result.bytes);
      if (result.status == tls::ReadStatus::kWantRead) break;
      if (result.status != tls::ReadStatus::kPlain) return Close(connection);
      Answer(connection);
    }
    if (connection.input.empty()) connection.input.Reset();
    if (!connection.waits && !connection.closed) Flush(connection);
  }

  // True when it is done, with the greeting in `replies`.
  bool Handshake(Connection& connection, ByteView& cipher) {
    tls::Step step = connection.channel.Handshake(cipher, out_);
    if (step == tls::Step::kReady) step = connection.channel.Handshake(cipher, out_);
    Send(connection);
    if (step == tls::Step::kFailed || (step == tls::Step::kDone && handshakes_only_))
      Close(connection);
    if (step != tls::Step::kDone || handshakes_only_) return false;
    connection.replies.Append("220 null ESMTP\r\n");
    return true;
  }

  void Answer(Connection& connection) {
    Buffer& input = connection.input;
    while (!input.empty()) {
      const ByteView end = connection.body ? "\r\n.\r\n" : "\r\n";
      const size_t found = input.view().find(end, connection.scanned);
      if (found == ByteView::npos) {
        connection.scanned = input.size() < end.size() ? 0 : input.size() - end.size() + 1;
        return;
      }
      connection.scanned = 0;
      if (connection.body) {
        spool_.Add(input.view().substr(0, found + 2));
        connection.body = false;
        connection.replies.Append("250 2.0.0 Ok: queued as 0123456789ABC\r\n");
        if (!connection.waits) waiting_.push_back(&connection);
        connection.waits = true;
      } else {
        Command(connection, input.data()[0]);
      }
      input.Consume(found + end.size());
    }
  }

  void Command(Connection& connection, char letter) {
    switch (letter) {
      case 'E':  // EHLO
        return connection.replies.Append(
            "250-null\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n"
            "250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN\r\n");
      case 'A':  // AUTH PLAIN with its response
        return connection.replies.Append("235 2.7.0 Ok\r\n");
      case 'D':  // DATA
        connection.body = true;
        return connection.replies.Append("354 Go\r\n");
      case 'Q':  // QUIT; the client closes
        return connection.replies.Append("221 2.0.0 Bye\r\n");
      default:
        return connection.replies.Append("250 2.0.0 Ok\r\n");
    }
  }

  void Flush(Connection& connection) {
    if (connection.replies.empty() || connection.closed) return;
    if (!connection.channel.Write(connection.replies.view(), out_)) Close(connection);
    connection.replies.Reset();
    Send(connection);
  }

  // Replies are small beside what a socket holds: a client that lets them pile up is none of ours.
  void Send(Connection& connection) {
    if (!out_.empty() && send(connection.fd, out_.data(), out_.size(), MSG_NOSIGNAL) !=
                             static_cast<ssize_t>(out_.size())) {
      Close(connection);
    }
    out_.Clear();
  }

  void Close(Connection& connection) {
    if (!connection.closed) closing_.push_back(&connection);
    connection.closed = true;
  }

  static constexpr size_t kRecordBytes = 16 << 10;

  Spool spool_;
  bool handshakes_only_;
  std::vector<char> wire_;
  Buffer out_;
  std::shared_ptr<tls::ServerContext> context_;
  int listener_ = -1;
  int epoll_ = -1;
  std::vector<Connection*> waiting_;
  std::vector<Connection*> closing_;
};

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options = {{"--threads", "1"}};
  bool handshakes = false;
  for (int i = 1; i < argc; i++) {
    if (std::string(argv[i]) == "--handshakes") {
      handshakes = true;
    } else if (i + 1 < argc) {
      options[argv[i]] = argv[i + 1];
      i++;
    }
  }
  if (!options.contains("--port") || !options.contains("--folder")) {
    std::fprintf(
        stderr,
        "null_server: --port and --folder are needed; see the head of bench/null_server.cc\n");
    return 64;
  }
  if (!tls::Init().ok()) Die("TLS library");
  std::vector<std::unique_ptr<Server>> servers;
  for (int i = 0; i < std::atoi(options["--threads"].c_str()); i++) {
    servers.push_back(std::make_unique<Server>(
        static_cast<uint16_t>(std::atoi(options["--port"].c_str())),
        options["--folder"] + "/null." + std::to_string(i) + ".spool", handshakes));
  }
  std::vector<std::thread> threads;
  for (auto& server : servers) threads.emplace_back([&server] { server->Run(); });
  std::puts("ready");
  std::fflush(stdout);
  for (std::thread& thread : threads) thread.join();
}
