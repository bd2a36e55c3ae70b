// MessageFiles: messages from a folder of .eml files, made ready for the wire once: bare LF and CR
// become CR LF, dots are stuffed, the last line is complete. What is sent has the field
// X-Sluice-Load in front, so that ledgers work; the rest is the file's. Immutable once made; any
// thread.
#ifndef SLUICE_TOOLS_LOAD_MESSAGE_FILES_H_
#define SLUICE_TOOLS_LOAD_MESSAGE_FILES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"

namespace sluice::load {

class MessageFiles {
 public:
  struct File {
    std::string wire;        // dot-stuffed, without the end of data
    size_t content_bytes;    // of what is meant
    bool eight_bit = false;  // needs 8BITMIME
  };

  // All *.eml of `folder`, by name. Fails when there is none, or one cannot be read: says which.
  static absl::StatusOr<MessageFiles> Load(const std::string& folder);

  // For Load, and tests.
  static File Prepare(ByteView content);

  size_t count() const { return files_.size(); }
  const File& at(uint64_t turn) const { return files_[turn % files_.size()]; }

 private:
  std::vector<File> files_;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_MESSAGE_FILES_H_
