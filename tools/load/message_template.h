// MessageTemplate: messages of any size, made of a header section and as much as is wanted of a
// long text, both made once and finished: dot-stuffed. Only the number changes, in place, so that a
// message costs the generator one copy. One thread.
#ifndef SLUICE_TOOLS_LOAD_MESSAGE_TEMPLATE_H_
#define SLUICE_TOOLS_LOAD_MESSAGE_TEMPLATE_H_

#include <cstdint>
#include <string>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "tools/load/message_number.h"

namespace sluice::load {

// A message ready for the wire, with its end of data: one part behind the other.
struct WireParts {
  ByteView head;  // valid until the next message is made
  ByteView body;  // this and `tail`: for ever
  ByteView tail;
};

class MessageTemplate {
 public:
  struct Options {
    uint32_t run = 0;
    size_t bytes_max = 0;  // of the content of the biggest
    std::string from;      // of the header fields; the envelope is the connection's
    std::string to;
    WallTime date;
  };

  explicit MessageTemplate(const Options& options);

  // The message with number `n`, its content as big as asked; a header section of about 300 octets
  // is always there. REQUIRES: bytes <= bytes_max.
  WireParts Wire(uint64_t n, size_t bytes);
  size_t content_bytes(size_t bytes) const { return head_.size() + TextBytes(bytes); }

 private:
  size_t TextBytes(size_t bytes) const;
  void AppendNumberField(ByteView before, size_t& at, ByteView after);

  MessageNumber number_;
  std::string head_;
  std::string text_;
  size_t field_at_ = 0;  // where the number stands: in X-Sluice-Load ...
  size_t id_at_ = 0;     // ... and in Message-ID
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_MESSAGE_TEMPLATE_H_
