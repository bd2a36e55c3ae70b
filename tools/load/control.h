// Control: what the main thread waits for while others work: signals, and word from the workers.
//
// Make it before any other thread, since it blocks the signals for those made after it.
#ifndef SLUICE_TOOLS_LOAD_CONTROL_H_
#define SLUICE_TOOLS_LOAD_CONTROL_H_

#include "core/base/time.h"

namespace sluice::load {

class Control {
 public:
  enum class Event {
    kStop,
    kUser1,
    kWord,
    kTime
  };  // SIGINT or SIGTERM; SIGUSR1; Notify; `until` is past

  Control();
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  Event Wait(MonoTime until);
  void Notify();  // from any thread

 private:
  int signals_;
  int word_;
};

// A thread's core/io time is its turn's; the main thread has no turns.
MonoTime MonoNow();

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_CONTROL_H_
