// Listening sockets, one a shard and address (SO_REUSEPORT): the kernel spreads clients over them.
#ifndef SLUICE_CORE_IO_LISTEN_H_
#define SLUICE_CORE_IO_LISTEN_H_

#include "absl/status/statusor.h"
#include "core/base/sock_addr.h"
#include "core/base/time.h"

namespace sluice::io {

// A bound, listening descriptor owned by the caller. Accepted connections inherit TCP_NODELAY. IPv6 addresses
// take IPv6 alone. After a kill -9 the last process's descriptors close late (its rings are torn down by the
// kernel in the background), so EADDRINUSE is tried again until `patience` is over. Blocking: start-up only.
absl::StatusOr<int> Listen(const SockAddr& address, Duration patience);

}  // namespace sluice::io

#endif  // SLUICE_CORE_IO_LISTEN_H_
