// `sluice tune`: looks for better values of a running server with sluice-load, and writes what it found.
#ifndef SLUICE_TOOLS_SLUICE_TUNE_H_
#define SLUICE_TOOLS_SLUICE_TUNE_H_

namespace CLI {
class App;
}

namespace sluice {

void RegisterTune(CLI::App& app);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_TUNE_H_
