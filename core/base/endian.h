// Fixed-width little-endian integers at any address: the byte order of everything Sluice writes to disk.
#ifndef SLUICE_CORE_BASE_ENDIAN_H_
#define SLUICE_CORE_BASE_ENDIAN_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace sluice {

static_assert(std::endian::native == std::endian::little, "x86-64 only at present; swap here for others");

template <typename T>
inline T LoadLe(const char* from) {
  static_assert(std::is_unsigned_v<T>);
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
inline void StoreLe(char* to, T value) {
  static_assert(std::is_unsigned_v<T>);
  std::memcpy(to, &value, sizeof value);
}

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_ENDIAN_H_
