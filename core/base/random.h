// Random octets, for every key, nonce and salt of the process: the TLS library's
// (sluice_random_block, which it calls by name: tools/deps/README.md) and Sluice's own.
//
// The kernel's generator is the only source. What it gives is taken in pieces of half a KiB a
// thread, since a handshake asks five times for a few octets; octets leave a piece as they are
// handed out. A child that goes on after fork() without exec would hand out the same ones as its
// parent: nothing here forks so.
#ifndef SLUICE_CORE_BASE_RANDOM_H_
#define SLUICE_CORE_BASE_RANDOM_H_

#include <cstddef>

namespace sluice {

// Fills `out` with `bytes` random octets. Called on any thread.
using RandomFill = void (*)(char* out, size_t bytes);

// So that a simulator can run TLS from a seed: with this and InstallClock() (tls/hooks.h) the same
// bytes in give the same bytes out. It changes what the whole process uses, so it is called before
// any other thread runs TLS. nullptr: the kernel's generator, as at start.
void InstallRandom(RandomFill fill);

// Random octets from the source in force.
void FillRandom(char* out, size_t bytes);

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_RANDOM_H_
