// RingDevice: the journal's disk over a shard's Io. Writes and reads go through the ring with O_DIRECT; making
// and removing files, which can take long, is the helper thread's. One a shard folder; the shard's thread.
#ifndef SLUICE_CORE_SERVER_RING_DEVICE_H_
#define SLUICE_CORE_SERVER_RING_DEVICE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "core/io/io.h"
#include "core/server/helper_thread.h"
#include "core/server/spool_files.h"
#include "queue/device.h"

namespace sluice::server {

struct RingDeviceOptions {
  std::string folder;
  uint64_t segment_bytes;
  uint64_t reserve_bytes;  // Prepare fails with ENOSPC rather than leave less free
  io::Io::Sync sync;
};

class RingDevice final : public queue::Device {
 public:
  // Runs a function on the shard's thread, soon. Called on the helper thread.
  using Post = std::function<void(std::function<void()>)>;

  // `io` and `helper` outlive the device; `helper` is stopped before the device goes.
  RingDevice(RingDeviceOptions options, io::Io& io, HelperThread& helper, Post post);
  ~RingDevice() override;

  // The Io is gone and the helper has stopped: what they had will not be done.
  void Abandon();

  uint64_t segment_bytes() const override { return options_.segment_bytes; }
  void Write(uint32_t segment, uint64_t offset, ByteView bytes, queue::DeviceOp& op) override;
  void Read(uint32_t segment, uint64_t offset, MutableBytes bytes, queue::DeviceOp& op) override;
  void Prepare(uint32_t segment, queue::DeviceOp& op) override;
  void Remove(uint32_t segment, queue::DeviceOp& op) override;

  absl::StatusOr<std::vector<queue::SegmentFile>> List() override {
    if (absl::Status status = SettleSegments(options_.folder); !status.ok()) return status;
    return ListSegments(options_.folder);
  }
  absl::Status ReadNow(uint32_t segment, uint64_t offset, MutableBytes bytes) override {
    return ReadSegment(options_.folder, segment, offset, bytes);
  }
  absl::Status PrepareNow(uint32_t segment) override;
  absl::Status SetAsideNow(uint32_t segment, uint64_t epoch, uint64_t offset, ByteView bytes) override {
    return SetAside(options_.folder, segment, epoch, offset, bytes);
  }

 private:
  struct Request {
    explicit Request(RingDevice& d) : device(d), op(io::Completes<&Request::OnDone>, this) {}
    void OnDone(const io::Completion& completion);
    RingDevice& device;
    io::Op op;
    queue::DeviceOp* target = nullptr;
    uint32_t segment = 0;
  };
  struct OpenFile {
    uint32_t segment;
    int fd;
    uint32_t in_flight;
    uint64_t used;
  };

  Request& NewRequest(queue::DeviceOp& op, uint32_t segment);
  OpenFile* Open(uint32_t segment, int& error);
  void Forget(uint32_t segment);
  void FinishLater(queue::DeviceOp& op, int result);
  void FailLater(queue::DeviceOp& op, int error);
  void RunOnHelper(queue::DeviceOp& op, std::function<int()> work);

  RingDeviceOptions options_;
  io::Io& io_;
  HelperThread& helper_;
  Post post_;
  std::deque<Request> requests_;
  std::vector<Request*> free_;
  std::vector<queue::DeviceOp*> elsewhere_;  // with the helper or on their way back; the shard's thread
  std::vector<OpenFile> open_;  // a few; the least used goes when it is full
  uint64_t uses_ = 0;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_RING_DEVICE_H_
