// `sluice shards get|set`: what each shard is tuned to, and a change of it while the server runs.
#ifndef SLUICE_TOOLS_SLUICE_SHARDS_H_
#define SLUICE_TOOLS_SLUICE_SHARDS_H_

namespace CLI {
class App;
}

namespace sluice {

void RegisterShards(CLI::App& app);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_SHARDS_H_
