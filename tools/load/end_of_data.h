// EndOfData: finds CR LF "." CR LF in a body that comes in parts, as fast as memory can be
// searched.
#ifndef SLUICE_TOOLS_LOAD_END_OF_DATA_H_
#define SLUICE_TOOLS_LOAD_END_OF_DATA_H_

#include <cstdint>

#include "core/base/bytes.h"

namespace sluice::load {

class EndOfData {
 public:
  // What stands at the end of every body found.
  static constexpr ByteView kEnd = "\r\n.\r\n";

  // A new body begins: what came before it ended with CR LF.
  void Reset() { matched_ = 2; }

  // How many octets of `part` belong to the body, its end included. `ended`: the end is there.
  size_t Take(ByteView part, bool& ended);

 private:
  void Step(char c);

  uint8_t matched_ = 2;  // how much of kEnd stands before the next octet
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_END_OF_DATA_H_
