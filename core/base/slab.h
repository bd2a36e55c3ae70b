// Slab: objects at addresses that never move, named by {slot, generation}. A handle kept past its
// object's life finds nothing instead of the slot's next tenant. One thread; memory grows in chunks up
// to the bound given at start, and chunks are kept.
#ifndef SLUICE_CORE_BASE_SLAB_H_
#define SLUICE_CORE_BASE_SLAB_H_

#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "core/base/check.h"

namespace sluice {

struct SlabHandle {
  uint32_t slot = 0;
  uint32_t generation = 0;  // 0: no object; live generations are odd
  explicit operator bool() const { return generation != 0; }
  bool operator==(const SlabHandle&) const = default;
};

template <typename T>
class Slab {
 public:
  explicit Slab(uint32_t slots_max) : slots_max_(slots_max) {}
  ~Slab() {
    for (uint32_t slot = 0; slot < slots_; slot++) {
      if (T* item = At(slot)) item->~T();
    }
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  uint32_t size() const { return live_; }
  uint32_t slots_max() const { return slots_max_; }
  void set_slots_max(uint32_t slots) { slots_max_ = slots; }
  bool full() const { return live_ >= slots_max_; }

  // Constructs an object; nullptr when the slab is full. The constructor's first argument is its handle.
  template <typename... Args>
  T* New(Args&&... args) {
    if (full()) return nullptr;
    uint32_t slot = free_;
    if (slot != kNone) {
      free_ = CellAt(slot).next_free;
    } else {
      slot = slots_++;
      if (slot % kChunk == 0) chunks_.push_back(std::make_unique<Cell[]>(kChunk));
    }
    Cell& cell = CellAt(slot);
    cell.generation++;
    live_++;
    return new (cell.storage) T(SlabHandle{slot, cell.generation}, std::forward<Args>(args)...);
  }

  void Delete(SlabHandle handle) {
    T* item = Get(handle);
    CHECK(item != nullptr);
    item->~T();
    Cell& cell = CellAt(handle.slot);
    cell.generation++;
    cell.next_free = free_;
    free_ = handle.slot;
    live_--;
  }

  // The object, or nullptr when it is gone.
  T* Get(SlabHandle handle) {
    if (handle.slot >= slots_ || handle.generation == 0) return nullptr;
    return CellAt(handle.slot).generation == handle.generation ? At(handle.slot) : nullptr;
  }

  // Calls f(T&) for each live object in slot order; f may delete the object that it is given.
  template <typename F>
  void ForEach(F f) {
    for (uint32_t slot = 0; slot < slots_; slot++) {
      if (T* item = At(slot)) f(*item);
    }
  }

 private:
  static constexpr uint32_t kChunk = 64;
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Cell {
    alignas(T) unsigned char storage[sizeof(T)];
    uint32_t generation = 0;
    uint32_t next_free = kNone;
  };

  Cell& CellAt(uint32_t slot) { return chunks_[slot / kChunk][slot % kChunk]; }
  T* At(uint32_t slot) {
    Cell& cell = CellAt(slot);
    return (cell.generation & 1) ? std::launder(reinterpret_cast<T*>(cell.storage)) : nullptr;
  }

  std::vector<std::unique_ptr<Cell[]>> chunks_;
  uint32_t slots_max_;
  uint32_t slots_ = 0;
  uint32_t live_ = 0;
  uint32_t free_ = kNone;
};

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_SLAB_H_
