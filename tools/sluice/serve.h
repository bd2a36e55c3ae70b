// `sluice serve`: runs the server in the foreground.
#ifndef SLUICE_TOOLS_SLUICE_SERVE_H_
#define SLUICE_TOOLS_SLUICE_SERVE_H_

namespace CLI {
class App;
}

namespace sluice {

void RegisterServe(CLI::App& app);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_SERVE_H_
