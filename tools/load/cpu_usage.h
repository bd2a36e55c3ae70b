// CpuUsage: processor time of a thread or of the whole process, and how long a thread waited for a
// core.
#ifndef SLUICE_TOOLS_LOAD_CPU_USAGE_H_
#define SLUICE_TOOLS_LOAD_CPU_USAGE_H_

#include "core/base/time.h"

namespace sluice::load {

struct CpuUsage {
  Duration user{};
  Duration system{};
  Duration waited{};  // ready to run, but the core was taken. OfThread only; 0 where the kernel
                      // does not tell

  static CpuUsage OfThread();   // since the thread began
  static CpuUsage OfProcess();  // since the process began, all threads

  Duration busy() const { return user + system; }
  CpuUsage operator-(const CpuUsage& before) const;
  CpuUsage& operator+=(const CpuUsage& more);
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_CPU_USAGE_H_
