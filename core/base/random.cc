#include "core/base/random.h"

#include <sys/random.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "core/base/bytes.h"
#include "core/base/check.h"

namespace sluice {
namespace {

void FillFromKernel(char* out, size_t bytes) {
  while (bytes > 0) {
    const ssize_t got = getrandom(out, bytes, 0);
    if (got < 0) {
      CHECK(errno == EINTR);  // nothing else can happen here; going on without would be worse
      continue;
    }
    out += got;
    bytes -= static_cast<size_t>(got);
  }
}

// Octets of the kernel's that nobody has had yet: the last `left` of `octets`.
struct Reserve {
  char octets[512];
  size_t left = 0;
};
thread_local Reserve t_reserve;

void FillFromReserve(char* out, size_t bytes) {
  Reserve& reserve = t_reserve;
  if (bytes > sizeof reserve.octets / 4) return FillFromKernel(out, bytes);
  if (bytes > reserve.left) {
    FillFromKernel(reserve.octets, sizeof reserve.octets);
    reserve.left = sizeof reserve.octets;
  }
  char* next = reserve.octets + sizeof reserve.octets - reserve.left;
  std::copy_n(next, bytes, out);
  Wipe(next, bytes);  // who reads this memory later learns nothing of the past
  reserve.left -= bytes;
}

std::atomic<RandomFill> g_fill{FillFromReserve};

}  // namespace

void InstallRandom(RandomFill fill) {
  g_fill.store(fill == nullptr ? FillFromReserve : fill, std::memory_order_relaxed);
}

void FillRandom(char* out, size_t bytes) { g_fill.load(std::memory_order_relaxed)(out, bytes); }

}  // namespace sluice

extern "C" int sluice_random_block(unsigned char* out, unsigned bytes);

extern "C" int sluice_random_block(unsigned char* out, unsigned bytes) {
  sluice::FillRandom(reinterpret_cast<char*>(out), bytes);
  return 0;
}
