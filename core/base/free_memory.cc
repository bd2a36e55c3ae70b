#include "core/base/free_memory.h"

#include <malloc.h>

// There when mimalloc is linked in (release builds); libraries are built without knowing.
extern "C" void mi_collect(bool force) __attribute__((weak));

namespace sluice {

void ReturnFreeMemory() {
  if (mi_collect != nullptr) {
    mi_collect(true);
  } else {
    malloc_trim(0);
  }
}

}  // namespace sluice
