// The TLS library's start, and the clock that it reads. Its random octets: core/base/random.h.
//
// Init() comes first, once a process, before any context is made. InstallClock() is there for the simulator; it changes
// what the whole process uses, so it is called before any other thread runs TLS.
#ifndef SLUICE_TLS_HOOKS_H_
#define SLUICE_TLS_HOOKS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace sluice::tls {

// Seconds since 1970, for certificates and tickets. Called on any thread.
using UnixSeconds = int64_t (*)();

// Starts the library. May be called again and from any thread; later calls return what the first one found:
// an error when the processor lacks AES-NI or the library's own tests fail.
absl::Status Init();

// nullptr: the system's clock, as at start.
void InstallClock(UnixSeconds clock);

// One line for the start-up report: version, processor features, whether X25519MLKEM768 is in.
std::string LibraryReport();

}  // namespace sluice::tls

#endif  // SLUICE_TLS_HOOKS_H_
