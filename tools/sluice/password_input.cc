#include "tools/sluice/password_input.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "auth/prepare.h"

namespace sluice {
namespace {

// A line end of two octets may follow the longest password, and one octet more shows that it is too
// long.
constexpr size_t kInputBytesMax = auth::kPasswordBytesMax + 3;

volatile sig_atomic_t interrupted_by = 0;

// The terminal, with echo off for its life. Signals that would end or stop the program are blocked
// meanwhile and let in only while it waits for a key; the terminal is as it was before they act.
class QuietTerminal {
 public:
  QuietTerminal() : fd_(open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
    if (fd_ < 0 || tcgetattr(fd_, &before_) != 0) return;
    interrupted_by = 0;
    sigset_t blocked;
    sigemptyset(&blocked);
    for (const int signal : kSignals) sigaddset(&blocked, signal);
    sigprocmask(SIG_BLOCK, &blocked, &mask_before_);
    struct sigaction action = {};
    action.sa_handler = [](int signal) { interrupted_by = signal; };
    for (size_t i = 0; i < kSignals.size(); i++) {
      sigaction(kSignals[i], &action, &actions_before_[i]);
    }
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    usable_ = tcsetattr(fd_, TCSAFLUSH, &quiet) == 0;
    if (!usable_) RestoreSignals();
  }
  ~QuietTerminal() {
    if (usable_) {
      tcsetattr(fd_, TCSAFLUSH, &before_);
      RestoreSignals();
      if (interrupted_by != 0) raise(interrupted_by);
    }
    if (fd_ >= 0) close(fd_);
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;

  bool usable() const { return usable_; }

  // One line, without its end. False at end of file, when interrupted, or when it is too long.
  bool Ask(ByteView prompt, auth::Secret& answer) {
    std::array<char, kInputBytesMax> line;
    ssize_t bytes = 0;
    if (Write(prompt) && WaitForLine()) bytes = read(fd_, line.data(), line.size());
    const bool whole = bytes > 0 && line[static_cast<size_t>(bytes) - 1] == '\n';
    if (whole) answer = auth::Secret(ByteView(line.data(), static_cast<size_t>(bytes) - 1));
    Wipe(line);
    return Write("\n") && whole;
  }

 private:
  // A terminal is readable when it has a whole line. ppoll lets the signals in and waits in one
  // step: a signal just before it is not lost.
  bool WaitForLine() const {
    pollfd terminal = {.fd = fd_, .events = POLLIN, .revents = 0};
    return ppoll(&terminal, 1, nullptr, &mask_before_) == 1;
  }
  bool Write(ByteView text) const {
    return write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  }
  void RestoreSignals() {
    for (size_t i = 0; i < kSignals.size(); i++) {
      sigaction(kSignals[i], &actions_before_[i], nullptr);
    }
    sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
  }

  static constexpr std::array<int, 5> kSignals = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGTSTP};
  const int fd_;
  bool usable_ = false;
  termios before_;
  sigset_t mask_before_;
  std::array<struct sigaction, kSignals.size()> actions_before_;
};

}  // namespace

absl::StatusOr<auth::Secret> ReadPasswordFromStdin() {
  std::array<char, kInputBytesMax> input;
  size_t size = 0;
  ssize_t bytes = 0;
  do {
    bytes = read(STDIN_FILENO, input.data() + size, input.size() - size);
    if (bytes > 0) size += static_cast<size_t>(bytes);
  } while ((bytes > 0 && size < input.size()) || (bytes < 0 && errno == EINTR));
  if (bytes < 0) {
    Wipe(input);
    return absl::ErrnoToStatus(errno, "reading the password from standard input");
  }
  ByteView text(input.data(), size);
  if (text.ends_with('\n')) text.remove_suffix(text.ends_with("\r\n") ? 2 : 1);
  auth::Secret password(text);
  Wipe(input);
  if (size == input.size())
    return absl::InvalidArgumentError("the password on standard input is too long");
  return password;
}

absl::StatusOr<auth::Secret> AskForNewPassword(const std::string& prompt) {
  QuietTerminal terminal;
  if (!terminal.usable()) {
    return absl::FailedPreconditionError(
        "there is no terminal to ask for the password: use --password-stdin");
  }
  auth::Secret password;
  auth::Secret again;
  if (!terminal.Ask(prompt + ": ", password) || !terminal.Ask("again: ", again)) {
    return absl::CancelledError("no password was given");
  }
  if (password.view() != again.view())
    return absl::InvalidArgumentError("the two passwords differ");
  return password;
}

}  // namespace sluice
