// Listening sockets, one a shard and address (SO_REUSEPORT): the kernel spreads clients over them.
#ifndef SLUICE_CORE_IO_LISTEN_H_
#define SLUICE_CORE_IO_LISTEN_H_

#include "absl/status/statusor.h"
#include "core/base/sock_addr.h"
#include "core/base/time.h"

namespace sluice::io {

// Unavailable when somebody listens there, another server of the same account too, with which
// Listen would share the clients. After a kill -9 the last process's descriptors close late (its
// rings are torn down by the kernel in the background), so it is tried again until `patience` is
// over. Blocking: start-up only.
absl::Status CheckFree(const SockAddr& address, Duration patience);

// A bound, listening descriptor owned by the caller, beside those of other shards. Accepted
// connections inherit TCP_NODELAY. IPv6 addresses take IPv6 alone.
absl::StatusOr<int> Listen(const SockAddr& address);

}  // namespace sluice::io

#endif  // SLUICE_CORE_IO_LISTEN_H_
