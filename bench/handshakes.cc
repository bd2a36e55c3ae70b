// Connects, makes a full TLS 1.3 handshake (X25519), waits for the server to close, and again: the
// clients of null_server --handshakes, for bench/limit.
//
//   handshakes --to 127.0.0.1:P [--count 10000] [--threads 16]
//
// Prints how many were made; the exit code is not 0 when one failed.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "core/base/buffer.h"
#include "core/base/sock_addr.h"
#include "tls/channel.h"
#include "tls/client_context.h"
#include "tls/hooks.h"

namespace {

using sluice::Buffer;
using sluice::ByteView;
using sluice::SockAddr;
namespace tls = sluice::tls;

// True when the handshake was done and the server closed after it.
bool OneHandshake(const SockAddr& to, const tls::ClientContext& context) {
  const int fd = socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  tls::Channel channel = tls::Channel::Connect(context, {});
  Buffer out;
  char wire[16384];
  ByteView received;
  bool open = connect(fd, &to.generic, to.bytes()) == 0;
  while (open) {
    if (!channel.handshake_done() && channel.Handshake(received, out) == tls::Step::kFailed) break;
    if (!out.empty())
      open = send(fd, out.data(), out.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out.size());
    out.Clear();
    const ssize_t got = open ? recv(fd, wire, sizeof wire, 0) : 0;
    open = got > 0;
    received = ByteView(wire, open ? static_cast<size_t>(got) : 0);
  }
  close(fd);
  return channel.handshake_done();
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options = {{"--count", "10000"}, {"--threads", "16"}};
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  const auto to = SockAddr::Parse(options["--to"]);
  if (!to || !tls::Init().ok()) {
    std::fprintf(
        stderr,
        "handshakes: --to takes a numeric address and port; see the head of bench/handshakes.cc\n");
    return 64;
  }
  const long count = std::atol(options["--count"].c_str());
  std::atomic<long> started = 0, made = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < std::atoi(options["--threads"].c_str()); i++) {
    threads.emplace_back([&] {
      tls::ClientOptions client;
      client.parameters = {.versions = tls::Versions::kOnly13, .groups = {"X25519"}};
      const auto context = *tls::ClientContext::Create(client);
      while (started++ < count) made += OneHandshake(*to, *context) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::printf("%ld handshakes\n", made.load());
  return made == count ? 0 : 1;
}
