// Against another implementation: the openssl program, over loopback. It shows
// that the handshake is understood by others, and that the channel binding is what they compute too.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "tests/unit/tls/pair.h"

namespace sluice::tls {
namespace {

std::string Hex(ByteView bytes) {
  std::string text;
  for (const char c : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02X", static_cast<unsigned char>(c));
    text += digits;
  }
  return text;
}

int ListenOnLoopback(std::string& address) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof any;
  CHECK(bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0 && listen(listener, 1) == 0);
  CHECK(getsockname(listener, reinterpret_cast<sockaddr*>(&any), &bytes) == 0);
  address = "127.0.0.1:" + std::to_string(ntohs(any.sin_port));
  return listener;
}

// Starts openssl with these arguments; its standard input stays open and its output can be read from `output`.
pid_t StartOpenssl(std::vector<std::string> arguments, int& input, int& output) {
  int in[2], out[2];
  CHECK(pipe(in) == 0 && pipe(out) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    dup2(out[1], 2);
    for (int fd = 3; fd < 256; fd++) close(fd);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    execvp("openssl", argv.data());
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  input = in[1];
  output = out[0];
  return child;
}

// Serves one connection: handshake, one line echoed, close. Returns the line.
std::string Serve(int connection, Channel& channel, HandshakeInfo& info) {
  std::string line;
  Buffer out;
  char wire[4096], plain[4096];
  for (bool done = false; !done;) {
    pollfd waiting{connection, POLLIN, 0};
    if (poll(&waiting, 1, 10'000) != 1) return "time-out";
    const ssize_t bytes = read(connection, wire, sizeof wire);
    if (bytes <= 0) return "cut off";
    ByteView cipher(wire, static_cast<size_t>(bytes));
    Step step = channel.handshake_done() ? Step::kDone : channel.Handshake(cipher, out, &info);
    if (step == Step::kReady) step = channel.Handshake(cipher, out, &info);
    if (step == Step::kFailed) return channel.error_text();
    if (step == Step::kDone) {
      for (;;) {
        const ReadResult result = channel.Read(cipher, plain, out);
        if (result.status == ReadStatus::kPlain) line.append(plain, result.bytes);
        if (result.status != ReadStatus::kPlain) break;
      }
      if (line.ends_with('\n')) {
        CHECK(channel.Write(line, out));
        channel.Shutdown(out);
        done = true;
      }
    }
    CHECK(write(connection, out.data(), out.size()) == static_cast<ssize_t>(out.size()));
    out.Clear();
  }
  return line;
}

class OpensslTest : public testing::TestWithParam<const char*> {};

TEST_P(OpensslTest, ItsClientIsServedAndComputesTheSameExporter) {
  if (std::system("openssl version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no openssl program";
  std::string address;
  const int listener = ListenOnLoopback(address);
  int input, output;
  const pid_t child = StartOpenssl({"openssl", "s_client", "-connect", address, "-servername", "Mail.Example.net", GetParam(),
                                    "-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32", "-nocommands"},
                                   input, output);
  CHECK(write(input, "hello\n", 6) == 6);
  pollfd waiting{listener, POLLIN, 0};
  ASSERT_EQ(poll(&waiting, 1, 10'000), 1);
  const int connection = accept(listener, nullptr, nullptr);

  Channel channel = Channel::Accept(MakeServer(EcdsaIdentity()));
  HandshakeInfo info;
  EXPECT_EQ(Serve(connection, channel, info), "hello\n");
  EXPECT_EQ(info.server_name, "mail.example.net");
  EXPECT_TRUE(info.has_exporter);
  EXPECT_STREQ(channel.version(), std::string(GetParam()) == "-tls1_2" ? "TLSv1.2" : "TLSv1.3");
  close(connection);
  close(listener);

  std::string said;
  char buffer[4096];
  for (ssize_t bytes; (bytes = read(output, buffer, sizeof buffer)) > 0;) {
    said.append(buffer, static_cast<size_t>(bytes));
    close(std::exchange(input, -1));
  }
  waitpid(child, nullptr, 0);
  close(output);
  EXPECT_NE(said.find("Keying material: " + Hex(ByteView(info.exporter.data(), info.exporter.size()))), std::string::npos)
      << said;
}

INSTANTIATE_TEST_SUITE_P(Versions, OpensslTest, testing::Values("-tls1_2", "-tls1_3"),
                         [](const auto& test) { return std::string(test.param) == "-tls1_2" ? "Tls12" : "Tls13"; });

}  // namespace
}  // namespace sluice::tls
