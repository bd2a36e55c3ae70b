#include "tools/load/control.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "core/base/check.h"

namespace sluice::load {

MonoTime MonoNow() { return std::chrono::steady_clock::now(); }

Control::Control() {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&wanted, signal);
  pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  signals_ = signalfd(-1, &wanted, SFD_CLOEXEC);
  word_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  CHECK(signals_ >= 0 && word_ >= 0);
}

Control::~Control() {
  close(signals_);
  close(word_);
}

Control::Event Control::Wait(MonoTime until) {
  constexpr Duration kLongest = hours(1);  // poll's milliseconds are an int
  for (;;) {
    const Duration left = std::clamp<Duration>(until - MonoNow(), Duration(0), kLongest);
    pollfd fds[] = {{.fd = signals_, .events = POLLIN, .revents = 0},
                    {.fd = word_, .events = POLLIN, .revents = 0}};
    const auto timeout = std::chrono::ceil<milliseconds>(left).count();
    if (poll(fds, 2, static_cast<int>(timeout)) < 0) continue;  // EINTR
    if (fds[0].revents != 0) {
      signalfd_siginfo info{};
      if (read(signals_, &info, sizeof info) != sizeof info) continue;
      return info.ssi_signo == SIGUSR1 ? Event::kUser1 : Event::kStop;
    }
    if (fds[1].revents != 0) {
      uint64_t words = 0;
      [[maybe_unused]] const ssize_t bytes = read(word_, &words, sizeof words);
      return Event::kWord;
    }
    if (MonoNow() >= until) return Event::kTime;
  }
}

void Control::Notify() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t bytes = write(word_, &one, sizeof one);
}

}  // namespace sluice::load
