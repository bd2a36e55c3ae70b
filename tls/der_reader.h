// DerReader: takes DER elements (X.690) off the front of octets: just enough for names and for a
// CRL's issuer, which the library keeps to itself. Internal to tls/.
#ifndef SLUICE_TLS_DER_READER_H_
#define SLUICE_TLS_DER_READER_H_

#include "core/base/bytes.h"

namespace sluice::tls {

class DerReader {
 public:
  explicit DerReader(ByteView octets) : left_(octets) {}

  bool empty() const { return left_.empty(); }
  char next_tag() const { return left_.empty() ? '\0' : left_[0]; }

  // The next element's tag (of one octet) and content. False when there is none that is whole;
  // nothing is taken then.
  [[nodiscard]] bool TakeAny(char& tag, ByteView& content) {
    if (left_.size() < 2 || (left_[0] & 0x1f) == 0x1f) return false;
    size_t bytes = static_cast<unsigned char>(left_[1]);
    size_t header = 2;
    if (bytes >= 0x80) {
      const size_t digits = bytes - 0x80;
      if (digits == 0 || digits > 4 || left_.size() < 2 + digits) return false;
      bytes = 0;
      for (; header < 2 + digits; header++)
        bytes = bytes << 8 | static_cast<unsigned char>(left_[header]);
    }
    if (bytes > left_.size() - header) return false;
    tag = left_[0];
    content = left_.substr(header, bytes);
    left_.remove_prefix(header + bytes);
    return true;
  }

  // The same for an element that must have this tag.
  [[nodiscard]] bool Take(char tag, ByteView& content) {
    return next_tag() == tag && TakeAny(tag, content);
  }

 private:
  ByteView left_;
};

}  // namespace sluice::tls

#endif  // SLUICE_TLS_DER_READER_H_
