// MessageNumber: the name that the generator gives to each message: <run>-<n>, in the header field
// X-Sluice-Load and in Message-ID. Ledgers of generator and sink have it in their first column, so
// a crash test finds what is missing, or came twice, by comparing two files.
#ifndef SLUICE_TOOLS_LOAD_MESSAGE_NUMBER_H_
#define SLUICE_TOOLS_LOAD_MESSAGE_NUMBER_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "core/base/bytes.h"

namespace sluice::load {

inline constexpr ByteView kNumberField = "X-Sluice-Load";

struct MessageNumber {
  uint32_t run = 0;  // tells one run from another
  uint64_t n = 0;    // unique in its run; less than 10^12

  // "0badcafe-000000000042": always as long, so that it can be patched into a finished message.
  static constexpr size_t kTextBytes = 8 + 1 + 12;
  void Write(char* text) const;

  static std::optional<MessageNumber> Parse(ByteView text);

  // From the header field in the header section of a message, dot-stuffed or not, that may be cut
  // anywhere. nullopt when there is none.
  static std::optional<MessageNumber> Find(ByteView message);

  bool operator==(const MessageNumber&) const = default;

  template <typename H>
  friend H AbslHashValue(H hash, const MessageNumber& number) {
    return H::combine(std::move(hash), number.run, number.n);
  }
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_MESSAGE_NUMBER_H_
