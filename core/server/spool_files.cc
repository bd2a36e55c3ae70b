#include "core/server/spool_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/act_as.h"

namespace sluice::server {
namespace {

constexpr size_t kZeroBytes = 1 << 20;
constexpr int kProbeRounds = 15;
constexpr Duration kReaderPatience = seconds(10);  // a queue is read in a second or so
constexpr useconds_t kReaderPause = 20'000;

struct FreeDeleter {
  void operator()(void* p) const { std::free(p); }
};
using AlignedBytes = std::unique_ptr<char, FreeDeleter>;

AlignedBytes Aligned(size_t bytes) {
  auto* data = static_cast<char*>(std::aligned_alloc(queue::kBlockBytes, bytes));
  std::memset(data, 0, bytes);
  return AlignedBytes(data);
}

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

absl::Status Failed(const std::string& what, const std::string& path, int error) {
  const std::string text = absl::StrCat(what, " ", path, ": ", std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(text);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(text);
  if (error == ENOSPC) return absl::ResourceExhaustedError(text);
  if (error == ELOOP) {
    return absl::UnavailableError(absl::StrCat(what, " ", path, ": it is a symbolic link, and none is followed here"));
  }
  return absl::UnavailableError(text);
}

std::string SegmentPath(const std::string& folder, uint32_t segment) {
  return absl::StrCat(folder, "/", SegmentName(segment));
}

// 0: not the name of a segment.
uint32_t SegmentNumber(const char* name) {
  uint32_t number = 0;
  int used = 0;
  const bool whole = std::sscanf(name, "seg-%8u.log%n", &number, &used) == 1 && used > 0 && name[used] == '\0';
  return whole ? number : 0;
}

template <typename F>
absl::Status ForEachName(const std::string& folder, F f) {
  DIR* dir = opendir(folder.c_str());
  if (dir == nullptr) return Failed("open folder", folder, errno);
  while (dirent* entry = readdir(dir)) f(entry->d_name);
  closedir(dir);
  return absl::OkStatus();
}

// " (pid 123)", where the server that has the lock has come to write it.
std::string LockHolder(int fd) {
  char pid[32] = "";
  const ssize_t got = pread(fd, pid, sizeof pid - 1, 0);
  return got > 0 ? absl::StrCat(" (pid ", std::string(pid, static_cast<size_t>(got)), ")") : "";
}

int WriteZeros(int fd, uint64_t bytes) {
  const AlignedBytes zeros = Aligned(kZeroBytes);
  for (uint64_t at = 0; at < bytes;) {
    const size_t part = static_cast<size_t>(std::min<uint64_t>(kZeroBytes, bytes - at));
    const ssize_t written = pwrite(fd, zeros.get(), part, static_cast<off_t>(at));
    if (written <= 0) return written < 0 ? -errno : -EIO;
    at += static_cast<uint64_t>(written);
  }
  return 0;
}

Duration Median(std::vector<Duration>& times) {
  std::nth_element(times.begin(), times.begin() + static_cast<ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

// The median of kProbeRounds durable 4 KiB writes, or zero when the method does not work here.
Duration TimeWrites(int fd, const char* block, bool dsync) {
  std::vector<Duration> times;
  for (int i = 0; i < kProbeRounds; i++) {
    const auto start = std::chrono::steady_clock::now();
    const iovec part{.iov_base = const_cast<char*>(block), .iov_len = queue::kBlockBytes};
    const off_t at = static_cast<off_t>(i) * static_cast<off_t>(queue::kBlockBytes);
    const ssize_t written = pwritev2(fd, &part, 1, at, dsync ? RWF_DSYNC : 0);
    if (written != static_cast<ssize_t>(queue::kBlockBytes)) return Duration::zero();
    if (!dsync && fdatasync(fd) != 0) return Duration::zero();
    times.push_back(std::chrono::steady_clock::now() - start);
  }
  return Median(times);
}

}  // namespace

std::string ShardFolder(const std::string& spool_dir, uint32_t shard) {
  return absl::StrFormat("%s/shard-%04d", spool_dir, shard);
}

std::string SegmentName(uint32_t segment) { return absl::StrFormat("seg-%08d.log", segment); }

absl::Status EnsureFolder(const std::string& path, uid_t uid, gid_t gid) {
  int error = 0;
  {
    const ActAs account(uid, gid);
    if (mkdir(path.c_str(), 0700) != 0) error = errno;
  }
  if (error == EACCES && geteuid() == 0) {  // so the account cannot put a link there either
    error = mkdir(path.c_str(), 0700) == 0 ? 0 : errno;
    Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (error == 0 && (fd.get() < 0 || fchown(fd.get(), uid, gid) != 0)) error = errno;
  }
  if (error != 0 && error != EEXIST) return Failed("create folder", path, error);
  return absl::OkStatus();
}

int SyncFolder(const std::string& folder) {
  Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || fsync(fd.get()) != 0) return -errno;
  return 0;
}

absl::StatusOr<std::vector<uint32_t>> ListShardFolders(const std::string& spool_dir) {
  std::vector<uint32_t> shards;
  absl::Status status = ForEachName(spool_dir, [&](const char* name) {
    uint32_t shard = 0;
    int used = 0;
    if (std::sscanf(name, "shard-%4u%n", &shard, &used) == 1 && name[used] == '\0') shards.push_back(shard);
  });
  if (!status.ok()) return status;
  std::sort(shards.begin(), shards.end());
  return shards;
}

absl::StatusOr<int> LockSpool(const std::string& spool_dir) {
  const std::string path = spool_dir + "/lock";
  Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd.get() < 0) return Failed("open", path, errno);
  const auto patience_ends = std::chrono::steady_clock::now() + kReaderPatience;
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Failed("lock", path, errno);
    if (flock(fd.get(), LOCK_SH | LOCK_NB) != 0) {
      return absl::AlreadyExistsError(absl::StrCat("spool_dir ", spool_dir, " is in use by another sluice serve",
                                                   LockHolder(fd.get()), ": stop it, or give this one its own"));
    }
    if (std::chrono::steady_clock::now() > patience_ends) {
      return absl::UnavailableError(absl::StrCat("spool_dir ", spool_dir, " is being read by `sluice queue list`"));
    }
    usleep(kReaderPause);
  }
  const std::string pid = std::to_string(getpid());
  const bool written = ftruncate(fd.get(), 0) == 0 && pwrite(fd.get(), pid.data(), pid.size(), 0) > 0;
  if (!written && errno != ENOSPC) return Failed("write", path, errno);  // the pid is only for messages
  return fd.Release();
}

absl::StatusOr<int> LockSpoolForReading(const std::string& spool_dir) {
  const std::string path = spool_dir + "/lock";
  Fd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.get() < 0 && errno == ENOENT) return -1;
  if (fd.get() < 0) return Failed("open", path, errno);
  if (flock(fd.get(), LOCK_SH | LOCK_NB) == 0) return fd.Release();
  if (errno != EWOULDBLOCK) return Failed("lock", path, errno);
  return absl::FailedPreconditionError(
      absl::StrCat("spool_dir ", spool_dir, " is in use by a server", LockHolder(fd.get())));
}

absl::StatusOr<SpoolId> ReadOrMakeSpoolId(const std::string& spool_dir, const SpoolId& fresh) {
  const std::string path = spool_dir + "/spool.id";
  SpoolId id{};
  {
    Fd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (fd.get() >= 0) {
      const ssize_t got = read(fd.get(), id.data(), id.size());
      if (got == static_cast<ssize_t>(id.size())) return id;
      return absl::DataLossError(absl::StrCat(path, " is damaged: restore it; journals without it are not read"));
    }
    if (errno != ENOENT) return Failed("open", path, errno);
  }
  const std::string temporary = path + ".tmp";
  Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd.get() < 0) return Failed("create", temporary, errno);
  const bool written = write(fd.get(), fresh.data(), fresh.size()) == static_cast<ssize_t>(fresh.size());
  if (!written || fsync(fd.get()) != 0 || rename(temporary.c_str(), path.c_str()) != 0) {
    return Failed("write", path, errno);
  }
  if (const int error = SyncFolder(spool_dir); error < 0) return Failed("sync", spool_dir, -error);
  return fresh;
}

int OpenSegment(const std::string& folder, uint32_t segment) {
  const std::string path = SegmentPath(folder, segment);
  int fd = open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
  if (fd < 0 && errno == EINVAL) fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

absl::StatusOr<SpoolSpace> ReadSpace(const std::string& folder) {
  struct statvfs facts {};
  if (statvfs(folder.c_str(), &facts) != 0) return Failed("statvfs", folder, errno);
  return SpoolSpace{uint64_t{facts.f_bavail} * facts.f_frsize, facts.f_favail, facts.f_files};
}

bool SpaceIsLow(const SpoolSpace& space, uint64_t reserve, bool was_low) {
  const auto below = [was_low](uint64_t free, uint64_t least) { return free < least + (was_low ? least / 8 : 0); };
  return below(space.bytes, reserve) || below(space.inodes, space.inodes_total / 100);
}

int MakeSegment(const std::string& folder, uint32_t segment, uint64_t bytes, uint64_t reserve) {
  const auto space = ReadSpace(folder);
  if (!space.ok()) return -EIO;
  if (SpaceIsLow(*space, bytes + reserve, false)) return -ENOSPC;

  const std::string path = SegmentPath(folder, segment);
  const std::string temporary = path + ".tmp";
  int error = 0;
  {
    int raw = open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
    if (raw < 0 && errno == EINVAL) raw = open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    Fd fd(raw);
    if (fd.get() < 0) return -errno;
    // fallocate first keeps the extents together; writing then makes overwrites free of metadata.
    if (fallocate(fd.get(), 0, 0, static_cast<off_t>(bytes)) != 0 && errno != EOPNOTSUPP) error = -errno;
    if (error == 0) error = WriteZeros(fd.get(), bytes);
    if (error == 0 && fsync(fd.get()) != 0) error = -errno;
  }
  if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) error = -errno;
  if (error == 0) return SyncFolder(folder);
  unlink(temporary.c_str());
  return error;
}

absl::StatusOr<std::vector<queue::SegmentFile>> ListSegments(const std::string& folder) {
  std::vector<queue::SegmentFile> segments;
  absl::Status status = ForEachName(folder, [&](const char* name) {
    if (const uint32_t number = SegmentNumber(name); number > 0) segments.push_back({number, 0});
  });
  if (!status.ok()) return status;
  for (queue::SegmentFile& segment : segments) {
    const std::string path = SegmentPath(folder, segment.number);
    struct stat facts {};
    if (stat(path.c_str(), &facts) != 0) return Failed("open", path, errno);
    segment.bytes = static_cast<uint64_t>(facts.st_size);
  }
  return segments;
}

absl::Status SettleSegments(const std::string& folder) {
  std::vector<std::string> segments, temporary;
  absl::Status status = ForEachName(folder, [&](const char* name) {
    if (SegmentNumber(name) > 0) segments.push_back(absl::StrCat(folder, "/", name));
    if (ByteView(name).ends_with(".tmp")) temporary.push_back(absl::StrCat(folder, "/", name));
  });
  if (!status.ok()) return status;
  for (const std::string& path : temporary) unlink(path.c_str());
  for (const std::string& path : segments) {
    Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return Failed("open", path, errno);
    if (fdatasync(fd.get()) != 0) return Failed("sync", path, errno);
  }
  return absl::OkStatus();
}

absl::Status ReadSegment(const std::string& folder, uint32_t segment, uint64_t offset, MutableBytes bytes) {
  Fd fd(OpenSegment(folder, segment));
  const std::string path = SegmentPath(folder, segment);
  if (fd.get() < 0) return Failed("open", path, -fd.get());
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t got = pread(fd.get(), bytes.data() + at, bytes.size() - at, static_cast<off_t>(offset + at));
    if (got < 0) return Failed("read", path, errno);
    if (got == 0) return absl::DataLossError(absl::StrCat(path, " ends early"));
    at += static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

absl::Status SetAside(const std::string& folder, uint32_t segment, uint64_t epoch, uint64_t offset,
                      ByteView bytes) {
  const std::string corrupt = folder + "/corrupt";
  mkdir(corrupt.c_str(), 0700);
  const std::string path = absl::StrFormat("%s/seg-%08d-%016x-%d.bin", corrupt, segment, epoch, offset);
  Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (fd.get() < 0) return Failed("create", path, errno);
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t written = write(fd.get(), bytes.data() + at, bytes.size() - at);
    if (written <= 0) return Failed("write", path, errno);
    at += static_cast<size_t>(written);
  }
  if (fsync(fd.get()) != 0) return Failed("sync", path, errno);
  return absl::OkStatus();
}

absl::StatusOr<SyncProbe> ProbeSync(const std::string& folder) {
  const std::string path = folder + "/probe.tmp";
  SyncProbe probe;
  int raw = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
  probe.direct = raw >= 0;
  if (raw < 0 && errno == EINVAL) raw = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  Fd fd(raw);
  if (fd.get() < 0) return Failed("create", path, errno);
  unlink(path.c_str());
  if (const int error = WriteZeros(fd.get(), kProbeRounds * queue::kBlockBytes); error == -ENOSPC) {
    std::fprintf(stderr, "sluice: warning: %s is full: no room to find out the faster way to sync; fdatasync it is\n",
                 folder.c_str());
    probe.method = io::Io::Sync::kFdatasync;
    return probe;  // what is queued must get out, or there will never be room
  } else if (error < 0) {
    return Failed("write", path, -error);
  }
  if (fsync(fd.get()) != 0) return Failed("sync", path, errno);
  const AlignedBytes block = Aligned(queue::kBlockBytes);
  probe.dsync = TimeWrites(fd.get(), block.get(), true);
  probe.fdatasync = TimeWrites(fd.get(), block.get(), false);
  if (probe.fdatasync == Duration::zero()) return Failed("fdatasync", path, errno);
  // A linked fdatasync costs a worker thread of the kernel, so it must be clearly faster.
  const bool dsync = probe.dsync > Duration::zero() && probe.dsync < probe.fdatasync + probe.fdatasync / 4;
  probe.method = dsync ? io::Io::Sync::kDsync : io::Io::Sync::kFdatasync;
  return probe;
}

}  // namespace sluice::server
