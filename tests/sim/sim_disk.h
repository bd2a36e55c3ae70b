// SimDisk: queue::Device without a disk. One seed decides in which order requests end, which fail, and what a
// crash leaves behind: of each write that was not yet reported, any subset of its sectors.
//
// What a kernel would own is watched: the bytes of a write must not change until it is done (CHECK), those of a
// read are scribbled over at once. Two writes must not overlap. No use of a test framework.
#ifndef SLUICE_TESTS_SIM_SIM_DISK_H_
#define SLUICE_TESTS_SIM_SIM_DISK_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/base/prng.h"
#include "queue/device.h"
#include "tests/sim/sim_io.h"

namespace sluice::sim {

struct DiskOptions {
  uint64_t segment_bytes = 1 << 20;
  size_t sector_bytes = 512;
  uint32_t segments_max = UINT32_MAX;  // then Prepare says -ENOSPC
};

// Chances in a million requests. May be changed at any time.
struct DiskFaults {
  uint32_t write_error = 0;    // -EIO; any subset of the sectors is written
  uint32_t short_write = 0;    // fewer octets than asked
  uint32_t read_error = 0;     // -EIO
  uint32_t prepare_error = 0;  // -ENOSPC
};

class SimDisk final : public queue::Device, public EventSource {
 public:
  explicit SimDisk(uint64_t seed, const DiskOptions& options = {});
  ~SimDisk() override;

  DiskFaults faults;

  // Ends one request, any of those in flight. REQUIRES (RunOne): Pending().
  bool Pending() override { return !requests_.empty(); }
  void RunOne() override;

  // The power goes: requests in flight end without a word, writes among them partly done. Whoever made them
  // may then be destroyed.
  void Crash();

  // A lying disk: flips one bit.
  void FlipBit(uint32_t segment, uint64_t offset, int bit);

  // ReadNow fails for what touches a block of this range, until that is written or the file is another.
  void set_unreadable(uint32_t segment, uint64_t offset, uint64_t bytes);

  struct SetAside {
    uint32_t segment;
    uint64_t epoch;
    uint64_t offset;
    std::string bytes;
  };
  const std::vector<SetAside>& set_aside() const { return set_aside_; }
  std::map<uint32_t, std::string>& segments() { return segments_; }
  uint64_t writes() const { return writes_; }
  void set_segments_max(uint32_t segments) { options_.segments_max = segments; }

  // --- queue::Device ---
  uint64_t segment_bytes() const override { return options_.segment_bytes; }
  void Write(uint32_t segment, uint64_t offset, ByteView bytes, queue::DeviceOp& op) override;
  void Read(uint32_t segment, uint64_t offset, MutableBytes bytes, queue::DeviceOp& op) override;
  void Prepare(uint32_t segment, queue::DeviceOp& op) override;
  void Remove(uint32_t segment, queue::DeviceOp& op) override;
  absl::StatusOr<std::vector<queue::SegmentFile>> List() override;
  absl::Status ReadNow(uint32_t segment, uint64_t offset, MutableBytes bytes) override;
  absl::Status PrepareNow(uint32_t segment) override;
  absl::Status SetAsideNow(uint32_t segment, uint64_t epoch, uint64_t offset, ByteView bytes) override;

 private:
  enum class Kind : uint8_t { kWrite, kRead, kPrepare, kRemove };
  struct Request {
    Kind kind;
    uint32_t segment;
    uint64_t offset;
    ByteView bytes;       // of a write, in the caller's memory
    std::string copy;     // what they were when Write was called
    MutableBytes target;  // of a read
    queue::DeviceOp* op;
  };

  void Start(Request request);
  int Run(const Request& request);
  int RunWrite(const Request& request);
  void WriteSomeSectors(const Request& request);
  bool Chance(uint32_t per_million) { return per_million > 0 && prng_.Chance(per_million, 1'000'000); }
  void CheckRange(uint32_t segment, uint64_t offset, const char* memory, size_t bytes);

  Prng prng_;
  DiskOptions options_;
  std::map<uint32_t, std::string> segments_;
  std::vector<Request> requests_;
  std::vector<SetAside> set_aside_;
  std::map<uint32_t, std::set<uint64_t>> unreadable_;  // offsets of blocks, by segment
  uint64_t writes_ = 0;
};

}  // namespace sluice::sim

#endif  // SLUICE_TESTS_SIM_SIM_DISK_H_
