// FreedMemory: finds a secret in memory that is given back unwiped. A program that uses it has its
// own operator delete.
#ifndef SLUICE_TESTS_SUPPORT_FREED_MEMORY_H_
#define SLUICE_TESTS_SUPPORT_FREED_MEMORY_H_

#include <string_view>

namespace sluice {

class FreedMemory {
 public:
  // Watches from now on, in all threads. `secret` outlives this. One at a time.
  explicit FreedMemory(std::string_view secret);
  ~FreedMemory();
  FreedMemory(const FreedMemory&) = delete;
  FreedMemory& operator=(const FreedMemory&) = delete;

  // False under sanitizers, which have an operator delete of their own: nothing is ever found then.
  static bool Works();

  int found() const;  // blocks that held the secret
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SUPPORT_FREED_MEMORY_H_
