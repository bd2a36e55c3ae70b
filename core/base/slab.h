// Slab: objects at addresses that never move, named by {slot, generation}. A handle kept past its
// object's life finds nothing instead of the slot's next tenant. One thread; memory grows in chunks
// up to the bound given at start, and goes back a chunk at a time when nobody lives in it any more;
// what stays of a chunk are its generations (6 octets a slot).
#ifndef SLUICE_CORE_BASE_SLAB_H_
#define SLUICE_CORE_BASE_SLAB_H_

#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/intrusive_list.h"

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
    ForEach([](T& item) { item.~T(); });
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  uint32_t size() const { return live_; }
  uint32_t slots_max() const { return slots_max_; }
  void set_slots_max(uint32_t slots) { slots_max_ = slots; }
  bool full() const { return live_ >= slots_max_; }
  size_t memory_bytes() const {
    return housed_ * kChunk * sizeof(Cell) + blocks_.size() * kBlock * sizeof(Chunk);
  }
  uint32_t slots() const { return chunks_ * kChunk; }  // names below it may be taken

  // Constructs an object; nullptr when the slab is full. The constructor's first argument is its handle.
  template <typename... Args>
  T* New(Args&&... args) {
    if (full()) return nullptr;
    Chunk& chunk = ChunkWithRoom();
    const uint32_t cell = chunk.free;
    chunk.free = chunk.next_free[cell];
    if (++chunk.live == kChunk) chunk.Unlink();
    live_++;
    const SlabHandle handle{chunk.first_slot + cell, ++chunk.generation[cell]};
    return new (&chunk.cells[cell]) T(handle, std::forward<Args>(args)...);
  }

  void Delete(SlabHandle handle) {
    T* item = Get(handle);
    CHECK(item != nullptr);
    item->~T();
    Chunk& chunk = ChunkOf(handle.slot);
    const uint32_t cell = handle.slot % kChunk;
    chunk.generation[cell]++;
    chunk.next_free[cell] = chunk.free;
    chunk.free = static_cast<uint8_t>(cell);
    live_--;
    if (chunk.live-- == kChunk) with_room_.PushFront(chunk);
    if (chunk.live == 0) Release(chunk);
  }

  // The object, or nullptr when it is gone.
  T* Get(SlabHandle handle) {
    if (handle.slot / kChunk >= chunks_ || handle.generation == 0) return nullptr;
    Chunk& chunk = ChunkOf(handle.slot);
    const uint32_t cell = handle.slot % kChunk;
    return chunk.generation[cell] == handle.generation ? chunk.At(cell) : nullptr;
  }

  // Who lives in a slot below slots(); nullptr: nobody.
  T* At(uint32_t slot) { return ChunkOf(slot).At(slot % kChunk); }

  // Calls f(T&) for each live object in slot order; f may delete the object that it is given.
  template <typename F>
  void ForEach(F f) {
    for (uint32_t slot = 0; slot < slots(); slot++) {
      if (T* item = At(slot)) f(*item);
    }
  }

 private:
  static constexpr uint32_t kChunk = 64;
  // Chunks' own memory, which stays, is asked for so many at a time: strewn among what objects own,
  // it would keep a page of the allocator here and there from going back.
  static constexpr uint32_t kBlock = 64;
  struct alignas(T) Cell {
    unsigned char storage[sizeof(T)];
  };
  // In one of the two lists while it has room.
  struct Chunk : ListNode {
    T* At(uint32_t cell) {
      return (generation[cell] & 1) ? std::launder(reinterpret_cast<T*>(&cells[cell])) : nullptr;
    }
    std::unique_ptr<Cell[]> cells;  // nullptr: nobody lives here
    uint32_t first_slot = 0;
    uint32_t live = 0;
    uint8_t free = 0;  // the first of a chain of free cells
    uint8_t next_free[kChunk];
    uint32_t generation[kChunk] = {};
  };

  Chunk& ChunkOf(uint32_t slot) { return blocks_[slot / kChunk / kBlock][slot / kChunk % kBlock]; }

  // Those that somebody lives in come first, so that the others can stay without memory.
  Chunk& ChunkWithRoom() {
    if (Chunk* chunk = with_room_.front()) return *chunk;
    Chunk* chunk = bare_.PopFront();
    if (chunk == nullptr) {
      const uint32_t first_slot = slots();
      if (chunks_++ % kBlock == 0) blocks_.push_back(std::make_unique<Chunk[]>(kBlock));
      chunk = &ChunkOf(first_slot);
      chunk->first_slot = first_slot;
      for (uint32_t i = 0; i < kChunk; i++) chunk->next_free[i] = static_cast<uint8_t>(i + 1);
    }
    chunk->cells = std::make_unique_for_overwrite<Cell[]>(kChunk);
    housed_++;
    with_room_.PushBack(*chunk);
    return *chunk;
  }

  // One empty chunk keeps its memory: a single object that comes and goes costs no allocation.
  void Release(Chunk& empty) {
    if (spare_ != nullptr && spare_ != &empty && spare_->live == 0) {
      spare_->Unlink();
      spare_->cells.reset();
      housed_--;
      bare_.PushFront(*spare_);
    }
    spare_ = &empty;
    empty.Unlink();
    with_room_.PushBack(empty);
  }

  std::vector<std::unique_ptr<Chunk[]>> blocks_;
  uint32_t chunks_ = 0;
  IntrusiveList<Chunk> with_room_;
  IntrusiveList<Chunk> bare_;
  Chunk* spare_ = nullptr;  // the last one that became empty
  uint32_t slots_max_;
  uint32_t live_ = 0;
  uint32_t housed_ = 0;  // chunks with cells
};

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_SLAB_H_
