// FaultSwitch: whether a sink still does wrong what it was told to; shared by its threads and
// sessions.
#ifndef SLUICE_TOOLS_LOAD_FAULT_SWITCH_H_
#define SLUICE_TOOLS_LOAD_FAULT_SWITCH_H_

#include <atomic>
#include <cstdint>

namespace sluice::load {

class FaultSwitch {
 public:
  // Off after that many transactions; 0: no limit.
  explicit FaultSwitch(uint64_t transactions) : limited_(transactions > 0), left_(transactions) {}

  bool on() const { return on_.load(std::memory_order_relaxed); }
  // Transactions that have begun keep their faults.
  void Off() { on_.store(false, std::memory_order_relaxed); }

  // Whether a transaction that begins now is to have faults.
  bool TakeTransaction() {
    if (!on()) return false;
    if (!limited_) return true;
    uint64_t left = left_.load(std::memory_order_relaxed);
    while (left > 0 && !left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) {
    }
    if (left <= 1) Off();
    return left > 0;
  }

 private:
  const bool limited_;
  std::atomic<bool> on_{true};
  std::atomic<uint64_t> left_;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_FAULT_SWITCH_H_
