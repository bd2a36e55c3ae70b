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
    // A part's worth at a time; but a header section is gathered whole, up to its own bound.
    const size_t kept_bytes = transaction.header.done() ? 0 : transaction.body.size();
    const size_t body_bytes_max = kept_bytes + options.part_bytes;
    if (!transaction.reader.dropping()) MakeRoom(input.size(), body_bytes_max);
    const bool ended = transaction.reader.Read(input, transaction.body, body_bytes_max);
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

// One allocation for what is there, which is all of most messages; one more for all that the body
// may hold. Never for what was only promised by SIZE=.
void Session::MakeRoom(size_t input_bytes, size_t body_bytes_max) {
  Buffer& body = transaction_->body;
  const bool first_piece = body.empty() && transaction_->parts_taken == 0;
  const size_t more_max = body_bytes_max - std::min(body.size(), body_bytes_max);
  const size_t more = std::min(input_bytes, more_max);
  if (body.room() < more) body.Reserve(first_piece ? more : more_max);
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
