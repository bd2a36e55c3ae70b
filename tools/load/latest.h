// Latest: a place where one thread leaves its newest word and another takes it, without a lock. Who
// is slow misses what was replaced meanwhile.
#ifndef SLUICE_TOOLS_LOAD_LATEST_H_
#define SLUICE_TOOLS_LOAD_LATEST_H_

#include <atomic>
#include <memory>
#include <utility>

namespace sluice::load {

template <typename T>
class Latest {
 public:
  Latest() = default;
  Latest(const Latest&) = delete;
  Latest& operator=(const Latest&) = delete;
  ~Latest() { Take(); }

  void Put(std::unique_ptr<T> value) {
    std::unique_ptr<T>(place_.exchange(value.release(), std::memory_order_acq_rel));
  }
  // nullptr: nothing new.
  std::unique_ptr<T> Take() {
    return std::unique_ptr<T>(place_.exchange(nullptr, std::memory_order_acq_rel));
  }

 private:
  std::atomic<T*> place_{nullptr};
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_LATEST_H_
