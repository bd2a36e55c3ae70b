#include "tools/load/ledger.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace sluice::load {

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Open(const std::string& file) {
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("ledger ", file));
  return std::unique_ptr<Ledger>(new Ledger(fd, file));
}

Ledger::~Ledger() { close(fd_); }

void LedgerWriter::Add(const MessageNumber& number, ByteView text) {
  if (ledger_ == nullptr) return;
  number.Write(lines_.Extend(MessageNumber::kTextBytes));
  if (!text.empty()) {
    lines_.Append(' ');
    lines_.Append(text);
  }
  lines_.Append('\n');
}

void LedgerWriter::Flush() {
  while (!lines_.empty() && status_.ok()) {
    const ssize_t written = write(ledger_->fd_, lines_.data(), lines_.size());
    if (written >= 0) {
      lines_.Consume(static_cast<size_t>(written));
    } else if (errno != EINTR) {
      status_ = absl::ErrnoToStatus(errno, absl::StrCat("ledger ", ledger_->file_));
    }
  }
  lines_.Clear();
}

}  // namespace sluice::load
