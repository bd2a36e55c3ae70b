// What the TLS library takes from outside itself: random seeds and the clock; and its start.
//
// Init() comes first, once a process, before any context is made. The two Install functions exist so that the
// simulator can run TLS from a seed: with both installed the same bytes in give the same bytes out. They change
// what the whole process uses, so they are called before any other thread runs TLS.
//
// Not here: randomness for keys of ours (tls/ticket_keys.h), which comes as an argument.
#ifndef SLUICE_TLS_HOOKS_H_
#define SLUICE_TLS_HOOKS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace sluice::tls {

// Fills `out` with `bytes` random octets. Called on any thread.
using RandomFill = void (*)(char* out, size_t bytes);
// Seconds since 1970, for certificates and tickets. Called on any thread.
using UnixSeconds = int64_t (*)();

// Starts the library. May be called again and from any thread; later calls return what the first one found:
// an error when the processor lacks AES-NI or the library's own tests fail.
absl::Status Init();

// Where every connection's generator takes its seed from; nullptr: getrandom(2), as at start.
void InstallRandom(RandomFill fill);
// nullptr: the system's clock, as at start.
void InstallClock(UnixSeconds clock);

// Random octets from the source in force: what Generate() and Rotated() of TicketKeys want.
void FillRandom(char* out, size_t bytes);

// One line for the start-up report: version, processor features, whether X25519MLKEM768 is in.
std::string LibraryReport();

}  // namespace sluice::tls

#endif  // SLUICE_TLS_HOOKS_H_
