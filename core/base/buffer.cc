#include "core/base/buffer.h"

#include <algorithm>
#include <cstdlib>

namespace sluice {

void Buffer::Reset() {
  std::free(data_);
  data_ = nullptr;
  begin_ = end_ = capacity_ = 0;
}

void Buffer::Grow(size_t bytes) {
  const size_t used = size();
  CHECK(bytes <= kBufferBytesMax && used + bytes <= kBufferBytesMax);
  if (begin_ > 0 && used + bytes <= capacity_ && begin_ >= used) {
    std::memcpy(data_, data_ + begin_, used);  // the consumed front is large enough to slide into
  } else {
    const size_t wanted = std::max<size_t>({256, used + bytes, size_t{capacity_} * 2});
    const size_t capacity = std::min(wanted, kBufferBytesMax);
    char* data = static_cast<char*>(std::malloc(capacity));
    CHECK(data != nullptr);
    if (used > 0) std::memcpy(data, data_ + begin_, used);
    std::free(data_);
    data_ = data;
    capacity_ = static_cast<uint32_t>(capacity);
  }
  begin_ = 0;
  end_ = static_cast<uint32_t>(used);
}

}  // namespace sluice
