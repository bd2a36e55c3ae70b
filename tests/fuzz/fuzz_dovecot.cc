// What an authentication server may send: the reader of Dovecot's protocol, whole and cut in two.
// The first octet chooses where.
#include <cstddef>
#include <cstdint>
#include <string>

#include "auth/dovecot_protocol.h"
#include "core/base/check.h"

namespace sluice::auth {
namespace {

using Event = DovecotReader::Event;

// All that was heard, as text; `held` is what the reader has left.
void Read(DovecotReader& reader, std::string& held, ByteView more, std::string& story) {
  held.append(more);
  ByteView input = held;
  for (;;) {
    const size_t before = input.size();
    const Event event = reader.OnInput(input);
    if (event == Event::kNone || event == Event::kBroken) {
      if (event == Event::kBroken) story += "broken ";
      break;
    }
    CHECK(input.size() < before);
    story += static_cast<char>('0' + static_cast<int>(event));
    story += std::to_string(reader.id());
    story.append(reader.challenge()).append(reader.user()).append(reader.tenant());
    for (const std::string& address : reader.addresses()) story += address;
    for (const std::string& domain : reader.domains()) story += domain;
    story += reader.temporary() ? "t" : reader.elsewhere() ? "e" : "-";
    CHECK(reader.challenge().size() + reader.user().size() <= kDovecotReadBytesMax);
  }
  CHECK(story.ends_with("broken ") || input.size() < kDovecotReadBytesMax);
  held = std::string(input);
}

// What we say of whatever a client said is one line of its length at most.
void Say(ByteView input) {
  Buffer out;
  const size_t half = input.size() / 2;
  const DovecotRequest request{.id = 7,
                               .mechanism = "PLAIN",
                               .session = input.substr(0, half),
                               .response = input.substr(half)};
  if (!AppendDovecotAuth(request, out)) {
    CHECK(out.empty());
    return;
  }
  CHECK(out.size() <= kDovecotSentBytesMax && out.view().find('\n') == out.size() - 1);
}

}  // namespace
}  // namespace sluice::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::auth;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const sluice::ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  Say(input);
  const size_t cut = size == 1 ? 0 : data[0] * input.size() / 255;
  std::string whole, parts, held;
  {
    DovecotReader reader;
    Read(reader, held, input, whole);
  }
  held.clear();
  DovecotReader reader;
  Read(reader, held, input.substr(0, cut), parts);
  if (!parts.ends_with("broken ")) Read(reader, held, input.substr(cut), parts);
  CHECK(whole == parts);
  return 0;
}
