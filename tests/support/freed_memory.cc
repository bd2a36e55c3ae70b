#include "tests/support/freed_memory.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__)
#define SLUICE_OWN_DELETE 0
#else
#define SLUICE_OWN_DELETE 1
#endif

namespace {

std::string_view secret_watched;
std::atomic<bool> watching = false;
std::atomic<int> found_count = 0;

#if SLUICE_OWN_DELETE
void Free(void* block) {
  if (watching && block != nullptr) {
    const std::string_view bytes(static_cast<const char*>(block), malloc_usable_size(block));
    if (bytes.find(secret_watched) != std::string_view::npos) found_count++;
  }
  std::free(block);
}
#endif

}  // namespace

#if SLUICE_OWN_DELETE
void operator delete(void* block) noexcept { Free(block); }
void operator delete(void* block, std::size_t) noexcept { Free(block); }
void operator delete[](void* block) noexcept { Free(block); }
void operator delete[](void* block, std::size_t) noexcept { Free(block); }
#endif

namespace sluice {

FreedMemory::FreedMemory(std::string_view secret) {
  secret_watched = secret;
  found_count = 0;
  watching = true;
}
FreedMemory::~FreedMemory() { watching = false; }
bool FreedMemory::Works() { return SLUICE_OWN_DELETE == 1; }
int FreedMemory::found() const { return found_count; }

}  // namespace sluice
