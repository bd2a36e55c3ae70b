// `sluice stats`: the running server's counters.
#ifndef SLUICE_TOOLS_SLUICE_STATS_H_
#define SLUICE_TOOLS_SLUICE_STATS_H_

namespace CLI {
class App;
}

namespace sluice {

void RegisterStats(CLI::App& app);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_STATS_H_
