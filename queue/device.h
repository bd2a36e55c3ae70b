// Device: the disk that a journal wants, as numbered segment files of one folder.
//
// The queue owns no files: core/server implements this over io_uring (O_DIRECT), tests/sim over a seeded
// disk that tears, fails and forgets. Offsets, sizes and memory addresses are multiples of kBlockBytes.
// Requests never call back before they return; completions come in the loop's own time, on the shard's
// thread. An op belongs to the caller, stays where it is, and keeps its bytes alive until it is done.
#ifndef SLUICE_QUEUE_DEVICE_H_
#define SLUICE_QUEUE_DEVICE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/bytes.h"

namespace sluice::queue {

inline constexpr size_t kBlockBytes = 4096;

// One request. The device sets in_flight when it takes the op and clears it just before `done`; it keeps
// what it needs for itself in `device_slot`. Owners derive from it.
struct DeviceOp {
  using Done = void (*)(DeviceOp& op, int result);  // octets moved, 0 for Prepare and Remove, or -errno

  explicit DeviceOp(Done on_done) : done(on_done) {}
  DeviceOp(const DeviceOp&) = delete;
  DeviceOp& operator=(const DeviceOp&) = delete;

  Done done;
  bool in_flight = false;
  uint64_t device_slot = 0;
};

struct SegmentFile {
  uint32_t number = 0;
  uint64_t bytes = 0;
};

class Device {
 public:
  virtual ~Device() = default;

  // Size of the segments that Prepare makes; those found by List may have another one.
  virtual uint64_t segment_bytes() const = 0;

  // On stable storage when done with result == bytes.size(); anything else is a failure, and which
  // sectors were written is then unknown. At most two writes are in flight at a time, to different blocks.
  virtual void Write(uint32_t segment, uint64_t offset, ByteView bytes, DeviceOp& op) = 0;

  // Done with result == bytes.size(), or a failure.
  virtual void Read(uint32_t segment, uint64_t offset, MutableBytes bytes, DeviceOp& op) = 0;

  // Makes a new segment of segment_bytes() zeros, every block of it really written, durable with its name.
  // It appears whole or not at all (a temporary name, then rename). Slow, so it runs on a helper thread.
  virtual void Prepare(uint32_t segment, DeviceOp& op) = 0;

  // Removes a segment that holds nothing of value.
  virtual void Remove(uint32_t segment, DeviceOp& op) = 0;

  // --- blocking, for start-up and tools only ------------------------------------------------------------
  // The segments that exist, in any order. What ReadNow gives afterwards is on stable storage: List syncs
  // each file first, since a killed process may have left finished writes in a volatile cache.
  virtual absl::StatusOr<std::vector<SegmentFile>> List() = 0;
  virtual absl::Status ReadNow(uint32_t segment, uint64_t offset, MutableBytes bytes) = 0;
  virtual absl::Status PrepareNow(uint32_t segment) = 0;

  // Keeps a copy of damaged bytes for the operator, outside the segments (a file named by segment, epoch
  // and offset; saving the same range again replaces it). The segment itself may be recycled later.
  virtual absl::Status SetAsideNow(uint32_t segment, uint64_t epoch, uint64_t offset, ByteView bytes) = 0;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_DEVICE_H_
