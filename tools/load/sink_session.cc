// S: 220 sink.example                    OnAccepted, OnGreeting
// C: EHLO relay                          OnCommand -> OnLine -> Ehlo
// C: MAIL FROM:<a@b>, RCPT TO:<c@d>      Mail, Rcpt
// C: DATA                                Data; then OnData: kBodyPart ... kMessage
//    or BDAT 4096 LAST                   Bdat; the same
// S: 250 2.0.0 Ok                        Answer
#include "tools/load/sink_session.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace sluice::load {
namespace {

constexpr size_t kLineBytesMax = 16 << 10;  // AUTH's responses are the longest
constexpr uint64_t kPartsPerSecond = 20;    // of a body that is read slowly

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

SinkSession::SinkSession(const SinkOptions& options, FaultSwitch& faults, Prng& prng)
    : options_(options), faults_(faults), prng_(prng), faults_ordered_(!options.faults.empty()) {}

SinkEffect SinkSession::OnInput(ByteView& input, Buffer& out) {
  for (;;) {
    switch (state_) {
      case State::kAccepted:
        state_ = State::kGreeting;
        if (Disturb(SinkPhase::kConnect, out)) break;
        if (options_.tls != SinkOptions::Tls::kImplicit) break;
        if (BeginTls() == SinkEffect::kStartTls) return SinkEffect::kStartTls;
        break;
      case State::kGreeting:
        if (MustWait(SinkPhase::kGreeting)) return SinkEffect::kWait;
        state_ = State::kCommand;
        if (!Disturb(SinkPhase::kGreeting, out)) Say("220 sink.example ESMTP", out);
        break;
      case State::kBrokenHandshake:
        if (input.empty()) return SinkEffect::kNone;
        if (outcome_->action == SinkFault::Action::kGarbage) Say("This is no TLS.", out);
        state_ = State::kDropped;
        break;
      case State::kCommand:
      case State::kAuthUser:
      case State::kAuthPassword: {
        const size_t end = input.find('\n');
        if (end == ByteView::npos) {
          if (input.size() <= kLineBytesMax) return SinkEffect::kNone;
          Say("500 5.5.2 Line too long", out);
          state_ = State::kClosed;
          break;
        }
        ByteView line = input.substr(0, end);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (faults_ordered_ && MustWaitBefore(line)) return SinkEffect::kWait;
        input.remove_prefix(end + 1);
        const SinkEffect effect = OnLine(line, out);
        if (effect == SinkEffect::kStartTls || state_ == State::kBrokenHandshake) {
          input = ByteView();
        }
        if (effect != SinkEffect::kNone) return effect;
        break;
      }
      case State::kRefusedChunk:
        if (input.empty() && chunk_left_ > 0) return SinkEffect::kNone;
        TakeChunk(input);
        if (chunk_left_ == 0) state_ = State::kCommand;
        break;
      case State::kData:
      case State::kChunk:
        if (input.empty() && (state_ == State::kData || chunk_left_ > 0)) return SinkEffect::kNone;
        if (const auto effect = OnData(input, out); effect != SinkEffect::kNone) return effect;
        break;
      case State::kClosed:
        input = ByteView();
        return SinkEffect::kClose;
      case State::kDropped:
        input = ByteView();
        return SinkEffect::kDrop;
    }
  }
}

// --- faults --------------------------------------------------------------------------------------

bool SinkSession::MustWaitBefore(ByteView line) {
  if (state_ != State::kCommand) return false;  // in the middle of AUTH
  switch (Verb(line)) {
    case Verb("EHLO"):
    case Verb("HELO"):
      return MustWait(SinkPhase::kEhlo);
    case Verb("STAR"):
      return MustWait(SinkPhase::kStartTls);
    case Verb("AUTH"):
      return MustWait(SinkPhase::kAuth);
    case Verb("MAIL"):
      if (!waited_) faulty_ = faults_.TakeTransaction();
      return MustWait(SinkPhase::kMail);
    case Verb("RCPT"):
      return MustWait(SinkPhase::kRcpt);
    case Verb("DATA"):
      return MustWait(SinkPhase::kData);
    case Verb("BDAT"):
      return !chunked_ && MustWait(SinkPhase::kData);
    default:
      return false;
  }
}

bool SinkSession::MustWait(SinkPhase phase) {
  if (std::exchange(waited_, false) || !faults_on(phase)) return false;
  wait_ = options_.faults.Wait(phase, prng_);
  waited_ = wait_ > Duration(0);
  return waited_;
}

// Does what was ordered in place of the good answer, if anything was.
bool SinkSession::Disturb(SinkPhase phase, Buffer& out) {
  if (!faults_on(phase)) return false;
  const SinkFault* fault = options_.faults.Outcome(phase, prng_);
  if (fault == nullptr) return false;
  if (fault->action == SinkFault::Action::kDrop) {
    state_ = State::kDropped;
  } else {
    Say(fault->reply, out);
    if (fault->reply.starts_with("421")) state_ = State::kClosed;
  }
  return true;
}

SinkEffect SinkSession::BeginTls() {
  outcome_ = faults_on(SinkPhase::kTls) ? options_.faults.Outcome(SinkPhase::kTls, prng_) : nullptr;
  if (outcome_ == nullptr) return SinkEffect::kStartTls;
  state_ = State::kBrokenHandshake;
  return SinkEffect::kNone;
}

// How long the last part of a body takes at the rate at which it is to be read.
Duration SinkSession::TimeOfPart() {
  const uint64_t bytes = std::exchange(part_owed_, 0);
  return bytes == 0 ? Duration(0) : Duration(static_cast<int64_t>(bytes * 1'000'000'000 / rate_));
}

// --- commands ------------------------------------------------------------------------------------

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
      break;
    case Verb("RCPT"):
      Rcpt(line, out);
      break;
    case Verb("DATA"):
      Data(out);
      break;
    case Verb("BDAT"):
      Bdat(line, out);
      break;
    case Verb("EHLO"):
      Reset();
      if (!Disturb(SinkPhase::kEhlo, out)) Ehlo(out);
      break;
    case Verb("HELO"):
      Reset();
      if (!Disturb(SinkPhase::kEhlo, out)) Say("250 sink.example", out);
      break;
    case Verb("RSET"):
      Reset();
      Say("250 2.0.0 Ok", out);
      break;
    case Verb("NOOP"):
      Say("250 2.0.0 Ok", out);
      break;
    case Verb("AUTH"):
      if (!Disturb(SinkPhase::kAuth, out)) OnAuth(line, out);
      break;
    case Verb("STAR"):
      if (tls_ || options_.tls != SinkOptions::Tls::kStartTls) {
        Say("503 5.5.1 No TLS here", out);
        break;
      }
      if (Disturb(SinkPhase::kStartTls, out)) break;
      Say("220 2.0.0 Go ahead", out);
      return BeginTls();
    case Verb("QUIT"):
      Say("221 2.0.0 Bye", out);
      state_ = State::kClosed;
      break;
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
  if (options_.chunking) out.Append("250-CHUNKING\r\n");
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
  const bool faulty = faulty_;
  Reset();
  faulty_ = faulty;
  if (Disturb(SinkPhase::kMail, out)) return;
  mail_ = true;
  if (!options_.store.empty()) envelope_.append(line).append("\n");
  Say("250 2.1.0 Ok", out);
}

void SinkSession::Rcpt(ByteView line, Buffer& out) {
  if (!mail_) return Say("503 5.5.1 MAIL first", out);
  if (Disturb(SinkPhase::kRcpt, out)) return;
  recipients_++;
  if (!options_.store.empty()) envelope_.append(line).append("\n");
  Say("250 2.1.5 Ok", out);
}

void SinkSession::Data(Buffer& out) {
  if (recipients_ == 0) {
    return Say(mail_ ? "554 5.5.1 No valid recipients" : "503 5.5.1 RCPT first", out);
  }
  if (Disturb(SinkPhase::kData, out)) return;
  Say("354 Go ahead", out);
  chunked_ = false;
  end_.Reset();
  BeginBody(State::kData);
}

// RFC 3030 section 2. What is refused comes all the same, and is read over.
void SinkSession::Bdat(ByteView line, Buffer& out) {
  line.remove_prefix(std::min<size_t>(line.size(), 5));
  const auto parsed = std::from_chars(line.data(), line.data() + line.size(), chunk_left_);
  if (parsed.ec != std::errc()) {
    Say("501 5.5.4 Syntax: BDAT octets [LAST]", out);
    state_ = State::kClosed;  // where the next command begins is not known
    return;
  }
  last_chunk_ =
      EqualsIgnoreCase(line.substr(static_cast<size_t>(parsed.ptr - line.data())), " LAST");
  const bool first = !std::exchange(chunked_, true);
  if (recipients_ == 0) {
    Say(mail_ ? "554 5.5.1 No valid recipients" : "503 5.5.1 RCPT first", out);
    state_ = State::kRefusedChunk;
  } else if (first && Disturb(SinkPhase::kData, out)) {
    if (state_ == State::kCommand) state_ = State::kRefusedChunk;
  } else if (first) {
    BeginBody(State::kChunk);
  } else {
    state_ = State::kChunk;
  }
}

void SinkSession::BeginBody(State state) {
  state_ = state;
  message_bytes_ = 0;
  rate_ = faulty_ ? options_.faults.BytesPerSecond(prng_) : 0;
}

SinkEffect SinkSession::OnData(ByteView& input, Buffer& out) {
  if (faulty_) {
    if (part_owed_ > 0) {
      wait_ = TimeOfPart();
      return SinkEffect::kWait;
    }
    if (message_bytes_ == 0) {
      if (MustWait(SinkPhase::kBody)) return SinkEffect::kWait;
      if (Disturb(SinkPhase::kBody, out)) return SinkEffect::kNone;
    }
  }
  const ByteView whole =
      rate_ == 0 ? input : input.substr(0, std::max(rate_ / kPartsPerSecond, uint64_t{1}));
  bool ended = false;
  if (state_ == State::kChunk) {
    ByteView rest = whole;
    TakeChunk(rest);
    part_ = whole.substr(0, whole.size() - rest.size());
    ended = chunk_left_ == 0;
  } else {
    part_ = whole.substr(0, end_.Take(whole, ended));
  }
  input.remove_prefix(part_.size());
  message_bytes_ += part_.size();
  if (rate_ > 0) part_owed_ = part_.size();
  if (!ended) return SinkEffect::kBodyPart;

  state_ = State::kCommand;
  if (chunked_ && !last_chunk_) {
    Say("250 2.0.0 More", out);
    return SinkEffect::kBodyPart;
  }
  outcome_ = nullptr;
  wait_ = TimeOfPart();
  if (faults_on(SinkPhase::kEnd)) {
    outcome_ = options_.faults.Outcome(SinkPhase::kEnd, prng_);
    wait_ += options_.faults.Wait(SinkPhase::kEnd, prng_);
  }
  if (outcome_ != nullptr && outcome_->action == SinkFault::Action::kDrop) {
    state_ = State::kDropped;
    return SinkEffect::kNone;
  }
  return SinkEffect::kMessage;
}

void SinkSession::TakeChunk(ByteView& input) {
  const size_t taken = static_cast<size_t>(std::min<uint64_t>(chunk_left_, input.size()));
  input.remove_prefix(taken);
  chunk_left_ -= taken;
}

bool SinkSession::Answer(Buffer& out) {
  const ByteView reply = outcome_ == nullptr ? ByteView("250 2.0.0 Ok") : outcome_->reply;
  Say(reply, out);
  if (reply.starts_with("421")) state_ = State::kClosed;
  mail_ = faulty_ = false;
  recipients_ = 0;
  return reply.starts_with('2');
}

void SinkSession::Reset() {
  mail_ = faulty_ = chunked_ = false;
  recipients_ = 0;
  envelope_.clear();
}

}  // namespace sluice::load
