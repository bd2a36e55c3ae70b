// Body reader, header filter and dot-stuffing: where input is cut makes no difference; what is kept
// is clean; and written out again it is read as the same message, ending at the same place.
#include <algorithm>
#include <string>

#include "core/base/check.h"
#include "core/smtp/body_reader.h"
#include "core/smtp/dot_stuff.h"
#include "core/smtp/header_filter.h"

using namespace sluice;
using namespace sluice::smtp;

namespace {

struct Outcome {
  bool ended = false;
  BodyFault fault = BodyFault::kNone;
  uint64_t line = 0;
  uint64_t bytes = 0;
  size_t consumed = 0;
  std::string content;   // unstuffed
  std::string filtered;  // and without the fields that are removed
  uint32_t header_bytes = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome Read(ByteView input, size_t piece_bytes, const BodyReader::Options& options) {
  BodyReader reader(options);
  HeaderFilter filter;
  Buffer content, filtered;
  Outcome outcome;
  while (!input.empty() && !outcome.ended) {
    ByteView piece = input.substr(0, piece_bytes);
    const size_t piece_size = piece.size();
    const size_t before = content.size();
    outcome.ended = reader.Read(piece, content);
    CHECK(outcome.ended || piece.empty());
    outcome.consumed += piece_size - piece.size();
    input.remove_prefix(piece_size - piece.size());
    filtered.Append(content.view().substr(before));
    filter.Scan(filtered, outcome.ended);
  }
  outcome.fault = reader.fault();
  outcome.bytes = reader.bytes();
  if (outcome.fault == BodyFault::kBareLf) outcome.line = reader.fault_line();
  if (outcome.fault != BodyFault::kNone) return outcome;  // what was kept until then is of no use
  CHECK(content.size() == outcome.bytes);
  CHECK(filtered.size() <= content.size() && filter.header_bytes() <= filtered.size());
  outcome.content = content.view();
  if (outcome.ended) {
    CHECK(filter.done());
    outcome.filtered = filtered.view();
    outcome.header_bytes = filter.header_bytes();
  }
  return outcome;
}

void CheckClean(ByteView content) {
  for (size_t i = 0; i < content.size(); i++) {
    CHECK(content[i] != '\0');
    if (content[i] == '\n') CHECK(i > 0 && content[i - 1] == '\r');
    if (content[i] == '\r') CHECK(i + 1 < content.size() && content[i + 1] == '\n');
  }
  CHECK(content.empty() || content.ends_with("\r\n"));
}

}  // namespace

// The first octet chooses the pieces and, by its lowest bits, the options.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const BodyReader::Options options = {
      .bare_lf = data[0] & 1 ? BareLf::kReject : BareLf::kNormalize,
      .bytes_max = data[0] & 2 ? 200u : UINT64_MAX};
  const ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = Read(input, std::max<size_t>(input.size(), 1), options);
  CHECK(whole == Read(input, 1, options));
  CHECK(whole == Read(input, static_cast<size_t>(data[0] / 4) + 1, options));

  // Only CR LF . CR LF ends a message, and the first one does.
  const std::string text = "\r\n" + std::string(input);
  const size_t end = text.find("\r\n.\r\n");
  CHECK(whole.ended == (end != std::string::npos));
  if (whole.ended) CHECK(whole.consumed == end + 3);

  if (whole.ended && whole.fault == BodyFault::kNone) {
    CheckClean(whole.content);
    DotStuffer stuffer;
    Buffer wire;
    stuffer.Append(whole.content, wire);
    stuffer.Finish(wire);
    const Outcome again = Read(wire.view(), wire.size(), {.bare_lf = BareLf::kReject});
    CHECK(again.ended && again.consumed == wire.size() && again.content == whole.content);
  }
  return 0;
}
