// The line reader: where input is cut makes no difference, a line ends at CR LF alone, and bounds
// hold.
#include <algorithm>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/smtp/limits.h"
#include "core/smtp/line_reader.h"

using namespace sluice;
using namespace sluice::smtp;

namespace {

std::vector<std::string> Lines(ByteView input, size_t piece_bytes, bool sasl) {
  LineReader reader;
  std::vector<std::string> lines;
  while (!input.empty()) {
    ByteView piece = input.substr(0, piece_bytes);
    input.remove_prefix(piece.size());
    while (true) {
      Buffer storage;
      ByteView line;
      const LineReader::Result result = reader.Next(piece, sasl, storage, line);
      if (result == LineReader::Result::kPartial) break;
      const bool too_long = result != LineReader::Result::kLine;
      CHECK(too_long || line.size() + 2 <= kAuthLineBytesMax);
      CHECK(too_long || line.find("\r\n") == ByteView::npos);
      const bool of_auth = result == LineReader::Result::kAuthTooLong;
      lines.push_back(too_long ? of_auth ? "!auth" : "!" : "=" + std::string(line));
    }
    CHECK(piece.empty());
  }
  return lines;
}

size_t CountCrLf(ByteView text) {
  size_t count = 0;
  for (size_t at = text.find("\r\n"); at != ByteView::npos; at = text.find("\r\n", at + 2)) count++;
  return count;
}

}  // namespace

// The first octet chooses the pieces, its lowest bit the bound.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const bool sasl = data[0] & 1;
  const ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::vector<std::string> whole = Lines(input, std::max<size_t>(input.size(), 1), sasl);
  CHECK(whole.size() == CountCrLf(input));
  CHECK(whole == Lines(input, 1, sasl));
  CHECK(whole == Lines(input, static_cast<size_t>(data[0] / 2) + 1, sasl));
  return 0;
}
