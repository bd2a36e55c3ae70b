#include "tools/sluice/offline_queue.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/base/act_as.h"
#include "core/base/check.h"
#include "core/server/queue_listing.h"
#include "core/server/spool_files.h"
#include "queue/device.h"
#include "queue/recovery.h"

namespace sluice {
namespace {

// A folder of segments that can only be read. Recovery writes nothing; the asynchronous half is for
// journals.
class ReadOnlyDevice final : public queue::Device {
 public:
  explicit ReadOnlyDevice(std::string folder) : folder_(std::move(folder)) {}

  // Not synced: that would make the disk work, and nothing is promised on what is only shown.
  absl::StatusOr<std::vector<queue::SegmentFile>> List() override {
    return server::ListSegments(folder_);
  }
  absl::Status ReadNow(uint32_t segment, uint64_t offset, MutableBytes bytes) override {
    return server::ReadSegment(folder_, segment, offset, bytes);
  }

  uint64_t segment_bytes() const override { return 0; }
  void Write(uint32_t, uint64_t, ByteView, queue::DeviceOp&) override { CHECK(false); }
  void Read(uint32_t, uint64_t, MutableBytes, queue::DeviceOp&) override { CHECK(false); }
  void Prepare(uint32_t, queue::DeviceOp&) override { CHECK(false); }
  void Remove(uint32_t, queue::DeviceOp&) override { CHECK(false); }
  absl::Status PrepareNow(uint32_t) override { return absl::PermissionDeniedError("read only"); }
  // Damage stays where it is and is told by the server's own start.
  absl::Status SetAsideNow(uint32_t, uint64_t, uint64_t, ByteView) override {
    return absl::OkStatus();
  }

 private:
  const std::string folder_;
};

}  // namespace

absl::StatusOr<std::string> OfflineQueueJson(const server::Options& options,
                                             const server::QueueFilter& filter) {
  // Root reads as the spool's owner: a link that the owner put there shows nothing more than the
  // owner can see.
  struct stat spool {};
  if (stat(options.spool_dir.c_str(), &spool) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("spool_dir ", options.spool_dir));
  }
  const ActAs owner(spool.st_uid, spool.st_gid);
  const auto lock = server::LockSpoolForReading(options.spool_dir);
  if (!lock.ok()) return lock.status();
  const auto unlock = absl::MakeCleanup([fd = *lock] {
    if (fd >= 0) close(fd);
  });
  const auto folders = server::ListShardFolders(options.spool_dir);
  if (!folders.ok()) return folders.status();
  const queue::QueueId after = queue::QueueId::Parse(filter.after).value_or(queue::QueueId{});
  std::vector<server::ListedMessage> listed;
  for (const uint32_t shard : *folders) {
    ReadOnlyDevice device(server::ShardFolder(options.spool_dir, shard));
    const auto journal = queue::RecoverJournal(device, std::nullopt);
    if (!journal.ok()) return journal.status();
    for (const auto& [id, message] : journal->messages) {
      if (id <= after || (filter.held && !message.held)) continue;
      listed.push_back({.id = id,
                        .folder = shard,
                        .message = message.message,
                        .status = message.status,
                        .created = WallFromMillis(message.created_ms),
                        .attempts = static_cast<uint16_t>(message.attempts),
                        .damaged = message.damaged,
                        .held = message.held});
    }
  }
  return server::QueueListJson(options.spool_dir, std::move(listed), filter);
}

}  // namespace sluice
