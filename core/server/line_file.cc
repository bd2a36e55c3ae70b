#include "core/server/line_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/endian.h"

namespace sluice::server {
namespace {

// Header: kind(8) version(4) line_bytes(4) secret(32), the rest zero.
constexpr size_t kKindBytes = 8;
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 4096;
constexpr size_t kSecretAt = 16;
constexpr size_t kLineBytes = sizeof(auth::SavedLine);
static_assert(kLineBytes == 64);

absl::Status Failed(const std::string& path, ByteView what) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": ", what));
}

std::string MakeHeader(ByteView kind, const LineFile::Secret& secret) {
  std::string header(kHeaderBytes, '\0');
  kind.copy(header.data(), kKindBytes);
  StoreLe<uint32_t>(header.data() + 8, kVersion);
  StoreLe<uint32_t>(header.data() + 12, kLineBytes);
  std::memcpy(header.data() + kSecretAt, secret.data(), secret.size());
  return header;
}

int Create(const std::string& path, ByteView kind, const LineFile::Secret& secret) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return -1;
  const std::string header = MakeHeader(kind, secret);
  if (pwrite(fd, header.data(), header.size(), 0) == static_cast<ssize_t>(header.size())) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

void StoreLine(const auth::SavedLine& line, char* at) {
  StoreLe<uint64_t>(at, line.key);
  for (const uint64_t word : line.words) StoreLe<uint64_t>(at += 8, word);
}

auth::SavedLine LoadLine(const char* at) {
  auth::SavedLine line;
  line.key = LoadLe<uint64_t>(at);
  for (uint64_t& word : line.words) word = LoadLe<uint64_t>(at += 8);
  return line;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LineFile>> LineFile::Open(const std::string& path, ByteView kind,
                                                         const Secret& fresh, std::string& note) {
  CHECK(kind.size() == kKindBytes);
  int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  Secret secret = fresh;
  if (fd >= 0) {
    char header[kHeaderBytes];
    const bool whole = pread(fd, header, sizeof header, 0) == static_cast<ssize_t>(sizeof header);
    if (whole && ByteView(header, kKindBytes) == kind && LoadLe<uint32_t>(header + 8) == kVersion &&
        LoadLe<uint32_t>(header + 12) == kLineBytes) {
      std::memcpy(secret.data(), header + kSecretAt, secret.size());
      return std::unique_ptr<LineFile>(new LineFile(path, kind, fd, secret));
    }
    close(fd);
    const std::string aside = path + ".damaged";
    if (rename(path.c_str(), aside.c_str()) != 0) return Failed(path, "cannot be set aside");
    note = absl::StrCat(path, " is damaged or of another version: it is now ", aside,
                        ", and what it kept begins anew");
  } else if (errno != ENOENT) {
    return Failed(path, "cannot be opened");
  }
  fd = Create(path, kind, secret);
  if (fd < 0) return Failed(path, "cannot be made");
  return std::unique_ptr<LineFile>(new LineFile(path, kind, fd, secret));
}

LineFile::~LineFile() { close(fd_); }

// The lines may come to other places: the table is another, or the number of its lines. So they are
// written to a new file, which then takes the old one's place.
absl::Status LineFile::Restore(auth::LineTable& table, WallTime now) {
  std::string chunk(size_t{1} << 20, '\0');
  off_t at = kHeaderBytes;
  for (;;) {
    const off_t data = lseek(fd_, at, SEEK_DATA);  // most of it may be holes
    if (data < 0 && errno == ENXIO) break;
    if (data > at) at = data - (data - static_cast<off_t>(kHeaderBytes)) % kLineBytes;
    const ssize_t bytes = pread(fd_, chunk.data(), chunk.size(), at);
    if (bytes < 0) return Failed(path_, "cannot be read");
    const size_t lines = static_cast<size_t>(bytes) / kLineBytes;
    if (lines == 0) break;
    for (size_t i = 0; i < lines; i++) {
      table.Restore(LoadLine(chunk.data() + i * kLineBytes), now);
    }
    at += static_cast<off_t>(lines * kLineBytes);
  }
  const std::string fresh = path_ + ".new";
  const int fd = Create(fresh, kind_, secret_);
  if (fd < 0) return Failed(fresh, "cannot be made");
  close(std::exchange(fd_, fd));
  if (absl::Status saved = Save(table); !saved.ok()) return saved;
  if (rename(fresh.c_str(), path_.c_str()) != 0) return Failed(fresh, "cannot be renamed");
  return absl::OkStatus();
}

absl::Status LineFile::Save(auth::LineTable& table) {
  absl::Status status;
  table.SaveChanged(
      [&](uint32_t first, const auth::SavedLine(&lines)[auth::LineTable::kSaveLines]) {
        char run[sizeof lines];
        for (size_t i = 0; i < std::size(lines); i++) StoreLine(lines[i], run + i * kLineBytes);
        const auto at = static_cast<off_t>(kHeaderBytes + uint64_t{first} * kLineBytes);
        if (pwrite(fd_, run, sizeof run, at) != static_cast<ssize_t>(sizeof run)) {
          status = Failed(path_, "cannot be written");
        }
      });
  return status;
}

}  // namespace sluice::server
