#include "tools/load/cpu_usage.h"

#include <sys/resource.h>

#include <cstdio>

namespace sluice::load {
namespace {

Duration FromTimeval(const timeval& tv) { return seconds(tv.tv_sec) + microseconds(tv.tv_usec); }

CpuUsage Read(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return CpuUsage{.user = FromTimeval(usage.ru_utime), .system = FromTimeval(usage.ru_stime)};
}

}  // namespace

CpuUsage CpuUsage::OfThread() {
  CpuUsage usage = Read(RUSAGE_THREAD);
  if (std::FILE* file = std::fopen("/proc/thread-self/schedstat", "re")) {
    long long on_core = 0;
    long long waited = 0;  // nanoseconds both
    if (std::fscanf(file, "%lld %lld", &on_core, &waited) == 2) usage.waited = Duration(waited);
    std::fclose(file);
  }
  return usage;
}

CpuUsage CpuUsage::OfProcess() { return Read(RUSAGE_SELF); }

CpuUsage CpuUsage::operator-(const CpuUsage& before) const {
  return CpuUsage{.user = user - before.user,
                  .system = system - before.system,
                  .waited = waited - before.waited};
}

CpuUsage& CpuUsage::operator+=(const CpuUsage& more) {
  user += more.user;
  system += more.system;
  waited += more.waited;
  return *this;
}

}  // namespace sluice::load
