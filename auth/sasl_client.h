// The client's side of the mechanisms that auth/ knows as a server.
//
// For the load generator and the relay. Of the former, what a client would work out of its password
// anew at each login is kept in a ScramCache, or PBKDF2 would be all that is measured. One thread.
#ifndef SLUICE_AUTH_SASL_CLIENT_H_
#define SLUICE_AUTH_SASL_CLIENT_H_

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "auth/channel_bindings.h"
#include "auth/hash.h"
#include "auth/mechanism.h"
#include "core/base/sasl_client.h"

namespace sluice::auth {

// Keys by hash, user, password, salt and count; as many as there are of those.
class ScramCache {
 public:
  struct Keys {  // their first octets count
    std::array<char, kDigestBytesMax> client_key{};
    std::array<char, 2 * kDigestBytesMax> stored_key_states{};
    std::array<char, 2 * kDigestBytesMax> server_key_states{};
  };
  // `password`: prepared. Slow when they are not kept yet. Valid until the next call.
  const Keys& Find(ScramHash hash, ByteView user, ByteView password, ByteView salt,
                   uint32_t iterations);

 private:
  absl::flat_hash_map<std::string, std::unique_ptr<Keys>> keys_;
};

struct SaslLogin {
  std::string user;  // GSSAPI, EXTERNAL: as whom; who it is ticket and certificate say
  std::string password;                       // or the token
  std::string nonce;                          // printable, without a comma; SCRAM, DIGEST-MD5
  ScramCache* cache = nullptr;                // SCRAM; outlives the client
  // The server's name; GSSAPI's service. DIGEST-MD5: empty: the server's realm.
  std::string host;
  const ChannelBindings* bindings = nullptr;  // -PLUS; outlives the client; filled in before Begin
};
std::unique_ptr<SaslClient> MakeSaslClient(Mechanism mechanism, SaslLogin login);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_SASL_CLIENT_H_
