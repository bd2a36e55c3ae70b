// The queue of a server that does not run, read from its spool. Nothing is written or repaired.
#ifndef SLUICE_TOOLS_SLUICE_OFFLINE_QUEUE_H_
#define SLUICE_TOOLS_SLUICE_OFFLINE_QUEUE_H_

#include <string>

#include "absl/status/statusor.h"
#include "core/server/admin.h"
#include "core/server/options.h"

namespace sluice {

// The JSON that the running server gives at /v1/queue. Reads every segment of every shard folder
// once. FailedPrecondition: a server has the spool, so that its files may change at any time.
absl::StatusOr<std::string> OfflineQueueJson(const server::Options& options,
                                             const server::QueueFilter& filter);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_OFFLINE_QUEUE_H_
