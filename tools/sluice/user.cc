#include "tools/sluice/user.h"

#include <fnmatch.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "auth/foreign_hash.h"
#include "auth/lmdb_store.h"
#include "auth/mechanism.h"
#include "auth/prepare.h"
#include "auth/scram_keys.h"
#include "auth/sender_policy.h"
#include "tools/sluice/password_input.h"
#include "tools/sluice/user_file.h"
#include "tools/sluice/user_policy.h"
#include "tools/sluice/user_store.h"
#include "tools/sluice/user_transfer.h"

namespace sluice {
namespace {

using auth::CredentialRecord;
using auth::LmdbStore;
using auth::Prepared;
using auth::Purpose;
using auth::Secret;
using namespace users;  // NOLINT(google-build-using-namespace): its other half

// --- The commands -----------------------------------------------------------------------------

// What the command line gave, for all five; each uses its part.
struct Arguments {
  std::string config = "/etc/sluice/sluice.toml";
  std::string name;
  std::vector<std::string> names;
  std::string match;
  std::map<ByteView, std::vector<std::string>> policy;  // what was given, by a setting's name
  bool password_stdin = false;
  bool no_password = false;
  bool no_null_sender = false;
  bool itself = false;
  bool json = false;
  bool dry_run = false;
  std::string reason = "by an operator";
};

std::string MustHaveLogin(ByteView command, const std::string& name) {
  absl::StatusOr<std::string> login = LoginOf(name, Purpose::kQuery);
  if (!login.ok()) Fail(command, login.status());
  return *std::move(login);
}

Secret MustGetPassword(ByteView command, const Arguments& arguments) {
  absl::StatusOr<Secret> password = arguments.password_stdin
                                        ? ReadPasswordFromStdin()
                                        : AskForNewPassword("password of " + arguments.name);
  if (!password.ok()) Fail(command, password.status());
  return *std::move(password);
}

nlohmann::json ToJson(ByteView login, const CredentialRecord& record) {
  nlohmann::json keys = nlohmann::json::array();
  for (const std::optional<auth::ScramKeys>& scram : record.scram) {
    if (!scram.has_value()) continue;
    keys.push_back({{"hash", NameOf(scram->hash)}, {"iterations", scram->iterations}});
  }
  if (record.cram_md5.has_value()) keys.push_back({{"hash", "CRAM-MD5"}});
  if (record.digest_md5.has_value()) {
    keys.push_back({{"hash", "DIGEST-MD5"}, {"realm", record.digest_md5->realm}});
  }
  if (!record.foreign_hash.empty()) keys.push_back({{"hash", auth::SchemeOf(record.foreign_hash)}});
  nlohmann::json json = {{"login", login}, {"keys", keys}, {"version", record.version}};
  for (const PolicySetting& setting : PolicySettings()) {
    const std::vector<std::string> values = setting.get(record);
    if (setting.separator != 0) {
      json[setting.name] = values;
    } else {
      json[setting.name] = values.empty() ? "" : values.front();
    }
  }
  json["null_sender"] = !record.null_sender_forbidden;
  json["disabled"] = record.disabled;
  json["suspended"] = record.suspended;
  if (record.suspended_at != WallTime()) {
    json["suspended_at"] = WallMillis(record.suspended_at) / 1000;
    json["suspended_why"] = record.suspended_why;
  }
  return json;
}

std::string Dump(const nlohmann::json& json, int indent) {
  return json.dump(indent, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

std::string Grants(ByteView login, const CredentialRecord& record) {
  std::string text;
  for (const std::string& address : record.addresses)
    text += (text.empty() ? "" : ", ") + auth::PrintAddress(address);
  for (const std::string& domain : record.domains)
    text += (text.empty() ? "" : ", ") + ("*@" + domain);
  if (!text.empty()) return text;
  return auth::CanonicalAddress(login).has_value() ? "itself" : "nobody";
}

// Shown by a line of their own.
bool IsInGrants(ByteView setting) {
  return setting == "addresses" || setting == "domains" || setting == "null_sender";
}

ByteView StateOf(const CredentialRecord& record) {
  if (record.suspended) return "suspended";
  return record.disabled ? "disabled" : "enabled";
}

bool Matches(const Arguments& arguments, ByteView login) {
  return arguments.match.empty() ||
         fnmatch(arguments.match.c_str(), std::string(login).c_str(), 0) == 0;
}

// Gives `record` what the command line says of it.
absl::Status SetPolicy(const Arguments& arguments, CredentialRecord& record) {
  for (const auto& [name, values] : arguments.policy) {
    const PolicySetting* const setting = FindPolicySetting(name);
    if (absl::Status set = setting->set(values, record); !set.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--", setting->option, ": ", set.message()));
    }
  }
  return absl::OkStatus();
}

// The name of a tenant that the configuration does not have bounds nobody, and is most likely
// mistyped. It may be added later, so it is stored all the same.
void WarnOfTenant(ByteView command, const Arguments& arguments, const server::Options& options,
                  const std::string& tenant) {
  const bool known = std::any_of(options.tenant.begin(), options.tenant.end(),
                                 [&](const auto& one) { return one.name == tenant; });
  if (tenant.empty() || known) return;
  std::cerr << "sluice user " << command << ": warning: " << arguments.config
            << " has no [[tenant]] named " << tenant
            << ", so no tenant's limits count for the user; correct --tenant, or add it there\n";
}

void Add(const Arguments& arguments) {
  const server::Options options = Load("add", arguments.config);
  CredentialRecord policy;
  policy.null_sender_forbidden = arguments.no_null_sender;
  if (absl::Status set = SetPolicy(arguments, policy); !set.ok()) Fail("add", set);
  {  // before asking for a password
    const std::string login = MustHaveLogin("add", arguments.name);
    if (MustOpen("add", options)->Get(login).ok()) {
      Fail("add", ExistsAlready(login));
    }
  }
  NewUser user{.name = arguments.name, .policy = std::move(policy), .no_password = arguments.no_password};
  if (!user.no_password) user.password = MustGetPassword("add", arguments);
  if (absl::Status added = AddUser(options, user); !added.ok()) Fail("add", added);
  WarnOfTenant("add", arguments, options, user.policy.tenant);
  if (user.policy.addresses.empty() && user.policy.domains.empty() &&
      !auth::CanonicalAddress(user.name).has_value()) {
    std::cerr << "sluice user add: warning: " << user.name
              << " is no mail address, so without --address or --domain it may send as nobody\n";
  }
}

void Passwd(const Arguments& arguments) {
  const server::Options options = Load("passwd", arguments.config);
  const std::string login = MustHaveLogin("passwd", arguments.name);
  const auto store = MustOpen("passwd", options);
  if (const auto found = store->Get(login); !found.ok())
    FailForUser("passwd", found.status());  // before asking
  CredentialRecord with_keys;
  if (absl::Status set = SetKeys(options, login, MustGetPassword("passwd", arguments), with_keys);
      !set.ok()) {
    Fail("passwd", set);
  }
  const absl::Status updated = store->Update(login, [&](CredentialRecord& record) {
    record.scram = with_keys.scram;
    record.cram_md5 = with_keys.cram_md5;
    record.digest_md5 = with_keys.digest_md5;
    record.foreign_hash.clear();
  });
  if (!updated.ok()) FailForUser("passwd", updated);
}

void Show(const Arguments& arguments) {
  const std::string login = MustHaveLogin("show", arguments.name);
  const absl::StatusOr<CredentialRecord> record =
      MustOpen("show", Load("show", arguments.config))->Get(login);
  if (!record.ok()) FailForUser("show", record.status());
  if (arguments.json) {
    std::cout << Dump(ToJson(login, *record), 2) << '\n';
    return;
  }
  std::cout << "login        " << login << "\nmay send as  " << Grants(login, *record)
            << "\nnull sender  " << (record->null_sender_forbidden ? "no" : "yes");
  for (const PolicySetting& setting : PolicySettings()) {
    if (IsInGrants(setting.name)) continue;
    const std::vector<std::string> values = setting.get(*record);
    if (values.empty()) continue;
    std::cout << '\n'
              << setting.name << std::string(13 - setting.name.size(), ' ')
              << absl::StrJoin(values, ", ");
  }
  std::cout << "\nkeys         ";
  std::vector<std::string> keys;
  for (const std::optional<auth::ScramKeys>& scram : record->scram) {
    if (!scram.has_value()) continue;
    keys.push_back(absl::StrCat(NameOf(scram->hash), " (", scram->iterations, " iterations)"));
  }
  if (record->cram_md5.has_value()) keys.push_back("CRAM-MD5");
  if (record->digest_md5.has_value()) {
    keys.push_back(absl::StrCat("DIGEST-MD5 (realm ", record->digest_md5->realm, ")"));
  }
  if (!record->foreign_hash.empty()) {
    keys.push_back(absl::StrCat(auth::SchemeOf(record->foreign_hash),
                                " (for PLAIN and LOGIN, until the password is next proved)"));
  }
  std::cout << (keys.empty() ? "none" : absl::StrJoin(keys, ", "));
  std::cout << "\nstate        " << StateOf(*record);
  if (record->suspended_at != WallTime()) {
    std::cout << " since " << PrintTime(std::chrono::floor<seconds>(record->suspended_at)) << ": "
              << record->suspended_why;
  }
  std::cout << "\nversion      " << record->version << '\n';
}

void List(const Arguments& arguments) {
  const auto store = MustOpen("list", Load("list", arguments.config));
  bool first = true;
  if (arguments.json) std::cout << '[';
  const absl::Status listed = store->ForEach([&](ByteView login, const CredentialRecord& record) {
    if (!Matches(arguments, login)) return true;
    if (arguments.json) {
      std::cout << (first ? "\n" : ",\n") << Dump(ToJson(login, record), -1);
    } else {
      std::cout << login << "  sends as " << Grants(login, record)
                << (record.may_log_in() ? "" : absl::StrCat("  (", StateOf(record), ")")) << '\n';
    }
    first = false;
    return static_cast<bool>(std::cout);
  });
  if (arguments.json) std::cout << "\n]\n";
  if (!listed.ok()) Fail("list", listed);
}

// Changes all users that the arguments choose, or none, and says so: `done`, "removed", of each,
// with its note if it has one by then.
void ChangeChosen(
    const Arguments& arguments, const std::string& command, const std::string& done,
    const std::function<absl::Status(LmdbStore::Changes&, const std::string&)>& change,
    const std::map<std::string, std::string>& notes = {}) {
  if (arguments.names.empty() == arguments.match.empty()) {
    Fail(command, absl::FailedPreconditionError("give either names or --match PATTERN"));
  }
  const auto store = MustOpen(command, Load(command, arguments.config));
  std::vector<std::string> logins;
  for (const std::string& name : arguments.names) logins.push_back(MustHaveLogin(command, name));
  if (!arguments.match.empty()) {
    const absl::Status listed = store->ForEach([&](ByteView login, const CredentialRecord&) {
      if (Matches(arguments, login)) logins.emplace_back(login);
      return true;
    });
    if (!listed.ok()) Fail(command, listed);
  }
  const absl::Status changed = store->Change([&](LmdbStore::Changes& changes) {
    for (const std::string& login : logins) {
      if (absl::Status status = change(changes, login); !status.ok()) return status;
    }
    return arguments.dry_run ? absl::CancelledError("only tried") : absl::OkStatus();
  });
  if (!changed.ok() && !(arguments.dry_run && absl::IsCancelled(changed))) {
    FailForUser(command, changed);
  }
  for (const std::string& login : logins) {
    std::cout << (arguments.dry_run ? "would " + command : done) << ' ' << login;
    if (const auto note = notes.find(login); note != notes.end()) std::cout << note->second;
    std::cout << '\n';
  }
}

void Remove(const Arguments& arguments) {
  std::vector<std::string> suspended;
  ChangeChosen(arguments, "remove", "removed",
               [&](LmdbStore::Changes& changes, const std::string& login) {
                 const absl::StatusOr<bool> is = changes.IsSuspended(login);
                 if (!is.ok()) return is.status();
                 if (*is) suspended.push_back(login);
                 return changes.Remove(login);
               });
  for (const std::string& login : suspended) {
    std::cout << login << " stays suspended: what is queued of it waits for `sluice queue delete "
              << "--login " << login << "` or `sluice user resume " << login << "`\n";
  }
}

void Disable(const Arguments& arguments) {
  ChangeChosen(
      arguments, "disable", "disabled", [](LmdbStore::Changes& changes, const std::string& login) {
        return changes.Update(login, [](CredentialRecord& record) { record.disabled = true; });
      });
}
void Enable(const Arguments& arguments) {
  std::map<std::string, std::string> notes;
  ChangeChosen(
      arguments, "enable", "enabled",
      [&](LmdbStore::Changes& changes, const std::string& login) {
        return changes.Update(login, [&](CredentialRecord& record) {
          record.disabled = false;
          if (record.suspended) notes[login] = "; it stays suspended until `sluice user resume`";
        });
      },
      notes);
}

WallTime WallNow() {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

// Whoever suspends a login again does not hide when and why it was first.
void Suspend(const Arguments& arguments) {
  const server::AuthBackend backend = Load("suspend", arguments.config).auth.backend;
  std::map<std::string, std::string> notes;
  ChangeChosen(
      arguments, "suspend", "suspended",
      [&](LmdbStore::Changes& changes, const std::string& login) {
        const absl::StatusOr<bool> already = changes.IsSuspended(login);
        if (!already.ok()) return already.status();
        if (*already) notes[login] = "; it was already, and keeps its time and reason";
        return changes.Suspend(login, WallNow(), arguments.reason.substr(0, kSuspendedWhyBytesMax),
                               backend == server::AuthBackend::kDovecot);
      },
      notes);
}

void Resume(const Arguments& arguments) {
  ChangeChosen(
      arguments, "resume", "resumed",
      [](LmdbStore::Changes& changes, const std::string& login) { return changes.Resume(login); });
}

// What is given replaces what was there; addresses and domains together.
void Set(const Arguments& arguments) {
  const std::string login = MustHaveLogin("set", arguments.name);
  const bool grants = arguments.policy.count("addresses") + arguments.policy.count("domains") > 0;
  if (arguments.itself && grants) {
    Fail("set", absl::FailedPreconditionError("--itself, or --address and --domain"));
  }
  CredentialRecord tried;  // before the store is touched
  if (absl::Status set = SetPolicy(arguments, tried); !set.ok()) Fail("set", set);
  if (arguments.policy.empty() && !arguments.itself) {
    Fail("set", absl::FailedPreconditionError("say what: see `sluice user set --help`"));
  }
  const server::Options options = Load("set", arguments.config);
  const auto store = MustOpen("set", options);
  const absl::Status updated = store->Update(login, [&](CredentialRecord& record) {
    if (grants || arguments.itself) {
      record.addresses.clear();
      record.domains.clear();
    }
    SetPolicy(arguments, record).IgnoreError();  // it was tried
  });
  if (!updated.ok()) FailForUser("set", updated);
  WarnOfTenant("set", arguments, options, tried.tenant);
}

}  // namespace

absl::Status AddUser(const server::Options& options, const NewUser& user) {
  const absl::StatusOr<std::string> login = LoginOf(user.name, Purpose::kStore);
  if (!login.ok()) return login.status();
  CredentialRecord record = user.policy;
  if (!user.no_password) {
    if (absl::Status set = SetKeys(options, *login, user.password, record); !set.ok()) return set;
  }
  const absl::StatusOr<std::unique_ptr<LmdbStore>> store = OpenStore(options);
  if (!store.ok()) return store.status();
  absl::Status added = (*store)->Add(*login, std::move(record));
  if (absl::IsAlreadyExists(added)) {
    return ExistsAlready(*login);
  }
  return added;
}

void RegisterUser(CLI::App& app) {
  CLI::App* user = app.add_subcommand("user", "Users: who may log in, and what as");
  user->require_subcommand(1);
  const auto arguments = std::make_shared<Arguments>();
  const auto subcommand = [&](const char* name, const char* what, void (*run)(const Arguments&)) {
    CLI::App* command = user->add_subcommand(name, what);
    command->add_option("--config", arguments->config, "Configuration file")->capture_default_str();
    command->callback([arguments, run] { run(*arguments); });
    return command;
  };
  const auto password_option = [&](CLI::App* command) {
    return command->add_flag(
        "--password-stdin", arguments->password_stdin,
        "Read the password from standard input instead of asking; one trailing newline is dropped");
  };
  const auto policy_options = [&](CLI::App* command) {
    for (const PolicySetting& setting : PolicySettings()) {
      std::string help(setting.help);
      if (setting.separator != 0) help += "; repeatable";
      command
          ->add_option_function<std::vector<std::string>>(
              absl::StrCat("--", setting.option),
              [arguments, name = setting.name](const std::vector<std::string>& values) {
                arguments->policy[name] = values;
              },
              help)
          ->allow_extra_args(false);  // once a value: NAME may follow
    }
  };

  CLI::App* add = subcommand("add", "Create a user", Add);
  add->add_option("name", arguments->name, "Name to log in with")->required();
  CLI::Option* const password = password_option(add);
  add->add_flag("--no-password", arguments->no_password,
                "Without one, for a user who shows a token, a ticket or a certificate")
      ->excludes(password);
  policy_options(add);
  add->add_flag("--no-null-sender", arguments->no_null_sender, "Forbid MAIL FROM:<>");

  CLI::App* passwd = subcommand("passwd", "Change a user's password", Passwd);
  passwd->add_option("name", arguments->name, "Login")->required();
  password_option(passwd);

  CLI::App* show = subcommand("show", "Show a user", Show);
  show->add_option("name", arguments->name, "Login")->required();
  show->add_flag("--json", arguments->json, "As JSON");

  CLI::App* list = subcommand("list", "List users", List);
  list->add_option("--match", arguments->match, "Only logins that match this pattern (* and ?)");
  list->add_flag("--json", arguments->json, "As JSON");

  const auto choosing = [&](const char* name, const char* what, void (*run)(const Arguments&)) {
    CLI::App* command = subcommand(name, what, run);
    command->add_option("name", arguments->names, "Logins");
    command->add_option("--match", arguments->match,
                        "All logins that match this pattern (* and ?)");
    command->add_flag("--dry-run", arguments->dry_run, "Only say whom it would be done to");
    return command;
  };
  choosing("remove", "Remove users", Remove);
  choosing("disable", "Let users log in no more; their sessions end at their next command",
           Disable);
  choosing("enable", "Let users log in again that were disabled; who is suspended stays it",
           Enable);
  choosing("suspend",
           "Stop users: no login, sessions end at their next command, and queued mail waits",
           Suspend)
      ->add_option("--reason", arguments->reason, "Shown by `user show`")
      ->capture_default_str();
  choosing("resume", "Undo suspend", Resume);

  RegisterTransfer(*user);

  CLI::App* set = subcommand("set",
                             "Change what a user may do, from its next command on; what is given "
                             "replaces what was, \"\" clears it",
                             Set);
  set->add_option("name", arguments->name, "Login")->required();
  policy_options(set);
  set->add_flag("--itself", arguments->itself, "May send as its own name and nothing else");
}

}  // namespace sluice
