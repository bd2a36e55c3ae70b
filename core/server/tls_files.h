// Certificates, keys and ticket keys from their files, made into contexts: at start, at reload, for `sluice check`.
#ifndef SLUICE_CORE_SERVER_TLS_FILES_H_
#define SLUICE_CORE_SERVER_TLS_FILES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "auth/certificate_logins.h"
#include "core/server/options.h"
#include "tls/client_context.h"
#include "tls/server_context.h"

namespace sluice::server {

// What one shard needs; contexts are not shared between threads.
struct TlsContexts {
  // One for each [[listener]]; those that ask for no client certificate share theirs. nullptr for
  // all when no certificate is configured.
  std::vector<std::shared_ptr<tls::ServerContext>> servers;
  std::shared_ptr<tls::ClientContext> client;
  std::shared_ptr<const auth::CertificateLogins> certificate_logins;
};

// Reads all files once and makes contexts for `shards` shards. NotFound or PermissionDenied name the file,
// InvalidArgument says what is wrong in it.
absl::StatusOr<std::vector<TlsContexts>> LoadTls(const Options& options,
                                                 std::shared_ptr<const tls::TicketKeys> tickets,
                                                 uint32_t shards);

// The keys in <state_dir>/ticket.keys, rotated if that is due, made where there are none, written back (0600).
// nullptr when tickets are switched off.
absl::StatusOr<std::shared_ptr<const tls::TicketKeys>> LoadTicketKeys(const Options& options, WallTime now);

absl::StatusOr<std::string> ReadFile(const std::string& path);
// Whole or not at all: a temporary file, synced, then renamed over `path`.
absl::Status WriteFile(const std::string& path, ByteView bytes, uint32_t mode);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_TLS_FILES_H_
