// The client against a server that says anything: it does not crash, does not invent successes, and
// asks for the same things wherever the server's octets are cut.
#include <algorithm>
#include <memory>
#include <string>

#include "auth/sasl_client.h"
#include "core/base/check.h"
#include "core/smtp/client.h"
#include "core/smtp/limits.h"

using namespace sluice;
using namespace sluice::smtp;

namespace {

constexpr ByteView kRecipients[] = {"b@example.org", "c@example.org"};

struct Log {
  std::string sent;
  std::string effects;
  bool operator==(const Log&) const = default;
};

// Sends up to `messages_max` messages, a fixed body each.
Log Talk(const ClientOptions& options, ByteView input, size_t piece_bytes, size_t messages_max) {
  Client client(options, false);
  const OutgoingMessage messages[] = {
      {.sender = "a@example.net", .recipients = kRecipients, .bytes = 10},
      {.sender = "", .recipients = std::span(kRecipients).first(1), .bytes = 10, .at_hand = true},
      {.sender = "d@example.net", .recipients = kRecipients, .bytes = 10, .eight_bit = true}};
  size_t started = 0, bodies = 0, taken = 0, refused = 0;
  bool ready = false;
  Buffer out;
  Log log;
  const auto start = [&] {
    while (ready && client.can_start() && started < messages_max) {
      if (!client.Start(&messages[started++], out)) continue;
      bodies++;
      out.Append("ten octets");
      client.BodySent();
    }
  };
  while (!input.empty()) {
    ByteView piece = input.substr(0, piece_bytes);
    input.remove_prefix(piece.size());
    ClientEffect effect;
    while ((effect = client.OnInput(piece, out)) != ClientEffect::kNone) {
      log.effects += static_cast<char>('a' + static_cast<int>(effect));
      if (effect == ClientEffect::kReady) ready = true;
      if (effect == ClientEffect::kRecipientFailed) {
        CHECK(client.recipient() < client.message()->recipients.size());
        CHECK(!client.reply().positive());
        refused++;
      }
      if (effect == ClientEffect::kSendBody) {
        CHECK(refused < client.message()->recipients.size());
        bodies++;
        out.Append(client.chunking() ? "ten octets" : "body\r\n.\r\n");
        client.BodySent();
      }
      if (effect == ClientEffect::kMessageResult) {
        const bool for_somebody = refused < client.message()->recipients.size();
        if (client.reply().positive() && for_somebody) taken++;
        refused = 0;
      }
      if (effect == ClientEffect::kStartTls) input = piece = {};  // a handshake without end
      start();
    }
    start();
    CHECK(piece.empty());
    CHECK(client.reply().text().size() <= kPeerReplyTextBytesMax);
  }
  CHECK(taken <= bodies);
  CHECK(static_cast<size_t>(client.under_way()) <=
        std::min<size_t>(started, client.chunking()    ? kClientUnderWayMax
                                  : options.pipelining ? 2
                                                       : 1));
  log.sent = out.view();
  return log;
}

}  // namespace

// The first octet chooses the options, the second the pieces.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  ClientOptions options;
  options.ehlo_name = "client.example";
  options.tls = static_cast<ClientOptions::Tls>(data[0] % 3);
  std::unique_ptr<sluice::SaslClient> sasl;
  const sluice::auth::Mechanism mechanisms[] = {sluice::auth::Mechanism::kPlain,
                                                sluice::auth::Mechanism::kLogin,
                                                sluice::auth::Mechanism::kCramMd5};
  if (const int chosen = data[0] / 3 % 4; chosen > 0) {
    sasl = sluice::auth::MakeSaslClient(mechanisms[chosen - 1],
                                        {.user = "user", .password = "password"});
  }
  options.sasl = sasl.get();
  options.pipelining = data[0] / 9 % 2 == 0;
  options.chunking = data[0] / 18 % 2 == 0;
  const ByteView input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t whole_bytes = std::max<size_t>(input.size(), 1);
  const size_t piece_bytes = static_cast<size_t>(data[1]) + 1;
  (void)Talk(options, input, whole_bytes, 3);
  (void)Talk(options, input, piece_bytes, 3);
  // With one message only: when a second is started depends on when its outside gets to it.
  const Log whole = Talk(options, input, whole_bytes, 1);
  CHECK(Talk(options, input, 1, 1) == whole);
  CHECK(Talk(options, input, piece_bytes, 1) == whole);
  return 0;
}
