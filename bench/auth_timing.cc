// How long a server takes to answer logins of different kinds of names: what a guesser could
// measure.
//
//   auth_timing --to 127.0.0.1:1587 --step challenge|failure --mechanism scram|plain --rounds 20000
//               --class known=user%d@bench.example:1000 --class unknown=user%d.x@bench.example:1000
//
// Each of --threads connections chooses a class at random, and one of its names (%d is below the
// number behind the colon), and measures from just before it sends to just after it has the reply,
// in the clear: the `challenge` of SCRAM-SHA-256 (334; the attempt is cancelled then) or the
// `failure` (535) of a wrong password or proof. Prints "CLASS MICROSECONDS" for each; the script
// bench/login_timing judges them.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/base64.h"
#include "core/base/sock_addr.h"

namespace {

using sluice::Base64Encode;
using sluice::SockAddr;

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "auth_timing: %s\n", what.c_str());
  std::exit(1);
}

struct Class {
  std::string name;
  std::string pattern;
  unsigned names = 1;
};

struct Arguments {
  SockAddr to;
  bool challenge = false;
  bool scram = false;
  int rounds = 1000;
  int threads = 1;
  std::vector<Class> classes;
};

struct Sample {
  size_t of;  // index of the class
  double us;
};

class Client {
  static constexpr int kAttempts = 2000;  // a connection: a server bears only so many

 public:
  explicit Client(const Arguments& arguments) : arguments_(arguments) { Connect(); }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  double Measure(const std::string& name) {
    if (++attempts_ % kAttempts == 0) {
      close(fd_);
      Connect();
    }
    if (arguments_.scram) {
      const std::string first =
          "AUTH SCRAM-SHA-256 " + Base64Encode("n,,n=" + name + ",r=abcdefghijkl");
      const double challenge = Time(first, "334");
      if (arguments_.challenge) {
        Time("*", "501");
        return challenge;
      }
      // All of the right form, but nobody's proof.
      std::string asked(sluice::Base64DecodedBytesMax(reply_.size()), '\0');
      const std::string text = reply_.substr(4, reply_.find('\r') - 4);
      asked.resize(static_cast<size_t>(sluice::Base64Decode(text, asked)));
      return Time(Base64Encode(absl::StrCat("c=biws,", asked.substr(0, asked.find(',')),
                                            ",p=", Base64Encode(std::string(32, 'x')))),
                  "535");
    }
    return Time("AUTH PLAIN " + Base64Encode(absl::StrCat(std::string(1, '\0'), name,
                                                          std::string(1, '\0'), "wrong")),
                "535");
  }

 private:
  void Connect() {
    fd_ = socket(arguments_.to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd_, &arguments_.to.generic, arguments_.to.bytes()) != 0) Die(std::strerror(errno));
    const int one = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    Read("220");
    Time("EHLO client.example", "250");
  }

  double Time(const std::string& line, const char* code) {
    const std::string bytes = line + "\r\n";
    const auto begin = std::chrono::steady_clock::now();
    if (send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
      Die("send");
    Read(code);
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin)
        .count();
  }

  // A whole reply; the client waits awake, which takes its own wake-up out of the figure.
  void Read(const char* code) {
    reply_.clear();
    for (;;) {
      char buffer[4096];
      const ssize_t n = recv(fd_, buffer, sizeof buffer, arguments_.challenge ? MSG_DONTWAIT : 0);
      if (n < 0 && errno == EAGAIN) continue;
      if (n <= 0) Die("the server hung up; last reply: " + reply_);
      reply_.append(buffer, static_cast<size_t>(n));
      if (!reply_.ends_with("\r\n")) continue;
      const size_t last = reply_.rfind('\n', reply_.size() - 2);
      const size_t at = last == std::string::npos ? 0 : last + 1;
      if (reply_.size() < at + 4 || reply_[at + 3] == '-') continue;
      if (reply_.compare(at, 3, code) != 0)
        Die("expected " + std::string(code) + ", got: " + reply_);
      return;
    }
  }

  const Arguments& arguments_;
  int fd_ = -1;
  int attempts_ = 0;
  std::string reply_;
};

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    const std::string value = argv[i + 1];
    if (key == "--to") {
      const auto to = SockAddr::Parse(value);
      if (!to.has_value()) Die("--to " + value);
      arguments.to = *to;
    } else if (key == "--step") {
      arguments.challenge = value == "challenge";
    } else if (key == "--mechanism") {
      arguments.scram = value == "scram";
    } else if (key == "--rounds") {
      arguments.rounds = std::atoi(value.c_str());
    } else if (key == "--threads") {
      arguments.threads = std::atoi(value.c_str());
    } else if (key == "--class") {
      const size_t equals = value.find('=');
      const size_t colon = value.rfind(':');
      if (equals == value.npos || colon == value.npos || colon < equals) Die("--class " + value);
      arguments.classes.push_back({value.substr(0, equals),
                                   value.substr(equals + 1, colon - equals - 1),
                                   static_cast<unsigned>(std::atoi(value.c_str() + colon + 1))});
    } else {
      Die("unknown argument " + key);
    }
  }
  if (arguments.classes.empty() || (arguments.challenge && !arguments.scram))
    Die("see the head of bench/auth_timing.cc");
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = Parse(argc, argv);
  std::atomic<int> left = arguments.rounds;
  std::mutex mutex;
  std::vector<Sample> samples;
  const auto run = [&](unsigned seed) {
    std::mt19937 random(seed);
    std::vector<Sample> own;
    Client client(arguments);
    for (int i = 0; i < 200 && arguments.challenge; i++) client.Measure("warm" + std::to_string(i));
    while (left.fetch_sub(1) > 0) {
      const size_t of = random() % arguments.classes.size();
      const Class& chosen = arguments.classes[of];
      const std::string number = std::to_string(random() % chosen.names);
      own.push_back({of, client.Measure(absl::StrReplaceAll(chosen.pattern, {{"%d", number}}))});
    }
    const std::lock_guard lock(mutex);
    samples.insert(samples.end(), own.begin(), own.end());
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < arguments.threads; i++)
    threads.emplace_back(run, static_cast<unsigned>(i) + std::random_device()());
  for (std::thread& thread : threads) thread.join();
  for (const Sample& sample : samples)
    std::printf("%s %.3f\n", arguments.classes[sample.of].name.c_str(), sample.us);
}
