#include "tools/sluice/user_transfer.h"

#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tools/sluice/user_file.h"
#include "tools/sluice/user_store.h"

namespace sluice {
namespace {

using auth::CredentialRecord;
using auth::LmdbStore;
using users::Fail;

constexpr size_t kChunk = 10'000;  // users a transaction

struct Arguments {
  std::string config = "/etc/sluice/sluice.toml";
  std::string file;
  std::string format = "csv";
  std::string existing = "fail";
  bool dry_run = false;
};

// On a terminal: how far it is.
class Progress {
 public:
  explicit Progress(size_t total) : total_(total), shown_(isatty(STDERR_FILENO) == 1) {}
  ~Progress() {
    if (shown_) std::cerr << '\n';
  }
  void Show(size_t done) const {
    if (!shown_) return;
    constexpr size_t kWidth = 40;
    const size_t filled = total_ == 0 ? kWidth : done * kWidth / total_;
    std::cerr << "\r[" << std::string(filled, '#') << std::string(kWidth - filled, ' ') << "] "
              << done << " of " << total_ << std::flush;
  }

 private:
  const size_t total_;
  const bool shown_;
};

std::string ReadFile(const std::string& file) {
  std::ifstream stream;
  if (file != "-") {
    stream.open(file);
    if (!stream) Fail("import", absl::ErrnoToStatus(errno, file), EX_NOINPUT);
  }
  std::istream& in = file == "-" ? std::cin : stream;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

UserFormat FormatOf(const std::string& name) {
  return name == "csv"       ? UserFormat::kCsv
         : name == "dovecot" ? UserFormat::kDovecot
                             : UserFormat::kSasldb;
}

struct NewRecord {
  std::string login;
  FileUser user;
  absl::Status status;  // of making its keys
};

// Passwords become keys, on all cores: that is what takes time.
void MakeKeys(const server::Options& options, std::vector<NewRecord>& chunk) {
  const size_t threads = std::max<size_t>(1, std::thread::hardware_concurrency());
  const auto work = [&](size_t first) {
    for (size_t i = first; i < chunk.size(); i += threads) {
      FileUser& user = chunk[i].user;
      if (!user.password.empty())
        chunk[i].status = users::SetKeys(options, chunk[i].login, user.password, user.record);
      user.password.Clear();
    }
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < threads; i++) helpers.emplace_back(work, i);
  work(0);
  for (std::thread& helper : helpers) helper.join();
}

class Import {
 public:
  explicit Import(const Arguments& arguments)
      : arguments_(arguments),
        options_(users::Load("import", arguments.config)),
        text_(ReadFile(arguments.file)),
        store_(users::MustOpen("import", options_)),
        file_(text_, FormatOf(arguments.format)) {}

  void Run() {
    Check();
    if (arguments_.dry_run) {
      std::cout << "would import " << places_.size() - existing_ << " users; " << existing_
                << " exist already\n";
      Warn();
      return;
    }
    if (const absl::Status status = WriteAll(); !status.ok()) Fail("import", status);
    std::cout << "imported " << written_ << " users";
    if (skipped_ > 0) std::cout << "; " << skipped_ << " existed already and stayed as they were";
    std::cout << '\n';
    Warn();
  }

 private:
  struct Place {
    std::string login;
    size_t offset;
    size_t line;
    bool says_keys;
    bool useful;  // a new user of these keys can log in
  };

  // Everything is looked at before anything is changed. In the order of logins the pages of the
  // store get full, and it is half as big.
  void Check() {
    for (;;) {
      const auto user = file_.Next();
      if (!user.ok()) Refuse(user.status().message());
      if (!user->has_value()) break;
      auto login = users::LoginOf((*user)->name, auth::Purpose::kStore);
      if (!login.ok()) Refuse(absl::StrCat("line ", file_.line(), ": ", login.status().message()));
      const FileUser& of = **user;
      const bool has_password = !of.password.empty();
      absl::Status wrong;
      if (has_password) wrong = users::CheckPassword(options_, of.password);
      std::string octets;
      if (wrong.ok() && !auth::EncodeRecord(of.record, octets))
        wrong = absl::InvalidArgumentError("there is more of it than a record holds");
      if (!wrong.ok())
        Refuse(absl::StrCat("line ", file_.line(), ": ", *login, ": ", wrong.message()));
      const bool useful = has_password || users::ServesSome(options_, of.record);
      places_.push_back({*std::move(login), file_.offset(), file_.line(), of.says_keys, useful});
    }
    std::sort(places_.begin(), places_.end(), [](const Place& a, const Place& b) {
      return std::tie(a.login, a.line) < std::tie(b.login, b.line);
    });
    for (size_t i = 0; i < places_.size(); i++) {
      const auto& [login, offset, line, says_keys, useful] = places_[i];
      if (i > 0 && login == places_[i - 1].login) {
        Refuse(absl::StrCat("line ", line, ": ", login, " stands there twice"));
      }
      const auto found = store_->Get(login);
      if (!found.ok() && !absl::IsNotFound(found.status())) Fail("import", found.status());
      if (found.ok() && arguments_.existing == "fail") {
        Refuse(absl::StrCat("line ", line, ": user ", login,
                            " exists already; --existing skip leaves those as they are, --existing "
                            "replace does not"));
      }
      existing_ += found.ok();
      if (found.ok() && arguments_.existing == "skip") continue;
      const bool keeps_keys = found.ok() && !says_keys;
      if (keeps_keys ? users::ServesSome(options_, *found) : useful) continue;
      if (useless_++ == 0) useless_login_ = login;
    }
  }

  // What was taken and may not be meant.
  void Warn() const {
    for (const auto& [name, lines] : file_.ignored()) {
      std::cerr << "sluice user import: warning: the extra field " << absl::Utf8SafeCHexEscape(name)
                << " of " << lines << " lines means nothing here and was left out\n";
    }
    // Dovecot proves logins by what it has.
    if (useless_ == 0 || options_.auth.backend != server::AuthBackend::kStore) return;
    std::cerr << "sluice user import: warning: " << useless_ << " users, " << useless_login_
              << " for one, have keys of no mechanism that a listener offers, or none at all, "
                 "and cannot log in: offer one (`sluice user show` tells their keys), or give them "
                 "passwords by `sluice user passwd`\n";
  }
  [[noreturn]] void Refuse(std::string_view what) const {
    Fail("import", absl::InvalidArgumentError(
                       absl::StrCat(arguments_.file, ": ", what, "; nothing was imported")));
  }

  absl::Status WriteAll() {
    const Progress progress(places_.size());
    std::vector<NewRecord> chunk;
    for (size_t done = 0; done < places_.size(); done += chunk.size()) {
      chunk.clear();
      for (size_t i = done; i < std::min(done + kChunk, places_.size()); i++) {
        file_.Seek(places_[i].offset);
        auto user = file_.Next();  // was read before, so it can be
        chunk.push_back({.login = std::move(places_[i].login), .user = **std::move(user)});
      }
      if (absl::Status status = Write(chunk, done); !status.ok()) return status;
      progress.Show(done + chunk.size());
    }
    return absl::OkStatus();
  }

  absl::Status Write(std::vector<NewRecord>& chunk, size_t done) {
    MakeKeys(options_, chunk);
    const absl::Status status = store_->Change([&](LmdbStore::Changes& changes) {
      for (NewRecord& made : chunk) {
        if (!made.status.ok()) {
          return absl::InvalidArgumentError(absl::StrCat(made.login, ": ", made.status.message()));
        }
        absl::Status added = changes.Add(made.login, made.user.record);
        if (absl::IsAlreadyExists(added) && arguments_.existing != "fail") {
          skipped_ += arguments_.existing == "skip";
          if (arguments_.existing == "skip") continue;
          added = changes.Update(made.login,
                                 [&](CredentialRecord& record) { Replace(made.user, record); });
        }
        if (!added.ok()) return added;
        written_++;
      }
      return absl::OkStatus();
    });
    if (status.ok()) return status;
    return absl::Status(status.code(),
                        absl::StrCat(status.message(), "; ", done, " of ", places_.size(),
                                     " users are imported, those from ", chunk.front().login,
                                     " on in the order of logins are not"));
  }

  const Arguments& arguments_;
  const server::Options options_;
  const std::string text_;
  const std::unique_ptr<LmdbStore> store_;
  UserFile file_;
  std::vector<Place> places_;  // in the order of logins
  size_t existing_ = 0;        // of those
  size_t written_ = 0;
  size_t skipped_ = 0;
  size_t useless_ = 0;         // who could not log in
  std::string useless_login_;  // the first of those
};

// Whoever reads it can try passwords, so nobody else may.
void Export(const Arguments& arguments) {
  const auto store = users::MustOpen("export", users::Load("export", arguments.config));
  std::ofstream file;
  if (arguments.file != "-") {
    const mode_t before = umask(077);
    file.open(arguments.file);
    umask(before);
    if (!file) Fail("export", absl::ErrnoToStatus(errno, arguments.file), EX_CANTCREAT);
  }
  std::ostream& out = arguments.file == "-" ? std::cout : file;
  out << CsvColumns();
  const absl::Status read = store->ForEach([&](ByteView login, const CredentialRecord& record) {
    out << CsvLine(login, record);
    return static_cast<bool>(out);
  });
  if (!read.ok()) Fail("export", read);
  if (!out.flush())
    Fail("export", absl::InternalError(arguments.file + ": cannot be written"), EX_IOERR);
}

}  // namespace

void RegisterTransfer(CLI::App& user) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* import = user.add_subcommand("import", "Create users from a file");
  import->add_option("--config", arguments->config, "Configuration file")->capture_default_str();
  import->add_option("file", arguments->file, "File; -: standard input")->required();
  import
      ->add_option(
          "--format", arguments->format,
          "csv: with a line of column names; dovecot: a passwd-file; sasldb: what db_dump prints")
      ->check(CLI::IsMember({"csv", "dovecot", "sasldb"}))
      ->capture_default_str();
  import
      ->add_option(
          "--existing", arguments->existing,
          "What to do with users that exist already; replace: take what the file says and leave "
          "what it has no column for. A suspension is lifted by suspended=no alone")
      ->check(CLI::IsMember({"fail", "skip", "replace"}))
      ->capture_default_str();
  import->add_flag("--dry-run", arguments->dry_run,
                   "Only look at the file, and say how many there would be");
  import->callback([arguments] { Import(*arguments).Run();
});

CLI::App* to_file =
    user.add_subcommand("export", "Write all users with their keys to a file, as CSV");
to_file->add_option("--config", arguments->config, "Configuration file")->capture_default_str();
to_file
    ->add_option("file", arguments->file, "File, readable by its owner alone; -: standard output")
    ->required();
to_file->callback([arguments] { Export(*arguments); });
}  // namespace sluice

}  // namespace sluice
