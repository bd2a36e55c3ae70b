// Concat: text from pieces of text and integers, in one allocation's worth of work. For messages,
// not for hot paths. (absl::StrCat would do, but Debian's abseil has a string_view of its own and
// takes no std one.)
#ifndef SLUICE_CORE_BASE_CONCAT_H_
#define SLUICE_CORE_BASE_CONCAT_H_

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace sluice {
namespace internal {

inline void AppendPiece(std::string& out, std::string_view piece) { out += piece; }

template <std::integral Integer>
requires(!std::same_as<Integer, bool>) void AppendPiece(std::string& out, Integer number) {
  if constexpr (std::same_as<Integer, char>) {
    out += number;
  } else {
    char digits[24];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  }
}

}  // namespace internal

template <typename... Pieces>
void ConcatTo(std::string& out, const Pieces&... pieces) {
  (internal::AppendPiece(out, pieces), ...);
}

template <typename... Pieces>
[[nodiscard]] std::string Concat(const Pieces&... pieces) {
  std::string out;
  ConcatTo(out, pieces...);
  return out;
}

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_CONCAT_H_
