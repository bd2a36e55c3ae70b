// AddressList: many mailboxes in one run of memory, each with its length in front. An envelope of a
// thousand recipients is then one block, which is cleared and used again without freeing.
#ifndef SLUICE_CORE_SMTP_ADDRESS_LIST_H_
#define SLUICE_CORE_SMTP_ADDRESS_LIST_H_

#include <cstdint>

#include "core/base/buffer.h"
#include "core/base/bytes.h"

namespace sluice::smtp {

class AddressList {
 public:
  class Iterator {
   public:
    explicit Iterator(const char* at) : at_(at) {}
    ByteView operator*() const { return ByteView(at_ + sizeof(uint16_t), Bytes()); }
    Iterator& operator++() {
      at_ += sizeof(uint16_t) + Bytes();
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    uint16_t Bytes() const {
      uint16_t bytes;
      std::memcpy(&bytes, at_, sizeof bytes);
      return bytes;
    }
    const char* at_;
  };

  // REQUIRES: address.size() fits in 16 bits (the parser's bound is far below).
  void Add(ByteView address) {
    CHECK(address.size() <= UINT16_MAX);
    last_ = static_cast<uint32_t>(text_.size());
    const uint16_t bytes = static_cast<uint16_t>(address.size());
    std::memcpy(text_.Extend(sizeof bytes), &bytes, sizeof bytes);
    text_.Append(address);
    count_++;
  }

  // The address added last. REQUIRES: !empty(), and no RemoveLast since the last Add.
  ByteView last() const { return *Iterator(text_.data() + last_); }

  // Takes back the address added last; once for each Add.
  void RemoveLast() {
    DCHECK(count_ > 0 && last_ < text_.size());
    text_.Truncate(last_);
    count_--;
  }

  uint32_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  Iterator begin() const { return Iterator(text_.data()); }
  Iterator end() const { return Iterator(text_.data() + text_.size()); }

  void Clear() {  // keeps the memory
    text_.Clear();
    count_ = last_ = 0;
  }
  void Reset() {  // gives it back
    text_.Reset();
    count_ = last_ = 0;
  }
  size_t capacity() const { return text_.capacity(); }

 private:
  Buffer text_;
  uint32_t count_ = 0;
  uint32_t last_ = 0;
};

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_ADDRESS_LIST_H_
