// LiveTerminal: a terminal that a program redraws and reads single keys from, as it was again at
// the end.
#ifndef SLUICE_TOOLS_SLUICE_LIVE_TERMINAL_H_
#define SLUICE_TOOLS_SLUICE_LIVE_TERMINAL_H_

#include <termios.h>

#include <memory>
#include <string_view>

#include "core/base/time.h"
#include "tools/sluice/top_view.h"

namespace sluice {

class LiveTerminal {
 public:
  // Takes over standard input and output: the other screen, no echo, no cursor; SIGINT, SIGTERM,
  // SIGHUP and SIGWINCH come as events of the calling thread. nullptr: they are no terminal.
  static std::unique_ptr<LiveTerminal> Open();
  ~LiveTerminal();

  TopWindow window() const;

  // Shows `frame` (lines ending in LF) in place of what is there.
  void Show(std::string_view frame);

  // What happened first: the time is up, the window has another size, or the user has had enough
  // (q, Ctrl-C, Ctrl-D, or the terminal is gone).
  enum class Event { kTime, kWindow, kEnd };
  Event Wait(Duration patience);

 private:
  LiveTerminal(const termios& before, int signals) : before_(before), signals_(signals) {}

  const termios before_;
  const int signals_;  // a signalfd
};

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_LIVE_TERMINAL_H_
