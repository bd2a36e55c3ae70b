#include "auth/lmdb_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <lmdb.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "auth/scram_keys.h"

extern char** environ;

namespace sluice::auth {
namespace {

constexpr uint64_t kMapBytes = 64 << 20;

class LmdbStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "sluice-auth-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = LmdbStore::PathIn(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<LmdbStore> Open() {
    absl::StatusOr<std::unique_ptr<LmdbStore>> store = LmdbStore::Open(path_, kMapBytes);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? std::move(*store) : nullptr;
  }

  // Runs a DISABLED_ test of this file as a program of its own, and waits for it.
  void RunInOtherProcess(const std::string& test) {
    const std::string filter = "--gtest_filter=OtherProcess.DISABLED_" + test;
    const char* argv[] = {"unit_auth", filter.c_str(), "--gtest_also_run_disabled_tests", nullptr};
    setenv("SLUICE_TEST_STORE", path_.c_str(), 1);
    pid_t pid = -1;
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ASSERT_EQ(
        posix_spawn(&pid, "/proc/self/exe", &quiet, nullptr, const_cast<char**>(argv), environ), 0);
    posix_spawn_file_actions_destroy(&quiet);
    ASSERT_EQ(waitpid(pid, &status_, 0), pid);
  }

  std::string folder_;
  std::string path_;
  int status_ = 0;  // of the last other process
};

CredentialRecord Record(const std::string& tenant) {
  CredentialRecord record;
  record.Scram(ScramHash::kSha256) =
      DeriveScramKeys(ScramHash::kSha256, "secret", "0123456789abcdef", 1);
  record.tenant = tenant;
  return record;
}

// Adds user0, user1 and so on, in one transaction.
absl::Status AddMany(LmdbStore& store, int users) {
  return store.Change([&](LmdbStore::Changes& changes) {
    absl::Status added;
    for (int i = 0; i < users && added.ok(); i++) {
      added = changes.Add("user" + std::to_string(i), Record("a"));
    }
    return added;
  });
}

std::string TenantOf(CredentialSource& source, ByteView login) {
  CredentialRecord record;
  switch (source.Lookup(login, record)) {
    case LookupStatus::kFound:
      return record.tenant;
    case LookupStatus::kNotFound:
      return "(not found)";
    case LookupStatus::kError:
      return "(error)";
  }
  return "";
}

TEST_F(LmdbStoreTest, AddsChangesAndRemoves) {
  const auto store = Open();
  EXPECT_EQ(*store->Count(), 0u);
  EXPECT_TRUE(store->Add("alice", Record("a")).ok());
  EXPECT_EQ(store->Add("alice", Record("b")).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(store->Get("alice")->tenant, "a");
  EXPECT_EQ(store->Get("bob").status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(store->Update("alice", [](CredentialRecord& r) { r.tenant = "c"; }).ok());
  EXPECT_EQ(store->Get("alice")->tenant, "c");
  EXPECT_EQ(store->Get("alice")->scram, Record("").scram);
  EXPECT_EQ(store->Update("bob", [](CredentialRecord&) {}).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(*store->Count(), 1u);
  EXPECT_TRUE(store->Remove("alice").ok());
  EXPECT_EQ(store->Remove("alice").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(*store->Count(), 0u);
}

TEST_F(LmdbStoreTest, AChangeIsAllOrNothing) {
  const auto store = Open();
  ASSERT_TRUE(store->Add("alice", Record("a")).ok());
  const absl::Status failed = store->Change([](LmdbStore::Changes& changes) {
    EXPECT_TRUE(changes.Add("bob", Record("b")).ok());
    EXPECT_TRUE(changes.Remove("alice").ok());
    return changes.Remove("carol");
  });
  EXPECT_EQ(failed.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(store->Get("alice").ok());
  EXPECT_FALSE(store->Get("bob").ok());
  const uint64_t version = store->Get("alice")->version;
  ASSERT_TRUE(store
                  ->Change([](LmdbStore::Changes& changes) {
                    EXPECT_TRUE(changes.Add("bob", Record("b")).ok());
                    return changes.Update("alice",
                                          [](CredentialRecord& record) { record.disabled = true; });
                  })
                  .ok());
  EXPECT_TRUE(store->Get("alice")->disabled);
  EXPECT_EQ(store->Get("bob")->version, version + 1);
  EXPECT_EQ(store->Get("alice")->version, version + 2);
}

TEST_F(LmdbStoreTest, TakesOnlyLogins) {
  const auto store = Open();
  for (const std::string& login :
       {std::string(), std::string(256, 'x'), std::string("\0meta", 5)}) {
    EXPECT_EQ(store->Add(login, Record("a")).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(store->Remove(login).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(store->Get(login).status().code(), absl::StatusCode::kInvalidArgument);
  }
  ASSERT_TRUE(store->Add(std::string(255, 'x'), Record("longest")).ok());
  const auto reader = *store->NewReader();
  EXPECT_EQ(TenantOf(*reader, std::string(255, 'x')), "longest");
  EXPECT_EQ(TenantOf(*reader, std::string(256, 'x')), "(not found)");
  EXPECT_EQ(TenantOf(*reader, std::string(600, 'x')), "(not found)");
  EXPECT_EQ(TenantOf(*reader, ""), "(not found)");
  EXPECT_EQ(TenantOf(*reader, ByteView("\0meta", 5)), "(not found)");
}

TEST_F(LmdbStoreTest, NeverUsesAVersionTwice) {
  uint64_t last = 0;
  const auto newer = [&](uint64_t version) { return version > std::exchange(last, version); };
  {
    const auto store = Open();
    ASSERT_TRUE(store->Add("alice", Record("a")).ok());
    EXPECT_TRUE(newer(store->Get("alice")->version));
    ASSERT_TRUE(store->Update("alice", [](CredentialRecord& r) { r.version = 0; }).ok());
    EXPECT_TRUE(newer(store->Get("alice")->version));
    ASSERT_TRUE(store->Remove("alice").ok());
    ASSERT_TRUE(store->Add("alice", Record("a")).ok());
    EXPECT_TRUE(newer(store->Get("alice")->version));
  }
  const auto store = Open();
  ASSERT_TRUE(store->Add("bob", Record("b")).ok());
  EXPECT_TRUE(newer(store->Get("bob")->version));
}

TEST_F(LmdbStoreTest, KeepsItsContentOverARestart) {
  { ASSERT_TRUE(Open()->Add("alice", Record("a")).ok()); }
  const auto store = Open();
  EXPECT_EQ(TenantOf(**store->NewReader(), "alice"), "a");
}

TEST_F(LmdbStoreTest, KeepsFieldsOfANewerVersion) {
  const auto store = Open();
  CredentialRecord record = Record("a");
  record.unknown_fields = std::string("\x00\x07\x02\x00hi", 6);
  ASSERT_TRUE(store->Add("alice", record).ok());
  ASSERT_TRUE(store->Update("alice", [](CredentialRecord& r) { r.tenant = "b"; }).ok());
  EXPECT_EQ(store->Get("alice")->unknown_fields, record.unknown_fields);
}

TEST_F(LmdbStoreTest, ListsInOrderAndCanStop) {
  const auto store = Open();
  for (const char* login : {"carol", "alice", "bob"})
    ASSERT_TRUE(store->Add(login, Record(login)).ok());
  std::string seen;
  ASSERT_TRUE(store
                  ->ForEach([&](ByteView login, const CredentialRecord& record) {
                    EXPECT_EQ(login, record.tenant);
                    seen += std::string(login) + " ";
                    return login != "bob";
                  })
                  .ok());
  EXPECT_EQ(seen, "alice bob ");
}

TEST_F(LmdbStoreTest, SeesEachChangeAtTheNextLookUp) {
  const auto store = Open();
  const auto reader = *store->NewReader();
  EXPECT_EQ(TenantOf(*reader, "alice"), "(not found)");
  ASSERT_TRUE(store->Add("alice", Record("a")).ok());
  EXPECT_EQ(TenantOf(*reader, "alice"), "a");
  ASSERT_TRUE(store->Remove("alice").ok());
  EXPECT_EQ(TenantOf(*reader, "alice"), "(not found)");
}

TEST_F(LmdbStoreTest, KnowsWhoIsSuspended) {
  const auto store = Open();
  const auto reader = *store->NewReader();
  CredentialRecord suspended;
  suspended.suspended = true;
  const auto suspend = [&](ByteView login, bool value) {
    EXPECT_TRUE(
        store->Update(login, [value](CredentialRecord& record) { record.suspended = value; }).ok());
  };
  EXPECT_FALSE(reader->IsAnybodySuspended());
  ASSERT_TRUE(store->Add("alice", {}).ok());
  ASSERT_TRUE(store->Add("bob", suspended).ok());
  EXPECT_TRUE(reader->IsAnybodySuspended());
  EXPECT_TRUE(reader->IsSuspended("bob"));
  for (const ByteView other : {"alice", "carol", "", "bo", "bobb"})
    EXPECT_FALSE(reader->IsSuspended(other));
  EXPECT_FALSE(reader->IsSuspended(std::string(1000, 'x')));
  suspend("alice", true);
  suspend("alice", true);
  suspend("bob", false);
  suspend("bob", false);
  EXPECT_TRUE(reader->IsSuspended("alice"));
  EXPECT_FALSE(reader->IsSuspended("bob"));
  EXPECT_EQ(*store->Count(), 2u) << "what the file keeps of it is no user";
  EXPECT_FALSE(store->Update("carol", [](CredentialRecord&) {}).ok());
  CredentialRecord record;
  EXPECT_EQ(reader->Lookup(ByteView("\0suspended", 10), record), LookupStatus::kNotFound);
}

TEST_F(LmdbStoreTest, ASuspensionOutlivesTheRecord) {
  const auto store = Open();
  const auto reader = *store->NewReader();
  const auto suspend = [&](ByteView login, const std::string& why, bool without_record) {
    return store->Change([&](LmdbStore::Changes& changes) {
      return changes.Suspend(login, WallFromMillis(1000), why, without_record);
    });
  };
  const auto resume = [&](ByteView login) {
    return store->Change([&](LmdbStore::Changes& changes) { return changes.Resume(login); });
  };
  ASSERT_TRUE(store->Add("alice", {}).ok());
  ASSERT_TRUE(suspend("alice", "stolen", false).ok());
  ASSERT_TRUE(suspend("alice", "again", false).ok());
  EXPECT_EQ(store->Get("alice")->suspended_why, "stolen");
  ASSERT_TRUE(store->Remove("alice").ok());
  EXPECT_TRUE(reader->IsSuspended("alice")) << "her mail waits";
  EXPECT_EQ(*store->Count(), 0u);
  ASSERT_TRUE(store->Add("alice", {}).ok());
  EXPECT_TRUE(store->Get("alice")->suspended);
  ASSERT_TRUE(resume("alice").ok());
  EXPECT_FALSE(store->Get("alice")->suspended);
  EXPECT_FALSE(reader->IsAnybodySuspended());

  EXPECT_TRUE(absl::IsNotFound(suspend("elsewhere", "stolen", false)));
  EXPECT_FALSE(reader->IsSuspended("elsewhere"));
  ASSERT_TRUE(suspend("elsewhere", "stolen", true).ok());
  ASSERT_TRUE(suspend("elsewhere", "stolen", true).ok());
  EXPECT_TRUE(reader->IsSuspended("elsewhere"));
  EXPECT_EQ(*store->Count(), 1u) << "who has no record is no user";
  ASSERT_TRUE(resume("elsewhere").ok());
  EXPECT_FALSE(reader->IsAnybodySuspended());
  EXPECT_TRUE(absl::IsNotFound(resume("elsewhere")));
}

// What Shapes() is said to be: counted from all records.
SaltShapes Counted(LmdbStore& store) {
  SaltShapes shapes;
  EXPECT_TRUE(store
                  .ForEach([&](ByteView, const CredentialRecord& record) {
                    shapes.Add(SaltShapes::Of(record));
                    return true;
                  })
                  .ok());
  return shapes;
}

bool Equal(const SaltShapes& a, const SaltShapes& b) {
  return a.users() == b.users() && a.entries().size() == b.entries().size() &&
         std::is_permutation(a.entries().begin(), a.entries().end(), b.entries().begin());
}

TEST_F(LmdbStoreTest, CountsSaltsWithEachChange) {
  const auto store = Open();
  const auto reader = *store->NewReader();
  SaltShapes shapes;
  const auto agrees = [&] { return reader->Shapes(shapes) && Equal(shapes, Counted(*store)); };
  EXPECT_FALSE(reader->Shapes(shapes));
  ASSERT_TRUE(store->CountShapes().ok());
  EXPECT_TRUE(agrees());
  ASSERT_TRUE(AddMany(*store, 10).ok());
  EXPECT_TRUE(agrees());
  EXPECT_EQ(shapes.users(), 10u);
  ASSERT_TRUE(store->Add("alice", CredentialRecord()).ok());
  EXPECT_TRUE(agrees());
  ASSERT_TRUE(store
                  ->Update("alice",
                           [](CredentialRecord& record) {
                             record.Scram(ScramHash::kSha1) =
                                 DeriveScramKeys(ScramHash::kSha1, "secret", "salt", 3);
                           })
                  .ok());
  EXPECT_TRUE(agrees());
  EXPECT_EQ(shapes.entries().size(), 2u);
  EXPECT_FALSE(store->Add("alice", Record("a")).ok());
  EXPECT_FALSE(store->Remove("bob").ok());
  EXPECT_FALSE(store
                   ->Change([](LmdbStore::Changes& changes) {
                     EXPECT_TRUE(changes.Remove("user1").ok());
                     return absl::CancelledError("");
                   })
                   .ok());
  // Within one change: an addition that fails, and others that stay.
  ASSERT_TRUE(store
                  ->Change([](LmdbStore::Changes& changes) {
                    EXPECT_TRUE(changes.Add("carol", Record("a")).ok());
                    EXPECT_FALSE(changes.Add("carol", CredentialRecord()).ok());
                    EXPECT_TRUE(changes.Remove("user2").ok());
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_TRUE(agrees());
  ASSERT_TRUE(store->Remove("alice").ok());
  EXPECT_TRUE(agrees());
  EXPECT_EQ(shapes.entries().size(), 1u);
  EXPECT_EQ(*store->Count(), 10u);
}

// An older version adds users and knows nothing of what is counted.
TEST_F(LmdbStoreTest, CountsSaltsAgainWhereAnotherVersionHasWritten) {
  const auto store = Open();
  const auto reader = *store->NewReader();
  ASSERT_TRUE(AddMany(*store, 10).ok());
  RunInOtherProcess("AddsWithoutCounting");
  ASSERT_EQ(status_, 0);
  SaltShapes shapes;
  EXPECT_FALSE(reader->Shapes(shapes));
  ASSERT_TRUE(store->CountShapes().ok());
  ASSERT_TRUE(reader->Shapes(shapes));
  EXPECT_TRUE(Equal(shapes, Counted(*store)));
  RunInOtherProcess("AddsWithoutCounting");
  ASSERT_TRUE(store->Remove("user1").ok());  // any change counts too
  ASSERT_TRUE(reader->Shapes(shapes));
  EXPECT_TRUE(Equal(shapes, Counted(*store)));
  EXPECT_EQ(shapes.users(), 11u);
}

TEST(OtherProcess, DISABLED_AddsWithoutCounting) {
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi dbi = 0;
  ASSERT_EQ(mdb_env_create(&env), 0);
  ASSERT_EQ(mdb_env_open(env, getenv("SLUICE_TEST_STORE"), MDB_NOSUBDIR, 0600), 0);
  ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
  ASSERT_EQ(mdb_dbi_open(txn, nullptr, 0, &dbi), 0);
  MDB_stat stat;
  ASSERT_EQ(mdb_stat(txn, dbi, &stat), 0);
  std::string login = "by another" + std::to_string(stat.ms_entries);
  std::string bytes;
  ASSERT_TRUE(EncodeRecord(CredentialRecord(), bytes));
  MDB_val key{login.size(), login.data()};
  MDB_val value{bytes.size(), bytes.data()};
  ASSERT_EQ(mdb_put(txn, dbi, &key, &value, 0), 0);
  ASSERT_EQ(mdb_txn_commit(txn), 0);
  mdb_env_close(env);
}

TEST_F(LmdbStoreTest, SeesChangesOfAnotherProcess) {
  const auto store = Open();
  const auto reader = *store->NewReader();
  EXPECT_EQ(TenantOf(*reader, "alice"), "(not found)");
  RunInOtherProcess("AddsAlice");
  ASSERT_EQ(status_, 0);
  EXPECT_EQ(TenantOf(*reader, "alice"), "from outside");
  ASSERT_TRUE(store->Remove("alice").ok());
  RunInOtherProcess("AddsAlice");
  ASSERT_EQ(status_, 0);
  EXPECT_EQ(TenantOf(*reader, "alice"), "from outside");
}

TEST(OtherProcess, DISABLED_AddsAlice) {
  const auto store = LmdbStore::Open(getenv("SLUICE_TEST_STORE"), 1 << 20);
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE((*store)->Add("alice", Record("from outside")).ok());
}

TEST_F(LmdbStoreTest, OpensWithTheMapItWasMadeWith) {
  { ASSERT_TRUE(Open()->Add("alice", Record("a")).ok()); }
  // A smaller map would be full long before this many users.
  auto store = *LmdbStore::Open(path_, 1 << 16);
  ASSERT_TRUE(AddMany(*store, 2000).ok());
}

TEST_F(LmdbStoreTest, AFullMapIsAnErrorAndKeepsWhatWas) {
  auto store = *LmdbStore::Open(path_, 1 << 16);
  absl::Status status;
  int users = 0;
  while (status.ok()) {
    status = store->Add("user" + std::to_string(users), Record("a"));
    users += status.ok();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(*store->Count(), static_cast<uint64_t>(users));
  EXPECT_EQ(TenantOf(**store->NewReader(), "user0"), "a");
}

// A reader that was killed in the middle of a look-up must not keep pages from reuse for ever.
TEST_F(LmdbStoreTest, FreesTheSlotsOfKilledProcesses) {
  const auto store = Open();
  ASSERT_TRUE(store->Add("alice", Record("a")).ok());
  RunInOtherProcess("DiesWithAllReaderSlots");
  ASSERT_TRUE(WIFSIGNALED(status_));
  EXPECT_EQ(store->NewReader().status().code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(store->Maintain().ok());
  const auto reader = store->NewReader();
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(TenantOf(**reader, "alice"), "a");
}

TEST(OtherProcess, DISABLED_DiesWithAllReaderSlots) {
  const auto store = LmdbStore::Open(getenv("SLUICE_TEST_STORE"));
  std::vector<std::unique_ptr<LmdbStore::Reader>> readers;
  for (;;) {
    auto reader = (*store)->NewReader();
    if (!reader.ok()) raise(SIGKILL);
    readers.push_back(std::move(*reader));
  }
}

TEST_F(LmdbStoreTest, MaintainReportsAReplacedFile) {
  const auto store = Open();
  EXPECT_TRUE(store->Maintain().ok());
  std::filesystem::rename(path_, path_ + ".old");
  EXPECT_EQ(store->Maintain().code(), absl::StatusCode::kFailedPrecondition);
  std::filesystem::copy_file(path_ + ".old", path_);
  EXPECT_EQ(store->Maintain().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(LmdbStoreTest, PrefaultReadsWithinItsBound) {
  const auto store = Open();
  ASSERT_TRUE(AddMany(*store, 200).ok());
  const uint64_t all = *store->Prefault(1 << 30);
  EXPECT_GT(all, 200u * 100);
  const uint64_t part = *store->Prefault(1000);
  EXPECT_GE(part, 1000u);
  EXPECT_LT(part, 1400u);
  EXPECT_EQ(*store->Prefault(0), 0u);
}

TEST_F(LmdbStoreTest, ADamagedRecordIsAnErrorAndNotAStranger) {
  { ASSERT_TRUE(Open()->Add("alice", Record("a-tenant-to-be-found")).ok()); }
  std::FILE* file = std::fopen(path_.c_str(), "r+b");
  ASSERT_NE(file, nullptr);
  std::string content(std::filesystem::file_size(path_), '\0');
  ASSERT_EQ(std::fread(content.data(), 1, content.size(), file), content.size());
  const size_t tenant = content.find("a-tenant-to-be-found");
  ASSERT_NE(tenant, std::string::npos);
  // The length in the field's header now points past the record's end.
  ASSERT_EQ(std::fseek(file, static_cast<long>(tenant - 2), SEEK_SET), 0);
  ASSERT_EQ(std::fputc(0xff, file), 0xff);
  ASSERT_EQ(std::fclose(file), 0);
  const auto store = Open();
  EXPECT_EQ(TenantOf(**store->NewReader(), "alice"), "(error)");
  EXPECT_EQ(store->Get("alice").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(store->ForEach([](ByteView, const CredentialRecord&) { return true; }).code(),
            absl::StatusCode::kDataLoss);
  EXPECT_TRUE(store->Remove("alice").ok());
}

TEST_F(LmdbStoreTest, RefusesWhatIsNoStore) {
  std::FILE* file = std::fopen(path_.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  std::fputs(std::string(8192, '#').c_str(), file);
  std::fclose(file);
  EXPECT_EQ(LmdbStore::Open(path_).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(LmdbStore::Open(folder_ + "/absent/credentials.mdb").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(LmdbStoreTest, IsReadableByItsOwnerAlone) {
  const auto store = Open();
  for (const std::string& file : {path_, path_ + "-lock"}) {
    struct stat status;
    ASSERT_EQ(stat(file.c_str(), &status), 0) << file;
    EXPECT_EQ(status.st_mode & 0777, 0600u) << file;
  }
}

TEST_F(LmdbStoreTest, RootMakesFilesForTheFoldersOwner) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(chown(folder_.c_str(), kNobody, kNobody), 0);
  const auto store = Open();
  ASSERT_TRUE(store->Add("alice", Record("a")).ok());
  for (const std::string& file : {path_, path_ + "-lock"}) {
    struct stat status;
    ASSERT_EQ(stat(file.c_str(), &status), 0) << file;
    EXPECT_EQ(status.st_uid, kNobody) << file;
    EXPECT_EQ(status.st_gid, kNobody) << file;
  }
  // And it is root again afterwards.
  std::FILE* file = std::fopen((folder_ + "/root").c_str(), "w");
  ASSERT_NE(file, nullptr);
  struct stat status;
  EXPECT_EQ(fstat(fileno(file), &status), 0);
  std::fclose(file);
  EXPECT_EQ(status.st_uid, 0u);
}

TEST_F(LmdbStoreTest, ALinkOfTheFoldersOwnerLeadsRootNowhere) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(chown(folder_.c_str(), kNobody, kNobody), 0);
  std::string secret = testing::TempDir() + "sluice-auth-root-XXXXXX";
  const int fd = mkstemp(secret.data());  // root's, 0600
  ASSERT_GE(fd, 0);
  close(fd);
  ASSERT_EQ(symlink(secret.c_str(), (path_ + "-lock").c_str()), 0);
  EXPECT_EQ(LmdbStore::Open(path_, kMapBytes).status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(std::filesystem::file_size(secret), 0u);
  unlink(secret.c_str());
}

// Readers of several threads, as shards are, while records change: each look-up sees one whole
// record.
TEST_F(LmdbStoreTest, ReadersSeeWholeRecordsWhileTheyChange) {
  const auto store = Open();
  CredentialRecord record = Record("0");
  record.addresses = {"0"};
  ASSERT_TRUE(store->Add("alice", record).ok());
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0};
  std::atomic<int> torn{0};
  std::atomic<int> older{0};
  std::atomic<size_t> changes{0};  // whose Update has returned
  std::vector<std::thread> shards;
  for (int i = 0; i < 3; i++) {
    shards.emplace_back([&] {
      const auto reader = *store->NewReader();
      while (!stop) {
        CredentialRecord seen;
        const size_t made = changes;
        const LookupStatus status = reader->Lookup("alice", seen);
        failed += status != LookupStatus::kFound;
        torn += seen.addresses != std::vector{seen.tenant};
        // Before Update returns a reader may see the change and then, for a moment, not.
        older += seen.tenant.size() < made;
      }
    });
  }
  for (int i = 1; i <= 200; i++) {
    ASSERT_TRUE(store
                    ->Update("alice",
                             [&](CredentialRecord& r) {
                               r.tenant = std::string(static_cast<size_t>(i), 'x');
                               r.addresses = {r.tenant};
                             })
                    .ok());
    changes = static_cast<size_t>(i);
  }
  stop = true;
  for (std::thread& shard : shards) shard.join();
  EXPECT_EQ(failed.load(), 0);
  EXPECT_EQ(torn.load(), 0);
  EXPECT_EQ(older.load(), 0);
}

}  // namespace
}  // namespace sluice::auth
