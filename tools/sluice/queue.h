// `sluice queue list`: what is in the queue, from the running server, or from the spool when none
// runs.
#ifndef SLUICE_TOOLS_SLUICE_QUEUE_H_
#define SLUICE_TOOLS_SLUICE_QUEUE_H_

namespace CLI {
class App;
}

namespace sluice {

void RegisterQueue(CLI::App& app);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_QUEUE_H_
