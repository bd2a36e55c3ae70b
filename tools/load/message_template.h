// MessageTemplate: the message that is sent again and again, made once and finished: dot-stuffed,
// with its end of data. Only its number changes, in place, so that a message costs the generator
// one copy. One thread.
#ifndef SLUICE_TOOLS_LOAD_MESSAGE_TEMPLATE_H_
#define SLUICE_TOOLS_LOAD_MESSAGE_TEMPLATE_H_

#include <cstdint>
#include <string>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "tools/load/message_number.h"

namespace sluice::load {

class MessageTemplate {
 public:
  struct Options {
    uint32_t run = 0;
    size_t bytes = 0;  // of the content; a header section of about 300 octets is always there
    std::string from;  // of the header fields; the envelope is the connection's
    std::string to;
    WallTime date;
  };

  explicit MessageTemplate(const Options& options);

  // The message with number `n`, ready for the wire; its number stands in the first kHeadBytes
  // octets. Valid until the next call, what is behind them for ever.
  ByteView Wire(uint64_t n);
  static constexpr size_t kHeadBytes = 4096;

  size_t content_bytes() const { return content_bytes_; }

 private:
  void AppendNumberField(ByteView before, size_t& at, ByteView after);

  MessageNumber number_;
  std::string wire_;
  size_t field_at_ = 0;  // where the number stands: in X-Sluice-Load ...
  size_t id_at_ = 0;     // ... and in Message-ID
  size_t content_bytes_ = 0;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_MESSAGE_TEMPLATE_H_
