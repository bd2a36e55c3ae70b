// Session between 354 and the reply to the end of data: the body goes through the BodyReader into
// the transaction's buffer, its header section through the HeaderFilter, and out in parts when it
// is large. A message that is refused on the way is read to its end first, because only there may
// it be answered.
#include <algorithm>
#include <string>

#include "core/smtp/session.h"

namespace sluice::smtp {

Effect Session::OnBody(ByteView& input, Buffer& replies) {
  Transaction& transaction = *transaction_;
  const SessionOptions& options = config_->options();
  while (!input.empty()) {
    // One allocation for what is there; never for what was only promised by SIZE=.
    if (!transaction.reader.dropping()) {
      transaction.body.Reserve(std::min<size_t>(input.size(), options.part_bytes));
    }
    // A part's worth at a time; but a header section is gathered whole, up to its own bound.
    const size_t kept_bytes = transaction.header.done() ? 0 : transaction.body.size();
    const bool ended =
        transaction.reader.Read(input, transaction.body, kept_bytes + options.part_bytes);
    transaction.body_bytes = transaction.reader.bytes();
    if (!transaction.reader.dropping()) ScanHeader(ended);
    if (transaction.reader.dropping()) {
      transaction.body.Clear();
      if (transaction.body_bytes / 2 > options.message_bytes_max) {
        Say(reply::kDrainedTooMuch, replies);
        EndTransaction();
        state_ = kClosed;
        return Effect::kClose;
      }
    }
    if (ended) return EndOfBody(replies);
    if (transaction.header.done() && transaction.body.size() >= options.part_bytes) {
      transaction.parts_taken++;
      return Effect::kBodyPart;
    }
  }
  return Effect::kNone;
}

void Session::ScanHeader(bool ended) {
  Transaction& transaction = *transaction_;
  if (transaction.header.done()) return;
  transaction.header.Scan(transaction.body, ended);
  if (transaction.header.received_count() > config_->options().received_max) {
    transaction.RefuseAtEnd(reply::kMailLoop);
  } else if (transaction.header.too_big()) {
    transaction.RefuseAtEnd(reply::kHeaderTooBig);
  }
}

Effect Session::EndOfBody(Buffer& replies) {
  Transaction& transaction = *transaction_;
  if (!transaction.reader.dropping()) return Ask(Effect::kMessage);

  switch (transaction.reader.fault()) {
    case BodyFault::kNone:
      Say(transaction.refusal, replies);
      break;
    case BodyFault::kBareCr:
      Say(reply::kBareCarriageReturn, replies);
      break;
    case BodyFault::kNul:
      Say(reply::kNulInMessage, replies);
      break;
    case BodyFault::kTooBig:
      Say(reply::kMessageTooBig, replies);
      break;
    case BodyFault::kBareLf: {
      const std::string text = "Bare LF in line " +
                               std::to_string(transaction.reader.fault_line()) +
                               " of the message: make the client end lines in CR LF";
      Said(FormatReply(550, "5.6.0", text, replies));
      break;
    }
  }
  return EndTransaction();
}

}  // namespace sluice::smtp
