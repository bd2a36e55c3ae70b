#include "tools/sluice/check.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "auth/lmdb_store.h"
#include "core/base/act_as.h"
#include "core/server/access_rules.h"
#include "core/server/cores.h"
#include "core/server/kerberos.h"
#include "core/server/options.h"
#include "core/server/shard_tunings.h"
#include "core/server/tls_files.h"
#include "core/server/token_files.h"
#include "tls/hooks.h"
#include "tls/identity.h"
#include "tls/server_context.h"

namespace sluice {
namespace {

using server::ListenerMode;
using server::ListenerOptions;
using server::Options;

struct Arguments {
  std::string config = "/etc/sluice/sluice.toml";
  bool show = false;
};

// What was found: problems keep `serve` from running, warnings do not.
struct Findings {
  std::vector<std::string> problems;
  std::vector<std::string> warnings;
};

// The account that will serve: `user`, or who this is.
struct Account {
  uid_t uid;
  gid_t gid;
  std::string name;
};

Account ServingAccount(const Options& options) {
  const passwd* entry = options.user.empty() ? nullptr : getpwnam(options.user.c_str());
  if (entry == nullptr) return {geteuid(), getegid(), "this user"};
  return {entry->pw_uid, entry->pw_gid, options.user};
}

void CheckFolder(const std::string& key, const std::string& path, const Account& account,
                 Findings& found) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error) && error == std::errc::permission_denied) {
    found.problems.push_back(absl::StrCat(key, ": ", path, " cannot be reached by ", account.name));
  } else if (error || !std::filesystem::is_directory(path, error)) {
    found.problems.push_back(
        absl::StrCat(key, ": ", path, " is no folder; `sluice init` makes it"));
  } else if (faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
    found.problems.push_back(absl::StrCat(key, ": ", path, " cannot be written by ", account.name));
  }
}

void CheckUser(const Options& options, Findings& found) {
  if (!options.user.empty() && getpwnam(options.user.c_str()) == nullptr) {
    found.problems.push_back(absl::StrCat("user: there is no account \"", options.user, "\""));
  }
  if (const std::string why = server::RefusalToServe(options, geteuid()); !why.empty()) {
    found.warnings.push_back(why);  // somebody else may be the one to serve
  }
  if (options.user == "root") {
    found.warnings.push_back("user: the server stays root; an account of its own is safer");
  }
}

void CheckTokens(const Options& options, Findings& found) {
  const auto tokens = server::LoadTokenVerifiers(options, 1);
  if (!tokens.ok()) found.problems.push_back(std::string(tokens.status().message()));
}

bool Covers(const tls::CertificateFacts& facts, const std::string& hostname) {
  std::string lower = hostname;
  for (char& c : lower) c = AsciiLower(c);
  return std::any_of(facts.names.begin(), facts.names.end(), [&](const std::string& name) {
    return tls::MatchName(name, lower) != tls::NameMatch::kNone;
  });
}

void WarnOfCertificate(const tls::CertificateFacts& facts, const std::string& file,
                       Findings& found) {
  const auto now = std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
  const auto warn = [&](std::string_view text) {
    found.warnings.push_back(absl::StrCat(file, ": ", text));
  };
  if (now >= facts.not_after) {
    warn("the certificate has expired");
  } else if (now >= facts.not_after - hours(14 * 24)) {
    warn("the certificate expires within 14 days");
  }
  if (now < facts.not_before) warn("the certificate is not valid yet");
  if (facts.kind == tls::KeyKind::kRsa && facts.key_bits > 2048) {
    warn(absl::StrCat(
        "RSA with ", facts.key_bits,
        " bits makes handshakes several times slower; ECDSA P-256 is best, RSA 2048 will do"));
  }
}

void WarnOfKeyFile(const std::string& file, Findings& found) {
  std::error_code error;
  const auto mode = std::filesystem::status(file, error).permissions();
  if (error || (mode & std::filesystem::perms::others_read) == std::filesystem::perms::none) return;
  found.warnings.push_back(
      absl::StrCat(file, ": every user of this machine can read the key: chmod o= ", file));
}

void CheckCertificates(const Options& options, Findings& found) {
  if (const absl::Status status = tls::Init(); !status.ok()) {
    found.problems.push_back(std::string(status.message()));
    return;
  }
  for (const server::CertificateOptions& certificate : options.certificate) {
    const auto chain = server::ReadFile(certificate.chain);
    auto key = server::ReadFile(certificate.key);
    for (const absl::Status& status : {chain.status(), key.status()}) {
      if (!status.ok()) found.problems.push_back(absl::StrCat("certificate: ", status.message()));
    }
    tls::ServerOptions tls;  // which wipes the key
    if (key.ok()) {
      tls.identities.push_back(
          {certificate.chain, chain.value_or(""), certificate.key, *std::move(key)});
    }
    if (!chain.ok() || !key.ok()) continue;
    WarnOfKeyFile(certificate.key, found);
    tls.parameters.groups = options.tls.groups;
    const auto context = tls::ServerContext::Create(tls);
    if (!context.ok()) {
      found.problems.push_back(absl::StrCat("certificate: ", context.status().message()));
      continue;
    }
    const tls::CertificateFacts& facts = (*context)->certificates().front();
    WarnOfCertificate(facts, certificate.chain, found);
    if (&certificate == &options.certificate.front() && !Covers(facts, options.hostname)) {
      found.warnings.push_back(absl::StrCat(
          certificate.chain, ": the default certificate does not cover ", options.hostname));
    }
  }
  if (!found.problems.empty()) return;
  // What remains: trust anchors and CRLs, and everything together as the server will load it.
  const auto loaded = server::LoadTls(options, nullptr, 1);
  if (!loaded.ok()) {
    found.problems.push_back(std::string(loaded.status().message()));
    return;
  }
  for (const auto& context : loaded->front().servers) {
    if (context == nullptr || context->client_trust() == nullptr) continue;
    const auto& warnings = context->client_trust()->warnings();
    found.warnings.insert(found.warnings.end(), warnings.begin(), warnings.end());
  }
}

bool IsLoopback(const SockAddr& address) {
  if (address.family() == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
  return ntohl(address.v4.sin_addr.s_addr) >> 24 == 127;
}

// RFC 1918, RFC 6598, link-local and loopback, and what IPv6 has of these.
bool IsPrivate(const Network& network) {
  static const Network kPrivate[] = {*Network::Parse("10.0.0.0/8"),
                                     *Network::Parse("172.16.0.0/12"),
                                     *Network::Parse("192.168.0.0/16"),
                                     *Network::Parse("100.64.0.0/10"),
                                     *Network::Parse("169.254.0.0/16"),
                                     *Network::Parse("127.0.0.0/8"),
                                     *Network::Parse("fc00::/7"),
                                     *Network::Parse("fe80::/10"),
                                     *Network::Parse("::1")};
  return std::any_of(std::begin(kPrivate), std::end(kPrivate),
                     [&](const Network& outer) { return network.IsIn(outer); });
}

void WarnOfTrustedNetworks(const Options& options, Findings& found) {
  for (const server::TrustedNetworkOptions& one : options.trusted_network) {
    for (const Network& network : one.networks) {
      if (IsPrivate(network)) continue;
      found.warnings.push_back(absl::StrCat("trusted_network: ", network.ToString(),
                                            " is no private network: whoever has an address in it "
                                            "sends as ",
                                            one.login, " without a password"));
    }
  }
}

// Reads every record: a third of a second for a million users.
void WarnOfTenants(const Options& options, auth::LmdbStore& store, Findings& found) {
  std::set<std::string> names;
  for (const server::TenantOptions& tenant : options.tenant) names.insert(tenant.name);
  uint64_t strays = 0;
  std::string example;
  const absl::Status read =
      store.ForEach([&](ByteView login, const auth::CredentialRecord& record) {
        if (record.tenant.empty() || names.contains(record.tenant)) return true;
        if (strays++ == 0) example = absl::StrCat(login, " is of \"", record.tenant, "\"");
        return true;
      });
  if (!read.ok()) found.warnings.push_back(std::string(read.message()));
  if (strays == 0) return;
  found.warnings.push_back(absl::StrCat(
      "tenant: ", strays, strays == 1 ? " user is" : " users are",
      " of a tenant that has no [[tenant]], and so without a tenant's limits: ", example,
      strays == 1 ? "" : ", for one", "; add it, or `sluice user set NAME --tenant TENANT`"));
}

void WarnOfUsers(const Options& options, Findings& found) {
  const std::string path = auth::LmdbStore::PathIn(options.state_dir);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return;  // `serve` makes it, and says this then
  const auto store = auth::LmdbStore::Open(path);
  if (!store.ok()) {
    found.warnings.push_back(std::string(store.status().message()));
    return;
  }
  for (std::string& line : server::DescribeTrustedLogins(options, **store)) {
    found.warnings.push_back(std::move(line));
  }
  WarnOfTenants(options, **store, found);
}

void WarnOfListener(const ListenerOptions& listener, Findings& found) {
  const auto warn = [&](std::string_view text) {
    found.warnings.push_back(absl::StrCat("listener ", listener.address.ToString(), ": ", text));
  };
  const bool clear = !listener.mechanisms_clear.empty();
  const bool secure = listener.mode != ListenerMode::kPlain && !listener.mechanisms.empty();
  const bool needs_login = listener.policy == server::ListenerPolicy::kAlways;
  if (needs_login && !clear && listener.mode == ListenerMode::kPlain) {
    warn(
        "mode = \"plain\" has no TLS and `mechanisms` are offered only under TLS, so nobody can "
        "log in "
        "and send; set mechanisms_clear, or mode = \"starttls\"");
  } else if (needs_login && !clear && !secure) {
    warn("offers no mechanism, so nobody can log in and send");
  }
  if (clear && listener.mode != ListenerMode::kImplicit && !IsLoopback(listener.address)) {
    warn("takes passwords without TLS");
  }
  if (listener.address.port() < 1024 && geteuid() != 0) {
    warn("a port below 1024 needs CAP_NET_BIND_SERVICE or a start as root");
  }
}

// It may well be started later, so this is no problem.
void WarnOfDovecot(const server::AuthOptions& auth, Findings& found) {
  if (auth.backend != server::AuthBackend::kDovecot) return;
  constexpr int kPatienceMs = 3000;
  const auto address = SockAddr::Parse(auth.dovecot_socket);
  if (address && !IsLoopback(*address)) {
    found.warnings.push_back(
        "auth.dovecot_socket: passwords go there in the clear, over a network");
  }
  sockaddr_un path{};
  path.sun_family = AF_UNIX;
  auth.dovecot_socket.copy(path.sun_path, sizeof path.sun_path - 1);
  const int fd =
      socket(address ? address->family() : AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int error = 0;
  if ((address ? connect(fd, &address->generic, address->bytes())
               : connect(fd, reinterpret_cast<const sockaddr*>(&path), sizeof path)) != 0) {
    error = errno;
  }
  if (error == EINPROGRESS) {
    pollfd waiting{.fd = fd, .events = POLLOUT, .revents = 0};
    socklen_t bytes = sizeof error;
    error = ETIMEDOUT;
    if (poll(&waiting, 1, kPatienceMs) == 1) getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
  }
  if (fd >= 0) close(fd);
  if (error == 0) return;
  found.warnings.push_back(absl::StrCat("auth.dovecot_socket: ", auth.dovecot_socket,
                                        " cannot be connected (", std::strerror(error),
                                        "): until it can, nobody can log in"));
}

// What only this machine can say of the shards: how many there are, and which cores.
void CheckShards(const Options& options, Findings& found) {
  const std::vector<int> cores = server::UsableCores();
  const auto shards = options.shards > 0 ? options.shards : static_cast<uint32_t>(cores.size());
  const std::string refusal = server::ShardTunings(options, shards, cores).Refusal();
  if (!refusal.empty()) found.problems.push_back(refusal);
}

Findings Check(const Options& options) {
  Findings found;
  CheckShards(options, found);
  CheckUser(options, found);
  {
    const Account account = ServingAccount(options);
    const ActAs files(account.uid, account.gid);  // root can read what the server then cannot
    CheckFolder("state_dir", options.state_dir, account, found);
    CheckFolder("spool_dir", options.spool_dir, account, found);
    if (!options.log_dir.empty()) CheckFolder("log_dir", options.log_dir, account, found);
    CheckCertificates(options, found);
    if (const auto gss = server::OpenKerberos(options); !gss.ok()) {
      found.problems.push_back(std::string(gss.status().message()));
    }
    CheckTokens(options, found);
    WarnOfDovecot(options.auth, found);
    WarnOfTrustedNetworks(options, found);
    WarnOfUsers(options, found);
  }
  for (const ListenerOptions& listener : options.listener) WarnOfListener(listener, found);
  if (options.hostname.find('.') == std::string::npos) {
    found.warnings.push_back("hostname: has no dot; other servers expect a full name");
  }
  return found;
}

void Run(const Arguments& arguments) {
  const auto options = server::LoadOptions(arguments.config);
  if (!options.ok()) {
    std::cerr << options.status().message() << '\n';
    throw CLI::RuntimeError(EX_CONFIG);
  }
  const Findings found = Check(*options);
  for (const std::string& warning : found.warnings) std::cerr << "warning: " << warning << '\n';
  for (const std::string& problem : found.problems) std::cerr << "problem: " << problem << '\n';
  if (!found.problems.empty()) throw CLI::RuntimeError(EX_CONFIG);
  std::cout << (arguments.show ? server::ShowOptions(*options) : arguments.config + ": OK\n");
}

}  // namespace

void RegisterCheck(CLI::App& app) {
  CLI::App* command = app.add_subcommand("check", "Say whether the configuration would serve");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("--config", arguments->config, "Configuration file")->capture_default_str();
  command->add_flag("--show", arguments->show, "Show every key with the value in force, as TOML");
  command->callback([arguments] { Run(*arguments); });
}

}  // namespace sluice
