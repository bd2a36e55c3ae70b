// What one server connection costs in heap memory, measured here and now instead of promised: for the start-up
// report, the bench and a test that pins it.
#ifndef SLUICE_TLS_FOOTPRINT_H_
#define SLUICE_TLS_FOOTPRINT_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "tls/parameters.h"

namespace sluice::tls {

struct Footprint {
  size_t idle_bytes = 0;    // after the handshake, with nothing to read; the allocator's rounding is in it
  size_t peak_bytes = 0;    // the most during the handshake
  size_t idle_blocks = 0;
};

// Runs one handshake in memory (a millisecond) and counts the server's blocks. It changes the TLS library's allocator
// meanwhile: no other thread may use TLS. REQUIRES: Init() succeeded.
absl::StatusOr<Footprint> MeasureFootprint(const Parameters& parameters);

}  // namespace sluice::tls

#endif  // SLUICE_TLS_FOOTPRINT_H_
