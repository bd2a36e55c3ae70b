// SegmentKeeper: sees to it that a segment is ready whenever the journal wants one. It has spare ones made,
// voids those that hold nothing of value so that they can be used again, and gives back a surplus, first those of a
// size that is no longer made. One request of each kind is in flight at a time.
#ifndef SLUICE_QUEUE_SEGMENT_KEEPER_H_
#define SLUICE_QUEUE_SEGMENT_KEEPER_H_

#include <cstdint>
#include <optional>

#include "core/base/aligned_bytes.h"
#include "core/base/time.h"
#include "queue/device.h"
#include "queue/journal.h"
#include "queue/segment_table.h"

namespace sluice::queue {

class SegmentKeeper {
 public:
  SegmentKeeper(Device& device, SegmentTable& segments, Journal& journal, uint32_t segments_max, uint32_t spare);
  ~SegmentKeeper();

  // `ending`: nothing is done but for a segment that the journal still needs.
  void Pump(MonoTime now, bool ending);
  std::optional<MonoTime> NextDeadline() const;

  bool idle() const { return !void_.in_flight && !prepare_.in_flight && !remove_.in_flight; }

  // No free segment, and none can be made at present.
  bool starved() const;

  void set_space_low(bool low) { space_low_ = low; }
  uint64_t voided() const { return voided_; }

 private:
  struct Op : DeviceOp {
    Op(Done on_done, SegmentKeeper& k) : DeviceOp(on_done), keeper(k) {}
    SegmentKeeper& keeper;
    uint32_t segment = 0;
  };
  static void OnVoided(DeviceOp& op, int result);
  static void OnPrepared(DeviceOp& op, int result);
  static void OnRemoved(DeviceOp& op, int result);

  uint32_t SpareCount() const;  // free, and of the size that is made now
  bool may_prepare() const { return !space_low_ && segments_.count() < segments_max_; }
  void PrepareOne(MonoTime now);
  void VoidOne();
  void RemoveOne();

  Device& device_;
  SegmentTable& segments_;
  Journal& journal_;
  const uint32_t segments_max_;
  const uint32_t spare_;
  Op void_{&OnVoided, *this};
  Op prepare_{&OnPrepared, *this};
  Op remove_{&OnRemoved, *this};
  AlignedBytes void_block_{kBlockBytes};
  bool space_low_ = false;
  bool prepare_failed_ = false;
  MonoTime prepare_again_{};
  uint64_t voided_ = 0;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_SEGMENT_KEEPER_H_
