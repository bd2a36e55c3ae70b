// AlignedBytes: an owned run of octets at a 4 KiB boundary, as O_DIRECT wants its memory. Not cleared.
#ifndef SLUICE_CORE_BASE_ALIGNED_BYTES_H_
#define SLUICE_CORE_BASE_ALIGNED_BYTES_H_

#include <cstdlib>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/check.h"

namespace sluice {

class AlignedBytes {
 public:
  static constexpr size_t kAlignment = 4096;

  AlignedBytes() = default;
  explicit AlignedBytes(size_t bytes)  // rounded up to the alignment
      : size_((bytes + kAlignment - 1) / kAlignment * kAlignment),
        data_(static_cast<char*>(std::aligned_alloc(kAlignment, size_))) {
    CHECK(data_ != nullptr);
  }
  AlignedBytes(AlignedBytes&& other) noexcept { *this = std::move(other); }
  AlignedBytes& operator=(AlignedBytes&& other) noexcept {
    std::swap(size_, other.size_);
    std::swap(data_, other.data_);
    return *this;
  }
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;
  ~AlignedBytes() { std::free(data_); }

  char* data() { return data_; }
  const char* data() const { return data_; }
  size_t size() const { return size_; }
  MutableBytes span() { return {data_, size_}; }
  ByteView view() const { return {data_, size_}; }

 private:
  size_t size_ = 0;
  char* data_ = nullptr;
};

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_ALIGNED_BYTES_H_
