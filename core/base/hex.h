// Hexadecimal digits, of either case, as octets.
//
// absl::HexStringToBytes has the same result, but reads outside of its table for an octet above 127.
#ifndef SLUICE_CORE_BASE_HEX_H_
#define SLUICE_CORE_BASE_HEX_H_

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "core/base/bytes.h"

namespace sluice {

// Nothing for what is no digits, or an odd number of them.
inline std::optional<std::string> DecodeHex(ByteView digits) {
  std::string octets;
  const bool all = std::all_of(digits.begin(), digits.end(), [](char c) {
    return absl::ascii_isxdigit(static_cast<unsigned char>(c));
  });
  if (!all || !absl::HexStringToBytes(digits, &octets)) return std::nullopt;
  return octets;
}

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_HEX_H_
