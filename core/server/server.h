// Server: the whole process of `sluice serve`. It makes every part, hands each what it needs, runs the shards'
// threads, and answers signals and the admin interface until it is told to stop.
//
// Order of start, each step with a reason: options -> spool lock (a second server must not bind) -> listeners and
// rings (they want root's rights and limits) -> drop root -> stores, certificates -> recovery -> threads -> "ready".
#ifndef SLUICE_CORE_SERVER_SERVER_H_
#define SLUICE_CORE_SERVER_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/server/options.h"

namespace sluice::server {

class Server {
 public:
  // `config_path` is read again at reload. The process must have one thread only: signals are blocked here for
  // all threads to come, and user and group are changed.
  static absl::StatusOr<std::unique_ptr<Server>> Create(Options options, std::string config_path,
                                                        std::string version);
  virtual ~Server() = default;

  // Prints `ready` on standard output when every listener accepts; returns when all has ended, after SIGTERM or
  // SIGINT, with the process's exit code. SIGHUP reloads certificates and opens the event log anew.
  virtual int Run() = 0;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_SERVER_H_
