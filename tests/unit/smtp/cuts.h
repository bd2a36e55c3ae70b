// Input as the network may deliver it: whole, cut once at every place, and octet by octet. A parser
// must answer the same each time.
#ifndef SLUICE_TESTS_UNIT_SMTP_CUTS_H_
#define SLUICE_TESTS_UNIT_SMTP_CUTS_H_

#include <vector>

#include "core/base/bytes.h"

namespace sluice::smtp {

using Pieces = std::vector<ByteView>;

inline Pieces EveryOctet(ByteView text) {
  Pieces pieces;
  for (size_t i = 0; i < text.size(); i++) pieces.push_back(text.substr(i, 1));
  return pieces;
}

template <typename F>
void ForEachCut(ByteView text, F f) {
  f(Pieces{text});
  for (size_t cut = 1; cut < text.size(); cut++) f(Pieces{text.substr(0, cut), text.substr(cut)});
  f(EveryOctet(text));
}

}  // namespace sluice::smtp

#endif  // SLUICE_TESTS_UNIT_SMTP_CUTS_H_
