#include "tools/sluice/init.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "core/server/options.h"
#include "core/server/options_values.h"
#include "tls/hooks.h"
#include "tls/self_signed.h"
#include "tools/sluice/fail.h"
#include "tools/sluice/password_input.h"
#include "tools/sluice/user.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using server::TomlString;

struct Arguments {
  std::string config;
  std::string hostname;
  std::string dir;
  std::string run_as;
  std::vector<std::string> starttls;
  std::vector<std::string> implicit;
  std::vector<std::string> next_hops;
  std::string user;
  bool password_stdin = false;
};

// Where everything goes. Absolute.
struct Layout {
  fs::path config, chain, key, state, spool;
};

Layout MakeLayout(const Arguments& arguments) {
  if (!arguments.dir.empty()) {
    const fs::path dir = fs::absolute(arguments.dir);
    const fs::path config =
        arguments.config.empty() ? dir / "sluice.toml" : fs::absolute(arguments.config);
    return {config, dir / "cert.pem", dir / "key.pem", dir / "state", dir / "spool"};
  }
  const fs::path config =
      fs::absolute(arguments.config.empty() ? "/etc/sluice/sluice.toml" : arguments.config);
  const fs::path beside = config.parent_path();
  return {config, beside / "cert.pem", beside / "key.pem", "/var/lib/sluice", "/var/spool/sluice"};
}

std::string LocalHostname() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

// --- the configuration's text --------------------------------------------------------------------

constexpr std::string_view kConfig =
    R"(# Sluice, a mail submission server. Relative paths start from this file's folder.
# `sluice check` says whether this would serve; `sluice check --show` shows every key and its value.

hostname  = $0   # this server's name in the DNS
state_dir = $1   # credentials, ticket keys, admin socket
spool_dir = $2   # the queue: put it on a fast, safe disk
$3   # account to become when started as root
# log_dir = "log"   # folder of the event log; without it: standard output

$4[[certificate]]   # the first is the default; SNI selects among more
chain = $5
key   = $6

[relay]
next_hop = $7   # where mail goes on to, tried in turn
tls      = "opportunistic"   # or "none", "required", "verify"

# [admin]
# address = "127.0.0.1:9587"   # /metrics, /healthz and /readyz
)";

// A path as the configuration has it: relative when it is below the configuration's folder.
std::string PathText(const fs::path& path, const Layout& layout) {
  const fs::path relative = path.lexically_relative(layout.config.parent_path());
  const bool below = !relative.empty() && *relative.begin() != "..";
  return TomlString(below ? relative.string() : path.string());
}

std::string ListenerText(const std::vector<std::string>& addresses, std::string_view mode,
                         std::string_view comment) {
  std::string out;
  for (const std::string& address : addresses) {
    absl::StrAppend(&out, "[[listener]]\naddress = ", TomlString(address), "\nmode    = \"", mode,
                    "\"   # ", comment, "\n\n");
  }
  return out;
}

std::string ListText(const std::vector<std::string>& words) {
  std::string out = "[";
  for (const std::string& word : words) {
    absl::StrAppend(&out, out.size() > 1 ? ", " : "", TomlString(word));
  }
  return out + "]";
}

std::string ConfigText(const Arguments& arguments, const Layout& layout) {
  const std::string user = arguments.run_as.empty()
                               ? "# user    = \"sluice\""
                               : absl::StrCat("user      = ", TomlString(arguments.run_as));
  return absl::Substitute(
      kConfig, TomlString(arguments.hostname), PathText(layout.state, layout),
      PathText(layout.spool, layout), user,
      ListenerText(arguments.starttls, "starttls", "clear at first, then STARTTLS") +
          ListenerText(arguments.implicit, "implicit", "TLS from the first octet (RFC 8314)"),
      PathText(layout.chain, layout), PathText(layout.key, layout), ListText(arguments.next_hops));
}

// --- making things -------------------------------------------------------------------------------

// The account that must own what the server writes; nullopt: this user.
struct Owner {
  uid_t uid;
  gid_t gid;
};

std::optional<Owner> OwnerOf(const std::string& account) {
  if (account.empty() || geteuid() != 0) return std::nullopt;
  const passwd* entry = getpwnam(account.c_str());
  if (entry == nullptr)
    Fail("init", absl::StrCat("there is no account \"", account, "\""), EX_NOUSER);
  return Owner{entry->pw_uid, entry->pw_gid};
}

void Give(const fs::path& path, const std::optional<Owner>& owner) {
  if (owner && chown(path.c_str(), owner->uid, owner->gid) != 0) {
    Fail("init", absl::ErrnoToStatus(errno, absl::StrCat("cannot give away ", path.string())));
  }
}

// Both return whether it was made, or was there.
bool MakeFolder(const fs::path& path, mode_t mode, const std::optional<Owner>& owner) {
  std::error_code error;
  if (fs::is_directory(path, error)) return false;
  if (path.has_parent_path()) MakeFolder(path.parent_path(), 0755, std::nullopt);
  if (mkdir(path.c_str(), mode) != 0) {
    Fail("init", absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", path.string())));
  }
  Give(path, owner);
  return true;
}

// Never over a file that is there.
void MakeFile(const fs::path& path, ByteView text, mode_t mode, const std::optional<Owner>& owner) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  const bool written = fd >= 0 &&
                       write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (!written)
    Fail("init", absl::ErrnoToStatus(error, absl::StrCat("cannot make ", path.string())));
  Give(path, owner);
}

void Made(const fs::path& path, bool made, std::string_view what) {
  std::cout << (made ? "made  " : "kept  ") << path.string() << "  (" << what << ")\n";
}

void MakeCertificate(const Layout& layout, const std::string& hostname,
                     const std::optional<Owner>& owner) {
  const bool chain = fs::exists(layout.chain), key = fs::exists(layout.key);
  if (chain != key) {
    Fail("init",
         absl::StrCat((chain ? layout.key : layout.chain).string(),
                      " is missing beside its other half"),
         EX_CANTCREAT);
  }
  if (!chain) {
    if (const absl::Status status = tls::Init(); !status.ok()) Fail("init", status);
    auto pem = tls::MakeSelfSigned({.names = {hostname}});
    if (!pem.ok()) Fail("init", pem.status());
    MakeFile(layout.key, pem->key, 0600, owner);
    MakeFile(layout.chain, pem->chain, 0644, owner);
    Wipe(pem->key.data(), pem->key.size());
  }
  Made(layout.chain, !chain, "certificate, self-signed: clients will ask whether to trust it");
  Made(layout.key, !key, "its private key");
}

// --- the command ---------------------------------------------------------------------------------

void Complete(Arguments& arguments) {
  if (arguments.hostname.empty()) arguments.hostname = LocalHostname();
  if (arguments.starttls.empty() && arguments.implicit.empty()) {
    arguments.starttls = {"0.0.0.0:587"};
    arguments.implicit = {"0.0.0.0:465"};
  }
  if (arguments.next_hops.empty()) arguments.next_hops = {"127.0.0.1:25"};
  if (arguments.run_as.empty() && geteuid() == 0) {
    arguments.run_as = getpwnam("sluice") != nullptr ? "sluice" : "root";
  }
  if (arguments.user.empty() && arguments.password_stdin) {
    Fail("init", "--password-stdin needs --user", EX_USAGE);
  }
}

NewUser FirstUser(const Arguments& arguments) {
  auto password = arguments.password_stdin ? ReadPasswordFromStdin()
                                           : AskForNewPassword("password of " + arguments.user);
  if (!password.ok()) Fail("init", password.status());
  NewUser user;
  user.name = arguments.user;
  user.password = *std::move(password);
  return user;
}

void Run(Arguments arguments) {
  Complete(arguments);
  const Layout layout = MakeLayout(arguments);
  if (fs::exists(layout.config)) {
    Fail("init", layout.config.string() + " is there already; nothing was made or changed",
         EX_CANTCREAT);
  }
  // Everything that can be found wrong is found before the first file is made.
  const std::string text = ConfigText(arguments, layout);
  const auto options = server::ParseOptions(text, layout.config.string());
  if (!options.ok()) Fail("init", options.status());
  const std::optional<Owner> owner = OwnerOf(arguments.run_as);
  std::optional<NewUser> user;
  if (!arguments.user.empty()) user = FirstUser(arguments);

  MakeFolder(layout.config.parent_path(), 0755, std::nullopt);
  Made(layout.state, MakeFolder(layout.state, 0700, owner),
       "credentials, ticket keys, admin socket");
  Made(layout.spool, MakeFolder(layout.spool, 0700, owner), "the queue");
  MakeCertificate(layout, arguments.hostname, owner);
  MakeFile(layout.config, text, 0644, std::nullopt);
  Made(layout.config, true, "configuration");
  if (user) {
    if (const absl::Status status = AddUser(*options, *user); !status.ok()) Fail("init", status);
    std::cout << "made  user " << user->name << "\n";
  }

  std::cout << "\nThis server calls itself " << arguments.hostname << " (hostname).";
  std::cout << "\nMail goes on to " << ListText(arguments.next_hops) << " (relay.next_hop).\n";
  if (arguments.run_as == "root") {
    std::cout << "There is no account \"sluice\", so the server will stay root: make one and set "
                 "`user`.\n";
  }
  const std::string config = layout.config.string();
  if (!user) std::cout << "Next: sluice user add NAME --config " << config << "\nThen: ";
  std::cout << (user ? "Next: " : "") << "sluice serve --config " << config << "\n";
}

}  // namespace

void RegisterInit(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("init", "Make configuration, folders, certificate and first user");
  const auto arguments = std::make_shared<Arguments>();
  const auto list = [&](const char* name, std::vector<std::string>& to, const char* what) {
    command->add_option(name, to, what)->allow_extra_args(false);
  };
  command->add_option(
      "--config", arguments->config,
      "Configuration file to make (default: /etc/sluice/sluice.toml, or DIR/sluice.toml)");
  command->add_option("--dir", arguments->dir,
                      "Put everything below this folder instead of /etc, /var/lib and /var/spool");
  command->add_option("--hostname", arguments->hostname,
                      "This server's name (default: the machine's)");
  command->add_option(
      "--run-as", arguments->run_as,
      "Account the server becomes when started as root (default: sluice, if there is one)");
  list("--listen-starttls", arguments->starttls, "Address of a STARTTLS listener; repeatable");
  list("--listen-implicit", arguments->implicit, "Address of an implicit TLS listener; repeatable");
  list("--next-hop", arguments->next_hops,
       "Where mail goes on to (default: 127.0.0.1:25); repeatable");
  command->add_option("--user", arguments->user, "Create this first user");
  command->add_flag("--password-stdin", arguments->password_stdin,
                    "Read the user's password from standard input instead of asking");
  command->callback([arguments] { Run(*arguments); });
}

}  // namespace sluice
