#include "tools/sluice/live_terminal.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>

namespace sluice {
namespace {

constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l";  // the other screen, no cursor
constexpr std::string_view kLeave = "\x1b[?25h\x1b[?1049l";

// A terminal that cannot be written to will hang up soon.
void Write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace

std::unique_ptr<LiveTerminal> LiveTerminal::Open() {
  termios before{};
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0)
    return nullptr;
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return nullptr;

  termios raw = before;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VSUSP] = _POSIX_VDISABLE;  // stopped, it would leave the other screen behind
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
  Write(kEnter);
  return std::unique_ptr<LiveTerminal>(new LiveTerminal(before, fd));
}

LiveTerminal::~LiveTerminal() {
  Write(kLeave);
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  close(signals_);
}

TopWindow LiveTerminal::window() const {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
    return {80, 24};
  return {size.ws_col, size.ws_row};
}

void LiveTerminal::Show(std::string_view frame) {
  std::string out = "\x1b[H";
  const size_t lines_max = window().lines;
  for (size_t line = 0; line < lines_max && !frame.empty(); line++) {
    const size_t end = std::min(frame.find('\n'), frame.size());
    if (line > 0) out += "\r\n";
    out += "\x1b[K";
    out += frame.substr(0, end);
    frame.remove_prefix(std::min(end + 1, frame.size()));
  }
  out += "\x1b[J";
  Write(out);
}

LiveTerminal::Event LiveTerminal::Wait(Duration patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd events[] = {{STDIN_FILENO, POLLIN, 0}, {signals_, POLLIN, 0}};
    const int ready = poll(events, 2, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (ready <= 0) return Event::kTime;
    signalfd_siginfo signal{};
    if (read(signals_, &signal, sizeof signal) == sizeof signal) {
      return signal.ssi_signo == SIGWINCH ? Event::kWindow : Event::kEnd;
    }
    char key = 0;
    if (events[0].revents == 0) continue;
    if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || key == 4)
      return Event::kEnd;
  }
}

}  // namespace sluice
