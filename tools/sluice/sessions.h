// `sluice sessions`: who is connected to the running server, and ending some of them.
#ifndef SLUICE_TOOLS_SLUICE_SESSIONS_H_
#define SLUICE_TOOLS_SLUICE_SESSIONS_H_

namespace CLI {
class App;
}

namespace sluice {

void RegisterSessions(CLI::App& app);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_SESSIONS_H_
