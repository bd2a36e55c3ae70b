// A whole session: any input gets well-formed replies, never more than it has lines, and the same
// ones wherever it is cut; a message taken is clean.
#include <algorithm>
#include <string>

#include "core/base/check.h"
#include "core/smtp/session.h"

using namespace sluice;
using namespace sluice::smtp;

namespace {

SessionConfig MakeConfig() {
  SessionOptions options;
  options.hostname = "submit.example.net";
  options.mechanisms_clear = {"PLAIN"};
  options.require_auth = false;
  options.message_bytes_max = 300;
  options.recipients_max = 3;
  options.errors_max = 5;
  options.part_bytes = 64;
  options.header_bytes_max = 128;
  return SessionConfig(options);
}

class Run {
 public:
  Run(const SessionConfig& config, ByteView input, size_t piece_bytes)
      : session_(config, pool_, false) {
    while (!input.empty() && !closed_) {
      Feed(input.substr(0, piece_bytes));
      input.remove_prefix(std::min(input.size(), piece_bytes));
    }
  }

  std::string replies() const { return std::string(replies_.view()); }
  const std::string& messages() const { return messages_; }

 private:
  void Feed(ByteView piece) {
    while (!closed_) {
      const Effect effect = session_.OnInput(piece, replies_);
      CHECK(session_.in_transaction() || effect == Effect::kNone || effect == Effect::kAbort ||
            effect == Effect::kClose || effect == Effect::kAuthStart ||
            effect == Effect::kAuthContinue);
      if (effect == Effect::kNone) {
        CHECK(piece.empty());
        return;
      }
      Answer(effect);
    }
  }

  // Content decides, so that the answer does not depend on where input was cut.
  void Answer(Effect effect) {
    switch (effect) {
      case Effect::kAuthStart:
      case Effect::kAuthContinue:
        if (effect == Effect::kAuthStart && !session_.has_auth_response()) {
          session_.AuthChallenge("more", replies_);
        } else if (session_.auth_response().size() % 2 == 0) {
          session_.AuthSucceeded(replies_);
        } else {
          session_.AuthFailed(AuthFailure::kBadCredentials, replies_);
        }
        break;
      case Effect::kMail:
        if (session_.transaction().sender().starts_with('x')) {
          session_.Reject(reply::kSenderNotOwned, replies_);
        } else {
          session_.Accept(replies_);
        }
        break;
      case Effect::kRcpt:
        CHECK(session_.transaction().recipients.size() <= 3);
        session_.Accept(replies_);
        break;
      case Effect::kData:
        session_.Accept(replies_);
        break;
      case Effect::kBodyPart:
      case Effect::kMessage:
        body_ += session_.transaction().body.view();
        session_.transaction().body.Clear();
        if (effect == Effect::kMessage) {
          CHECK(body_.size() <= 300 && body_.find('\0') == std::string::npos);
          CHECK(body_.empty() || body_.ends_with("\r\n"));
          messages_ += body_ + "|";
          body_.clear();
          session_.Committed("ID", replies_);
        }
        break;
      case Effect::kAbort:
        body_.clear();
        break;
      case Effect::kClose:
        closed_ = true;
        break;
      case Effect::kStartTls:
      case Effect::kNone:
        CHECK(false);  // STARTTLS is not offered
    }
  }

  TransactionPool pool_;
  Session session_;
  Buffer replies_;
  std::string body_;
  std::string messages_;
  bool closed_ = false;
};

void CheckReplies(ByteView replies, ByteView input) {
  const size_t lines_in = static_cast<size_t>(std::count(input.begin(), input.end(), '\n'));
  size_t replies_out = 0;
  while (!replies.empty()) {
    const size_t end = replies.find("\r\n");
    CHECK(end != ByteView::npos && end >= 4);
    std::string line(replies.substr(0, end + 2));
    if (line[3] == '-') {
      line[3] = ' ';
    } else {
      replies_out++;
    }
    CHECK(line == "334 \r\n" || IsReplyLine(line));
    replies.remove_prefix(end + 2);
  }
  CHECK(replies_out <= lines_in + 1);  // and a 421
}

}  // namespace

// The first octet chooses the pieces.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const SessionConfig config = MakeConfig();
  if (size == 0) return 0;
  const ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Run whole(config, input, std::max<size_t>(input.size(), 1));
  CheckReplies(whole.replies(), input);

  const Run octets(config, input, 1);
  const Run pieces(config, input, static_cast<size_t>(data[0]) + 1);
  CheckReplies(octets.replies(), input);
  CheckReplies(pieces.replies(), input);
  // A refused DATA with more behind it in the same piece closes: the one thing that depends on the
  // cut.
  if (whole.replies().find("421 4.5.0") != std::string::npos) return 0;
  CHECK(octets.replies() == whole.replies() && octets.messages() == whole.messages());
  CHECK(pieces.replies() == whole.replies() && pieces.messages() == whole.messages());
  return 0;
}
