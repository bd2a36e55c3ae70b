// Secret: octets that are wiped when their owner lets go of them.
//
// For passwords and keys on their way through the exchange, the verifier's queue and its threads.
// It moves and is never copied, so at any time one owner holds the octets. What a caller had before
// it made a Secret (the decoded SASL response, a line read by the command line) is the caller's to
// Wipe().
#ifndef SLUICE_AUTH_SECRET_H_
#define SLUICE_AUTH_SECRET_H_

#include <memory>
#include <utility>

#include "core/base/bytes.h"

namespace sluice::auth {

class Secret {
 public:
  Secret() = default;
  explicit Secret(ByteView bytes)
      : bytes_(std::make_unique<char[]>(bytes.size())), size_(bytes.size()) {
    if (size_ > 0) std::memcpy(bytes_.get(), bytes.data(), size_);
  }
  Secret(Secret&& other) noexcept
      : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      Clear();
      bytes_ = std::move(other.bytes_);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { Clear(); }

  ByteView view() const { return ByteView(bytes_.get(), size_); }
  bool empty() const { return size_ == 0; }

  void Clear() {
    if (bytes_ != nullptr) Wipe(bytes_.get(), size_);
    bytes_.reset();
    size_ = 0;
  }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_SECRET_H_
