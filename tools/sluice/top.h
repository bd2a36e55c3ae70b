// `sluice top`: all shards of the running server, live.
#ifndef SLUICE_TOOLS_SLUICE_TOP_H_
#define SLUICE_TOOLS_SLUICE_TOP_H_

namespace CLI {
class App;
}

namespace sluice {

void RegisterTop(CLI::App& app);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_TOP_H_
