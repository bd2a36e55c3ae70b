// The ClientHello reader: what it says of a complete message depends neither on what follows it nor on where records are
// cut, each cut before its end is answered with "more", and the name it gives is one that a host could have.
#include <algorithm>
#include <string>

#include "core/base/check.h"
#include "tls/client_hello.h"

using namespace sluice;
using namespace sluice::tls;

namespace {

// The content of whole handshake records at the front of `wire`, as records of one octet each.
std::string InTinyRecords(ByteView wire, size_t content_bytes) {
  std::string records;
  while (wire.size() > 5 && content_bytes > 0) {
    const size_t length =
        static_cast<size_t>(static_cast<unsigned char>(wire[3])) << 8 | static_cast<unsigned char>(wire[4]);
    for (const char c : wire.substr(5, std::min(length, content_bytes))) {
      records += std::string("\x16\x03\x03\x00\x01", 5) + c;
      content_bytes--;
    }
    wire.remove_prefix(std::min(wire.size(), 5 + length));
  }
  return records;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView wire(reinterpret_cast<const char*>(data), size);
  ClientHello hello;
  const HelloStatus status = ParseClientHello(wire, hello);

  // What was refused stays refused, and what was not yet complete does so however little of it came.
  for (const size_t cut : {size / 4, size / 2, size - std::min<size_t>(size, 1)}) {
    ClientHello part;
    const HelloStatus early = ParseClientHello(wire.substr(0, cut), part);
    CHECK(early == HelloStatus::kNeedMore || early == status);
  }
  if (status != HelloStatus::kComplete) return 0;

  CHECK(hello.server_name.size() <= 253);
  CHECK(std::all_of(hello.server_name.begin(), hello.server_name.end(),
                    [](char c) { return (IsAsciiAlnum(c) && AsciiLower(c) == c) || c == '-' || c == '.' || c == '_'; }));
  ClientHello again;
  CHECK(ParseClientHello(std::string(wire) + "anything", again) == status && again == hello);

  const std::string tiny = InTinyRecords(wire, kClientHelloBytesMax / 6);
  const HelloStatus retold = ParseClientHello(tiny, again);
  CHECK(retold == HelloStatus::kNeedMore || (retold == status && again == hello));
  return 0;
}
