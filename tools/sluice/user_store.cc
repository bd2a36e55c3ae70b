#include "tools/sluice/user_store.h"

#include <sys/stat.h>
#include <sysexits.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "auth/mechanism.h"
#include "auth/password_exchange.h"
#include "auth/sender_policy.h"
#include "auth/wanted_keys.h"
#include "core/base/random.h"
#include "tools/sluice/fail.h"

namespace sluice::users {
namespace {

using auth::CredentialRecord;
using auth::LmdbStore;
using auth::Prepared;
using auth::Purpose;
using auth::Secret;

std::string Quoted(const std::string& text) { return "'" + text + "'"; }

absl::Status CannotUse(const std::string& what, Prepared why) {
  return absl::InvalidArgumentError(what + " " + std::string(auth::Explain(why)));
}

auth::WantedKeys WantedIn(const server::Options& options) {
  return auth::WantedKeys::For(server::ConfiguredMechanisms(options), options.auth.digest_realm);
}

absl::Status Prepare(const Secret& password, const auth::WantedKeys& wanted, Secret& prepared) {
  if (!wanted.any()) {
    return absl::FailedPreconditionError(
        "no listener offers a mechanism that uses a stored password (`mechanisms` count where "
        "there is TLS): offer one, or do without passwords (`user add --no-password`)");
  }
  const Prepared result = auth::PreparePassword(password.view(), Purpose::kStore, prepared);
  return result == Prepared::kOk ? absl::OkStatus() : CannotUse("the password", result);
}

int ExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return EX_DATAERR;
    case absl::StatusCode::kAlreadyExists:
      return EX_CANTCREAT;
    case absl::StatusCode::kPermissionDenied:
      return EX_NOPERM;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kCancelled:
      return EX_USAGE;
    case absl::StatusCode::kNotFound:
      return EX_NOINPUT;
    default:
      return EX_IOERR;
  }
}

}  // namespace

absl::StatusOr<std::string> LoginOf(const std::string& name, Purpose purpose) {
  std::string login;
  const Prepared prepared = auth::PrepareLogin(name, purpose, login);
  if (prepared != Prepared::kOk) return CannotUse("the name " + Quoted(name), prepared);
  // Nobody would see it, and nobody type it. One that was stored is still found.
  if (purpose == Purpose::kStore && (login.starts_with(' ') || login.ends_with(' ')))
    return absl::InvalidArgumentError("the name " + Quoted(name) +
                                      " begins or ends with a blank; leave it out");
  return login;
}

absl::Status CheckPassword(const server::Options& options, const Secret& password) {
  Secret prepared;
  return Prepare(password, WantedIn(options), prepared);
}

bool ServesSome(const server::Options& options, const CredentialRecord& record) {
  const auth::MechanismSet configured = server::ConfiguredMechanisms(options);
  const bool proves_passwords = auth::PasswordExchange::CanProve(record);
  const bool keys = proves_passwords || record.digest_md5.has_value();
  const auto mechanisms = auth::Mechanisms();
  return std::any_of(mechanisms.begin(), mechanisms.end(), [&](const auth::MechanismInfo& info) {
    if (!configured.Has(info.mechanism)) return false;
    if (!record.mechanisms.empty() && !record.mechanisms.Has(info.mechanism)) return false;
    if (info.scram.has_value()) return record.Scram(*info.scram).has_value();
    switch (info.mechanism) {
      case auth::Mechanism::kCramMd5:
        return record.cram_md5.has_value();
      case auth::Mechanism::kDigestMd5:
        return record.digest_md5.has_value() &&
               record.digest_md5->realm == options.auth.digest_realm;
      case auth::Mechanism::kPlain:
      case auth::Mechanism::kLogin:
        return proves_passwords;
      default:
        return !keys;  // tokens, tickets and certificates
    }
  });
}

absl::Status SetKeys(const server::Options& options, ByteView login, const Secret& password,
                     CredentialRecord& record) {
  const auth::WantedKeys wanted = WantedIn(options);
  Secret prepared;
  if (absl::Status wrong = Prepare(password, wanted, prepared); !wrong.ok()) return wrong;
  auth::Salts salts;
  FillRandom(salts[0].data(), sizeof salts);
  record.scram = {};
  record.cram_md5.reset();
  record.digest_md5.reset();
  record.foreign_hash.clear();
  auth::AddKeys(wanted, login, prepared.view(), salts, options.auth.iterations, record);
  return absl::OkStatus();
}

ByteView NameOf(auth::ScramHash hash) {
  for (const auth::MechanismInfo& info : auth::Mechanisms()) {
    if (info.scram == hash && !info.plus) return info.name;
  }
  return "";
}

absl::StatusOr<std::unique_ptr<LmdbStore>> OpenStore(const server::Options& options) {
  struct stat state;
  if (stat(options.state_dir.c_str(), &state) != 0 && errno == ENOENT) {
    return absl::NotFoundError(
        "state_dir " + options.state_dir +
        " does not exist: `sluice init` makes it, or correct the configuration");
  }
  absl::StatusOr<std::unique_ptr<LmdbStore>> store =
      LmdbStore::Open(LmdbStore::PathIn(options.state_dir));
  if (absl::IsPermissionDenied(store.status())) {
    return absl::PermissionDeniedError(std::string(store.status().message()) +
                                       "; run this as root or as the owner of " +
                                       options.state_dir);
  }
  return store;
}

absl::Status ExistsAlready(const std::string& login) {
  return absl::AlreadyExistsError("user " + login +
                                  " exists already; `sluice user passwd` changes its password, "
                                  "`sluice user remove` removes it");
}

void Fail(ByteView command, const absl::Status& status, int code) {
  sluice::Fail(absl::StrCat("user ", command), status.message(), code);
}
void Fail(ByteView command, const absl::Status& status) { Fail(command, status, ExitCode(status)); }

void FailForUser(ByteView command, const absl::Status& status) {
  Fail(command, status, absl::IsNotFound(status) ? EX_NOUSER : ExitCode(status));
}

server::Options Load(ByteView command, const std::string& config) {
  absl::StatusOr<server::Options> options = server::LoadOptions(config);
  if (!options.ok()) Fail(command, options.status(), EX_CONFIG);
  return *std::move(options);
}

std::unique_ptr<LmdbStore> MustOpen(ByteView command, const server::Options& options) {
  absl::StatusOr<std::unique_ptr<LmdbStore>> store = OpenStore(options);
  if (!store.ok()) Fail(command, store.status());
  return *std::move(store);
}

}  // namespace sluice::users
