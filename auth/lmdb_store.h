// The embedded credential store: one LMDB file, read in place by every shard.
//
// Readers never lock, wait or copy pages. A change made by the command line, in another process, is
// seen by the next look-up with no reload; it is durable when the call returns. Version numbers
// come from a counter in the file, so a version is never used twice, not even by a user removed and
// added again.
//
// Rules that LMDB sets: a process opens a file once (POSIX locks), does not fork with it open, and
// replaces a file only by rename, after which Maintain() reports that a restart is needed. The map
// is a range of addresses fixed when the file is made; the file itself grows as users are added.
// When root opens it, files are made and opened with the rights of the state folder's owner.
//
// Open, Maintain and Prefault: one thread, off the shards. Changes: any thread but a shard's; they
// wait for each other, those of other processes too. A Reader: its shard's.
#ifndef SLUICE_AUTH_LMDB_STORE_H_
#define SLUICE_AUTH_LMDB_STORE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "auth/credential_store.h"

struct MDB_env;
struct MDB_txn;

namespace sluice::auth {

inline constexpr uint64_t kStoreMapBytesDefault = uint64_t{64} << 30;  // about 200 million users
inline constexpr unsigned kStoreReadersMax = 1024;  // shards of all processes, and commands

class LmdbStore {
 public:
  class Reader;
  class Changes;

  // "credentials.mdb" in the state folder; its lock file is beside it.
  static std::string PathIn(const std::string& state_dir);

  // Opens the file, or makes an empty one of mode 0600 where there is none. `map_bytes` counts only
  // for a file that is made here. Also frees the reader slots of processes that were killed.
  static absl::StatusOr<std::unique_ptr<LmdbStore>> Open(
      const std::string& path, uint64_t map_bytes = kStoreMapBytesDefault);
  ~LmdbStore();  // after all Readers
  LmdbStore(const LmdbStore&) = delete;
  LmdbStore& operator=(const LmdbStore&) = delete;

  // A reader for one shard; it holds one reader slot for its life.
  absl::StatusOr<std::unique_ptr<Reader>> NewReader();

  // To be called every minute or so: frees slots of killed processes, and fails with
  // FailedPrecondition when another file stands where ours was opened.
  absl::Status Maintain();

  // Reads up to about `bytes_max` of records once, so that the first logins after a start do not
  // wait for the disk on a shard. Returns the bytes read.
  absl::StatusOr<uint64_t> Prefault(uint64_t bytes_max);

  // Runs `change` in one transaction: all of it, durable on return, or when it fails nothing.
  // Returns what it returned, or what went wrong with the file.
  absl::Status Change(const std::function<absl::Status(Changes&)>& change);

  // One change alone; see Changes.
  absl::Status Add(ByteView login, const CredentialRecord& record);
  absl::Status Update(ByteView login, const std::function<void(CredentialRecord&)>& change);
  absl::Status Remove(ByteView login);

  absl::StatusOr<CredentialRecord> Get(ByteView login);
  // In order of the logins' octets, from one snapshot; stops when `visit` returns false.
  absl::Status ForEach(const std::function<bool(ByteView, const CredentialRecord&)>& visit);
  absl::StatusOr<uint64_t> Count();

  // 32 octets that were drawn when they were first asked for, and stay: auth/decoys.h.
  absl::StatusOr<std::string> DecoyKey();
  // What salts the users have (Reader::Shapes) is kept with each change. This counts it where a
  // version that did not know of it has made or changed the store: a second for a million users.
  absl::Status CountShapes();

 private:
  LmdbStore(std::string path, MDB_env* env) : path_(std::move(path)), env_(env) {}

  const std::string path_;
  MDB_env* const env_;
};

// Within LmdbStore::Change(). Logins are canonical; a record's version is set by the store.
class LmdbStore::Changes {
 public:
  // AlreadyExists: there is a record. One that is made for a suspended login is suspended.
  absl::Status Add(ByteView login, CredentialRecord record);
  // NotFound:
  absl::Status Update(ByteView login, const std::function<void(CredentialRecord&)>& change);
  absl::Status Remove(ByteView login);  // if it is suspended it stays so: its mail goes on waiting

  // A suspension is a login's, not its record's. Who is suspended already keeps the time and the
  // reason. NotFound: it has no record, and may not be suspended without one.
  absl::Status Suspend(ByteView login, WallTime at, const std::string& why, bool without_record);
  // NotFound: it has no record and is not suspended.
  absl::Status Resume(ByteView login);
  absl::StatusOr<bool> IsSuspended(ByteView login);

 private:
  friend class LmdbStore;
  explicit Changes(MDB_txn* txn) : txn_(txn) {}
  absl::Status ReadShapes();
  absl::Status WriteShapes();

  MDB_txn* const txn_;
  std::optional<SaltShapes> shapes_;  // with the changes made so far; none: none was made
};

class LmdbStore::Reader final : public CredentialSource {
 public:
  ~Reader() override;
  LookupStatus Lookup(ByteView login, CredentialRecord& record) override;
  bool IsSuspended(ByteView login) override;
  bool IsAnybodySuspended() override;
  uint64_t Generation() const override;  // the last transaction's number, of any process
  bool Shapes(SaltShapes& shapes) override;

 private:
  friend class LmdbStore;
  explicit Reader(MDB_txn* txn) : txn_(txn) {}

  MDB_txn* const txn_;  // reset between look-ups: holds its slot, but no page back from reuse
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_LMDB_STORE_H_
