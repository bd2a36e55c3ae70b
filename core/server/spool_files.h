// The files under spool_dir, by plain blocking calls: for start-up, the helper thread and the command line.
//
//   <spool_dir>/lock            flock of the one server that may write here; shared, of those that only read
//   <spool_dir>/spool.id        16 octets: which spool this is; journals carry it
//   <spool_dir>/shard-0000/     a journal: segments seg-00000001.log, ..., damaged ranges under corrupt/
#ifndef SLUICE_CORE_SERVER_SPOOL_FILES_H_
#define SLUICE_CORE_SERVER_SPOOL_FILES_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/io/io.h"
#include "queue/device.h"

namespace sluice::server {

using SpoolId = std::array<char, 16>;

std::string ShardFolder(const std::string& spool_dir, uint32_t shard);

// Makes a folder of this account's (0700) where there is none. Its name is not synced.
absl::Status EnsureFolder(const std::string& path, uid_t uid, gid_t gid);

// Makes the names in a folder durable: 0, or -errno.
int SyncFolder(const std::string& folder);

// The numbers of the shard folders that exist, ascending.
absl::StatusOr<std::vector<uint32_t>> ListShardFolders(const std::string& spool_dir);

// Takes the spool for this process until the descriptor closes; made at once, so before any listener is bound.
// AlreadyExists: another server has it, with its pid where it wrote one. Who only reads is waited for, for a while.
absl::StatusOr<int> LockSpool(const std::string& spool_dir);

// Keeps servers away while the spool is read. FailedPrecondition: one has it. -1 when none ever had it.
absl::StatusOr<int> LockSpoolForReading(const std::string& spool_dir);

// Reads spool.id, or makes it from `fresh`.
absl::StatusOr<SpoolId> ReadOrMakeSpoolId(const std::string& spool_dir, const SpoolId& fresh);

// What is free on the file system of a folder, for others than root.
struct SpoolSpace {
  uint64_t bytes = 0;
  uint64_t inodes = 0;
  uint64_t inodes_total = 0;  // 0: it does not count them
};
absl::StatusOr<SpoolSpace> ReadSpace(const std::string& folder);

// Whether less than `reserve` octets, or one in a hundred inodes, are free. Once it is so an eighth more must become
// free before it is over, so that mail is not taken and refused by turns.
bool SpaceIsLow(const SpoolSpace& space, uint64_t reserve, bool was_low);

std::string SegmentName(uint32_t segment);  // "seg-00000001.log"

// A segment opened for reading and writing, O_DIRECT where the file system has it; or -errno.
int OpenSegment(const std::string& folder, uint32_t segment);

// Makes a segment of zeros, really written and durable with its name: 0, or -errno. -ENOSPC also when less
// than `reserve` octets (or one in a hundred inodes) would stay free.
int MakeSegment(const std::string& folder, uint32_t segment, uint64_t bytes, uint64_t reserve);

absl::StatusOr<std::vector<queue::SegmentFile>> ListSegments(const std::string& folder);

// What only the server that has the spool may do, at its start: removes what a crash left half made, and syncs every
// segment, since a killed process may have left finished writes in a volatile cache and what recovery reads must stay true.
absl::Status SettleSegments(const std::string& folder);

absl::Status ReadSegment(const std::string& folder, uint32_t segment, uint64_t offset, MutableBytes bytes);
absl::Status SetAside(const std::string& folder, uint32_t segment, uint64_t epoch, uint64_t offset,
                      ByteView bytes);

// Which way to stable storage is faster here, found by trying both for some milliseconds.
struct SyncProbe {
  io::Io::Sync method = io::Io::Sync::kDsync;
  Duration dsync{};      // median of a 4 KiB write with RWF_DSYNC; 0: not possible here
  Duration fdatasync{};  // of a write and fdatasync
  bool direct = false;   // O_DIRECT works
};
absl::StatusOr<SyncProbe> ProbeSync(const std::string& folder);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_SPOOL_FILES_H_
