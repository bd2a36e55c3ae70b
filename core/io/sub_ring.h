// SubRing: one io_uring with its table of direct descriptors and its ring of receive buffers. Ring owns one
// or several; all of this is its mechanism and nobody else's.
#ifndef SLUICE_CORE_IO_SUB_RING_H_
#define SLUICE_CORE_IO_SUB_RING_H_

#include <liburing.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "core/base/bytes.h"
#include "core/io/io.h"
#include "core/io/ring_features.h"

namespace sluice::io {

class SubRing {
 public:
  struct Options {
    uint32_t submission_entries;
    uint32_t completion_entries;
    uint32_t receive_buffers;
    uint32_t receive_buffer_bytes;
    uint32_t table_slots;
    int notify_fd;  // an eventfd that completions signal while nobody looks; -1: the ring that is slept on
    const RingFeatures* features;
    IoStats* stats;  // shared by all rings inside; stays
  };

  static constexpr int kBufferGroup = 0;

  SubRing() = default;
  ~SubRing();
  SubRing(const SubRing&) = delete;
  SubRing& operator=(const SubRing&) = delete;

  absl::Status Open(const Options& options);
  absl::Status Enable();

  // A free submission entry; submits what stands in the way.
  io_uring_sqe* Sqe();

  // Gives the kernel what is in the submission queue. An io_uring_submit_and_... of the owner's counts for itself.
  int Submit();

  bool has_submissions() { return io_uring_sq_ready(&ring) > 0; }
  // Work of the kernel's waits for us to enter, or completions lie ready.
  bool has_work() const {
    return (IO_URING_READ_ONCE(*ring.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0 ||
           io_uring_cq_ready(&ring) > 0;
  }

  ByteView BufferBytes(uint32_t id, uint32_t bytes) const {
    return ByteView(buffers_ + size_t{id} * buffer_bytes_, bytes);
  }
  void ReturnBuffer(uint32_t id);
  // From now on at most so many are with the kernel or in use.
  void ProvideBuffers(uint32_t count);
  // A receive found no buffer.
  void Starved() { starved_ = true; }
  uint32_t PublishBuffers();  // after ReturnBuffer, once a turn; how many

  io_uring ring{};
  uint32_t table_slots = 0;
  uint32_t sockets = 0;  // slots in use
  uint32_t room() const { return table_slots - sockets; }

 private:
  void Circulate(uint32_t count);  // within what is provided, and not fewer than fit in a cache

  bool open_ = false;
  IoStats* stats_ = nullptr;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  char* buffers_ = nullptr;
  size_t buffer_map_bytes_ = 0;
  uint32_t buffer_count_ = 0;
  uint32_t buffer_bytes_ = 0;
  // The kernel takes them round and round, so those that circulate should fit in the cache: few, and more where turns
  // need them.
  uint32_t provided_max_ = 0;
  uint32_t circulating_max_ = 0;    // at most provided_max_
  uint32_t circulating_ = 0;        // with the kernel, or in use
  std::vector<uint32_t> withheld_;  // the rest
  uint32_t calm_turns_ = 0;         // in a row that used few
  bool starved_ = false;            // in this turn
  int returned_ = 0;
};

}  // namespace sluice::io

#endif  // SLUICE_CORE_IO_SUB_RING_H_
