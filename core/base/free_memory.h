// Gives memory that was freed back to the system: what many sessions needed and few do not. Of the calling thread's
// heap, with mimalloc; of the whole process with glibc's malloc. Takes time.
#ifndef SLUICE_CORE_BASE_FREE_MEMORY_H_
#define SLUICE_CORE_BASE_FREE_MEMORY_H_

namespace sluice {

void ReturnFreeMemory();

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_FREE_MEMORY_H_
