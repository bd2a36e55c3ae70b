#include "tools/sluice/load_run.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

volatile sig_atomic_t interrupted = 0;

// Of all its threads, in nanoseconds; those that have ended are not in it: the server's live as long as it does.
uint64_t CpuOf(pid_t process) {
  uint64_t sum = 0;
  const std::string folder = absl::StrCat("/proc/", process, "/task");
  DIR* tasks = opendir(folder.c_str());
  if (tasks == nullptr) return 0;
  while (const dirent* task = readdir(tasks)) {
    if (task->d_name[0] == '.') continue;
    std::FILE* file = std::fopen(absl::StrCat(folder, "/", task->d_name, "/schedstat").c_str(), "re");
    unsigned long long on_core = 0;
    if (file != nullptr && std::fscanf(file, "%llu", &on_core) == 1) sum += on_core;
    if (file != nullptr) std::fclose(file);
  }
  closedir(tasks);
  return sum;
}

// All of `fd`; stops early when interrupted.
std::string ReadAll(int fd) {
  std::string text;
  char part[8192];
  while (interrupted == 0) {
    const ssize_t n = read(fd, part, sizeof part);
    if (n > 0) text.append(part, static_cast<size_t>(n));
    if (n == 0 || (n < 0 && errno != EINTR)) break;
  }
  return text;
}

int Wait(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

absl::StatusOr<Sample> SampleOf(const std::string& text, uint64_t cpu) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  try {
    const double accepted = json.at("accepted").get<double>();
    if (accepted <= 0) return absl::InternalError("no message was accepted");
    return Sample{.rate = json.at("accepted_per_second").get<double>(),
                  .p99_ms = json.at("latency_ms").at("answer").at("p99").get<double>(),
                  .cpu_us = static_cast<double>(cpu) / 1000 / accepted,
                  .generator_bound = json.at("generator").at("bottleneck").get<bool>()};
  } catch (const nlohmann::json::exception& error) {
    return absl::InternalError(absl::StrCat("its results are not understood: ", error.what()));
  }
}

}  // namespace

void CatchInterrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };  // without SA_RESTART: what waits is woken
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool Interrupted() { return interrupted != 0; }

pid_t ListenerOf(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) return 0;
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ucred peer{};
  socklen_t bytes = sizeof peer;
  const bool told = fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0;
  if (fd >= 0) close(fd);
  return told ? peer.pid : 0;
}

absl::StatusOr<Sample> RunLoad(const std::vector<std::string>& command, pid_t server) {
  if (Interrupted()) return absl::CancelledError("interrupted");
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  std::FILE* errors = std::tmpfile();  // what it says to people, for when it fails
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, out[1], 1);
  if (errors != nullptr) posix_spawn_file_actions_adddup2(&files, fileno(errors), 2);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  const uint64_t cpu_before = CpuOf(server);
  pid_t child = 0;
  const int error = posix_spawn(&child, command[0].c_str(), &files, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  close(out[1]);
  std::string text;
  int status = 0;
  if (error == 0) {
    text = ReadAll(out[0]);
    if (Interrupted()) kill(child, SIGKILL);
    status = Wait(child);
  }
  close(out[0]);
  const uint64_t cpu = CpuOf(server) - cpu_before;
  std::string said;
  if (errors != nullptr) {
    lseek(fileno(errors), 0, SEEK_SET);
    char part[2048];
    const ssize_t n = read(fileno(errors), part, sizeof part);
    said.assign(part, n > 0 ? static_cast<size_t>(n) : 0);
    std::fclose(errors);
  }
  if (error != 0) return absl::ErrnoToStatus(error, command[0]);
  if (Interrupted()) return absl::CancelledError("interrupted");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return absl::InternalError(absl::StrCat(command[0], " failed:\n", said));
  }
  return SampleOf(text, cpu);
}

}  // namespace sluice
