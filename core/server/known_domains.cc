#include "core/server/known_domains.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/endian.h"

namespace sluice::server {
namespace {

constexpr uint32_t kLinesMin = 64;
constexpr unsigned kProbes = 8;
constexpr unsigned kWords = 8;
constexpr unsigned kBits = 64 * kWords;
constexpr uint32_t kWeightMax = 4;

// The file: a page of header (magic, format, lines, check), and the lines.
constexpr size_t kHeaderBytes = 4096;
constexpr char kMagic[8] = {'S', 'L', 'D', 'O', 'M', 'A', 'I', 'N'};
constexpr uint32_t kFormat = 1;

uint64_t SecondsOf(WallTime when) {
  return static_cast<uint64_t>(std::max<int64_t>(WallMillis(when) / 1000, 0));
}

std::string MakeHeader(uint32_t lines, uint64_t check) {
  std::string header(24, '\0');
  std::memcpy(header.data(), kMagic, sizeof kMagic);
  StoreLe<uint32_t>(header.data() + 8, kFormat);
  StoreLe<uint32_t>(header.data() + 12, lines);
  StoreLe<uint64_t>(header.data() + 16, check);
  return header;
}

// The file's memory, all of it on the disk: a full one must not end the process later. nullptr,
// with errno.
void* MapFile(const std::string& path, size_t bytes, const std::string& header) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return nullptr;
  std::string found(header.size(), '\0');
  struct stat file {};
  const bool fits =
      fstat(fd, &file) == 0 && static_cast<size_t>(file.st_size) == bytes &&
      pread(fd, found.data(), found.size(), 0) == static_cast<ssize_t>(found.size()) &&
      found == header;
  int error = 0;
  if (!fits) {
    if (ftruncate(fd, 0) != 0) error = errno;
    if (error == 0) error = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
    if (error == 0 &&
        pwrite(fd, header.data(), header.size(), 0) != static_cast<ssize_t>(header.size()))
      error = EIO;
  }
  void* memory = MAP_FAILED;
  if (error == 0) {
    memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) error = errno;
  }
  if (error != 0 && !fits) unlink(path.c_str());
  close(fd);
  errno = error;
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

struct alignas(64) KnownDomains::Line {
  std::atomic<uint64_t> login;  // 0: free
  std::atomic<uint64_t> since;  // seconds
  struct {
    std::atomic<uint64_t> period;  // which one it is of
    std::atomic<uint64_t> words[kWords];
  } maps[2];
};

KnownDomains::KnownDomains(const std::string& path, uint32_t lines, uint64_t check,
                           std::string& note)
    : mask_(std::bit_ceil(std::max(lines, kLinesMin)) - 1) {
  static_assert(sizeof(Line) == 192 && std::atomic<uint64_t>::is_always_lock_free);
  bytes_ = kHeaderBytes + sizeof(Line) * (size_t{mask_} + 1);
  memory_ = MapFile(path, bytes_, MakeHeader(mask_ + 1, check));
  if (memory_ == nullptr) {
    note = absl::StrCat("to which domains logins send is not kept over a restart: ", path, ": ",
                        std::strerror(errno));
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(memory_ != MAP_FAILED);
  }
  lines_ = reinterpret_cast<Line*>(static_cast<char*>(memory_) + kHeaderBytes);
}

KnownDomains::~KnownDomains() { munmap(memory_, bytes_); }

// The login's line, or one that nobody has used for two periods.
KnownDomains::Line* KnownDomains::Find(uint64_t login, uint32_t period, WallTime now) const {
  for (unsigned i = 0; i < kProbes; i++) {
    Line& line = lines_[((login >> 8) + i) & mask_];
    if (line.login.load(std::memory_order_acquire) == login) return &line;
  }
  for (unsigned i = 0; i < kProbes; i++) {
    Line& line = lines_[((login >> 8) + i) & mask_];
    uint64_t before = line.login.load(std::memory_order_relaxed);
    const uint64_t newest = std::max(line.maps[0].period.load(std::memory_order_relaxed),
                                     line.maps[1].period.load(std::memory_order_relaxed));
    if (before != 0 && newest + 1 >= period) continue;
    if (!line.login.compare_exchange_strong(before, login, std::memory_order_acq_rel)) continue;
    line.since.store(SecondsOf(now), std::memory_order_relaxed);
    for (auto& map : line.maps) map.period.store(0, std::memory_order_relaxed);
    return &line;
  }
  return nullptr;
}

uint32_t KnownDomains::Note(uint64_t login, uint64_t domain, Duration learn, WallTime now) {
  const auto period = static_cast<uint32_t>(now.time_since_epoch() / kPeriod);
  Line* const line = Find(login, period, now);
  if (line == nullptr) return 0;
  auto& current = line->maps[period % 2];
  auto& former = line->maps[(period + 1) % 2];
  uint64_t was = current.period.load(std::memory_order_acquire);
  if (was != period &&
      current.period.compare_exchange_strong(was, period, std::memory_order_acq_rel)) {
    for (auto& word : current.words) word.store(0, std::memory_order_relaxed);
  }
  const bool has_former = former.period.load(std::memory_order_acquire) + 1 == period;
  const unsigned at = domain % kBits / 64;
  const uint64_t bit = uint64_t{1} << (domain % 64);
  const bool known_before =
      has_former && (former.words[at].load(std::memory_order_relaxed) & bit) != 0;
  const bool known_now = (current.words[at].fetch_or(bit, std::memory_order_relaxed) & bit) != 0;
  if (known_before || known_now) return 0;
  if (SecondsOf(now) <
      line->since.load(std::memory_order_relaxed) +
          static_cast<uint64_t>(std::chrono::duration_cast<seconds>(learn).count())) {
    return 0;
  }
  uint32_t set = 0;
  for (unsigned i = 0; i < kWords; i++) {
    const uint64_t word = current.words[i].load(std::memory_order_relaxed) |
                          (has_former ? former.words[i].load(std::memory_order_relaxed) : 0);
    set += static_cast<uint32_t>(std::popcount(word));
  }
  return std::clamp(kBits / std::max(kBits - set + 1, 1u), 1u, kWeightMax);
}

}  // namespace sluice::server
