// `sluice init`: makes what a new server needs: configuration, folders, certificate, first user.
//
// It never overwrites: an existing configuration is an error before anything is made; folders and a
// certificate that are there are kept.
#ifndef SLUICE_TOOLS_SLUICE_INIT_H_
#define SLUICE_TOOLS_SLUICE_INIT_H_

namespace CLI {
class App;
}

namespace sluice {

void RegisterInit(CLI::App& app);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_INIT_H_
