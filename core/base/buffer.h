// Buffer: a growable, movable run of octets with a read end and a write end.
//
// It is the one owner of bytes on their way: replies, cipher text, a message body. Empty and Reset() it
// holds no memory, which is what lets an idle connection cost nothing. Memory comes from malloc
// (mimalloc in release: about 10 ns, thread local). Sizes are at most kBufferBytesMax.
#ifndef SLUICE_CORE_BASE_BUFFER_H_
#define SLUICE_CORE_BASE_BUFFER_H_

#include <cstdint>
#include <cstring>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/check.h"

namespace sluice {

inline constexpr size_t kBufferBytesMax = size_t{1} << 30;

class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { Swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      Reset();
      Swap(other);
    }
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { Reset(); }

  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  size_t capacity() const { return capacity_; }
  size_t room() const { return capacity_ - end_; }  // for more without an allocation
  const char* data() const { return data_ + begin_; }
  char* data() { return data_ + begin_; }
  ByteView view() const { return ByteView(data_ + begin_, size()); }

  void Append(ByteView bytes) {
    if (bytes.empty()) return;
    std::memcpy(Extend(bytes.size()), bytes.data(), bytes.size());
  }
  void Append(char c) { *Extend(1) = c; }

  // Makes `bytes` more octets part of the buffer and returns where they start; the caller fills them.
  char* Extend(size_t bytes) {
    if (capacity_ - end_ < bytes) Grow(bytes);
    char* at = data_ + end_;
    end_ += static_cast<uint32_t>(bytes);
    return at;
  }

  // Makes room for `bytes` more without changing the content.
  void Reserve(size_t bytes) {
    if (capacity_ - end_ < bytes) Grow(bytes);
  }

  // Drops octets at the front. REQUIRES: bytes <= size().
  void Consume(size_t bytes) {
    DCHECK(bytes <= size());
    begin_ += static_cast<uint32_t>(bytes);
    if (begin_ == end_) begin_ = end_ = 0;
  }

  // Keeps the first `bytes` octets. REQUIRES: bytes <= size().
  void Truncate(size_t bytes) {
    DCHECK(bytes <= size());
    end_ = begin_ + static_cast<uint32_t>(bytes);
  }

  void Clear() { begin_ = end_ = 0; }  // keeps the memory
  void Reset();                        // gives the memory back

  void Swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  void Grow(size_t bytes);

  char* data_ = nullptr;
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
  uint32_t capacity_ = 0;
};

static_assert(sizeof(Buffer) == 24);

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_BUFFER_H_
