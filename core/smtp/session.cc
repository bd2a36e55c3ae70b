// clang-format off
// C: EHLO laptop.example          Ehlo
// C: STARTTLS                     StartTls, kStartTls; the outside: Accept, handshake, TlsStarted
// C: EHLO laptop.example          Ehlo: the list has changed
// C: AUTH PLAIN AGEAYg==          Auth, kAuthStart; the outside: AuthSucceeded
// C: MAIL FROM:<a@example.net>    Mail, kMail; Accept
// C: RCPT TO:<b@example.org>      Rcpt, kRcpt; Accept
// C: DATA                         Data, kData; Accept: 354
// C: text, CR LF . CR LF          OnBody, perhaps kBodyPart, then kMessage
//                                 the outside, when it is durable: Committed: 250
// C: QUIT                         Quit, kClose
// clang-format on
// AUTH is in session_auth.cc, what follows 354 in session_body.cc.
#include "core/smtp/session.h"

#include <algorithm>
#include <utility>

#include "core/smtp/address.h"

namespace sluice::smtp {

// A verb, the states where it is allowed, what is said in another state, and who does it. Before
// EHLO that is always kHelloFirst. The most frequent verbs come first.
struct Session::Command {
  enum Flag : uint8_t { kNone = 0, kNeedsLogin = 1, kNoArgument = 2 };

  ByteView verb;
  uint8_t states;
  uint8_t flags;
  Reply misplaced;
  Effect (Session::*handler)(ByteView argument, Buffer& replies);
};

constexpr uint8_t kAnyState = 0xff;

const Session::Command Session::kCommands[] = {
    {"MAIL", kGreeted, Command::kNeedsLogin, reply::kNestedMail, &Session::Mail},
    {"RCPT", kSender | kRecipients, Command::kNeedsLogin, reply::kNeedMail, &Session::Rcpt},
    {"DATA", kSender | kRecipients, Command::kNeedsLogin | Command::kNoArgument, reply::kNeedMail,
     &Session::Data},
    {"EHLO", kAnyState, Command::kNone, {}, &Session::Ehlo},
    {"AUTH", kGreeted, Command::kNone, reply::kNotInTransaction, &Session::Auth},
    {"STARTTLS", kGreeted, Command::kNoArgument, reply::kNotInTransaction, &Session::StartTls},
    {"RSET", kAnyState, Command::kNoArgument, {}, &Session::Rset},
    {"NOOP", kAnyState, Command::kNone, {}, &Session::Noop},
    {"QUIT", kAnyState, Command::kNoArgument, {}, &Session::Quit},
    {"HELO", kAnyState, Command::kNone, {}, &Session::Helo},
    {"VRFY", kAnyState, Command::kNeedsLogin, {}, &Session::Vrfy},
    {"HELP", kAnyState, Command::kNone, {}, &Session::Help},
    {"EXPN", kAnyState, Command::kNeedsLogin, {}, &Session::NotImplemented},
    {"ETRN", kAnyState, Command::kNeedsLogin, {}, &Session::NotImplemented},
    {"TURN", kAnyState, Command::kNeedsLogin, {}, &Session::NotImplemented},
    {"BDAT", kAnyState, Command::kNeedsLogin, {}, &Session::Bdat},
};

ByteView Session::VerbName(size_t verb) {
  static_assert(std::size(kCommands) == kVerbs - 1);
  return verb < std::size(kCommands) ? kCommands[verb].verb : "other";
}

const Session::Command* Session::FindCommand(ByteView verb) {
  for (const Command& command : kCommands) {
    if (EqualsIgnoreCase(command.verb, verb)) return &command;
  }
  return nullptr;
}

namespace {

void TrimBlanks(ByteView& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
}

// Drops "FROM:" or "TO:", and the blanks that many clients put behind it against RFC 5321 3.3.
bool TakePrefix(ByteView& text, ByteView prefix) {
  if (!StartsWithIgnoreCase(text, prefix)) return false;
  text.remove_prefix(prefix.size());
  while (text.starts_with(' ')) text.remove_prefix(1);
  return true;
}

Reply AddressReply(AddressError error, bool recipient) {
  switch (error) {
    case AddressError::kTooLong:
      return reply::kAddressTooLong;
    case AddressError::kNotAscii:
      return reply::kAddressNotAscii;
    case AddressError::kUnqualified:
      return recipient ? reply::kRecipientUnqualified : reply::kSenderUnqualified;
    case AddressError::kNotFqdn:
      return recipient ? reply::kRecipientNotFqdn : reply::kSenderNotFqdn;
    case AddressError::kNone:
    case AddressError::kSyntax:
      break;
  }
  return recipient ? reply::kRecipientMalformed : reply::kSenderMalformed;
}

Reply ParameterReply(ParameterError error) {
  return error == ParameterError::kUnknown ? reply::kParameterUnknown : reply::kParameterMalformed;
}

// RFC 4954 section 5: a mailbox in xtext, or "<>", which becomes empty. Whatever else it says is
// taken as it is, for the outside to judge: there are logins that are no mailbox, and what is
// nobody's login is not believed, which makes it "<>".
bool TakeAuthParameter(ByteView value, Buffer& out) {
  return value == "<>" || DecodeXtext(value, out);
}

}  // namespace

Session::Session(const SessionConfig& config, TransactionPool& pool, bool tls,
                 SessionObserver* observer)
    : config_(&config), observer_(observer), transaction_(pool.None()), tls_(tls) {}

Session::~Session() { ForgetSaslResponse(); }

Effect Session::OnInput(ByteView& input, Buffer& replies) {
  DCHECK(!waiting());
  while (true) {
    if (state_ == kClosed) {
      input = {};
      return Effect::kClose;
    }
    Effect effect = Effect::kNone;
    if (state_ == kBody) {
      effect = OnBody(input, replies);
      if (effect == Effect::kNone && state_ == kBody) return effect;
    } else {
      Buffer storage;
      ByteView line;
      switch (lines_.Next(input, state_ == kSasl, storage, line)) {
        case LineReader::Result::kPartial:
          return Effect::kNone;
        case LineReader::Result::kTooLong:
          effect = OnLineTooLong(reply::kLineTooLong, replies);
          break;
        case LineReader::Result::kAuthTooLong:  // RFC 4954 sections 4 and 6
          effect = OnLineTooLong(reply::kAuthLineTooLong, replies);
          break;
        case LineReader::Result::kLine:
          effect =
              state_ == kSasl ? OnSaslLine(line, replies) : OnLine(line, !input.empty(), replies);
          break;
      }
      if (!storage.empty()) Wipe(storage.data(), storage.size());
    }
    // What was sent in the clear behind STARTTLS is dropped here: it could have been injected by
    // somebody in between, to be taken for the client's after the handshake.
    if (effect == Effect::kStartTls) input = {};
    if (effect != Effect::kNone) return effect;
  }
}

bool Session::must_log_in() const {
  return config_->options().require_auth && !authenticated_ && !vouched_for_;
}

Reply Session::LoginFirst() const {
  const bool only_under_tls = !config_->offers_auth(tls_) && config_->options().starttls && !tls_;
  return only_under_tls ? reply::kTlsFirst : reply::kAuthFirst;
}

Effect Session::OnLine(ByteView line, bool more_input, Buffer& replies) {
  command_ = kNoCommand;
  if (HasForbiddenControl(line)) {
    CountCommand(kVerbs - 1);
    const bool bare_lf = line.find('\n') != ByteView::npos;
    return Refuse(bare_lf ? reply::kBareLineFeed : reply::kControlInLine, replies);
  }
  const size_t verb_bytes = std::min(line.find(' '), line.size());
  const Command* command = FindCommand(line.substr(0, verb_bytes));
  CountCommand(command == nullptr ? kVerbs - 1 : static_cast<size_t>(command - kCommands));
  if (command == nullptr) {
    return Refuse(state_ == kConnected || !must_log_in() ? reply::kUnknownCommand : LoginFirst(),
                  replies);
  }
  command_ = static_cast<uint8_t>(command - kCommands);
  more_behind_data_ = command->handler == &Session::Data && more_input;

  ByteView argument = line.substr(verb_bytes);
  TrimBlanks(argument);
  if (state_ == kConnected && command->states != kAnyState)
    return Refuse(reply::kHelloFirst, replies);
  if ((command->flags & Command::kNeedsLogin) && must_log_in()) {
    const Effect effect = Refuse(LoginFirst(), replies);
    if (command->handler == &Session::Bdat) DistrustChunk(replies);
    return effect;
  }
  if ((command->states & state_) == 0) return Refuse(command->misplaced, replies);
  if ((command->flags & Command::kNoArgument) && !argument.empty()) {
    return Refuse(reply::kNoArgumentAllowed, replies);
  }
  return (this->*command->handler)(argument, replies);
}

Effect Session::OnLineTooLong(Reply reply, Buffer& replies) {
  if (state_ != kSasl) {
    command_ = kNoCommand;
    CountCommand(kVerbs - 1);
    return Refuse(reply, replies);
  }
  state_ = kGreeted;
  Refuse(reply, replies);
  return Effect::kAbort;
}

// --- EHLO, HELO (RFC 5321 4.1.1.1)

Effect Session::Hello(ByteView argument, Buffer& replies, bool esmtp) {
  if (argument.empty()) return Refuse(reply::kArgumentMissing, replies);
  // The name is the client's to choose and goes into Received: it is taken as it is, but made
  // harmless.
  argument = argument.substr(0, kHeloBytesMax);
  if (argument.size() != helo_bytes_)
    helo_ = std::make_unique_for_overwrite<char[]>(argument.size());
  helo_bytes_ = static_cast<uint8_t>(argument.size());
  std::transform(argument.begin(), argument.end(), helo_.get(), [](char c) {
    const bool harmless = IsAsciiAlnum(c) || ByteView(".-_:[]").find(c) != ByteView::npos;
    return harmless ? c : '?';
  });
  esmtp_ = esmtp;
  const Effect effect = EndTransaction();
  state_ = kGreeted;
  replies.Append(esmtp ? config_->ehlo_reply(tls_, authenticated_, offer_) : config_->helo_reply());
  CountReply(2);
  return effect;
}

Effect Session::Ehlo(ByteView argument, Buffer& replies) { return Hello(argument, replies, true); }
Effect Session::Helo(ByteView argument, Buffer& replies) { return Hello(argument, replies, false); }

// --- STARTTLS (RFC 3207)

Effect Session::StartTls(ByteView, Buffer& replies) {
  if (tls_) return Refuse(reply::kTlsAlready, replies);
  if (!config_->options().starttls) return Refuse(reply::kTlsNotOffered, replies);
  return Ask(Effect::kStartTls);
}

void Session::TlsStarted() {
  DCHECK(waiting_ == Effect::kStartTls);
  // RFC 3207 4.2: whatever was said before is forgotten, the name and the login too.
  waiting_ = Effect::kNone;
  state_ = kConnected;
  tls_ = true;
  esmtp_ = authenticated_ = vouched_for_ = false;
  helo_.reset();
  helo_bytes_ = 0;
  lines_.Reset();
}

// --- MAIL, RCPT (RFC 5321 4.1.1.2 and 4.1.1.3)

Effect Session::Mail(ByteView argument, Buffer& replies) {
  if (!TakePrefix(argument, "FROM:")) return Refuse(reply::kMailSyntax, replies);
  Mailbox mailbox;
  const AddressError address_error = ParseReversePath(argument, mailbox);
  if (address_error != AddressError::kNone)
    return Refuse(AddressReply(address_error, /*recipient=*/false), replies);
  MailParameters parameters;
  const ParameterError parameter_error = ParseMailParameters(argument, parameters);
  if (parameter_error != ParameterError::kNone)
    return Refuse(ParameterReply(parameter_error), replies);
  if (parameters.size > config_->options().message_bytes_max)
    return Refuse(reply::kMessageTooBig, replies);

  auto transaction = transaction_.get_deleter().pool->Take();
  if (parameters.has_auth && !TakeAuthParameter(parameters.auth, transaction->auth_text)) {
    return Refuse(reply::kParameterMalformed, replies);
  }
  transaction->has_auth_parameter = parameters.has_auth;
  transaction->declared_bytes = parameters.size;
  transaction->eight_bit = parameters.eight_bit;
  transaction->sender_bytes =
      static_cast<uint16_t>(mailbox.address.copy(transaction->sender_text, kMailboxBytesMax));
  transaction->reader = BodyReader(
      {.bare_lf = config_->options().bare_lf, .bytes_max = config_->options().message_bytes_max});
  transaction->header = HeaderFilter(config_->options().header_bytes_max);
  transaction_ = std::move(transaction);
  return Ask(Effect::kMail);
}

Effect Session::Rcpt(ByteView argument, Buffer& replies) {
  if (!TakePrefix(argument, "TO:")) return Refuse(reply::kRcptSyntax, replies);
  if (argument.starts_with("<>")) return Refuse(reply::kRecipientNull, replies);
  Mailbox mailbox;
  const AddressError address_error = ParseForwardPath(argument, mailbox);
  if (address_error != AddressError::kNone)
    return Refuse(AddressReply(address_error, /*recipient=*/true), replies);
  const ParameterError parameter_error = ParseRcptParameters(argument);
  if (parameter_error != ParameterError::kNone)
    return Refuse(ParameterReply(parameter_error), replies);
  if (transaction_->recipients.size() >= config_->options().recipients_max) {
    Say(reply::kTooManyRecipients, replies);
    return Effect::kNone;
  }
  transaction_->recipients.Add(mailbox.address);
  return Ask(Effect::kRcpt);
}

// --- DATA (RFC 5321 4.1.1.4)

Effect Session::Data(ByteView, Buffer& replies) {
  if (state_ == kSender) return Refuse(reply::kNeedRecipient, replies);
  return Ask(Effect::kData);
}

void Session::Committed(ByteView queue_id, Buffer& replies) {
  Answered(Effect::kMessage);
  replies.Append("250 2.0.0 Ok: queued as ");
  replies.Append(queue_id);
  replies.Append("\r\n");
  CountReply(2);
  errors_ = 0;
  EndTransaction();
}

// --- RSET, NOOP, VRFY, HELP, QUIT and what is refused (RFC 5321 4.1.1.5 to 4.1.1.10)

Effect Session::Rset(ByteView, Buffer& replies) {
  Say(reply::kOk, replies);
  return EndTransaction();
}

Effect Session::Noop(ByteView, Buffer& replies) {
  Say(reply::kOk, replies);
  return Effect::kNone;
}

Effect Session::Vrfy(ByteView argument, Buffer& replies) {
  if (argument.empty()) return Refuse(reply::kArgumentMissing, replies);
  Say(reply::kCannotVerify, replies);  // whether a mailbox exists is not for us to tell
  return Effect::kNone;
}

Effect Session::Help(ByteView, Buffer& replies) {
  Say(reply::kHelp, replies);
  return Effect::kNone;
}

Effect Session::Quit(ByteView, Buffer& replies) {
  Say(reply::kBye, replies);
  EndTransaction();
  state_ = kClosed;
  return Effect::kNone;
}

Effect Session::NotImplemented(ByteView, Buffer& replies) {
  return Refuse(reply::kNotImplemented, replies);
}

// RFC 3030, which is not offered: the octets that follow may be text that somebody else wrote, and
// must not be read as commands of this client.
Effect Session::Bdat(ByteView, Buffer& replies) {
  Refuse(reply::kNotImplemented, replies);
  DistrustChunk(replies);
  return Effect::kNone;
}

void Session::DistrustChunk(Buffer& replies) {
  if (state_ != kClosed) Say(reply::kChunkNotTaken, replies);
}

// --- Answers from outside

void Session::Accept(Buffer& replies) {
  switch (waiting_) {
    case Effect::kStartTls:
      Say(reply::kReadyForTls, replies);
      return;  // still waiting: for TlsStarted
    case Effect::kMail:
      Say(reply::kSenderOk, replies);
      state_ = kSender;
      break;
    case Effect::kRcpt:
      Say(reply::kRecipientOk, replies);
      state_ = kRecipients;
      break;
    case Effect::kData:
      Say(reply::kStartMail, replies);
      state_ = kBody;
      more_behind_data_ = false;
      break;
    default:
      CHECK(false);  // no other effect is answered by a yes
  }
  waiting_ = Effect::kNone;
}

void Session::Reject(Reply reply, Buffer& replies) {
  if (waiting_ == Effect::kNone) return RefuseBody(reply);  // at kBodyPart: it is said at the end
  Say(reply, replies);  // first, so that the observer still sees what is refused
  switch (std::exchange(waiting_, Effect::kNone)) {
    case Effect::kStartTls:
      break;
    case Effect::kMail:
    case Effect::kMessage:
      EndTransaction();
      break;
    case Effect::kRcpt:
      transaction_->recipients.RemoveLast();
      if (reply.permanent() && !authenticated_ && !vouched_for_) CountError(replies);
      break;
    case Effect::kData:
      if (more_behind_data_) Say(reply::kBytesBehindRefusedData, replies);
      break;
    default:
      CHECK(false);  // AUTH has answers of its own
  }
}

void Session::RefuseBody(Reply reply) {
  CHECK(in_body());
  transaction_->body.Clear();
  transaction_->RefuseAtEnd(reply);
}

bool Session::body_refused() const { return transaction_->reader.dropping(); }

void Session::Answered(Effect effect, Effect or_effect) {
  CHECK(waiting_ == effect || waiting_ == or_effect);
  waiting_ = Effect::kNone;
}

// --- What all of them use

Effect Session::Ask(Effect effect) {
  waiting_ = effect;
  return effect;
}

void Session::Say(Reply reply, Buffer& replies) {
  replies.Append(reply.line);
  Said(reply);
}

void Session::Said(Reply reply) {
  CountReply(reply.line[0] - '0');
  if (!reply.positive() && observer_ != nullptr) observer_->OnRefusal(*this, reply);
  if (reply.code() == 421) state_ = kClosed;
}

void Session::CountCommand(size_t verb) {
  if (observer_ != nullptr) observer_->OnCommand(verb);
}

void Session::CountReply(int digit) {
  if (observer_ != nullptr) observer_->OnReply(digit);
}

Session::Phase Session::phase() const {
  switch (state_) {
    case kConnected:
      return Phase::kConnected;
    case kGreeted:
      if (waiting_ == Effect::kAuthStart || waiting_ == Effect::kAuthContinue) return Phase::kAuth;
      return authenticated_ ? Phase::kAuthenticated : Phase::kGreeted;
    case kSasl:
      return Phase::kAuth;
    case kSender:
    case kRecipients:
      return Phase::kTransaction;
    case kBody:
      return waiting_ == Effect::kMessage ? Phase::kMessage : Phase::kBody;
    case kClosed:
      break;
  }
  return Phase::kClosed;
}

ByteView Session::answering() const {
  if (state_ == kBody) return ".";
  return command_ == kNoCommand ? ByteView() : kCommands[command_].verb;
}

// A command that failed by itself. Too many of them end the session; so does a body that was sent
// behind a refused DATA without waiting: read as commands, text that somebody else wrote would act
// for this login.
Effect Session::Refuse(Reply reply, Buffer& replies) {
  Say(reply, replies);
  if (more_behind_data_) {
    Say(reply::kBytesBehindRefusedData, replies);
  } else {
    CountError(replies);
  }
  return Effect::kNone;
}

void Session::CountError(Buffer& replies) {
  if (++errors_ > config_->options().errors_max && state_ != kClosed) {
    Say(reply::kTooManyErrors, replies);
  }
}

Effect Session::EndTransaction() {
  if (transaction_ == nullptr) return Effect::kNone;
  transaction_.reset();
  if (state_ != kClosed) state_ = kGreeted;
  return Effect::kAbort;
}

}  // namespace sluice::smtp
