#include "core/io/sub_ring.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"

namespace sluice::io {
namespace {

constexpr uint32_t kCirculatingBytesMin = 1 << 20;
constexpr uint32_t kCalmTurns = 1000;  // of at most a quarter: half is enough

absl::Status Failed(const char* what, int error) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(error < 0 ? -error : error)));
}

}  // namespace

SubRing::~SubRing() {
  if (!open_) return;
  if (buffer_ring_ != nullptr) io_uring_free_buf_ring(&ring, buffer_ring_, buffer_count_, kBufferGroup);
  io_uring_queue_exit(&ring);
  if (buffers_ != nullptr) munmap(buffers_, buffer_map_bytes_);
}

absl::Status SubRing::Open(const Options& options) {
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED | IORING_SETUP_TASKRUN_FLAG;
  if (options.features->no_sqarray) params.flags |= IORING_SETUP_NO_SQARRAY;
  params.cq_entries = options.completion_entries;
  int error = io_uring_queue_init_params(options.submission_entries, &ring, &params);
  if (error < 0) return Failed("io_uring_setup", error);
  open_ = true;
  stats_ = options.stats;
  stats_->submission_entries += params.sq_entries;
  stats_->completion_entries += params.cq_entries;
  stats_->receive_bytes += uint64_t{options.receive_buffers} * options.receive_buffer_bytes;

  error = io_uring_register_files_sparse(&ring, options.table_slots);
  if (error < 0) return Failed("a table of direct descriptors (RLIMIT_NOFILE)", error);
  table_slots = options.table_slots;

  // Bounded workers: nothing of ours should need one often, and a burst must not start dozens.
  unsigned workers[2] = {2, 2};
  error = io_uring_register_iowq_max_workers(&ring, workers);
  if (error < 0) return Failed("io_uring worker limits", error);

  // Touched at once: memory that grew with the first traffic would be counted to the first connections.
  buffer_count_ = options.receive_buffers;
  buffer_bytes_ = options.receive_buffer_bytes;
  buffer_map_bytes_ = size_t{buffer_count_} * buffer_bytes_;
  void* map = mmap(nullptr, buffer_map_bytes_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (map == MAP_FAILED) return Failed("receive buffers", errno);
  buffers_ = static_cast<char*>(map);
  buffer_ring_ = io_uring_setup_buf_ring(&ring, buffer_count_, kBufferGroup, 0, &error);
  if (buffer_ring_ == nullptr) return Failed("a ring of receive buffers (RLIMIT_MEMLOCK)", error);
  for (uint32_t id = buffer_count_; id-- > 0;) withheld_.push_back(id);
  ProvideBuffers(buffer_count_);
  PublishBuffers();

  if (options.notify_fd >= 0) {
    error = io_uring_register_eventfd(&ring, options.notify_fd);
    if (error < 0) return Failed("io_uring eventfd", error);
    io_uring_cq_eventfd_toggle(&ring, false);
  }
  return absl::OkStatus();
}

absl::Status SubRing::Enable() {
  int error = io_uring_enable_rings(&ring);
  if (error < 0) return Failed("io_uring enable", error);
  // Saves a look-up an enter. A thread can have 16 of these; a further ring does without.
  error = io_uring_register_ring_fd(&ring);
  if (error < 0 && error != -EBUSY) return Failed("io_uring ring descriptor", error);
  return absl::OkStatus();
}

io_uring_sqe* SubRing::Sqe() {
  for (int attempt = 0; attempt < 1000; attempt++) {
    if (io_uring_sqe* sqe = io_uring_get_sqe(&ring)) return sqe;
    stats_->submissions_full++;
    const int submitted = Submit();
    // EBUSY and EAGAIN: the completion queue overflowed; entering moves what it can.
    if (submitted == -EBUSY || submitted == -EAGAIN) io_uring_get_events(&ring);
  }
  CHECK(!"submission queue stays full");
  return nullptr;
}

void SubRing::ProvideBuffers(uint32_t count) {
  count = std::min(count, buffer_count_);
  stats_->receive_buffers += count - provided_max_;
  provided_max_ = count;
  Circulate(circulating_max_);
}

void SubRing::Circulate(uint32_t count) {
  circulating_max_ = std::min(std::max(count, kCirculatingBytesMin / buffer_bytes_), provided_max_);
  while (circulating_ < circulating_max_ && !withheld_.empty()) {
    const uint32_t id = withheld_.back();
    withheld_.pop_back();
    circulating_++;
    ReturnBuffer(id);
  }
}

int SubRing::Submit() {
  stats_->submissions += io_uring_sq_ready(&ring);
  return io_uring_submit(&ring);
}

void SubRing::ReturnBuffer(uint32_t id) {
  if (circulating_ > circulating_max_) {
    circulating_--;
    return withheld_.push_back(id);
  }
  io_uring_buf_ring_add(buffer_ring_, buffers_ + size_t{id} * buffer_bytes_, buffer_bytes_,
                        static_cast<unsigned short>(id), io_uring_buf_ring_mask(buffer_count_), returned_++);
}

uint32_t SubRing::PublishBuffers() {
  const auto used = static_cast<uint32_t>(returned_);
  if (std::exchange(starved_, false)) {
    Circulate(2 * circulating_max_);
    calm_turns_ = 0;
  } else if (used > circulating_max_ / 4) {
    calm_turns_ = 0;
  } else if (++calm_turns_ == kCalmTurns) {
    Circulate(circulating_max_ / 2);
    calm_turns_ = 0;
  }
  if (returned_ > 0) io_uring_buf_ring_advance(buffer_ring_, std::exchange(returned_, 0));
  return used;
}

}  // namespace sluice::io
