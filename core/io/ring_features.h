// What this kernel's io_uring can do beyond the floor of Linux 6.1, and what the operator switched off.
#ifndef SLUICE_CORE_IO_RING_FEATURES_H_
#define SLUICE_CORE_IO_RING_FEATURES_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice::io {

struct RingFeatures {
  bool socket_command = false;    // 6.7: socket options and peer names through the ring
  bool multishot_accept = false;  // 6.8 (6.6 and 6.7 gave wrong descriptors), and needs socket_command
  bool no_sqarray = false;        // 6.6: one indirection less in the submission queue
  bool bind = false;              // 6.11: connections from a given address
  std::vector<std::string> report;  // a line a feature: on, or off and why
};

// The names that [io] disable takes.
std::span<const char* const> RingFeatureNames();

// Looks at the kernel and at `disable`. Fails where Sluice cannot run at all, in words that say what is
// missing and how to allow it: no io_uring, io_uring forbidden, a kernel before 6.1, a processor without
// AES-NI. An unknown name in `disable` is an error too.
absl::StatusOr<RingFeatures> ProbeRingFeatures(std::span<const std::string> disable);

}  // namespace sluice::io

#endif  // SLUICE_CORE_IO_RING_FEATURES_H_
