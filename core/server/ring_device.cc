#include "core/server/ring_device.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

constexpr size_t kOpenFilesMax = 64;

}  // namespace

RingDevice::RingDevice(RingDeviceOptions options, io::Io& io, HelperThread& helper, Post post)
    : options_(std::move(options)), io_(io), helper_(helper), post_(std::move(post)) {}

RingDevice::~RingDevice() {
  for (const OpenFile& file : open_) close(file.fd);
}

void RingDevice::Request::OnDone(const io::Completion& completion) {
  for (OpenFile& file : device.open_) {
    if (file.segment == segment) file.in_flight--;
  }
  queue::DeviceOp& op_done = *target;
  target = nullptr;
  device.free_.push_back(this);
  op_done.in_flight = false;
  op_done.done(op_done, completion.result);
}

RingDevice::Request& RingDevice::NewRequest(queue::DeviceOp& op, uint32_t segment) {
  if (free_.empty()) {
    requests_.emplace_back(*this);
    free_.push_back(&requests_.back());
  }
  Request* request = free_.back();
  free_.pop_back();
  request->target = &op;
  request->segment = segment;
  op.in_flight = true;
  return *request;
}

RingDevice::OpenFile* RingDevice::Open(uint32_t segment, int& error) {
  for (OpenFile& file : open_) {
    if (file.segment != segment) continue;
    file.used = ++uses_;
    return &file;
  }
  if (open_.size() >= kOpenFilesMax) {
    auto oldest = open_.end();
    for (auto it = open_.begin(); it != open_.end(); ++it) {
      if (it->in_flight == 0 && (oldest == open_.end() || it->used < oldest->used)) oldest = it;
    }
    if (oldest != open_.end()) {
      close(oldest->fd);
      open_.erase(oldest);
    }
  }
  const int fd = OpenSegment(options_.folder, segment);
  if (fd < 0) {
    error = fd;
    return nullptr;
  }
  open_.push_back(OpenFile{segment, fd, 0, ++uses_});
  return &open_.back();
}

void RingDevice::Forget(uint32_t segment) {
  std::erase_if(open_, [&](const OpenFile& file) {
    if (file.segment != segment) return false;
    CHECK(file.in_flight == 0);
    close(file.fd);
    return true;
  });
}

// Any thread; the op was put into elsewhere_.
void RingDevice::FinishLater(queue::DeviceOp& op, int result) {
  post_([this, &op, result] {
    std::erase(elsewhere_, &op);
    op.in_flight = false;
    op.done(op, result);
  });
}

void RingDevice::FailLater(queue::DeviceOp& op, int error) {
  op.in_flight = true;
  elsewhere_.push_back(&op);
  FinishLater(op, error);
}

void RingDevice::Abandon() {
  for (queue::DeviceOp* op : elsewhere_) op->in_flight = false;
  elsewhere_.clear();
  for (Request& request : requests_) {
    if (request.target != nullptr) request.target->in_flight = false;
    request.target = nullptr;
  }
}

void RingDevice::Write(uint32_t segment, uint64_t offset, ByteView bytes, queue::DeviceOp& op) {
  int error = 0;
  OpenFile* file = Open(segment, error);
  if (file == nullptr) return FailLater(op, error);
  file->in_flight++;
  io_.WriteFile(NewRequest(op, segment).op, file->fd, offset, bytes, options_.sync);
}

void RingDevice::Read(uint32_t segment, uint64_t offset, MutableBytes bytes, queue::DeviceOp& op) {
  int error = 0;
  OpenFile* file = Open(segment, error);
  if (file == nullptr) return FailLater(op, error);
  file->in_flight++;
  io_.ReadFile(NewRequest(op, segment).op, file->fd, offset, bytes);
}

void RingDevice::RunOnHelper(queue::DeviceOp& op, std::function<int()> work) {
  op.in_flight = true;
  elsewhere_.push_back(&op);
  helper_.Run([this, &op, work = std::move(work)] { FinishLater(op, work()); });
}

void RingDevice::Prepare(uint32_t segment, queue::DeviceOp& op) {
  RunOnHelper(op, [options = options_, segment] {
    return MakeSegment(options.folder, segment, options.segment_bytes, options.reserve_bytes);
  });
}

void RingDevice::Remove(uint32_t segment, queue::DeviceOp& op) {
  Forget(segment);
  RunOnHelper(op, [folder = options_.folder, segment] {
    return unlink(absl::StrCat(folder, "/", SegmentName(segment)).c_str()) == 0 ? 0 : -errno;
  });
}

absl::Status RingDevice::PrepareNow(uint32_t segment) {
  // A new spool is made whatever the reserve: without a first segment there would be no server.
  const int error = MakeSegment(options_.folder, segment, options_.segment_bytes, 0);
  if (error == 0) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("make a journal segment of ", options_.segment_bytes >> 20,
                                                   " MiB in ", options_.folder, ": ",
                                                   std::strerror(-error)));
}

}  // namespace sluice::server
