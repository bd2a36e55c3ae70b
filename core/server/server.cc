#include "core/server/server.h"

#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "auth/gss_acceptor.h"
#include "auth/hmac_key.h"
#include "auth/lmdb_store.h"
#include "auth/verifier.h"
#include "core/base/act_as.h"
#include "core/base/free_memory.h"
#include "core/base/json_writer.h"
#include "core/base/random.h"
#include "core/io/listen.h"
#include "core/io/ring.h"
#include "core/server/admin.h"
#include "core/server/containment.h"
#include "core/server/cores.h"
#include "core/server/event_log.h"
#include "core/server/guess_listing.h"
#include "core/server/helper_thread.h"
#include "core/server/kerberos.h"
#include "core/server/line_file.h"
#include "core/server/pid_file.h"
#include "core/server/relay_password.h"
#include "core/server/ring_device.h"
#include "core/server/shard.h"
#include "core/server/shard_tunings.h"
#include "core/server/spool_files.h"
#include "core/server/tls_files.h"
#include "core/server/token_files.h"
#include "core/server/usage.h"
#include "core/server/watchdog.h"
#include "tls/hooks.h"

namespace sluice::server {
namespace {

constexpr Duration kBindPatience = seconds(15);   // a killed predecessor's descriptors close late
constexpr Duration kTurnPatience = seconds(1);    // an idle shard looks round this often
constexpr Duration kWatch = milliseconds(100);    // how often the watchdog looks
constexpr Duration kMaintain = minutes(1);
constexpr Duration kPublishPatience = milliseconds(250);
constexpr Duration kWalkPatience = seconds(1);
constexpr Duration kLookAtSpace = seconds(1);
constexpr uint64_t kPrefaultBytes = uint64_t{256} << 20;
constexpr uint32_t kKeysWaitingMax = 256;  // passwords of which missing keys are to be made

MonoTime MonoNow() {
  return MonoTime(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}
WallTime WallNow() {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

absl::Status Failed(const std::string& what, int error) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(error)));
}

uint64_t ProportionalSetBytes() {
  FILE* file = std::fopen("/proc/self/smaps_rollup", "r");
  if (file == nullptr) return 0;
  char line[256];
  unsigned long kib = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::sscanf(line, "Pss: %lu kB", &kib) == 1) break;
  }
  std::fclose(file);
  return uint64_t{kib} << 10;
}

uint64_t ResidentBytes() {
  FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  unsigned long pages = 0;
  if (std::fscanf(file, "%*u %lu", &pages) != 1) pages = 0;
  std::fclose(file);
  return uint64_t{pages} * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// A thread of one shard with all that is only its own.
struct ShardThread {
  std::unique_ptr<io::Ring> ring;
  std::vector<std::unique_ptr<RingDevice>> devices;
  std::unique_ptr<auth::LmdbStore::Reader> reader;
  std::unique_ptr<Shard> shard;
  std::thread thread;
  std::atomic<bool> ended{false};
};

// A table that is kept in a file of state_dir, as far as that can be done: that it cannot is no
// reason not to serve.
struct KeptTable {
  std::string what;                // is kept, in words
  std::unique_ptr<LineFile> file;  // nullptr: none could be made
  bool unsaved = false;            // and said so
};

class ServerProcess final : public Server, public AdminSource {
 public:
  ServerProcess(Options options, std::string config_path, std::string version)
      : options_(std::move(options)), config_path_(std::move(config_path)), version_(std::move(version)) {}
  ~ServerProcess() override;

  absl::Status Prepare();
  int Run() override;

  Snapshot Stats() override;
  std::vector<bool> PublishCounters();
  absl::StatusOr<std::string> QueueJson(const QueueFilter& filter) override;
  absl::StatusOr<std::string> OrderQueue(const QueueOrder& order) override;
  std::string ShardsJson() override;
  absl::StatusOr<std::string> SetShards(std::string_view request) override;
  absl::StatusOr<std::string> SessionsJson(const RequestParameters& filters) override;
  absl::StatusOr<std::string> EndSessions(const RequestParameters& filters) override;
  absl::StatusOr<std::string> GuessesJson(const RequestParameters& filters) override;
  absl::StatusOr<std::string> ForgetGuesses(const RequestParameters& filters) override;
  bool Ready(std::string* why) override;

 private:
  using TakeSession = std::function<void(const ListedSession&)>;
  absl::StatusOr<std::string> WalkSessions(const SessionFilter& filter, bool end, const TakeSession& take);
  absl::Status FindAccount();
  absl::Status PrepareFolders();
  absl::Status WritePidFile();
  absl::Status PlanShards();
  absl::Status BindListeners();
  absl::Status MakeRings();
  absl::Status DropRights();
  void MakeTables();
  LineFile::Secret OpenTable(KeptTable& kept, const std::string& name, ByteView kind);
  void RestoreTable(KeptTable& kept, auth::LineTable& table);
  void SaveTable(KeptTable& kept, auth::LineTable& table);
  void SaveTables();
  absl::StatusOr<std::vector<Guess>> CollectGuesses();
  absl::Status ReadRelayPassword();
  void MakeContainment();
  void SuspendLogin(const std::string& login, const std::string& why);
  void AddMissingKeys(const auth::VerifyJob& job);
  absl::Status MakeShards();
  absl::Status Recover();
  void Report(const SyncProbe& probe);
  void RunShard(ShardThread& own, int core);
  void Watch();
  void LookAtTrustedLogins(const Options& options);
  void Reload();
  void RotateTickets();
  void LookAtSpace();
  void StopShards();
  bool ShardsEnded() const;
  void LogAdmin(const std::string& words);

  Options options_;
  const std::string config_path_;
  const std::string version_;
  const std::vector<int> cores_ = UsableCores();
  MonoTime started_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  int lock_fd_ = -1;
  std::unique_ptr<PidFile> pid_file_;
  SpoolId spool_id_{};
  SyncProbe probe_;
  std::vector<std::string> ring_report_;
  std::string token_report_;  // empty: no mechanism takes tokens
  std::vector<std::string> recovery_report_;
  std::vector<std::vector<int>> listener_fds_;  // of each shard, one a [[listener]]
  std::unique_ptr<EventLog> event_log_;
  std::unique_ptr<ShardEvents> admin_events_;  // the main thread's
  std::unique_ptr<HelperThread> helper_;
  std::unique_ptr<auth::LmdbStore> store_;
  KeptTable kept_usage_{.what = "what is counted against limits"};
  KeptTable kept_clients_{.what = "which clients of which logins are known"};
  std::unique_ptr<Usage> usage_;
  std::unique_ptr<auth::GuessGuard> guard_;  // outlives what the verifier's threads have in hand
  auth::Secret relay_password_;
  std::unique_ptr<KnownDomains> known_domains_;  // where new_domains is not 0
  std::unique_ptr<Containment> containment_;     // nullptr: nothing of it is configured
  std::unique_ptr<ShardGroup> group_;
  std::vector<std::unique_ptr<ShardThread>> shards_;
  std::mutex tunings_mutex_;
  std::unique_ptr<ShardTunings> tunings_;  // under it, from Run on
  std::unique_ptr<auth::GssAcceptor> gss_;  // outlives what the verifier's threads have in hand
  std::unique_ptr<auth::VerifierThreads> verifier_;
  std::unique_ptr<Admin> admin_;
  std::atomic<bool> serving_{false};
  std::atomic<bool> space_low_{false};
  std::unique_ptr<HelperThread> keys_helper_;  // adds keys to records
  std::atomic<uint32_t> keys_waiting_{0};
  std::atomic<bool> keys_warned_{false};
  std::atomic<bool> drained_{false};  // no shard takes connections
};

ServerProcess::~ServerProcess() {
  admin_.reset();
  if (verifier_ != nullptr) verifier_->Stop();
  if (helper_ != nullptr) helper_->Stop();
  if (keys_helper_ != nullptr) keys_helper_->Stop();
  for (auto& own : shards_) {
    own->ring.reset();  // first: then nothing is in flight any more
    for (auto& device : own->devices) device->Abandon();
    own->shard.reset();
  }
  shards_.clear();
  admin_events_.reset();
  for (auto& fds : listener_fds_) {
    for (int fd : fds) close(fd);
  }
  pid_file_.reset();  // while no other server can have begun
  if (lock_fd_ >= 0) close(lock_fd_);
}

// --- start -----------------------------------------------------------------------------------------------------

absl::Status ServerProcess::FindAccount() {
  uid_ = geteuid();
  gid_ = getegid();
  if (options_.user.empty()) return absl::OkStatus();
  const passwd* account = getpwnam(options_.user.c_str());
  if (account == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("user = \"", options_.user, "\": there is no such account; make it, or "
                                            "name another"));
  }
  if (geteuid() != 0 && account->pw_uid != geteuid()) {
    return absl::PermissionDeniedError(
        absl::StrCat("user = \"", options_.user, "\": only root can become another account; start as root, or leave "
                     "`user` out"));
  }
  uid_ = account->pw_uid;
  gid_ = account->pw_gid;
  if (uid_ == 0) std::fprintf(stderr, "sluice: warning: running as root; a user of its own is safer\n");
  return absl::OkStatus();
}

// All of it as the account that the server will be: whoever takes that account over must not lead root anywhere by a
// link. Names are synced also where they were there: who made them may have been killed before it did so.
absl::Status ServerProcess::PrepareFolders() {
  for (const std::string& folder : {options_.state_dir, options_.spool_dir}) {
    if (absl::Status status = EnsureFolder(folder, uid_, gid_); !status.ok()) return status;
    const std::string parent = std::filesystem::path(folder + "/..").lexically_normal().string();
    // A parent that may not be read was not made by this account, and what stands in it neither.
    if (const int error = SyncFolder(parent); error < 0 && error != -EACCES) return Failed("sync " + parent, -error);
  }
  const ActAs account(uid_, gid_);
  auto lock = LockSpool(options_.spool_dir);
  if (absl::IsPermissionDenied(lock.status()) && uid_ != geteuid()) {
    return absl::PermissionDeniedError(absl::StrCat(lock.status().message(), ", as user ", options_.user,
                                                    ": has another one served it? chown -R ", options_.user, ": ",
                                                    options_.spool_dir, " ", options_.state_dir));
  }
  if (!lock.ok()) return lock.status();
  lock_fd_ = *lock;
  SpoolId fresh;
  FillRandom(fresh.data(), fresh.size());
  auto id = ReadOrMakeSpoolId(options_.spool_dir, fresh);
  if (!id.ok()) return id.status();
  spool_id_ = *id;
  for (uint32_t i = 0; i < options_.shards; i++) {
    const std::string folder = ShardFolder(options_.spool_dir, i);
    if (absl::Status status = EnsureFolder(folder, uid_, gid_); !status.ok()) return status;
  }
  if (const int error = SyncFolder(options_.spool_dir); error < 0) return Failed("sync " + options_.spool_dir, -error);
  return absl::OkStatus();
}

// Before rights are dropped: /run is root's.
absl::Status ServerProcess::WritePidFile() {
  if (options_.pid_file.empty()) return absl::OkStatus();
  auto file = PidFile::Write(options_.pid_file, uid_, gid_);
  if (!file.ok()) return file.status();
  pid_file_ = *std::move(file);
  return absl::OkStatus();
}

absl::Status ServerProcess::PlanShards() {
  tunings_ = std::make_unique<ShardTunings>(options_, options_.shards, cores_);
  const std::string why = tunings_->Refusal();
  return why.empty() ? absl::OkStatus() : absl::InvalidArgumentError(why);
}

absl::Status ServerProcess::BindListeners() {
  for (const ListenerOptions& listener : options_.listener) {
    const absl::Status free = io::CheckFree(listener.address, kBindPatience);
    if (!free.ok()) return free;
  }
  for (uint32_t i = 0; i < options_.shards; i++) {
    listener_fds_.emplace_back();
    for (const ListenerOptions& listener : options_.listener) {
      auto fd = io::Listen(listener.address);
      if (!fd.ok()) return fd.status();
      listener_fds_.back().push_back(*fd);
    }
  }
  return absl::OkStatus();
}

absl::Status ServerProcess::MakeRings() {
  auto features = io::ProbeRingFeatures(options_.io.disable);
  if (!features.ok()) return features.status();
  ring_report_ = features->report;
  io::RingOptions ring;
  ring.features = *features;
  ring.receive_buffer_bytes = static_cast<uint32_t>(options_.io.receive_buffer_bytes);
  ring.submission_entries = options_.io.submission_entries;
  ring.completion_entries = options_.io.completion_entries;
  size_t next_hops = options_.relay.next_hop.size();
  for (const LocalDomainOptions& domain : options_.local_domain)
    next_hops += domain.next_hop.size();
  const auto hops = static_cast<uint32_t>(next_hops);
  for (uint32_t i = 0; i < options_.shards; i++) {
    const Tuning& tuning = tunings_->of(i);
    ring.receive_buffers = tuning.receive_buffers;
    ring.sockets_max = tuning.sessions + 128 + hops * (std::max(tuning.relay_connections, kRelayConnectionsRoom) + 4);
    auto made = io::Ring::Create(ring);
    if (!made.ok()) return made.status();
    shards_.push_back(std::make_unique<ShardThread>());
    shards_.back()->ring = *std::move(made);
  }
  return absl::OkStatus();
}

absl::Status ServerProcess::DropRights() {
  if (geteuid() != 0 || uid_ == 0) return absl::OkStatus();
  if (initgroups(options_.user.c_str(), gid_) != 0 || setresgid(gid_, gid_, gid_) != 0 ||
      setresuid(uid_, uid_, uid_) != 0) {
    return Failed("become user " + options_.user, errno);
  }
  CHECK(setresuid(0, 0, 0) != 0);  // there must be no way back
  return absl::OkStatus();
}

absl::Status ServerProcess::MakeShards() {
  if (absl::Status status = auth::SelfTest(); !status.ok()) return status;
  auto log = EventLog::Open(options_.log_dir, WallNow);
  if (!log.ok()) return log.status();
  event_log_ = *std::move(log);
  admin_events_ = std::make_unique<ShardEvents>(event_log_.get());

  auto store = auth::LmdbStore::Open(auth::LmdbStore::PathIn(options_.state_dir));
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  if (auto read = store_->Prefault(kPrefaultBytes); !read.ok()) return read.status();

  auto tickets = LoadTicketKeys(options_, WallNow());
  if (!tickets.ok()) return tickets.status();
  auto contexts = LoadTls(options_, *tickets, options_.shards);
  if (!contexts.ok()) return contexts.status();
  auto tokens = LoadTokenVerifiers(options_, options_.shards);
  if (!tokens.ok()) return tokens.status();
  if (tokens->front() != nullptr) token_report_ = DescribeKeys(tokens->front()->keys());

  if (absl::Status status = ReadRelayPassword(); !status.ok()) return status;

  auto probe = ProbeSync(ShardFolder(options_.spool_dir, 0));
  if (!probe.ok()) return probe.status();
  probe_ = *probe;

  auto gss = OpenKerberos(options_);
  if (!gss.ok()) return gss.status();
  gss_ = *std::move(gss);

  helper_ = std::make_unique<HelperThread>();
  keys_helper_ = std::make_unique<HelperThread>();
  auth::VerifierThreads::Options verifiers;
  verifiers.threads = options_.auth.verifiers > 0 ? options_.auth.verifiers : (options_.shards + 3) / 4;
  verifiers.queue_max = options_.auth.verifier_queue;
  verifier_ = std::make_unique<auth::VerifierThreads>(
      verifiers,
      [this](auth::VerifyToken token, auth::Verdict verdict) {
        shards_[token.shard]->shard->PostVerdict(token, verdict);
      },
      [this](auth::VerifyJob&& job) {
        if (keys_waiting_.fetch_add(1) >= kKeysWaitingMax) {  // the next login asks again
          keys_waiting_--;
          return;
        }
        keys_helper_->Run([this, waiting = std::make_shared<auth::VerifyJob>(std::move(job))] {
          AddMissingKeys(*waiting);
          keys_waiting_--;
        });
      });

  MakeTables();
  MakeContainment();
  std::array<char, 32> remember_key;
  FillRandom(remember_key.data(), remember_key.size());
  auto decoy_key = store_->DecoyKey();
  if (!decoy_key.ok()) return decoy_key.status();
  if (absl::Status counted = store_->CountShapes(); !counted.ok()) return counted;
  group_ = std::make_unique<ShardGroup>(options_.shards);
  auto folders = ListShardFolders(options_.spool_dir);
  if (!folders.ok()) return folders.status();
  for (uint32_t i = 0; i < options_.shards; i++) {
    ShardThread& own = *shards_[i];
    auto reader = store_->NewReader();
    if (!reader.ok()) return reader.status();
    own.reader = *std::move(reader);

    ShardParts parts;
    parts.index = i;
    parts.options = &options_;
    parts.io = own.ring.get();
    parts.spool_id = spool_id_;
    parts.store = own.reader.get();
    parts.verifier = verifier_.get();
    parts.gss = gss_.get();
    parts.event_log = event_log_.get();
    parts.usage = usage_.get();
    parts.guard = guard_.get();
    parts.containment = containment_.get();
    parts.relay_password = &relay_password_;
    parts.remember_key = ByteView(remember_key.data(), remember_key.size());
    parts.decoy_key = *decoy_key;
    FillRandom(reinterpret_cast<char*>(&parts.seed), sizeof parts.seed);
    parts.listener_fds = listener_fds_[i];
    parts.group = group_.get();
    // Its own folder first, then its share of those that more shards have left behind.
    std::vector<uint32_t> numbers = {i};
    for (uint32_t folder : *folders) {
      if (folder >= options_.shards && folder % options_.shards == i) numbers.push_back(folder);
    }
    for (uint32_t folder : numbers) {
      own.devices.push_back(std::make_unique<RingDevice>(
          RingDeviceOptions{ShardFolder(options_.spool_dir, folder), options_.queue.segment_bytes,
                            options_.queue.spool_reserve, probe_.method},
          *own.ring, *helper_, [&own](std::function<void()> task) { own.shard->Post(std::move(task)); }));
      parts.spools.push_back({folder, own.devices.back().get()});
    }
    own.shard = std::make_unique<Shard>(std::move(parts));
    own.shard->SetTls(std::move((*contexts)[i]));
    own.shard->SetTokens((*tokens)[i]);
  }
  Wipe(remember_key);
  Wipe(*decoy_key);
  return absl::OkStatus();
}

absl::Status ServerProcess::ReadRelayPassword() {
  if (options_.relay.username.empty()) return absl::OkStatus();
  auto password = LoadRelayPassword(options_.relay);
  if (!password.ok()) return password.status();
  relay_password_ = *std::move(password);
  return absl::OkStatus();
}

void ServerProcess::MakeTables() {
  LineFile::Secret secret = OpenTable(kept_usage_, "usage", "SluiceUs");
  usage_ = std::make_unique<Usage>(options_, ByteView(secret.data(), secret.size()));
  secret = OpenTable(kept_clients_, "clients", "SluiceCl");
  guard_ = std::make_unique<auth::GuessGuard>(options_.guess_limits, options_.auth.waiting,
                                              ByteView(secret.data(), secret.size()));
  Wipe(secret);
  RestoreTable(kept_usage_, usage_->meters());
  RestoreTable(kept_clients_, guard_->known_clients());
}

LineFile::Secret ServerProcess::OpenTable(KeptTable& kept, const std::string& name, ByteView kind) {
  LineFile::Secret secret;
  FillRandom(secret.data(), secret.size());
  std::string note;
  auto file = LineFile::Open(absl::StrCat(options_.state_dir, "/", name), kind, secret, note);
  if (file.ok()) {
    kept.file = *std::move(file);
    secret = kept.file->secret();
  } else {
    note = absl::StrCat(kept.what, " is not kept over a restart: ", file.status().message());
  }
  if (!note.empty()) LogAdmin(note);
  return secret;
}

void ServerProcess::RestoreTable(KeptTable& kept, auth::LineTable& table) {
  if (kept.file == nullptr) return;
  const absl::Status status = kept.file->Restore(table, WallNow());
  if (!status.ok()) LogAdmin(absl::StrCat(kept.what, " is not all there: ", status.message()));
}

void ServerProcess::SaveTable(KeptTable& kept, auth::LineTable& table) {
  if (kept.file == nullptr) return;
  const absl::Status status = kept.file->Save(table);
  if (!status.ok() && !kept.unsaved)
    LogAdmin(absl::StrCat(kept.what, " is not kept: ", status.message()));
  kept.unsaved = !status.ok();
}

void ServerProcess::SaveTables() {
  SaveTable(kept_usage_, usage_->meters());
  SaveTable(kept_clients_, guard_->known_clients());
}

void ServerProcess::MakeContainment() {
  const ContainmentOptions& options = options_.containment;
  if (options.over_limit == 0 && options.bounce_percent == 0 && options.new_domains == 0) return;
  if (options.new_domains > 0) {
    // Its keys are hashes by the same secret as the meters'.
    const uint64_t check = usage_->meters().NameKey('k', "known domains");
    std::string note;
    known_domains_ = std::make_unique<KnownDomains>(options_.state_dir + "/domains", options.logins,
                                                    check, note);
    if (!note.empty()) LogAdmin(note);
  }
  containment_ = std::make_unique<Containment>(
      options, usage_->meters(), known_domains_.get(),
      [this](ByteView login, const std::string& why) {
        keys_helper_->Run([this, login = std::string(login), why] { SuspendLogin(login, why); });
      });
}

// On the thread that changes records. Its sessions end at their next command, and its queued mail
// waits, since the store says so.
void ServerProcess::SuspendLogin(const std::string& login, const std::string& why) {
  bool already = false;
  const absl::Status status = store_->Change([&](auth::LmdbStore::Changes& changes) {
    const absl::StatusOr<bool> suspended = changes.IsSuspended(login);
    if (!suspended.ok()) return suspended.status();
    already = *suspended;
    if (already) return absl::OkStatus();
    return changes.Suspend(login, WallNow(), why, /*without_record=*/true);
  });
  if (already) return;
  std::string words = absl::StrCat("login ", LoginToLog(login), " is suspended: ", why);
  if (!status.ok())
    words = absl::StrCat("login ", LoginToLog(login), " should be suspended (", why,
                         "), but its record could not be changed: ", status.message());
  std::fprintf(stderr, "sluice: %s\n", words.c_str());
  Shard* shard = shards_[0]->shard.get();  // the log's ends are the shards'
  shard->Post([shard, login, words] {
    Event event;
    event.time = shard->wall_now();
    event.login = login;
    event.detail = words;
    shard->events().Write(event);
  });
}

// On a thread of its own: another process may hold the store's lock for a while, and neither logins
// nor the journal's segments are to wait for that. The record is left alone when it has changed
// meanwhile.
void ServerProcess::AddMissingKeys(const auth::VerifyJob& job) {
  auth::Salts salts;
  FillRandom(salts[0].data(), sizeof salts);
  auth::CredentialRecord made;
  auth::AddKeys(job.missing, job.login, job.password.view(), salts, options_.auth.iterations, made);
  const bool cram_md5 = ConfiguredMechanisms(options_).Has(auth::Mechanism::kCramMd5);
  bool stale = false;
  const absl::Status status = store_->Change([&](auth::LmdbStore::Changes& changes) {
    absl::Status updated = changes.Update(job.login, [&](auth::CredentialRecord& record) {
      stale = record.version != job.version;
      for (size_t i = 0; i < made.scram.size(); i++) {
        if (!made.scram[i].has_value()) continue;
        record.scram[i] = made.scram[i];
        // They prove the same password. Imported states are as good as it for CRAM-MD5, and guessed
        // at much faster: where that is not offered they go.
        record.foreign_hash.clear();
        if (!cram_md5) record.cram_md5.reset();
      }
      if (made.cram_md5.has_value()) record.cram_md5 = made.cram_md5;
      if (made.digest_md5.has_value()) record.digest_md5 = made.digest_md5;
    });
    return stale ? absl::CancelledError("the record has changed") : updated;
  });
  if (status.ok() || stale || absl::IsNotFound(status) || keys_warned_.exchange(true)) return;
  std::fprintf(stderr, "sluice: warning: keys could not be added to a user's record: %s\n",
               std::string(status.message()).c_str());
}

// All shards at once: each reads its own folders.
absl::Status ServerProcess::Recover() {
  std::vector<absl::Status> results(shards_.size());
  std::vector<std::vector<std::string>> reports(shards_.size());
  std::vector<std::thread> threads;
  const queue::Now now{MonoNow(), WallNow()};
  for (size_t i = 0; i < shards_.size(); i++) {
    threads.emplace_back([&, i] { results[i] = shards_[i]->shard->Recover(now, reports[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < shards_.size(); i++) {
    if (!results[i].ok()) return results[i];
    for (std::string& line : reports[i]) recovery_report_.push_back(std::move(line));
  }
  return absl::OkStatus();
}

absl::Status ServerProcess::Prepare() {
  started_ = MonoNow();
  sigset_t handled;
  sigemptyset(&handled);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&handled, signal);
  pthread_sigmask(SIG_BLOCK, &handled, nullptr);
  signal(SIGPIPE, SIG_IGN);

  if (options_.shards == 0) options_.shards = static_cast<uint32_t>(cores_.size());
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  using Step = absl::Status (ServerProcess::*)();
  const Step steps[] = {&ServerProcess::PlanShards,  &ServerProcess::FindAccount, &ServerProcess::PrepareFolders,
                        &ServerProcess::BindListeners, &ServerProcess::MakeRings, &ServerProcess::WritePidFile,
                        &ServerProcess::DropRights,  &ServerProcess::MakeShards,  &ServerProcess::Recover};
  PrepareToReturnMemory();
  if (absl::Status status = tls::Init(); !status.ok()) return status;
  for (const Step step : steps) {
    if (absl::Status status = (this->*step)(); !status.ok()) return status;
  }
  AdminEndpoints endpoints{.socket_path = AdminSocketPath(options_.state_dir), .address = options_.admin.address};
  auto admin = Admin::Start(endpoints, this);
  if (!admin.ok()) return admin.status();
  admin_ = *std::move(admin);
  return absl::OkStatus();
}

// What this machine gives, once, so that every log and benchmark describes itself.
void ServerProcess::Report(const SyncProbe& probe) {
  utsname kernel{};
  uname(&kernel);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const auto micros = [](Duration d) { return std::chrono::duration_cast<microseconds>(d).count(); };
  std::vector<std::string> cores;
  for (uint32_t i = 0; i < options_.shards; i++) {
    const int core = tunings_->CoreOf(i);
    cores.push_back(core < 0 ? absl::StrCat(i, "->any") : absl::StrCat(i, "->", core));
  }
  std::fprintf(stderr, "sluice %s\n", version_.c_str());
  std::fprintf(stderr, "  kernel      %s %s\n", kernel.sysname, kernel.release);
  std::fprintf(stderr, "  io_uring    %s\n", absl::StrJoin(ring_report_, "; ").c_str());
  std::fprintf(stderr, "  rings       %zu a shard, %u sessions a shard at most, RLIMIT_NOFILE %llu\n",
               shards_[0]->ring->rings(), options_.limits.sessions,
               static_cast<unsigned long long>(files.rlim_cur));
  std::fprintf(stderr, "  tls         %s\n", tls::LibraryReport().c_str());
  if (!token_report_.empty()) std::fprintf(stderr, "  token keys  %s\n", token_report_.c_str());
  std::fprintf(stderr, "  sync        %s (RWF_DSYNC %lld us, write+fdatasync %lld us, O_DIRECT %s)\n",
               probe.method == io::Io::Sync::kDsync ? "RWF_DSYNC" : "fdatasync",
               static_cast<long long>(micros(probe.dsync)), static_cast<long long>(micros(probe.fdatasync)),
               probe.direct ? "yes" : "no");
  std::fprintf(stderr, "  shards      %s (shard->core)\n", absl::StrJoin(cores, " ").c_str());
  std::fprintf(stderr, "  memory      %llu KiB at start; a connection: %zu octets of ours, and the TLS library's\n",
               static_cast<unsigned long long>(ProportionalSetBytes() >> 10), sizeof(Connection));
  for (const std::string& line : recovery_report_) std::fprintf(stderr, "  %s\n", line.c_str());
  std::fflush(stderr);
}

// --- running ---------------------------------------------------------------------------------------------------

void ServerProcess::RunShard(ShardThread& own, int core) {
  pthread_setname_np(pthread_self(), absl::StrCat("sluice-", own.shard->index()).c_str());
  PinThread(core, cores_);
  const absl::Status enabled = own.ring->Enable();
  if (!enabled.ok()) {
    std::fprintf(stderr, "sluice: shard %u: %s\n", own.shard->index(), std::string(enabled.message()).c_str());
    std::abort();  // Create has checked all that can be checked
  }
  own.shard->Start();
  while (!own.shard->finished()) own.shard->Turn(kTurnPatience);
  own.ended = true;
}

int ServerProcess::Run() {
  Report(probe_);
  LookAtSpace();  // before the first MAIL
  for (uint32_t i = 0; i < shards_.size(); i++) {
    ShardThread& own = *shards_[i];
    own.thread = std::thread([this, &own, core = tunings_->CoreOf(i)] { RunShard(own, core); });
  }
  serving_ = true;
  std::printf("ready\n");
  std::fflush(stdout);
  LogAdmin("start");
  LookAtTrustedLogins(options_);
  Watch();
  for (auto& own : shards_) own->thread.join();
  LogAdmin("stop");
  return 0;
}

// The main thread's work until the end: signals, the watchdog, upkeep.
void ServerProcess::Watch() {
  sigset_t handled;
  sigemptyset(&handled);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&handled, signal);
  Watchdog watchdog(shards_.size());
  MonoTime maintain_at = MonoNow() + kMaintain;
  MonoTime space_at = MonoNow() + kLookAtSpace;
  bool stopping = false;
  while (!ShardsEnded()) {
    const timespec patience{.tv_sec = 0, .tv_nsec = Duration(kWatch).count()};
    const int signal = sigtimedwait(&handled, nullptr, &patience);
    if (signal == SIGHUP) Reload();
    if (signal == SIGTERM || signal == SIGINT) {
      if (stopping) {  // a second one: at once. What was acknowledged is on disk
        pid_file_.reset();
        _exit(0);
      }
      stopping = true;
      serving_ = false;
      StopShards();
    }
    for (size_t i = 0; i < shards_.size(); i++) {
      const Shard& shard = *shards_[i]->shard;
      const std::string words = watchdog.Look(i, shard.turns(), shard.stage(), MonoNow());
      if (!words.empty()) LogAdmin(words);
    }
    if (MonoNow() >= maintain_at) {
      maintain_at = MonoNow() + kMaintain;
      if (absl::Status status = store_->Maintain(); !status.ok()) LogAdmin(std::string(status.message()));
      RotateTickets();
    }
    if (MonoNow() >= space_at) {
      space_at = MonoNow() + kLookAtSpace;
      LookAtSpace();
      SaveTables();
    }
    admin_events_->Turn(MonoNow());
  }
  SaveTables();
}

void ServerProcess::LookAtSpace() {
  const auto space = ReadSpace(options_.spool_dir);
  if (!space.ok()) return;  // the journal finds out what is wrong
  const bool low = SpaceIsLow(*space, options_.queue.spool_reserve, space_low_);
  if (low == space_low_) return;
  space_low_ = low;
  for (auto& own : shards_) own->shard->Post([shard = own->shard.get(), low] { shard->SetSpaceLow(low); });
  const std::string facts =
      absl::StrCat(space->bytes >> 20, " MiB and ", space->inodes, " inodes are free in ", options_.spool_dir);
  LogAdmin(low ? absl::StrCat("mail is refused (452): ", facts, ", less than queue.spool_reserve (",
                              options_.queue.spool_reserve >> 20, " MiB) or one inode in a hundred")
               : absl::StrCat("mail is taken again: ", facts));
}

void ServerProcess::RotateTickets() {
  auto tickets = LoadTicketKeys(options_, WallNow());
  if (!tickets.ok()) return LogAdmin(std::string(tickets.status().message()));
  if (*tickets == nullptr) return;
  for (auto& own : shards_) {
    Shard* shard = own->shard.get();
    shard->Post([shard, keys = *tickets] { shard->SetTicketKeys(keys); });
  }
}

// A login without a record lets nobody in, which an operator may look for in vain.
void ServerProcess::LookAtTrustedLogins(const Options& options) {
  for (const std::string& words : DescribeTrustedLogins(options, *store_)) LogAdmin(words);
}

// Takes over [[local_domain]], [[trusted_network]], [[certificate]], [[client_certificate]], and
// the files that they, relay.ca_file, client_ca_file, client_crl_file and oauth.jwks_file name; a
// bad one leaves all as it was. The rest of the file needs a restart, so contexts are made from the
// options in force: half a [relay] could lose its verification without a word.
void ServerProcess::Reload() {
  event_log_->Reopen();
  const auto failed = [this](std::string_view why) {
    LogAdmin(absl::StrCat("reload failed, nothing has changed: ", why));
  };
  auto fresh = LoadOptions(config_path_);
  if (!fresh.ok()) return failed(fresh.status().message());
  if (fresh->certificate.empty() && !options_.certificate.empty()) return failed("there is no [[certificate]] any more");
  Options options = options_;
  options.certificate = fresh->certificate;
  options.client_certificate = fresh->client_certificate;
  options.local_domain = fresh->local_domain;
  options.trusted_network = fresh->trusted_network;
  auto tickets = LoadTicketKeys(options, WallNow());
  if (!tickets.ok()) return failed(tickets.status().message());
  auto contexts = LoadTls(options, *tickets, static_cast<uint32_t>(shards_.size()));
  if (!contexts.ok()) return failed(contexts.status().message());
  auto tokens = LoadTokenVerifiers(options, static_cast<uint32_t>(shards_.size()));
  if (!tokens.ok()) return failed(tokens.status().message());
  std::string words = "reload: certificates and event log are new";
  if (!options.local_domain.empty() || !options.trusted_network.empty())
    absl::StrAppend(&words, ", local domains and trusted networks too");
  if (tokens->front() != nullptr)
    absl::StrAppend(&words, ", token keys: ", DescribeKeys(tokens->front()->keys()));
  for (size_t i = 0; i < shards_.size(); i++) {
    Shard* shard = shards_[i]->shard.get();
    shard->Post([shard, made = std::move((*contexts)[i]), verifier = (*tokens)[i],
                 domains = options.local_domain, rules = MakeAccessRules(options)] {
      shard->SetTls(made);
      shard->SetTokens(verifier);
      shard->SetAccess(rules, domains);
    });
  }
  LookAtTrustedLogins(options);

  if (fresh->shards == 0) fresh->shards = static_cast<uint32_t>(cores_.size());
  fresh->certificate = options_.certificate;
  fresh->client_certificate = options_.client_certificate;
  fresh->local_domain = options_.local_domain;
  fresh->trusted_network = options_.trusted_network;
  const std::vector<std::string> waiting = ChangedKeys(options_, *fresh);
  if (!waiting.empty()) {
    absl::StrAppend(&words, "; changed in the file, in force after a restart: ", absl::StrJoin(waiting, ", "));
  }
  LogAdmin(words);
}

void ServerProcess::StopShards() {
  for (auto& own : shards_) {
    Shard* shard = own->shard.get();
    shard->Post([shard, grace = options_.limits.shutdown_grace] { shard->BeginStop(grace); });
  }
}

bool ServerProcess::ShardsEnded() const {
  for (const auto& own : shards_) {
    if (!own->ended) return false;
  }
  return true;
}

void ServerProcess::LogAdmin(const std::string& words) {
  std::fprintf(stderr, "sluice: %s\n", words.c_str());
  Event event;
  event.time = WallNow();
  event.detail = words;
  admin_events_->Write(event);
}

// --- AdminSource, on its threads -----------------------------------------------------------------------------------

// Asks every shard to publish what it does not count as it goes. One that stands still is not waited for long: what it
// has counted is told all the same.
std::vector<bool> ServerProcess::PublishCounters() {
  auto answers = std::make_shared<std::vector<std::promise<void>>>(shards_.size());
  for (size_t i = 0; i < shards_.size(); i++) {
    shards_[i]->shard->Post([shard = shards_[i]->shard.get(), answers, i] {
      shard->PublishCounters();
      (*answers)[i].set_value();
    });
  }
  const auto deadline = std::chrono::steady_clock::now() + kPublishPatience;
  std::vector<bool> answered;
  for (auto& answer : *answers) {
    answered.push_back(answer.get_future().wait_until(deadline) == std::future_status::ready);
  }
  return answered;
}

Snapshot ServerProcess::Stats() {
  const std::vector<bool> answered = PublishCounters();
  Snapshot snapshot;
  snapshot.version = version_;
  snapshot.hostname = options_.hostname;
  snapshot.uptime_seconds = static_cast<uint64_t>(std::chrono::duration_cast<seconds>(MonoNow() - started_).count());
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  snapshot.process_cpu_ns = static_cast<uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(used.tv_nsec);
  snapshot.process_resident_bytes = ResidentBytes();
  for (size_t i = 0; i < shards_.size(); i++) snapshot.AddShard(shards_[i]->shard->counters(), answered[i]);
  return snapshot;
}

absl::StatusOr<std::string> ServerProcess::QueueJson(const QueueFilter& filter) {
  std::vector<ListedMessage> messages;
  for (auto& own : shards_) {
    auto answer = std::make_shared<std::promise<std::vector<ListedMessage>>>();
    Shard* shard = own->shard.get();
    shard->Post([shard, answer, filter] { answer->set_value(shard->ListQueue(filter)); });
    auto future = answer->get_future();
    if (future.wait_for(kAdminTimeout) != std::future_status::ready) {
      return absl::DeadlineExceededError(absl::StrCat("shard ", shard->index(), " does not answer"));
    }
    std::vector<ListedMessage> part = future.get();
    messages.insert(messages.end(), part.begin(), part.end());
  }
  return QueueListJson(options_.spool_dir, std::move(messages), filter);
}

absl::StatusOr<std::string> ServerProcess::OrderQueue(const QueueOrder& order) {
  if (!serving_) return absl::UnavailableError("starting or stopping");
  size_t done = 0;
  for (auto& own : shards_) {
    auto answer = std::make_shared<std::promise<size_t>>();
    Shard* shard = own->shard.get();
    shard->Post([shard, answer, order] { answer->set_value(shard->OrderQueue(order)); });
    auto future = answer->get_future();
    if (future.wait_for(kAdminTimeout) != std::future_status::ready) {
      return absl::DeadlineExceededError(
          absl::StrCat("shard ", shard->index(), " does not answer; it may still do so"));
    }
    done += future.get();
  }
  return absl::StrCat("{\"done\":", done, "}");
}

std::string ServerProcess::ShardsJson() {
  const std::lock_guard lock(tunings_mutex_);
  return tunings_->Json();
}

// Checked whole, then given to the shards, then told when each has it. A shard that is late takes it all the same.
absl::StatusOr<std::string> ServerProcess::SetShards(std::string_view request) {
  if (!serving_) return absl::UnavailableError("starting or stopping");
  const std::lock_guard lock(tunings_mutex_);
  const auto changes = tunings_->Plan(request);
  if (!changes.ok()) return changes.status();
  const std::string answer = tunings_->Commit(request, *changes);
  drained_ = tunings_->drained();
  std::vector<std::pair<uint32_t, std::future<void>>> done;
  for (const ShardTunings::Change& change : *changes) {
    auto applied = std::make_shared<std::promise<void>>();
    done.emplace_back(change.shard, applied->get_future());
    Shard* shard = shards_[change.shard]->shard.get();
    shard->Post([this, shard, applied, tuning = change.tuning, core = tunings_->CoreOf(change.shard)] {
      if (tuning.core != shard->tuning().core) PinThread(core, cores_);
      shard->Tune(tuning);
      applied->set_value();
    });
  }
  const auto deadline = std::chrono::steady_clock::now() + kAdminTimeout;
  for (auto& [shard, applied] : done) {
    if (applied.wait_until(deadline) == std::future_status::ready) continue;
    return absl::DeadlineExceededError(absl::StrCat("shard ", shard, " does not answer; it takes the values when it does"));
  }
  return answer;
}

// Where the next walk goes on; empty at the end. Leaves off at the filter's limit, or after a while: each answer has its
// time, however many sessions there are.
absl::StatusOr<std::string> ServerProcess::WalkSessions(const SessionFilter& filter, bool end, const TakeSession& take) {
  const MonoTime deadline = MonoNow() + kWalkPatience;
  uint32_t room = filter.limit;
  SessionCursor at = filter.after;
  while (at.shard < shards_.size()) {
    if (filter.shard && *filter.shard != at.shard) {
      at = {at.shard + 1, 0};
      continue;
    }
    if (room == 0 || MonoNow() > deadline) return absl::StrCat(at.shard, ".", at.slot);
    auto answer = std::make_shared<std::promise<SessionSlice>>();
    Shard* shard = shards_[at.shard]->shard.get();
    shard->Post([shard, answer, filter, slot = at.slot, room, end] {
      answer->set_value(shard->LookAtSessions(filter, slot, room, end));
    });
    auto future = answer->get_future();
    if (future.wait_for(kAdminTimeout - kWalkPatience) != std::future_status::ready) {
      return absl::DeadlineExceededError(absl::StrCat("shard ", at.shard, " does not answer"));
    }
    const SessionSlice slice = future.get();
    for (const ListedSession& session : slice.found) take(session);
    room -= static_cast<uint32_t>(slice.found.size());
    at = slice.end ? SessionCursor{at.shard + 1, 0} : SessionCursor{at.shard, slice.next_slot};
  }
  return "";
}

absl::StatusOr<std::string> ServerProcess::SessionsJson(const RequestParameters& filters) {
  const auto filter = ParseSessionFilter(filters, static_cast<uint32_t>(shards_.size()));
  if (!filter.ok()) return filter.status();
  Buffer out;
  JsonWriter json(&out);
  json.BeginObject();
  json.Key("sessions");
  json.BeginArray();
  const auto next = WalkSessions(*filter, false, [&](const ListedSession& session) { AppendSessionJson(json, session); });
  if (!next.ok()) return next.status();
  json.EndArray();
  if (!next->empty()) json.Field("next", *next);
  json.EndObject();
  return std::string(out.view());
}

absl::StatusOr<std::string> ServerProcess::EndSessions(const RequestParameters& filters) {
  const auto filter = ParseSessionFilter(filters, static_cast<uint32_t>(shards_.size()));
  if (!filter.ok()) return filter.status();
  if (!filter->names_somebody()) {
    return absl::InvalidArgumentError("whose sessions are to end? A login, an address or an id must say so");
  }
  uint64_t ended = 0;
  const auto next = WalkSessions(*filter, true, [&](const ListedSession&) { ended++; });
  if (!next.ok()) return next.status();
  Buffer out;
  JsonWriter json(&out);
  json.BeginObject();
  json.Field("ended", ended);
  if (!next->empty()) json.Field("next", *next);
  json.EndObject();
  return std::string(out.view());
}

// What each shard has of them. One that does not answer is an error: an operator who asks for one
// guesser is not to hear that there is none.
absl::StatusOr<std::vector<Guess>> ServerProcess::CollectGuesses() {
  std::vector<Guess> guesses;
  for (auto& own : shards_) {
    auto answer = std::make_shared<std::promise<std::vector<Guess>>>();
    Shard* shard = own->shard.get();
    shard->Post([shard, answer] { answer->set_value(shard->guesses().list()); });
    auto future = answer->get_future();
    if (future.wait_for(kWalkPatience) != std::future_status::ready) {
      return absl::DeadlineExceededError(
          absl::StrCat("shard ", shard->index(), " does not answer"));
    }
    std::vector<Guess> part = future.get();
    std::move(part.begin(), part.end(), std::back_inserter(guesses));
  }
  return guesses;
}

absl::StatusOr<std::string> ServerProcess::GuessesJson(const RequestParameters& filters) {
  const auto filter = ParseGuessFilter(filters);
  if (!filter.ok()) return filter.status();
  auto guesses = CollectGuesses();
  if (!guesses.ok()) return guesses.status();
  return server::GuessesJson(*guard_, *std::move(guesses), *filter, WallNow());
}

absl::StatusOr<std::string> ServerProcess::ForgetGuesses(const RequestParameters& filters) {
  const auto filter = ParseGuessFilter(filters);
  if (!filter.ok()) return filter.status();
  const bool names_somebody = !filter->login.empty() || filter->peer.known();
  if (names_somebody == filter->all) {
    return absl::InvalidArgumentError(
        "whose failed logins are to be forgotten? Either a login or an address, or both, or all");
  }
  auto guesses = CollectGuesses();
  if (!guesses.ok()) return guesses.status();
  const uint64_t forgotten =
      server::ForgetGuesses(*guard_, *std::move(guesses), *filter, WallNow());
  Shard* shard = shards_.front()->shard.get();
  shard->Post([shard, words = absl::StrCat("failed logins are forgotten, by an operator: ",
                                           filter->all ? "all" : "", filter->login,
                                           filter->peer.known() ? " from " + filter->peer.ip()
                                                                : "")] { shard->LogAdmin(words); });
  Buffer out;
  JsonWriter json(&out);
  json.BeginObject();
  json.Field("forgotten", forgotten);
  json.EndObject();
  return std::string(out.view());
}

bool ServerProcess::Ready(std::string* why) {
  if (!serving_) {
    *why = "starting or stopping";
    return false;
  }
  if (drained_) {
    *why = "accept_weight is 0 on every shard: new connections get 421";
    return false;
  }
  if (space_low_) {
    *why = absl::StrCat("less is free in ", options_.spool_dir, " than queue.spool_reserve, or too few inodes");
    return false;
  }
  for (auto& own : shards_) {
    if (!own->shard->poisoned()) continue;
    *why = absl::StrCat("the journal of shard ", own->shard->index(), " failed: restart after mending the disk");
    return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Create(Options options, std::string config_path,
                                                       std::string version) {
  auto server = std::make_unique<ServerProcess>(std::move(options), std::move(config_path), std::move(version));
  if (absl::Status status = server->Prepare(); !status.ok()) return status;
  return server;
}

}  // namespace sluice::server
