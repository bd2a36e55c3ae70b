// Ledger: a file with a line a message, appended by several threads, for crash tests to compare.
//
// A thread's lines are collected in its LedgerWriter and written once a turn, whole lines in one
// write(2) on a descriptor in append mode, so that lines of threads never mix and what Flush
// returned for survives the death of this process. Opening and writing may block: the files of a
// test are local.
#ifndef SLUICE_TOOLS_LOAD_LEDGER_H_
#define SLUICE_TOOLS_LOAD_LEDGER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "tools/load/message_number.h"

namespace sluice::load {

class Ledger {
 public:
  // Appends to what the file holds.
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(const std::string& file);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

 private:
  friend class LedgerWriter;
  Ledger(int fd, std::string file) : fd_(fd), file_(std::move(file)) {}

  int fd_;
  std::string file_;
};

// One a thread.
class LedgerWriter {
 public:
  explicit LedgerWriter(Ledger* ledger) : ledger_(ledger) {}  // nullptr: writes nothing

  bool on() const { return ledger_ != nullptr; }

  // A line: the number, and behind a blank what else is to be told (no line end in it).
  void Add(const MessageNumber& number, ByteView text);

  // Writes what was added. The first failure is kept, later lines are dropped: a ledger with holes
  // is none.
  void Flush();
  const absl::Status& status() const { return status_; }

 private:
  Ledger* ledger_;
  Buffer lines_;
  absl::Status status_;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_LEDGER_H_
