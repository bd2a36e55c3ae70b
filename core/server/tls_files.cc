#include "core/server/tls_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/random.h"
#include "tls/ticket_keys.h"

namespace sluice::server {
namespace {

absl::Status Failed(const char* what, const std::string& path, int error) {
  const std::string text = absl::StrCat(what, " ", path, ": ", std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(text);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(text);
  return absl::UnavailableError(text);
}

absl::StatusOr<tls::ClientOptions> MakeClientOptions(const Options& options) {
  tls::ClientOptions client;
  client.parameters.groups = options.tls.groups;
  if (options.relay.tls != RelayTls::kVerify) return client;
  client.trust = tls::Trust::kSystem;
  if (options.relay.ca_file.empty()) return client;
  auto anchors = ReadFile(options.relay.ca_file);
  if (!anchors.ok()) return anchors.status();
  client.trust = tls::Trust::kGiven;
  client.anchors = *std::move(anchors);
  client.anchors_file = options.relay.ca_file;
  return client;
}

absl::StatusOr<tls::ClientTrustPem> ReadClientTrust(const ListenerOptions& listener) {
  tls::ClientTrustPem pem{listener.client_ca_file, "", listener.client_crl_file, ""};
  auto ca = ReadFile(pem.ca_file);
  if (!ca.ok()) return ca.status();
  pem.ca = *std::move(ca);
  if (pem.crl_file.empty()) return pem;
  auto crl = ReadFile(pem.crl_file);
  if (!crl.ok()) return crl.status();
  pem.crl = *std::move(crl);
  return pem;
}

// REQUIRES: options that CheckOptions has nothing against.
std::shared_ptr<const auth::CertificateLogins> MakeCertificateLogins(const Options& options) {
  auto logins = std::make_shared<auth::CertificateLogins>();
  for (const ClientCertificateOptions& one : options.client_certificate) {
    CHECK(one.subject.empty()
              ? logins->AddFingerprint(*auth::ParseFingerprint(one.fingerprint), one.login)
              : logins->AddSubject(one.subject, one.login));
  }
  return logins;
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Failed("open", path, errno);
  struct stat facts {};
  fstat(fd, &facts);
  // It may be a private key, so it is read to where it stays, and what had to grow is wiped.
  std::string bytes(static_cast<size_t>(facts.st_size) + 1, '\0');
  size_t size = 0;
  ssize_t got;
  while ((got = read(fd, &bytes[size], bytes.size() - size)) > 0) {
    size += static_cast<size_t>(got);
    if (size < bytes.size()) continue;
    std::string larger(2 * bytes.size() + 4096, '\0');
    std::copy(bytes.begin(), bytes.end(), larger.begin());
    bytes.swap(larger);
    Wipe(larger);
  }
  const int error = errno;
  close(fd);
  bytes.resize(size);
  if (got >= 0) return bytes;
  Wipe(bytes);
  return Failed("read", path, error);
}

absl::Status WriteFile(const std::string& path, ByteView bytes, uint32_t mode) {
  const std::string temporary = path + ".tmp";
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return Failed("create", temporary, errno);
  const bool written = write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) && fsync(fd) == 0;
  const int error = errno;
  close(fd);
  if (!written || rename(temporary.c_str(), path.c_str()) != 0) {
    unlink(temporary.c_str());
    return Failed("write", path, written ? errno : error);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const tls::TicketKeys>> LoadTicketKeys(const Options& options, WallTime now) {
  if (options.tls.ticket_lifetime == Duration::zero()) return nullptr;
  const std::string path = options.state_dir + "/ticket.keys";
  absl::StatusOr<std::string> bytes = ReadFile(path);
  absl::StatusOr<tls::TicketKeys> keys = absl::NotFoundError("");
  if (bytes.ok()) {
    keys = tls::TicketKeys::Decode(*bytes);
    Wipe(*bytes);
  }
  // Keys that cannot be read cost clients a full handshake; that is no reason not to start.
  const bool fresh = !keys.ok();
  if (fresh) keys = tls::TicketKeys::Generate(FillRandom, now);
  const bool due = keys->RotationDue(now, options.tls.ticket_lifetime);
  if (due) keys = keys->Rotated(FillRandom, now, options.tls.ticket_lifetime);
  if (fresh || due) {
    std::string encoded = keys->Encode();
    const absl::Status status = WriteFile(path, encoded, 0600);
    Wipe(encoded);
    if (!status.ok()) return status;
  }
  return std::make_shared<const tls::TicketKeys>(*std::move(keys));
}

absl::StatusOr<std::vector<TlsContexts>> LoadTls(const Options& options,
                                                 std::shared_ptr<const tls::TicketKeys> tickets,
                                                 uint32_t shards) {
  tls::ServerOptions server;
  server.parameters.groups = options.tls.groups;
  server.ticket_keys = std::move(tickets);
  server.ticket_lifetime = options.tls.ticket_lifetime;
  for (const CertificateOptions& from : options.certificate) {
    auto chain = ReadFile(from.chain);
    if (!chain.ok()) return chain.status();
    auto key = ReadFile(from.key);
    if (!key.ok()) return key.status();
    server.identities.push_back({from.chain, *std::move(chain), from.key, *std::move(key)});
  }
  auto client = MakeClientOptions(options);
  if (!client.ok()) return client.status();

  std::vector<tls::ServerOptions> servers;  // of listeners that ask for a client certificate
  std::vector<size_t> which;                // of each listener: its place above + 1, 0: `server`
  for (const ListenerOptions& listener : options.listener) {
    which.push_back(0);
    if (listener.client_ca_file.empty()) continue;
    auto trust = ReadClientTrust(listener);
    if (!trust.ok()) return trust.status();
    servers.push_back(server);
    servers.back().client_trust = *std::move(trust);
    which.back() = servers.size();
  }
  servers.insert(servers.begin(), server);
  const auto logins = MakeCertificateLogins(options);

  std::vector<TlsContexts> all;
  absl::Status failure;
  for (uint32_t i = 0; i < shards && failure.ok(); i++) {
    TlsContexts contexts;
    contexts.certificate_logins = logins;
    std::vector<std::shared_ptr<tls::ServerContext>> made_servers(servers.size());
    for (size_t s = 0; s < servers.size() && !server.identities.empty(); s++) {
      auto made = tls::ServerContext::Create(servers[s]);
      if (made.ok()) made_servers[s] = *std::move(made);
      failure.Update(made.status());
    }
    for (const size_t s : which) contexts.servers.push_back(made_servers[s]);
    auto made = tls::ClientContext::Create(*client);
    if (made.ok()) contexts.client = *std::move(made);
    failure.Update(made.status());
    all.push_back(std::move(contexts));
  }
  if (!failure.ok()) return failure;
  return all;
}

}  // namespace sluice::server
