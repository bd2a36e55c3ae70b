// S: 220 sink.example                    Greet
// C: EHLO relay                          OnLine -> Ehlo
// C: MAIL FROM:<a@b>, RCPT TO:<c@d>      Mail, Rcpt
// C: DATA                                Data; then OnData: kBodyPart ... kMessage
// S: 250 2.0.0 Ok                        Answer
#include "tools/load/sink_session.h"

#include <algorithm>

namespace sluice::load {
namespace {

constexpr size_t kLineBytesMax = 16 << 10;  // AUTH's responses are the longest

// The first four letters of a command in upper case, as one word.
constexpr uint32_t Verb(ByteView word) {
  uint32_t verb = 0;
  for (size_t i = 0; i < 4; i++) {
    const auto c = static_cast<unsigned char>(i < word.size() ? AsciiUpper(word[i]) : ' ');
    verb = verb << 8 | c;
  }
  return verb;
}

void Say(ByteView line, Buffer& out) {
  out.Append(line);
  out.Append("\r\n");
}

}  // namespace

SinkSession::SinkSession(const SinkOptions& options, FaultSwitch& faults, Prng& prng, bool tls)
    : options_(options), faults_(faults), prng_(prng), tls_(tls) {}

void SinkSession::Greet(Buffer& out) {
  faulty_ = faults_.on();
  if (!Fault(options_.faults.greeting, out)) Say("220 sink.example ESMTP", out);
  faulty_ = false;
}

// Says `reply` in place of the good one when it is ordered and its chance comes up.
bool SinkSession::Fault(const std::string& reply, Buffer& out) {
  if (!faulty_ || reply.empty()) return false;
  if (prng_.Below(100) >= options_.faults.percent) return false;
  Say(reply, out);
  if (reply.starts_with("421")) state_ = State::kClosed;
  return true;
}

SinkEffect SinkSession::OnInput(ByteView& input, Buffer& out) {
  for (;;) {
    if (state_ == State::kClosed) {
      input = ByteView();
      return SinkEffect::kClose;
    }
    if (state_ == State::kData) return input.empty() ? SinkEffect::kNone : OnData(input);

    const size_t end = input.find('\n');
    if (end == ByteView::npos) {
      if (input.size() <= kLineBytesMax) return SinkEffect::kNone;
      Say("500 5.5.2 Line too long", out);
      state_ = State::kClosed;
      continue;
    }
    ByteView line = input.substr(0, end);
    input.remove_prefix(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const SinkEffect effect = OnLine(line, out);
    if (effect == SinkEffect::kStartTls) input = ByteView();
    if (effect != SinkEffect::kNone) return effect;
  }
}

SinkEffect SinkSession::OnLine(ByteView line, Buffer& out) {
  if (state_ == State::kAuthUser) {
    Say("334 UGFzc3dvcmQ6", out);
    state_ = State::kAuthPassword;
    return SinkEffect::kNone;
  }
  if (state_ == State::kAuthPassword) {
    Say("235 2.7.0 Welcome", out);
    state_ = State::kCommand;
    return SinkEffect::kNone;
  }
  switch (Verb(line)) {
    case Verb("MAIL"):
      Mail(line, out);
      return Wish();
    case Verb("RCPT"):
      Rcpt(line, out);
      return Wish();
    case Verb("DATA"):
      return Data(out);
    case Verb("EHLO"):
      Reset();
      Ehlo(out);
      break;
    case Verb("HELO"):
      Reset();
      Say("250 sink.example", out);
      break;
    case Verb("RSET"):
      Reset();
      Say("250 2.0.0 Ok", out);
      break;
    case Verb("NOOP"):
      Say("250 2.0.0 Ok", out);
      break;
    case Verb("AUTH"):
      OnAuth(line, out);
      break;
    case Verb("STAR"):
      if (tls_ || options_.tls != SinkOptions::Tls::kStartTls) {
        Say("503 5.5.1 No TLS here", out);
        break;
      }
      Say("220 2.0.0 Go ahead", out);
      return SinkEffect::kStartTls;
    case Verb("QUIT"):
      Say("221 2.0.0 Bye", out);
      state_ = State::kClosed;
      return SinkEffect::kClose;
    default:
      Say("500 5.5.1 Unknown command", out);
      break;
  }
  return SinkEffect::kNone;
}

void SinkSession::TlsStarted() {
  tls_ = true;
  Reset();
}

void SinkSession::Ehlo(Buffer& out) {
  out.Append("250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE\r\n");
  if (options_.tls == SinkOptions::Tls::kStartTls && !tls_) out.Append("250-STARTTLS\r\n");
  if (options_.auth) out.Append("250-AUTH PLAIN LOGIN\r\n");
  out.Append("250 ENHANCEDSTATUSCODES\r\n");
}

void SinkSession::OnAuth(ByteView line, Buffer& out) {
  if (!options_.auth) return Say("502 5.5.1 No AUTH here", out);
  if (StartsWithIgnoreCase(line, "AUTH PLAIN ")) return Say("235 2.7.0 Welcome", out);
  if (StartsWithIgnoreCase(line, "AUTH PLAIN")) {
    state_ = State::kAuthPassword;
    return Say("334 ", out);
  }
  if (StartsWithIgnoreCase(line, "AUTH LOGIN")) {
    state_ = State::kAuthUser;
    return Say("334 VXNlcm5hbWU6", out);
  }
  Say("504 5.5.4 No such mechanism", out);
}

void SinkSession::Mail(ByteView line, Buffer& out) {
  Reset();
  faulty_ = faults_.TakeTransaction();
  if (Fault(options_.faults.mail, out)) return;
  mail_ = true;
  if (!options_.store.empty()) envelope_.append(line).append("\n");
  Say("250 2.1.0 Ok", out);
}

void SinkSession::Rcpt(ByteView line, Buffer& out) {
  if (!mail_) return Say("503 5.5.1 MAIL first", out);
  if (Fault(options_.faults.rcpt, out)) return;
  recipients_++;
  if (!options_.store.empty()) envelope_.append(line).append("\n");
  Say("250 2.1.5 Ok", out);
}

SinkEffect SinkSession::Data(Buffer& out) {
  if (recipients_ == 0) {
    Say(mail_ ? "554 5.5.1 No valid recipients" : "503 5.5.1 RCPT first", out);
    return SinkEffect::kNone;
  }
  if (Fault(options_.faults.data_command, out)) return Wish();
  Say("354 Go ahead", out);
  state_ = State::kData;
  end_.Reset();
  message_bytes_ = 0;
  return SinkEffect::kNone;
}

SinkEffect SinkSession::OnData(ByteView& input) {
  bool ended = false;
  part_ = input.substr(0, end_.Take(input, ended));
  input.remove_prefix(part_.size());
  message_bytes_ += part_.size();
  if (!ended) return SinkEffect::kBodyPart;
  state_ = State::kCommand;
  return SinkEffect::kMessage;
}

bool SinkSession::Answer(Buffer& out) {
  const bool refused = Fault(options_.faults.data, out);
  if (!refused) Say("250 2.0.0 Ok", out);
  mail_ = faulty_ = false;
  recipients_ = 0;
  return !refused;
}

void SinkSession::Reset() {
  mail_ = faulty_ = false;
  recipients_ = 0;
  envelope_.clear();
}

}  // namespace sluice::load
