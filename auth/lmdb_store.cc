#include "auth/lmdb_store.h"

#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "auth/prepare.h"
#include "core/base/act_as.h"
#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/random.h"

namespace sluice::auth {
namespace {

// The file's main (and only) database maps a login to its record. More keys hold what belongs to
// the whole file; no login has a NUL. They stand first in the order of keys.
//   meta = format(4) last_version(8)
//   decoy = random(32)
//   shapes = SaltShapes::Encode()
//   suspended = how many logins are suspended (8); it is there when one was. For each of them
//   suspended NUL login = nothing: who relays need not read all records to know whose mail waits.
//     It outlives the record, and may be of a login that has none
constexpr ByteView kMetaKey("\0meta", 5);
constexpr ByteView kDecoyKey("\0decoy", 6);
constexpr ByteView kShapesKey("\0shapes", 7);
constexpr ByteView kSuspendedKey("\0suspended", 10);
constexpr size_t kDecoyBytes = 32;
constexpr uint32_t kMetaFormat = 1;
constexpr size_t kMetaBytes = 12;
constexpr MDB_dbi kMainDb = 1;  // what LMDB gives for the database without a name

static_assert(kLoginBytesMax <= 511, "LMDB's longest key");

MDB_val ToVal(ByteView bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
ByteView ToView(const MDB_val& val) { return {static_cast<const char*>(val.mv_data), val.mv_size}; }

absl::Status ErrnoStatus(ByteView what, const std::string& path, int error) {
  return absl::ErrnoToStatus(error, absl::StrCat(what, " ", path));
}

absl::Status ToStatus(int rc, ByteView what) {
  if (rc == MDB_SUCCESS) return absl::OkStatus();
  const std::string message = absl::StrCat("credential store: ", what, ": ", mdb_strerror(rc));
  switch (rc) {
    case MDB_NOTFOUND:
      return absl::NotFoundError(message);
    case MDB_KEYEXIST:
      return absl::AlreadyExistsError(message);
    case MDB_MAP_FULL:
    case MDB_READERS_FULL:
    case ENOSPC:
      return absl::ResourceExhaustedError(message);
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
      return absl::DataLossError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    default:
      return absl::InternalError(message);
  }
}

// A transaction that is undone unless Commit() is called and succeeds.
class Txn {
 public:
  explicit Txn(MDB_env* env, unsigned flags = 0)
      : begin_rc_(mdb_txn_begin(env, nullptr, flags, &txn_)) {}
  ~Txn() {
    if (txn_ != nullptr) mdb_txn_abort(txn_);
  }
  Txn(const Txn&) = delete;
  Txn& operator=(const Txn&) = delete;

  absl::Status status() const { return ToStatus(begin_rc_, "begin"); }
  MDB_txn* get() { return txn_; }
  absl::Status Commit() { return ToStatus(mdb_txn_commit(std::exchange(txn_, nullptr)), "commit"); }

 private:
  MDB_txn* txn_ = nullptr;
  const int begin_rc_;
};

class Cursor {
 public:
  explicit Cursor(MDB_txn* txn) : open_rc_(mdb_cursor_open(txn, kMainDb, &cursor_)) {}
  ~Cursor() {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
  }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  // The next user; false at the end or on an error, which status() then tells.
  bool Next(ByteView& login, ByteView& record) {
    MDB_val key;
    MDB_val value;
    do {
      rc_ = open_rc_ != MDB_SUCCESS ? open_rc_ : mdb_cursor_get(cursor_, &key, &value, MDB_NEXT);
      if (rc_ != MDB_SUCCESS) return false;
    } while (ToView(key).starts_with('\0'));
    login = ToView(key);
    record = ToView(value);
    return true;
  }
  absl::Status status() const {
    return rc_ == MDB_NOTFOUND ? absl::OkStatus() : ToStatus(rc_, "read");
  }

 private:
  MDB_cursor* cursor_ = nullptr;
  const int open_rc_;
  int rc_ = MDB_SUCCESS;
};

absl::Status NoSuchUser(ByteView login) {
  return absl::NotFoundError(absl::StrCat("no user ", login));
}

absl::Status Damaged(ByteView login) {
  return absl::DataLossError(
      absl::StrCat("the record of ", login,
                   " cannot be read: it is damaged, or was written by a newer version"));
}

absl::Status CheckLogin(ByteView login) {
  if (!login.empty() && login.size() <= kLoginBytesMax && login.find('\0') == ByteView::npos) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("not a prepared login");
}

// Reads the counter of versions; 0 in a file that has none yet.
absl::StatusOr<uint64_t> LastVersion(MDB_txn* txn) {
  MDB_val key = ToVal(kMetaKey);
  MDB_val value;
  const int rc = mdb_get(txn, kMainDb, &key, &value);
  if (rc == MDB_NOTFOUND) return uint64_t{0};
  if (rc != MDB_SUCCESS) return ToStatus(rc, "read");
  const ByteView meta = ToView(value);
  if (meta.size() != kMetaBytes || LoadLe<uint32_t>(meta.data()) != kMetaFormat) {
    return absl::DataLossError(
        "the credential store is of a format that this version does not know");
  }
  return LoadLe<uint64_t>(meta.data() + 4);
}

absl::Status PutLastVersion(MDB_txn* txn, uint64_t version) {
  char meta[kMetaBytes];
  StoreLe<uint32_t>(meta, kMetaFormat);
  StoreLe<uint64_t>(meta + 4, version);
  MDB_val key = ToVal(kMetaKey);
  MDB_val value = ToVal(ByteView(meta, sizeof meta));
  return ToStatus(mdb_put(txn, kMainDb, &key, &value, 0), "write");
}

absl::StatusOr<uint64_t> CountSuspended(MDB_txn* txn) {
  MDB_val key = ToVal(kSuspendedKey);
  MDB_val value;
  const int rc = mdb_get(txn, kMainDb, &key, &value);
  if (rc == MDB_NOTFOUND) return uint64_t{0};
  if (rc != MDB_SUCCESS) return ToStatus(rc, "read");
  if (value.mv_size != sizeof(uint64_t)) return Damaged("suspended");
  return LoadLe<uint64_t>(static_cast<const char*>(value.mv_data));
}

std::string SuspendedKeyOf(ByteView login) {
  std::string key(kSuspendedKey);
  key += '\0';
  key += login;
  return key;
}

absl::StatusOr<bool> IsListed(MDB_txn* txn, ByteView login) {
  const std::string own = SuspendedKeyOf(login);
  MDB_val key = ToVal(own);
  MDB_val nothing;
  const int rc = mdb_get(txn, kMainDb, &key, &nothing);
  if (rc == MDB_SUCCESS || rc == MDB_NOTFOUND) return rc == MDB_SUCCESS;
  return ToStatus(rc, "read");
}

// Makes the list of who is suspended say so of this one, or not.
absl::Status SetSuspended(MDB_txn* txn, ByteView login, bool suspended) {
  const absl::StatusOr<uint64_t> count = CountSuspended(txn);
  if (!count.ok()) return count.status();
  if (!suspended && *count == 0) return absl::OkStatus();
  const std::string own = SuspendedKeyOf(login);
  MDB_val key = ToVal(own);
  MDB_val nothing{};
  const int rc = suspended ? mdb_put(txn, kMainDb, &key, &nothing, MDB_NOOVERWRITE)
                           : mdb_del(txn, kMainDb, &key, nullptr);
  if (rc == MDB_KEYEXIST || rc == MDB_NOTFOUND) return absl::OkStatus();
  if (rc != MDB_SUCCESS) return ToStatus(rc, "write");
  char number[sizeof(uint64_t)];
  StoreLe<uint64_t>(number, suspended ? *count + 1 : *count - 1);
  key = ToVal(kSuspendedKey);
  MDB_val value = ToVal(ByteView(number, sizeof number));
  return ToStatus(mdb_put(txn, kMainDb, &key, &value, 0), "write");
}

// Writes a record with the next version.
absl::Status PutRecord(MDB_txn* txn, ByteView login, CredentialRecord& record, unsigned flags) {
  const absl::StatusOr<uint64_t> last = LastVersion(txn);
  if (!last.ok()) return last.status();
  record.version = *last + 1;
  std::string bytes;
  if (!EncodeRecord(record, bytes)) {
    return absl::InvalidArgumentError(absl::StrCat("the record of ", login, " would be over ",
                                                   kRecordBytesMax, " octets: fewer addresses"));
  }
  MDB_val key = ToVal(login);
  MDB_val value = ToVal(bytes);
  const int rc = mdb_put(txn, kMainDb, &key, &value, flags);
  if (rc == MDB_KEYEXIST) return absl::AlreadyExistsError(absl::StrCat("user ", login, " exists"));
  if (rc != MDB_SUCCESS) return ToStatus(rc, "write");
  if (absl::Status listed = SetSuspended(txn, login, record.suspended); !listed.ok()) return listed;
  return PutLastVersion(txn, record.version);
}

absl::Status GetRecord(MDB_txn* txn, ByteView login, CredentialRecord& record) {
  MDB_val key = ToVal(login);
  MDB_val value;
  const int rc = mdb_get(txn, kMainDb, &key, &value);
  if (rc == MDB_NOTFOUND) return NoSuchUser(login);
  if (rc != MDB_SUCCESS) return ToStatus(rc, "read");
  return DecodeRecord(ToView(value), record) ? absl::OkStatus() : Damaged(login);
}

absl::StatusOr<uint64_t> CountUsers(MDB_txn* txn) {
  MDB_stat stat;
  if (const int rc = mdb_stat(txn, kMainDb, &stat); rc != MDB_SUCCESS) return ToStatus(rc, "read");
  const absl::StatusOr<uint64_t> suspended = CountSuspended(txn);
  if (!suspended.ok()) return suspended.status();
  uint64_t users = stat.ms_entries - *suspended;
  for (const ByteView own : {kMetaKey, kDecoyKey, kShapesKey, kSuspendedKey}) {
    MDB_val key = ToVal(own);
    MDB_val value;
    if (mdb_get(txn, kMainDb, &key, &value) == MDB_SUCCESS) users--;
  }
  return users;
}

// False also where they are not of all users: somebody else has changed the store.
bool GetShapes(MDB_txn* txn, SaltShapes& shapes) {
  MDB_val key = ToVal(kShapesKey);
  MDB_val value;
  if (mdb_get(txn, kMainDb, &key, &value) != MDB_SUCCESS) return false;
  if (!SaltShapes::Decode(ToView(value), shapes)) return false;
  const auto users = CountUsers(txn);
  return users.ok() && *users == shapes.users();
}

}  // namespace

std::string LmdbStore::PathIn(const std::string& state_dir) {
  return absl::StrCat(state_dir, "/credentials.mdb");
}

absl::StatusOr<std::unique_ptr<LmdbStore>> LmdbStore::Open(const std::string& path,
                                                           uint64_t map_bytes) {
  const std::string folder = path.substr(0, path.find_last_of('/') + 1) + ".";
  struct stat folder_stat;
  if (stat(folder.c_str(), &folder_stat) != 0) return ErrnoStatus("open", folder, errno);
  const ActAs owner(folder_stat.st_uid, folder_stat.st_gid);

  MDB_env* env = nullptr;
  int rc = mdb_env_create(&env);
  if (rc != MDB_SUCCESS) return ToStatus(rc, "create");
  std::unique_ptr<LmdbStore> store(new LmdbStore(path, env));

  // NOTLS: a reader belongs to its shard's object, not to the thread that made it. NORDAHEAD:
  // look-ups are spread over the whole file. NOSUBDIR: `path` is the file.
  constexpr unsigned kFlags = MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD;
  struct stat file;
  const bool exists = stat(path.c_str(), &file) == 0 && file.st_size > 0;
  // Without a size LMDB takes the one that the file was made with: all processes must agree.
  if (!exists) rc = mdb_env_set_mapsize(env, map_bytes);
  if (rc == MDB_SUCCESS) rc = mdb_env_set_maxreaders(env, kStoreReadersMax);
  if (rc == MDB_SUCCESS) rc = mdb_env_open(env, path.c_str(), kFlags, 0600);
  if (rc == MDB_SUCCESS) rc = mdb_reader_check(env, nullptr);
  if (rc != MDB_SUCCESS) return ToStatus(rc, absl::StrCat("open ", path));

  Txn txn(env, MDB_RDONLY);
  if (!txn.status().ok()) return txn.status();
  MDB_dbi dbi = 0;  // sets up the order of keys, once for the process
  rc = mdb_dbi_open(txn.get(), nullptr, 0, &dbi);
  if (rc != MDB_SUCCESS) return ToStatus(rc, absl::StrCat("open ", path));
  CHECK(dbi == kMainDb);
  const absl::StatusOr<uint64_t> version = LastVersion(txn.get());
  if (!version.ok()) return version.status();
  return store;
}

LmdbStore::~LmdbStore() { mdb_env_close(env_); }

absl::StatusOr<std::unique_ptr<LmdbStore::Reader>> LmdbStore::NewReader() {
  MDB_txn* txn = nullptr;
  const int rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn);
  if (rc != MDB_SUCCESS) return ToStatus(rc, "begin");
  mdb_txn_reset(txn);
  return std::unique_ptr<Reader>(new Reader(txn));
}

absl::Status LmdbStore::Maintain() {
  const int rc = mdb_reader_check(env_, nullptr);
  if (rc != MDB_SUCCESS) return ToStatus(rc, "check readers");
  mdb_filehandle_t fd = -1;
  struct stat ours;
  struct stat there;
  if (mdb_env_get_fd(env_, &fd) != MDB_SUCCESS || fstat(fd, &ours) != 0) {
    return absl::InternalError("credential store: its file cannot be examined");
  }
  if (stat(path_.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
      ours.st_dev == there.st_dev) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(path_, " was replaced or removed: restart to use what is there now"));
}

absl::StatusOr<uint64_t> LmdbStore::Prefault(uint64_t bytes_max) {
  Txn txn(env_, MDB_RDONLY);
  if (!txn.status().ok()) return txn.status();
  Cursor cursor(txn.get());
  uint64_t bytes = 0;
  ByteView login;
  ByteView record;
  // The cursor itself reads each leaf page; a record of more than a page stands on pages of its
  // own.
  while (bytes < bytes_max && cursor.Next(login, record)) {
    for (size_t i = 0; i < record.size(); i += 4096) {
      [[maybe_unused]] const volatile char touched = record[i];
    }
    bytes += login.size() + record.size();
  }
  if (!cursor.status().ok()) return cursor.status();
  return bytes;
}

absl::Status LmdbStore::Change(const std::function<absl::Status(Changes&)>& change) {
  Txn txn(env_);
  if (!txn.status().ok()) return txn.status();
  Changes changes(txn.get());
  absl::Status changed = change(changes);
  if (changed.ok()) changed = changes.WriteShapes();
  return changed.ok() ? txn.Commit() : changed;
}

absl::Status LmdbStore::Add(ByteView login, const CredentialRecord& record) {
  return Change([&](Changes& changes) { return changes.Add(login, record); });
}

absl::Status LmdbStore::Update(ByteView login,
                               const std::function<void(CredentialRecord&)>& change) {
  return Change([&](Changes& changes) { return changes.Update(login, change); });
}

absl::Status LmdbStore::Remove(ByteView login) {
  return Change([&](Changes& changes) { return changes.Remove(login); });
}

absl::Status LmdbStore::Changes::Add(ByteView login, CredentialRecord record) {
  if (absl::Status valid = CheckLogin(login); !valid.ok()) return valid;
  if (absl::Status read = ReadShapes(); !read.ok()) return read;
  const absl::StatusOr<bool> listed = IsListed(txn_, login);
  if (!listed.ok()) return listed.status();
  record.suspended |= *listed;
  absl::Status added = PutRecord(txn_, login, record, MDB_NOOVERWRITE);
  if (added.ok()) shapes_->Add(SaltShapes::Of(record));
  return added;
}

absl::Status LmdbStore::Changes::Update(ByteView login,
                                        const std::function<void(CredentialRecord&)>& change) {
  if (absl::Status valid = CheckLogin(login); !valid.ok()) return valid;
  CredentialRecord record;
  if (absl::Status found = GetRecord(txn_, login, record); !found.ok()) return found;
  if (absl::Status read = ReadShapes(); !read.ok()) return read;
  const SaltShapes::OfRecord before = SaltShapes::Of(record);
  change(record);
  absl::Status put = PutRecord(txn_, login, record, 0);
  if (put.ok()) {
    shapes_->Remove(before);
    shapes_->Add(SaltShapes::Of(record));
  }
  return put;
}

absl::Status LmdbStore::Changes::Remove(ByteView login) {
  if (absl::Status valid = CheckLogin(login); !valid.ok()) return valid;
  if (absl::Status read = ReadShapes(); !read.ok()) return read;
  CredentialRecord record;
  const bool readable = GetRecord(txn_, login, record).ok();
  MDB_val key = ToVal(login);
  const int rc = mdb_del(txn_, kMainDb, &key, nullptr);
  if (rc != MDB_SUCCESS) return rc == MDB_NOTFOUND ? NoSuchUser(login) : ToStatus(rc, "remove");
  readable ? shapes_->Remove(SaltShapes::Of(record)) : shapes_->RemoveUnknown();
  return absl::OkStatus();
}

absl::Status LmdbStore::Changes::Suspend(ByteView login, WallTime at, const std::string& why,
                                         bool without_record) {
  const absl::Status updated = Update(login, [&](CredentialRecord& record) {
    if (record.suspended && record.suspended_at != WallTime()) return;
    record.suspended = true;
    record.suspended_at = at;
    record.suspended_why = why;
  });
  if (!absl::IsNotFound(updated) || !without_record) return updated;
  return SetSuspended(txn_, login, true);
}

absl::Status LmdbStore::Changes::Resume(ByteView login) {
  const absl::Status updated = Update(login, [&](CredentialRecord& record) {
    record.suspended = false;
    record.suspended_at = WallTime();
    record.suspended_why.clear();
  });
  if (!absl::IsNotFound(updated)) return updated;
  const absl::StatusOr<bool> listed = IsListed(txn_, login);
  if (!listed.ok()) return listed.status();
  return *listed ? SetSuspended(txn_, login, false) : updated;
}

absl::StatusOr<bool> LmdbStore::Changes::IsSuspended(ByteView login) {
  if (absl::Status valid = CheckLogin(login); !valid.ok()) return valid;
  return IsListed(txn_, login);
}

// Before the first change, since it may have to count what is there.
absl::Status LmdbStore::Changes::ReadShapes() {
  if (shapes_.has_value()) return absl::OkStatus();
  SaltShapes shapes;
  if (!GetShapes(txn_, shapes)) {
    shapes = SaltShapes();
    Cursor cursor(txn_);
    ByteView login;
    ByteView bytes;
    CredentialRecord record;
    while (cursor.Next(login, bytes)) {
      DecodeRecord(bytes, record) ? shapes.Add(SaltShapes::Of(record)) : shapes.AddUnknown();
    }
    if (!cursor.status().ok()) return cursor.status();
  }
  shapes_ = std::move(shapes);
  return absl::OkStatus();
}

absl::Status LmdbStore::Changes::WriteShapes() {
  if (!shapes_.has_value()) return absl::OkStatus();
  const std::string bytes = shapes_->Encode();
  MDB_val key = ToVal(kShapesKey);
  MDB_val value = ToVal(bytes);
  return ToStatus(mdb_put(txn_, kMainDb, &key, &value, 0), "write");
}

absl::Status LmdbStore::CountShapes() {
  {
    Txn txn(env_, MDB_RDONLY);
    if (!txn.status().ok()) return txn.status();
    SaltShapes shapes;
    if (GetShapes(txn.get(), shapes)) return absl::OkStatus();
  }
  return Change([](Changes& changes) { return changes.ReadShapes(); });
}

absl::StatusOr<CredentialRecord> LmdbStore::Get(ByteView login) {
  if (absl::Status valid = CheckLogin(login); !valid.ok()) return valid;
  Txn txn(env_, MDB_RDONLY);
  if (!txn.status().ok()) return txn.status();
  CredentialRecord record;
  if (absl::Status found = GetRecord(txn.get(), login, record); !found.ok()) return found;
  return record;
}

absl::Status LmdbStore::ForEach(
    const std::function<bool(ByteView, const CredentialRecord&)>& visit) {
  Txn txn(env_, MDB_RDONLY);
  if (!txn.status().ok()) return txn.status();
  Cursor cursor(txn.get());
  ByteView login;
  ByteView bytes;
  CredentialRecord record;
  while (cursor.Next(login, bytes)) {
    if (!DecodeRecord(bytes, record)) return Damaged(login);
    if (!visit(login, record)) return absl::OkStatus();
  }
  return cursor.status();
}

absl::StatusOr<uint64_t> LmdbStore::Count() {
  Txn txn(env_, MDB_RDONLY);
  if (!txn.status().ok()) return txn.status();
  return CountUsers(txn.get());
}

absl::StatusOr<std::string> LmdbStore::DecoyKey() {
  const auto read = [](Txn& txn) -> absl::StatusOr<std::string> {
    if (!txn.status().ok()) return txn.status();
    MDB_val key = ToVal(kDecoyKey);
    MDB_val value;
    const int rc = mdb_get(txn.get(), kMainDb, &key, &value);
    if (rc == MDB_NOTFOUND) return std::string();
    if (rc != MDB_SUCCESS) return ToStatus(rc, "read");
    if (value.mv_size != kDecoyBytes) return Damaged("decoy");
    return std::string(ToView(value));
  };
  {
    Txn txn(env_, MDB_RDONLY);
    auto found = read(txn);
    if (!found.ok() || !found->empty()) return found;
  }
  Txn txn(env_);
  auto found = read(txn);  // somebody else's, made meanwhile
  if (!found.ok() || !found->empty()) return found;
  std::string random(kDecoyBytes, '\0');
  FillRandom(random.data(), random.size());
  MDB_val key = ToVal(kDecoyKey);
  MDB_val value = ToVal(random);
  if (const int rc = mdb_put(txn.get(), kMainDb, &key, &value, 0); rc != MDB_SUCCESS) {
    return ToStatus(rc, "write");
  }
  if (absl::Status status = txn.Commit(); !status.ok()) return status;
  return random;
}

LmdbStore::Reader::~Reader() { mdb_txn_abort(txn_); }

uint64_t LmdbStore::Reader::Generation() const {
  MDB_envinfo info;
  return mdb_env_info(mdb_txn_env(txn_), &info) == MDB_SUCCESS ? info.me_last_txnid : 0;
}

bool LmdbStore::Reader::Shapes(SaltShapes& shapes) {
  if (mdb_txn_renew(txn_) != MDB_SUCCESS) return false;
  const bool read = GetShapes(txn_, shapes);
  mdb_txn_reset(txn_);
  return read;
}

LookupStatus LmdbStore::Reader::Lookup(ByteView login, CredentialRecord& record) {
  if (login.empty() || login.size() > kLoginBytesMax || login[0] == '\0')
    return LookupStatus::kNotFound;
  if (mdb_txn_renew(txn_) != MDB_SUCCESS) return LookupStatus::kError;
  MDB_val key = ToVal(login);
  MDB_val value;
  const int rc = mdb_get(txn_, kMainDb, &key, &value);
  LookupStatus status = rc == MDB_NOTFOUND ? LookupStatus::kNotFound : LookupStatus::kError;
  if (rc == MDB_SUCCESS && DecodeRecord(ToView(value), record)) status = LookupStatus::kFound;
  mdb_txn_reset(txn_);  // `value` is gone from here on
  return status;
}

bool LmdbStore::Reader::IsSuspended(ByteView login) {
  if (login.empty() || login.size() > kLoginBytesMax) return false;
  if (mdb_txn_renew(txn_) != MDB_SUCCESS) return false;
  const absl::StatusOr<bool> listed = IsListed(txn_, login);
  mdb_txn_reset(txn_);
  return listed.value_or(false);
}

bool LmdbStore::Reader::IsAnybodySuspended() {
  if (mdb_txn_renew(txn_) != MDB_SUCCESS) return false;
  const absl::StatusOr<uint64_t> count = CountSuspended(txn_);
  mdb_txn_reset(txn_);
  return count.value_or(0) > 0;
}

}  // namespace sluice::auth
