// CHECK: an impossible state of ours stops the process; what a peer or the world can cause is never
// a CHECK (style: errors and assertions). CHECK stays on in release; DCHECK only where NDEBUG is off.
#ifndef SLUICE_CORE_BASE_CHECK_H_
#define SLUICE_CORE_BASE_CHECK_H_

namespace sluice::internal {
[[noreturn]] void CheckFailed(const char* file, int line, const char* expression);
}  // namespace sluice::internal

#define CHECK(condition)                                                        \
  (__builtin_expect(static_cast<bool>(condition), 1)                            \
       ? static_cast<void>(0)                                                   \
       : ::sluice::internal::CheckFailed(__FILE__, __LINE__, #condition))

#ifdef NDEBUG
#define DCHECK(condition) static_cast<void>(sizeof(!(condition)))
#else
#define DCHECK(condition) CHECK(condition)
#endif

#endif  // SLUICE_CORE_BASE_CHECK_H_
