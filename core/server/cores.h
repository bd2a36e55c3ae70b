// The processor cores of this machine that the process may use.
#ifndef SLUICE_CORE_SERVER_CORES_H_
#define SLUICE_CORE_SERVER_CORES_H_

#include <vector>

namespace sluice::server {

std::vector<int> UsableCores();  // never empty

// Puts the calling thread on one of them; negative: on any. Best effort: a container may forbid it.
void PinThread(int core, const std::vector<int>& usable);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_CORES_H_
