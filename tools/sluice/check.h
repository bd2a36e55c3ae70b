// `sluice check`: would this configuration serve? Problems are told all at once, with exit code 78;
// what works but is probably not meant is told as a warning.
#ifndef SLUICE_TOOLS_SLUICE_CHECK_H_
#define SLUICE_TOOLS_SLUICE_CHECK_H_

namespace CLI {
class App;
}

namespace sluice {

void RegisterCheck(CLI::App& app);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_CHECK_H_
