// CRC-32C (Castagnoli, RFC 3720 appendix B.4), by SSE4.2's instruction where the processor has it.
#ifndef SLUICE_CORE_BASE_CRC32C_H_
#define SLUICE_CORE_BASE_CRC32C_H_

#include <cstdint>

#include "core/base/bytes.h"

namespace sluice {

// The checksum of `crc`'s bytes followed by `bytes`; start with 0.
uint32_t Crc32c(uint32_t crc, ByteView bytes);

// The same by a table alone; the tests compare both.
uint32_t Crc32cPortable(uint32_t crc, ByteView bytes);

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_CRC32C_H_
