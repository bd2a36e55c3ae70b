// clang-format off
// S: 220 mx.example                       OnReply -> SendEhlo
// S: 250-mx.example, 250-PIPELINING ...   ReadFeature for each line, then AfterHello
//    STARTTLS and a second EHLO, AUTH     as configured and offered; then kReady
// C: MAIL, RCPT, RCPT, DATA               Start: one write where PIPELINING is offered
// S: 250, 250, 550, 354                   OnTransactionReply: kRecipientFailed for the 550, kSendBody
// C: the body, and perhaps the next MAIL, RCPT, DATA
// S: 250                                  kMessageResult
// clang-format on
#include "core/smtp/client.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/base/base64.h"
#include "core/smtp/address.h"
#include "core/smtp/line_reader.h"

namespace sluice::smtp {
namespace {

// RFC 4954 section 4.5: MAIL grows by 500 octets; each octet of it can take three.
constexpr size_t kSubmitterBytesMax = 160;

void AppendNumber(uint64_t number, Buffer& out) {
  char digits[20];
  const char* end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.Append(ByteView(digits, static_cast<size_t>(end - digits)));
}

// Takes the next word of a line of EHLO's reply. Some servers write "AUTH=LOGIN".
ByteView TakeWord(ByteView& line) {
  line.remove_prefix(std::min(line.find_first_not_of(" ="), line.size()));
  const ByteView word = line.substr(0, line.find_first_of(" ="));
  line.remove_prefix(word.size());
  return word;
}

}  // namespace

Client::Client(const ClientOptions& options, bool tls) : options_(&options), tls_(tls) {}

ClientEffect Client::OnInput(ByteView& input, Buffer& out) {
  while (true) {
    if (state_ == State::kEnded) {
      input = {};
      return ClientEffect::kNone;
    }
    if (broken_) return Fail(ClientFailure::kClosing);
    if (under_way_ > 0 && skipped_ == 0 && oldest().stage == Stage::kBodyDue) {
      oldest().stage = Stage::kBody;
      subject_ = oldest().message;
      SendChunkHead(*subject_, out);
      return ClientEffect::kSendBody;
    }

    switch (reply_.Next(input)) {
      case PeerReply::Result::kPartial:
        return ClientEffect::kNone;
      case PeerReply::Result::kMalformed:
        return Fail(ClientFailure::kProtocol);
      case PeerReply::Result::kLine:
        if (state_ == State::kEhlo) ReadFeature(reply_.line());
        break;
      case PeerReply::Result::kComplete: {
        if (state_ == State::kEhlo) ReadFeature(reply_.line());
        const ClientEffect effect = OnReply(out);
        if (effect == ClientEffect::kStartTls)
          input = {};  // nothing of the clear survives into TLS
        if (effect != ClientEffect::kNone) return effect;
        break;
      }
    }
  }
}

ClientEffect Client::OnReply(Buffer& out) {
  switch (state_) {
    case State::kGreeting:
      if (reply_.code() != 220) return Fail(ClientFailure::kGreeting);
      SendEhlo(out);
      return ClientEffect::kNone;
    case State::kEhlo:
      if (reply_.positive()) return AfterHello(out);
      if (!reply_.permanent()) return Fail(ClientFailure::kGreeting);
      features_ = {};
      esmtp_ = false;
      state_ = State::kHelo;  // RFC 5321 3.2: an old server
      out.Append("HELO ");
      out.Append(options_->ehlo_name);
      out.Append("\r\n");
      return ClientEffect::kNone;
    case State::kHelo:
      return reply_.positive() ? AfterHello(out) : Fail(ClientFailure::kGreeting);
    case State::kStartTls:
      if (reply_.code() == 220) {
        state_ = State::kHandshake;
        return ClientEffect::kStartTls;
      }
      if (options_->tls == ClientOptions::Tls::kRequired || reply_.code() == 421) {
        return Fail(ClientFailure::kTls);
      }
      return StartAuth(out);
    case State::kHandshake:
      return Fail(ClientFailure::kProtocol);
    case State::kAuth:
      return OnAuthReply(out);
    case State::kReady:
      if (skipped_ > 0) return OnSkippedReply(out);
      if (under_way_ > 0) return OnTransactionReply(out);
      return Fail(reply_.code() == 421 ? ClientFailure::kClosing : ClientFailure::kProtocol);
    case State::kQuit:
    case State::kEnded:
      break;
  }
  state_ = State::kEnded;
  return ClientEffect::kClosed;
}

// --- EHLO, STARTTLS, AUTH

void Client::SendEhlo(Buffer& out) {
  features_ = {};
  esmtp_ = true;
  ehlo_first_line_ = true;
  state_ = State::kEhlo;
  out.Append("EHLO ");
  out.Append(options_->ehlo_name);
  out.Append("\r\n");
}

void Client::ReadFeature(ByteView line) {
  if (std::exchange(ehlo_first_line_, false)) return;  // the server's name
  const ByteView keyword = TakeWord(line);
  for (const std::string& ignored : options_->ignored) {
    if (EqualsIgnoreCase(keyword, ignored)) return;
  }
  if (EqualsIgnoreCase(keyword, "PIPELINING")) features_.pipelining = true;
  if (EqualsIgnoreCase(keyword, "8BITMIME")) features_.eight_bit_mime = true;
  if (EqualsIgnoreCase(keyword, "STARTTLS")) features_.starttls = true;
  if (EqualsIgnoreCase(keyword, "ENHANCEDSTATUSCODES")) features_.enhanced_status_codes = true;
  if (EqualsIgnoreCase(keyword, "CHUNKING")) features_.chunking = true;
  if (EqualsIgnoreCase(keyword, "SIZE")) {
    features_.size = true;
    const ByteView limit = TakeWord(line);
    std::from_chars(limit.data(), limit.data() + limit.size(), features_.size_max);
  }
  if (EqualsIgnoreCase(keyword, "AUTH")) {
    features_.auth = true;
    for (ByteView name = TakeWord(line); !name.empty(); name = TakeWord(line)) {
      if (options_->sasl != nullptr && EqualsIgnoreCase(name, options_->sasl->mechanism()))
        features_.sasl = true;
    }
  }
}

ClientEffect Client::AfterHello(Buffer& out) {
  if (!tls_ && options_->tls != ClientOptions::Tls::kNever) {
    if (features_.starttls) {
      state_ = State::kStartTls;
      out.Append("STARTTLS\r\n");
      return ClientEffect::kNone;
    }
    if (options_->tls == ClientOptions::Tls::kRequired) return Fail(ClientFailure::kTls);
  }
  return StartAuth(out);
}

void Client::TlsStarted(Buffer& out) {
  CHECK(state_ == State::kHandshake);
  tls_ = true;
  SendEhlo(out);
}

ClientEffect Client::StartAuth(Buffer& out) {
  if (options_->sasl == nullptr) {
    state_ = State::kReady;
    return ClientEffect::kReady;
  }
  if (!features_.sasl) return Fail(ClientFailure::kAuth);
  std::string response;
  out.Append("AUTH ");
  out.Append(options_->sasl->mechanism());
  if (options_->sasl->Begin(response)) {
    out.Append(response.empty() ? " =" : " ");
    Base64Encode(response, out);
    Wipe(response);
  }
  out.Append("\r\n");
  state_ = State::kAuth;
  return ClientEffect::kNone;
}

ClientEffect Client::OnAuthReply(Buffer& out) {
  if (reply_.code() == 235 && options_->sasl->Done()) {
    authenticated_ = true;
    state_ = State::kReady;
    return ClientEffect::kReady;
  }
  if (reply_.code() != 334) return Fail(ClientFailure::kAuth);
  const ByteView text = reply_.text();
  std::string challenge(Base64DecodedBytesMax(text.size()), '\0');
  const ptrdiff_t bytes = Base64Decode(text, challenge);
  if (bytes < 0) return Fail(ClientFailure::kAuth);
  challenge.resize(static_cast<size_t>(bytes));
  std::string response;
  if (!options_->sasl->Answer(challenge, response)) return Fail(ClientFailure::kAuth);
  Base64Encode(response, out);
  Wipe(response);
  out.Append("\r\n");
  return ClientEffect::kNone;
}

// --- Transactions

bool Client::can_start() const {
  if (state_ != State::kReady || broken_ || skipped_ > 0) return false;
  if (under_way_ == 0) return true;
  if (!newest().body_sent) return false;
  return chunking() ? under_way_ < kClientUnderWayMax : pipelining() && under_way_ == 1;
}

bool Client::Start(const OutgoingMessage* message, Buffer& out) {
  CHECK(can_start() && !message->recipients.empty());
  const bool behind_another = under_way_ > 0;
  under_way_++;
  newest() = Slot{.message = message, .grouped = pipelining()};
  if (behind_another && chunking()) {
    // RFC 3030 leaves open what a refused BDAT makes of its transaction: this one starts clean.
    newest().stage = Stage::kClear;
    out.Append("RSET\r\n");
  }
  SendMail(*message, out);
  if (!newest().grouped) return false;
  for (ByteView recipient : message->recipients) SendRcpt(recipient, out);
  if (!chunking()) {
    out.Append("DATA\r\n");
  } else if (message->at_hand) {
    SendChunkHead(*message, out);
    return true;
  }
  return false;
}

void Client::SendMail(const OutgoingMessage& message, Buffer& out) {
  DCHECK(!HasForbiddenControl(message.sender));
  out.Append("MAIL FROM:<");
  out.Append(message.sender);
  out.Append('>');
  if (features_.size && message.bytes > 0) {
    out.Append(" SIZE=");
    AppendNumber(message.bytes, out);
  }
  if (features_.eight_bit_mime && message.eight_bit) out.Append(" BODY=8BITMIME");
  if (options_->tell_submitter && features_.auth) AppendSubmitter(message.submitter, out);
  out.Append("\r\n");
}

// A server that has not seen us log in has no reason to believe us, and is told nobody's name.
void Client::AppendSubmitter(ByteView submitter, Buffer& out) const {
  out.Append(" AUTH=");
  Mailbox mailbox;
  const bool tell = authenticated_ && submitter.size() <= kSubmitterBytesMax &&
                    ParseMailbox(submitter, mailbox) == AddressError::kNone;
  if (tell) {
    EncodeXtext(submitter, out);
  } else {
    out.Append("<>");
  }
}

void Client::SendRcpt(ByteView recipient, Buffer& out) {
  DCHECK(!HasForbiddenControl(recipient));
  out.Append("RCPT TO:<");
  out.Append(recipient);
  out.Append(">\r\n");
}

void Client::SendChunkHead(const OutgoingMessage& message, Buffer& out) {
  out.Append("BDAT ");
  AppendNumber(message.bytes, out);
  out.Append(" LAST\r\n");
}

ClientEffect Client::OnTransactionReply(Buffer& out) {
  Slot& slot = oldest();
  subject_ = slot.message;
  const auto recipients = static_cast<uint32_t>(subject_->recipients.size());
  if (reply_.code() == 421) return Finish(/*usable=*/false);

  switch (slot.stage) {
    case Stage::kClear:
      if (!reply_.positive()) return Fail(ClientFailure::kProtocol);
      slot.stage = Stage::kMail;
      return ClientEffect::kNone;

    case Stage::kMail:
      if (!reply_.positive()) {
        // What RCPT, and DATA or BDAT, get says nothing more.
        if (slot.grouped) Skip(recipients + (!chunking() || slot.body_sent), /*then_reset=*/true);
        return Finish(/*usable=*/true);
      }
      slot.stage = Stage::kRcpt;
      if (!slot.grouped) SendRcpt(subject_->recipients[0], out);
      return ClientEffect::kNone;

    case Stage::kRcpt:
      subject_recipient_ = slot.answered++;
      if (reply_.positive()) slot.accepted++;
      if (slot.answered == recipients) {
        AfterRecipients(slot, out);
      } else if (!slot.grouped) {
        SendRcpt(subject_->recipients[slot.answered], out);
      }
      return reply_.positive() ? ClientEffect::kNone : ClientEffect::kRecipientFailed;

    case Stage::kData:
      if (reply_.code() == 354) {
        if (slot.accepted > 0) {
          slot.stage = Stage::kBody;
          return ClientEffect::kSendBody;
        }
        slot.stage = Stage::kResult;
        slot.body_sent = true;
        out.Append(".\r\n");  // RFC 2920 3.1: nobody wants it, so nothing is sent
        return ClientEffect::kNone;
      }
      if (reply_.positive()) return Fail(ClientFailure::kProtocol);
      out.Append("RSET\r\n");
      Skip(1, /*then_reset=*/false);
      return Finish(/*usable=*/true);

    case Stage::kBody:
      // A refusal before the end was sent stands; a yes to what was not sent means nothing.
      if (reply_.positive()) return Fail(ClientFailure::kProtocol);
      return Finish(/*usable=*/false);

    case Stage::kResult:
      // After a refused BDAT those behind it begin with RSET.
      if (chunking() && under_way_ == 1 && !(reply_.positive() && slot.accepted > 0)) {
        out.Append("RSET\r\n");
        Skip(1, /*then_reset=*/false);
      }
      return Finish(/*usable=*/true);

    case Stage::kReset:
      return Finish(/*usable=*/true);

    case Stage::kBodyDue:
      break;
  }
  return Fail(ClientFailure::kProtocol);
}

// The last RCPT was answered.
void Client::AfterRecipients(Slot& slot, Buffer& out) {
  if (chunking() && slot.body_sent) {
    slot.stage = Stage::kResult;
  } else if (slot.grouped && !chunking()) {
    slot.stage = Stage::kData;
  } else if (slot.accepted == 0) {
    slot.stage = Stage::kReset;
    out.Append("RSET\r\n");
  } else if (chunking()) {
    slot.stage = Stage::kBodyDue;
  } else {
    slot.stage = Stage::kData;
    out.Append("DATA\r\n");
  }
}

// The message that was under way longest has its answer in reply().
ClientEffect Client::Finish(bool usable) {
  oldest() = Slot();
  first_ = (first_ + 1) % kClientUnderWayMax;
  under_way_--;
  broken_ = !usable;
  return ClientEffect::kMessageResult;
}

void Client::Skip(uint32_t replies, bool then_reset) {
  skipped_ = replies;
  reset_after_skipped_ = then_reset;
}

// Replies to commands whose message has its answer already. No new one may start meanwhile: if DATA
// were accepted after all, it would be taken for text.
ClientEffect Client::OnSkippedReply(Buffer& out) {
  if (reply_.code() == 421) return Fail(ClientFailure::kClosing);
  if (reply_.code() == 354) {
    out.Append(".\r\n");
    return ClientEffect::kNone;
  }
  if (--skipped_ == 0 && std::exchange(reset_after_skipped_, false) && under_way_ == 0) {
    out.Append("RSET\r\n");
    skipped_ = 1;
  }
  return ClientEffect::kNone;
}

ClientAwaits Client::awaits() const {
  if (state_ != State::kReady) return ClientAwaits::kLogin;
  if (skipped_ > 0) return ClientAwaits::kMail;
  if (under_way_ == 0) return ClientAwaits::kNothing;
  switch (oldest().stage) {
    case Stage::kClear:
    case Stage::kMail:
    case Stage::kReset:
      return ClientAwaits::kMail;
    case Stage::kRcpt:
      return ClientAwaits::kRcpt;
    case Stage::kData:
      return ClientAwaits::kData;
    case Stage::kBodyDue:
    case Stage::kBody:
      return ClientAwaits::kNoReply;
    case Stage::kResult:
      return ClientAwaits::kEnd;
  }
  return ClientAwaits::kNothing;
}

void Client::BodySent() {
  Slot& slot = newest();
  CHECK(!slot.body_sent);
  slot.body_sent = true;
  if (slot.stage == Stage::kBody) slot.stage = Stage::kResult;
}

void Client::Noop(Buffer& out) {
  CHECK(can_start() && under_way() == 0);
  out.Append("NOOP\r\n");
  Skip(1, /*then_reset=*/false);
}

void Client::Quit(Buffer& out) {
  CHECK(state_ == State::kReady && under_way() == 0);
  out.Append("QUIT\r\n");
  state_ = State::kQuit;
}

ClientEffect Client::Fail(ClientFailure failure) {
  failure_ = failure;
  state_ = State::kEnded;
  return ClientEffect::kFailed;
}

}  // namespace sluice::smtp
