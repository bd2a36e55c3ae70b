// How long a lone client waits for its 250, against what the machine makes it wait anyway.
//
//   latency --to 127.0.0.1:1587 --user U --password-file F --folder DIR [--rounds 2000] [--size 4096]
//           [--client-core N] [--server-core N]
//   latency --bare N --folder DIR [--size 4096] [--server-core N]
//
// One STARTTLS client sends one message at a time. Interleaved with it, round by round: a bare durable write of the same
// bytes (O_DIRECT, RWF_DSYNC, blocks written before) in DIR, which should be on the spool's disk, and an echo over
// TLS on loopback (the message out, a line back). Prints the medians in microseconds and the ratio
// (end of data to 250) / (write + echo).
//
// A wake-up that crosses cores takes 20 to 25 us in a virtual machine, one that stays takes 2: so the echo answers, and the
// bare write is made, on the core of the shard (--server-core), or some of the three cross and the others do not.
//
// --bare makes N such writes and nothing else, and prints their median, p99 and p99.9 as three numbers; and on a second line
// the same of N more that are due at fixed instants, at half the rate that the first reached, each measured from when it
// was due. A pause of the machine hits one of the first, however long it is, and all of the others that it covers.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/base/aligned_bytes.h"
#include "core/base/base64.h"
#include "core/base/buffer.h"
#include "core/base/sock_addr.h"
#include "tls/channel.h"
#include "tls/client_context.h"
#include "tls/hooks.h"
#include "tls/self_signed.h"
#include "tls/server_context.h"

namespace {

using sluice::AlignedBytes;
using sluice::Buffer;
using sluice::ByteView;
using sluice::SockAddr;
namespace tls = sluice::tls;

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "latency: %s\n", what.c_str());
  std::exit(1);
}

void WriteAll(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n <= 0) Die(std::string("write: ") + std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

// A blocking connection, in the clear and then under TLS.
class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void StartTls(tls::Channel channel) {
    channel_ = std::move(channel);
    Buffer out;
    ByteView wire;
    for (;;) {
      const tls::Step step = channel_.Handshake(wire, out);
      WriteAll(fd_, out.view());
      out.Clear();
      if (step == tls::Step::kDone) break;
      if (step == tls::Step::kFailed) Die("handshake: " + channel_.error_text());
      if (step == tls::Step::kWantRead) wire = Receive();
    }
    Decrypt(wire);
  }
  void Send(ByteView bytes) {
    if (!channel_) return WriteAll(fd_, bytes);
    Buffer out;
    if (!channel_.Write(bytes, out)) Die("TLS write");
    WriteAll(fd_, out.view());
  }
  // One line, without its CR LF.
  std::string Line() {
    for (;;) {
      const size_t end = plain_.find('\n');
      if (end != std::string::npos) {
        std::string line = plain_.substr(0, end);
        plain_.erase(0, end + 1);
        return line;
      }
      const ByteView wire = Receive();
      if (channel_) {
        Decrypt(wire);
      } else {
        plain_.append(wire);
      }
    }
  }
  // The last line of a reply; dies on any other code.
  std::string Expect(const char* code) {
    for (;;) {
      std::string line = Line();
      if (line.compare(0, 3, code) != 0) Die("expected " + std::string(code) + ", got: " + line);
      if (line.size() < 4 || line[3] != '-') return line;
    }
  }
  size_t Drain(size_t bytes) {
    while (plain_.size() < bytes) Decrypt(Receive());
    plain_.clear();
    return bytes;
  }
  bool ReadSome() {
    const ssize_t n = recv(fd_, wire_, sizeof wire_, 0);
    if (n <= 0) return false;
    Decrypt(ByteView(wire_, static_cast<size_t>(n)));
    return true;
  }
  std::string& plain() { return plain_; }

 private:
  ByteView Receive() {
    const ssize_t n = recv(fd_, wire_, sizeof wire_, 0);
    if (n <= 0) Die("the peer closed the connection");
    return ByteView(wire_, static_cast<size_t>(n));
  }
  void Decrypt(ByteView wire) {
    Buffer out;
    char plain[16384];
    for (;;) {
      const tls::ReadResult result = channel_.Read(wire, plain, out);
      if (result.status != tls::ReadStatus::kPlain) break;
      plain_.append(plain, result.bytes);
    }
  }

  int fd_;
  tls::Channel channel_;
  std::string plain_;
  char wire_[32768];
};

int Connect(const SockAddr& address) {
  const int fd = socket(address.family(), SOCK_STREAM, 0);
  if (connect(fd, &address.generic, address.bytes()) != 0) Die("connect to " + address.ToString());
  return fd;
}

std::shared_ptr<tls::ClientContext> ClientTls() {
  tls::ClientOptions options;
  options.parameters.groups = {"X25519"};
  return *tls::ClientContext::Create(options);
}

// Of the calling thread; "" leaves it where the scheduler wants it.
void PinTo(const std::string& core) {
  if (core.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(std::atoi(core.c_str())), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) Die("no core " + core);
}

// Answers each `bytes` octets with a line, in a thread of its own.
class EchoServer {
 public:
  EchoServer(size_t bytes, std::string core) : bytes_(bytes), core_(std::move(core)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    SockAddr any = *SockAddr::Parse("127.0.0.1:0");
    socklen_t length = any.bytes();
    if (bind(listener_, &any.generic, length) != 0 || listen(listener_, 1) != 0) Die("echo listener");
    getsockname(listener_, &any.generic, &length);
    address_ = any;
    thread_ = std::thread([this] { Run(); });
  }
  ~EchoServer() {
    thread_.join();
    close(listener_);
  }
  const SockAddr& address() const { return address_; }

 private:
  void Run() {
    PinTo(core_);
    tls::ServerOptions options;
    options.identities = {*tls::MakeSelfSigned({.names = {"echo.example"}})};
    options.parameters.groups = {"X25519"};
    auto context = *tls::ServerContext::Create(options);
    Connection connection(accept(listener_, nullptr, nullptr));
    connection.StartTls(tls::Channel::Accept(context));
    do {
      while (connection.plain().size() >= bytes_) {
        connection.plain().erase(0, bytes_);
        connection.Send("250 2.0.0 Ok: queued as 0123456789ABC\r\n");
      }
    } while (connection.ReadSome());
  }

  size_t bytes_;
  std::string core_;
  int listener_;
  SockAddr address_;
  std::thread thread_;
};

// Durable writes of `bytes` (rounded up to blocks), round and round in a file whose blocks were written before.
class DurableFile {
 public:
  DurableFile(const std::string& folder, size_t bytes) : memory_(bytes + 256) {
    const std::string path = folder + "/latency.tmp";
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_DIRECT, 0600);
    if (fd_ < 0) Die("open " + path + ": " + std::strerror(errno));
    unlink(path.c_str());
    std::memset(memory_.data(), 'x', memory_.size());
    for (size_t i = 0; i < kSlots; i++) Write(false);
    fsync(fd_);
  }
  ~DurableFile() { close(fd_); }
  void Write(bool durable = true) {
    const iovec part{.iov_base = memory_.data(), .iov_len = memory_.size()};
    const off_t at = static_cast<off_t>((next_++ % kSlots) * memory_.size());
    if (pwritev2(fd_, &part, 1, at, durable ? RWF_DSYNC : 0) != static_cast<ssize_t>(memory_.size())) {
      Die(std::string("durable write: ") + std::strerror(errno));
    }
  }

 private:
  static constexpr size_t kSlots = 1024;
  AlignedBytes memory_;
  int fd_;
  size_t next_ = 0;
};

double Quantile(std::vector<double>& values, double share) {
  const auto at = static_cast<size_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(at), values.end());
  return values[at];
}

template <typename F>
double Micros(F f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

void PrintQuantiles(std::vector<double>& micros) {
  std::printf("%.1f %.1f %.1f\n", Quantile(micros, 0.5), Quantile(micros, 0.99), Quantile(micros, 0.999));
}

int BareWrites(size_t count, size_t size, const std::string& folder, const std::string& core) {
  using std::chrono::steady_clock;
  PinTo(core);
  DurableFile file(folder, size);
  std::vector<double> micros;
  const auto start = steady_clock::now();
  for (size_t i = 0; i < count; i++) micros.push_back(Micros([&] { file.Write(); }));
  const auto pace = 2 * (steady_clock::now() - start) / static_cast<int64_t>(count);
  PrintQuantiles(micros);

  micros.clear();
  prctl(PR_SET_TIMERSLACK, 1);  // a shard's waits have none either
  auto due = steady_clock::now();
  for (size_t i = 0; i < count; i++) {
    due += pace;
    std::this_thread::sleep_until(due);
    file.Write();
    micros.push_back(std::chrono::duration<double, std::micro>(steady_clock::now() - due).count());
  }
  PrintQuantiles(micros);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options = {{"--rounds", "2000"}, {"--size", "4096"}};
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  if (options.contains("--bare")) {
    if (!options.contains("--folder")) Die("missing --folder");
    return BareWrites(std::stoul(options["--bare"]), std::stoul(options["--size"]), options["--folder"], options["--server-core"]);
  }
  for (const char* needed : {"--to", "--user", "--password-file", "--folder"}) {
    if (!options.contains(needed)) Die(std::string("missing ") + needed + "; see the head of bench/latency.cc");
  }
  if (!tls::Init().ok()) Die("TLS library");
  const std::string client_core = options["--client-core"];
  const std::string server_core = options["--server-core"];
  PinTo(client_core);
  const auto rounds = static_cast<size_t>(std::atol(options["--rounds"].c_str()));
  const auto size = static_cast<size_t>(std::atol(options["--size"].c_str()));
  std::string password;
  std::getline(*std::make_unique<std::ifstream>(options["--password-file"]), password);
  const std::string user = options["--user"];
  const auto to = SockAddr::Parse(options["--to"]);
  if (!to) Die("--to takes a numeric address and port");

  std::string body = "From: <" + user + ">\r\nSubject: latency\r\n\r\n";
  while (body.size() + 3 < size) body += std::string(std::min<size_t>(70, size - body.size() - 2), 'x') + "\r\n";
  body += ".\r\n";

  auto context = ClientTls();
  Connection smtp(Connect(*to));
  smtp.Expect("220");
  smtp.Send("EHLO latency.example\r\n");
  smtp.Expect("250");
  smtp.Send("STARTTLS\r\n");
  smtp.Expect("220");
  smtp.StartTls(tls::Channel::Connect(*context, {}));
  smtp.Send("EHLO latency.example\r\n");
  smtp.Expect("250");
  const std::string secret = std::string(1, '\0') + user + std::string(1, '\0') + password;
  smtp.Send("AUTH PLAIN " + sluice::Base64Encode(secret) + "\r\n");
  smtp.Expect("235");

  EchoServer echo_server(body.size(), server_core);
  Connection echo(Connect(echo_server.address()));
  echo.StartTls(tls::Channel::Connect(*context, {}));
  DurableFile file(options["--folder"], body.size());

  std::vector<double> sluice_us;
  std::vector<double> echo_us;
  std::vector<double> write_us;
  for (size_t round = 0; round < rounds + rounds / 10; round++) {
    smtp.Send("MAIL FROM:<" + user + ">\r\n");
    smtp.Expect("250");
    smtp.Send("RCPT TO:<bob@example.org>\r\n");
    smtp.Expect("250");
    smtp.Send("DATA\r\n");
    smtp.Expect("354");
    // In turn: the second flush of a device has less to do than the first.
    double written = 0;
    const bool write_first = round % 2 == 0;
    const auto write = [&] {
      PinTo(server_core);
      written = Micros([&] { file.Write(); });
      PinTo(client_core);
    };
    if (write_first) write();
    const double submitted = Micros([&] {
      smtp.Send(body);
      smtp.Expect("250");
    });
    const double echoed = Micros([&] {
      echo.Send(body);
      echo.Expect("250");
    });
    if (!write_first) write();
    if (round < rounds / 10) continue;  // warming up
    sluice_us.push_back(submitted);
    echo_us.push_back(echoed);
    write_us.push_back(written);
  }
  smtp.Send("QUIT\r\n");
  const double a = Quantile(sluice_us, 0.5);
  const double b = Quantile(write_us, 0.5);
  const double c = Quantile(echo_us, 0.5);
  std::printf("end of data to 250: %.0f us; durable write: %.0f us; TLS echo: %.0f us; ratio %.2f (medians of %zu, %zu octets)\n",
              a, b, c, a / (b + c), rounds, body.size());
  return 0;
}
