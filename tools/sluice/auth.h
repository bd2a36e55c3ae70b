// `sluice auth`: what is counted of failed logins on the running server, and forgetting it.
#ifndef SLUICE_TOOLS_SLUICE_AUTH_H_
#define SLUICE_TOOLS_SLUICE_AUTH_H_

namespace CLI {
class App;
}

namespace sluice {

void RegisterAuth(CLI::App& app);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_AUTH_H_
