// Pair: a client and a server Channel joined by two buffers, as tests want them: the bytes between them can be cut
// anywhere and looked at. Certificates are made once a process, since RSA keys take time.
#ifndef SLUICE_TESTS_UNIT_TLS_PAIR_H_
#define SLUICE_TESTS_UNIT_TLS_PAIR_H_

#include <memory>
#include <string>

#include "tls/channel.h"
#include "tls/self_signed.h"

namespace sluice::tls {

// "mail.example.net" and "*.wild.example.net" unless said otherwise.
const IdentityPem& EcdsaIdentity();
const IdentityPem& RsaIdentity();
IdentityPem MakeIdentity(std::vector<std::string> names, KeyKind kind = KeyKind::kEcdsaP256);

std::shared_ptr<ServerContext> MakeServer(ServerOptions options);
std::shared_ptr<ClientContext> MakeClient(ClientOptions options = {});
// A server with this identity, these parameters and fresh ticket keys.
std::shared_ptr<ServerContext> MakeServer(const IdentityPem& identity, Parameters parameters = {});

struct Pair {
  Pair(std::shared_ptr<ServerContext> server_context, const ClientContext& client_context,
       const ConnectOptions& connect = {})
      : server(Channel::Accept(std::move(server_context))), client(Channel::Connect(client_context, connect)) {}

  // Runs the handshake to its end, giving each side at most `piece` octets a call. True when both are done.
  bool Shake(size_t piece = SIZE_MAX);

  // Moves data one way through the channels, `piece` octets of cipher text a call.
  std::string ToServer(ByteView plain, size_t piece = SIZE_MAX);
  std::string ToClient(ByteView plain, size_t piece = SIZE_MAX);

  Channel server;
  Channel client;
  Buffer to_server;  // cipher text under way
  Buffer to_client;
  HandshakeInfo server_info;
  HandshakeInfo client_info;
  Work server_work = Work::kLight;  // what the server said at kReady
  int flights_to_server = 0;        // of the handshake, for those that pass whole
};

// Reads all that `cipher` holds, `piece` octets a call, with room for `room` octets of plain text.
std::string ReadAll(Channel& channel, Buffer& cipher, Buffer& out, size_t piece = SIZE_MAX, size_t room = 4096);

}  // namespace sluice::tls

#endif  // SLUICE_TESTS_UNIT_TLS_PAIR_H_
