#include "core/base/crc32c.h"

#include <nmmintrin.h>

#include <array>
#include <cstddef>

namespace sluice {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) ? kPolynomial : 0);
    table[i] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = MakeTable();

// Three streams at once hide the instruction's latency of 3 cycles. To join them, the CRC of a block
// must be moved past the zeros of the next one: a linear map over GF(2), kept as four byte tables.
constexpr size_t kLane = 1024;

constexpr uint32_t ShiftZeros(uint32_t crc, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) crc = kTable[crc & 0xff] ^ (crc >> 8);
  return crc;
}

struct ShiftTable {
  uint32_t at[4][256];
};

ShiftTable MakeShift(size_t bytes) {
  ShiftTable table;
  uint32_t bit_image[32];
  for (int bit = 0; bit < 32; bit++) bit_image[bit] = ShiftZeros(uint32_t{1} << bit, bytes);
  for (int byte = 0; byte < 4; byte++) {
    for (uint32_t value = 0; value < 256; value++) {
      uint32_t image = 0;
      for (int bit = 0; bit < 8; bit++) {
        if (value & (1u << bit)) image ^= bit_image[byte * 8 + bit];
      }
      table.at[byte][value] = image;
    }
  }
  return table;
}

inline uint32_t Shift(const ShiftTable& table, uint32_t crc) {
  return table.at[0][crc & 0xff] ^ table.at[1][(crc >> 8) & 0xff] ^ table.at[2][(crc >> 16) & 0xff] ^
         table.at[3][crc >> 24];
}

inline uint64_t Load64(const char* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

__attribute__((target("sse4.2"))) uint32_t Crc32cHardware(uint32_t crc, ByteView bytes) {
  static const ShiftTable kShift = MakeShift(kLane);
  uint64_t a = ~crc;
  const char* p = bytes.data();
  size_t left = bytes.size();
  while (left >= 3 * kLane) {
    uint64_t b = 0;
    uint64_t c = 0;
    for (size_t i = 0; i < kLane; i += 8) {
      a = _mm_crc32_u64(a, Load64(p + i));
      b = _mm_crc32_u64(b, Load64(p + kLane + i));
      c = _mm_crc32_u64(c, Load64(p + 2 * kLane + i));
    }
    a = Shift(kShift, static_cast<uint32_t>(a)) ^ b;
    a = Shift(kShift, static_cast<uint32_t>(a)) ^ c;
    p += 3 * kLane;
    left -= 3 * kLane;
  }
  for (; left >= 8; p += 8, left -= 8) a = _mm_crc32_u64(a, Load64(p));
  uint32_t last = static_cast<uint32_t>(a);
  for (; left > 0; p++, left--) last = _mm_crc32_u8(last, static_cast<unsigned char>(*p));
  return ~last;
}

}  // namespace

uint32_t Crc32cPortable(uint32_t crc, ByteView bytes) {
  crc = ~crc;
  for (char c : bytes) crc = kTable[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ (crc >> 8);
  return ~crc;
}

uint32_t Crc32c(uint32_t crc, ByteView bytes) {
  static const bool kHasSse42 = __builtin_cpu_supports("sse4.2");
  return kHasSse42 ? Crc32cHardware(crc, bytes) : Crc32cPortable(crc, bytes);
}

}  // namespace sluice
