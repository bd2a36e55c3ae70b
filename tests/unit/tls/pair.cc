#include "tests/unit/tls/pair.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/random.h"
#include "tls/hooks.h"

namespace sluice::tls {
namespace {

// One call of Handshake with the next piece; what it did not take stays in `cipher`.
Step StepOnce(Channel& channel, Buffer& cipher, Buffer& out, size_t piece, HandshakeInfo& info) {
  const size_t given = std::min(piece, cipher.size());
  ByteView view = cipher.view().substr(0, given);
  const Step step = channel.Handshake(view, out, &info);
  cipher.Consume(given - view.size());
  return step;
}

}  // namespace

IdentityPem MakeIdentity(std::vector<std::string> names, KeyKind kind) {
  CHECK(Init().ok());
  absl::StatusOr<IdentityPem> identity = MakeSelfSigned({.names = std::move(names), .kind = kind});
  CHECK(identity.ok());
  return *std::move(identity);
}

const IdentityPem& EcdsaIdentity() {
  static const auto& identity = *new IdentityPem(MakeIdentity({"mail.example.net", "*.wild.example.net"}));
  return identity;
}

const IdentityPem& RsaIdentity() {
  static const auto& identity =
      *new IdentityPem(MakeIdentity({"mail.example.net", "*.wild.example.net"}, KeyKind::kRsa));
  return identity;
}

std::shared_ptr<ServerContext> MakeServer(ServerOptions options) {
  CHECK(Init().ok());
  auto context = ServerContext::Create(options);
  CHECK(context.ok());
  return *std::move(context);
}

std::shared_ptr<ServerContext> MakeServer(const IdentityPem& identity, Parameters parameters) {
  return MakeServer({.identities = {identity},
                     .parameters = std::move(parameters),
                     .ticket_keys = std::make_shared<TicketKeys>(TicketKeys::Generate(FillRandom, WallTime()))});
}

std::shared_ptr<ClientContext> MakeClient(ClientOptions options) {
  CHECK(Init().ok());
  auto context = ClientContext::Create(options);
  CHECK(context.ok());
  return *std::move(context);
}

bool Pair::Shake(size_t piece) {
  bool server_ready = false;
  bool client_starts = to_server.empty() && to_client.empty();
  for (int i = 0; i < 100'000; i++) {
    if (client.failed() || server.failed()) return false;
    if (client.handshake_done() && server.handshake_done()) return true;
    if (server_ready || (!server.handshake_done() && !to_server.empty())) {
      flights_to_server += server_ready ? 0 : 1;
      server_ready = StepOnce(server, to_server, to_client, piece, server_info) == Step::kReady;
      if (server_ready) server_work = server.NextWork();
    } else if (client_starts || (!client.handshake_done() && !to_client.empty())) {
      client_starts = false;
      StepOnce(client, to_client, to_server, piece, client_info);
    } else {
      return false;  // both wait
    }
  }
  return false;
}

std::string ReadAll(Channel& channel, Buffer& cipher, Buffer& out, size_t piece, size_t room) {
  std::string plain;
  std::string buffer(room, '\0');
  for (;;) {
    const size_t given = std::min(piece, cipher.size());
    ByteView view = cipher.view().substr(0, given);
    const ReadResult result = channel.Read(view, MutableBytes(buffer), out);
    cipher.Consume(given - view.size());
    if (result.status == ReadStatus::kPlain) {
      CHECK(result.bytes > 0);
      plain.append(buffer, 0, result.bytes);
    } else if (result.status == ReadStatus::kWantRead) {
      CHECK(view.empty());
      if (cipher.empty()) return plain;
    } else {
      return plain;
    }
  }
}

std::string Pair::ToServer(ByteView plain, size_t piece) {
  CHECK(client.Write(plain, to_server));
  return ReadAll(server, to_server, to_client, piece);
}

std::string Pair::ToClient(ByteView plain, size_t piece) {
  CHECK(server.Write(plain, to_client));
  return ReadAll(client, to_client, to_server, piece);
}

}  // namespace sluice::tls
