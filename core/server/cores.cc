#include "core/server/cores.h"

#include <sched.h>

namespace sluice::server {

std::vector<int> UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int core = 0; core < CPU_SETSIZE; core++) {
      if (CPU_ISSET(core, &set)) cores.push_back(core);
    }
  }
  if (cores.empty()) cores.push_back(0);
  return cores;
}

void PinThread(int core, const std::vector<int>& usable) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int any : usable) {
    if (core < 0 || any == core) CPU_SET(any, &set);
  }
  sched_setaffinity(0, sizeof set, &set);
}

}  // namespace sluice::server
