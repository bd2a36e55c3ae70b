#include "core/base/free_memory.h"

#include <malloc.h>

#if __has_include(<mimalloc.h>)
#include <mimalloc.h>
// There when mimalloc is linked in (release builds); libraries are built without knowing.
#pragma weak mi_collect
#pragma weak mi_option_set
#define SLUICE_KNOWS_MIMALLOC 1
#endif

namespace sluice {

// Before 2.1, mimalloc puts off giving back a segment's free pages by a further millisecond for
// each page that is freed meanwhile, and looks again only at the next: after many sessions have
// left together, most of their memory stayed.
void PrepareToReturnMemory() {
#if SLUICE_KNOWS_MIMALLOC && MI_MALLOC_VERSION < 210
  if (mi_option_set != nullptr) mi_option_set(mi_option_decommit_extend_delay, 0);
#endif
}

void ReturnFreeMemory() {
#if SLUICE_KNOWS_MIMALLOC
  if (mi_collect != nullptr) return mi_collect(true);
#endif
  malloc_trim(0);
}

}  // namespace sluice
