// Gives memory that was freed back to the system: what many sessions needed and few do not. With
// mimalloc, or else with what glibc's malloc offers.
#ifndef SLUICE_CORE_BASE_FREE_MEMORY_H_
#define SLUICE_CORE_BASE_FREE_MEMORY_H_

namespace sluice {

// Makes the allocator give back the pages of large ebbs by itself. At the start of a program.
void PrepareToReturnMemory();

// The rest, at once. Of the calling thread's heap with mimalloc, of the whole process with glibc.
// Takes time.
void ReturnFreeMemory();

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_FREE_MEMORY_H_
