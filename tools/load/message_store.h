// MessageStore: a folder with a pair of files a message: N.eml, its content as the sender meant it
// (dots unstuffed, not a byte more), and N.env, the MAIL and RCPT lines. N counts from 1, past what
// is there already. The .eml appears last and whole, so that whoever watches the folder sees
// finished messages. Any thread; blocks.
#ifndef SLUICE_TOOLS_LOAD_MESSAGE_STORE_H_
#define SLUICE_TOOLS_LOAD_MESSAGE_STORE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/bytes.h"

namespace sluice::load {

// What was sent as `wire`, end of data included: the content whose lines were dot-stuffed.
std::string UnstuffDots(ByteView wire);

class MessageStore {
 public:
  // Makes the folder where it is missing.
  static absl::StatusOr<std::unique_ptr<MessageStore>> Open(const std::string& folder);

  absl::Status Save(ByteView content, ByteView envelope);

 private:
  explicit MessageStore(std::string folder) : folder_(std::move(folder)) {}

  std::string folder_;
  std::atomic<uint64_t> last_{0};
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_MESSAGE_STORE_H_
