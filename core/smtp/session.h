// Session: the server's side of one SMTP connection (RFC 5321, 6409, 2920, 3207, 4954) as a pure
// machine. Octets go in; replies and a wish (Effect) come out. It sees no socket, file or clock and
// allocates nothing per command in the steady state. One shard's thread owns it.
//
// How the outside uses it:
//
//   session.Greet(replies);
//   for each piece of input:                    // plain text: after TLS, if there is TLS
//     Effect effect = session.OnInput(input, replies);
//     kNone: all input is consumed; send the replies, wait for more.
//     other: do what it says, answer by the call named there (now, or when the disk or a
//            verifier has answered), then call OnInput again with the rest of the input, even
//            when that is empty.
//   While an answer is owed (waiting()), input stays with the outside: that is the back-pressure.
//
// What was asked is answered in order, so replies can be sent at any time between calls. A 421 that
// the outside passes to Reject, and every 421 of our own, ends the session: the next OnInput
// returns kClose. Time-outs are the outside's: it appends a reply::k... of its choice and closes.
#ifndef SLUICE_CORE_SMTP_SESSION_H_
#define SLUICE_CORE_SMTP_SESSION_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/smtp/line_reader.h"
#include "core/smtp/reply.h"
#include "core/smtp/session_config.h"
#include "core/smtp/transaction.h"

namespace sluice::smtp {

enum class Effect : uint8_t {
  // Wants input.
  kNone,
  // All input was dropped. -> Accept(), send the replies, shake hands, TlsStarted(); or Reject().
  // No octet that came before the handshake ended may reach OnInput afterwards.
  kStartTls,
  // AUTH: auth_mechanism(), has_auth_response(), auth_response() -> Auth...()
  kAuthStart,
  // The answer to a challenge: auth_response() -> Auth...()
  kAuthContinue,
  // transaction().sender() and its parameters -> Accept() or Reject()
  kMail,
  // transaction().recipients.last() -> Accept() or Reject()
  kRcpt,
  // About to answer 354 -> Accept() or Reject()
  kData,
  // transaction().body: take it away and leave it empty; or Reject()
  kBodyPart,
  // The message is complete; transaction().body is its last, mostly its only, part.
  // -> Committed() or Reject()
  kMessage,
  // The exchange, or the transaction after its kMail was accepted, ended before its time:
  // cancelled,
  // RSET, EHLO, refused at the end of data. No answer is owed.
  kAbort,
  // Send the replies and close; the session is at its end.
  kClose,
};

// Why an exchange failed; the reply is that of RFC 4954 section 6.
enum class AuthFailure : uint8_t {
  kBadCredentials,   // 535 5.7.8, for an unknown user too
  kMalformed,        // 501 5.5.2: not what the mechanism's grammar allows
  kTemporary,        // 454 4.7.0
  kTooWeak,          // 534 5.7.9
  kTransition,       // 432 4.7.12
  kTooMany,          // 421 4.7.0, and the session ends
  kTooManySessions,  // likewise: proved, but there are as many as may be
};

class Session;

// The reply that goes with it.
Reply AuthFailureReply(AuthFailure failure);

// What a session tells of itself, for logs and counters. Must not call back but for facts.
class SessionObserver {
 public:
  // A command line was read, well formed or not: Session::VerbName(verb).
  virtual void OnCommand(size_t /*verb*/) {}

  // A reply goes out whose code begins with this digit, 2 to 5.
  virtual void OnReply(int /*digit*/) {}

  // A 4xx or 5xx goes out. What is said in its course is still known: session.answering(), and the
  // transaction where there is one.
  virtual void OnRefusal(const Session& session, Reply reply) = 0;

 protected:
  ~SessionObserver() = default;
};

class Session {
 public:
  // All outlive the session. `tls`: the connection began with a handshake (port 465).
  Session(const SessionConfig& config, TransactionPool& pool, bool tls,
          SessionObserver* observer = nullptr);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  void Greet(Buffer& replies) const { replies.Append(config_->greeting()); }

  // Consumes every command it can and stops at an effect. REQUIRES: !waiting().
  [[nodiscard]] Effect OnInput(ByteView& input, Buffer& replies);

  // True while the outside owes an answer. (kBodyPart is answered by calling OnInput or Reject.)
  bool waiting() const { return waiting_ != Effect::kNone; }

  // Answers; each REQUIRES that the effect named above is the one that waits.
  void Accept(Buffer& replies);
  // Also at kMessage (the commit failed) and at kBodyPart (the rest is drained, and the reply is
  // said at its end: there REQUIRES a reply of static lifetime).
  void Reject(Reply reply, Buffer& replies);
  void Committed(ByteView queue_id, Buffer& replies);
  void TlsStarted();
  // The outside knows who the client is, or does not any more, without an AUTH: as if it need not
  // log in. TLS forgets it.
  void SetVouchedFor(bool vouched_for) { vouched_for_ = vouched_for; }
  // Under TLS: the client has shown a certificate that EXTERNAL can log in by.
  void OfferExternal() { offer_.external = true; }
  // Under TLS: the channel is one that clients know how to bind to.
  void OfferPlus() { offer_.plus = true; }
  void AuthChallenge(ByteView challenge, Buffer& replies);  // plain octets; 334 in base64 goes out
  void AuthSucceeded(Buffer& replies);
  void AuthFailed(AuthFailure failure, Buffer& replies);

  // Views are valid until the next call that is not const.
  // The name in EHLO or HELO, made harmless.
  ByteView helo() const { return ByteView(helo_.get(), helo_bytes_); }
  bool esmtp() const { return esmtp_; }  // EHLO, not HELO
  bool tls() const { return tls_; }
  bool authenticated() const { return authenticated_; }
  ByteView auth_mechanism() const;  // as configured; lives as long as the config
  bool has_auth_response() const { return has_auth_response_; }
  ByteView auth_response() const { return sasl_.view(); }  // decoded
  const SessionConfig& config() const { return *config_; }

  // The commands by number, for statistics; the last one stands for all that are unknown.
  static constexpr size_t kVerbs = 17;
  static ByteView VerbName(size_t verb);

  // What the session is at, for statistics and listings.
  enum class Phase : uint8_t {
    kConnected,      // no EHLO or HELO yet
    kGreeted,        // not logged in
    kAuth,           // from AUTH to its last reply
    kAuthenticated,  // logged in, between transactions
    kTransaction,    // from MAIL to DATA
    kBody,           // from 354 on
    kMessage,        // complete; the outside owes the answer
    kClosed,
  };
  Phase phase() const;

  // What the reply that goes out now answers: "MAIL", ..., "." for a message; empty when it was no
  // command.
  ByteView answering() const;

  bool in_transaction() const { return transaction_ != nullptr; }
  bool in_body() const { return state_ == kBody && waiting_ == Effect::kNone; }  // the body is coming
  // REQUIRES: in_body(). Drops what comes of the body and says `reply`, of static lifetime, at its end.
  void RefuseBody(Reply reply);
  bool body_refused() const;  // so, or for a fault of its own. REQUIRES: in_body()
  Transaction& transaction() { return *transaction_; }  // REQUIRES: in_transaction()
  const Transaction& transaction() const { return *transaction_; }

 private:
  // Bits, since the command table names sets of them.
  enum State : uint8_t {
    kConnected = 1,   // no EHLO or HELO yet
    kGreeted = 2,     // between transactions
    kSender = 4,      // MAIL was accepted
    kRecipients = 8,  // and at least one RCPT
    kBody = 16,       // inside DATA
    kSasl = 32,       // the next line answers a challenge
    kClosed = 64,     // only kClose is left to say
  };
  static constexpr uint8_t kNoCommand = 0xff;
  struct Command;  // a row of the table in session.cc
  static const Command kCommands[];
  static const Command* FindCommand(ByteView verb);

  Effect OnLine(ByteView line, bool more_input, Buffer& replies);
  Effect OnLineTooLong(Reply reply, Buffer& replies);
  Effect OnSaslLine(ByteView line, Buffer& replies);
  Effect OnBody(ByteView& input, Buffer& replies);
  void MakeRoom(size_t input_bytes, size_t body_bytes_max);
  void ScanHeader(bool ended);
  Effect EndOfBody(Buffer& replies);

  Effect Hello(ByteView argument, Buffer& replies, bool esmtp);
  Effect Ehlo(ByteView argument, Buffer& replies);
  Effect Helo(ByteView argument, Buffer& replies);
  Effect StartTls(ByteView argument, Buffer& replies);
  Effect Auth(ByteView argument, Buffer& replies);
  Effect Mail(ByteView argument, Buffer& replies);
  Effect Rcpt(ByteView argument, Buffer& replies);
  Effect Data(ByteView argument, Buffer& replies);
  Effect Rset(ByteView argument, Buffer& replies);
  Effect Noop(ByteView argument, Buffer& replies);
  Effect Vrfy(ByteView argument, Buffer& replies);
  Effect Help(ByteView argument, Buffer& replies);
  Effect Quit(ByteView argument, Buffer& replies);
  Effect NotImplemented(ByteView argument, Buffer& replies);
  Effect Bdat(ByteView argument, Buffer& replies);
  void DistrustChunk(Buffer& replies);

  bool TakeSaslResponse(ByteView base64);
  void ForgetSaslResponse();
  Effect Ask(Effect effect);
  void Answered(Effect effect, Effect or_effect = Effect::kNone);
  void Say(Reply reply, Buffer& replies);
  void Said(Reply reply);
  void CountCommand(size_t verb);
  void CountReply(int digit);
  Effect Refuse(Reply reply, Buffer& replies);
  bool must_log_in() const;
  Reply LoginFirst() const;
  void CountError(Buffer& replies);
  Effect EndTransaction();

  const SessionConfig* config_;
  SessionObserver* observer_;
  TransactionPool::Handle transaction_;
  LineReader lines_;
  Buffer sasl_;  // the decoded response, from kAuthStart or kAuthContinue to its answer; wiped
  std::unique_ptr<char[]> helo_;
  uint32_t errors_ = 0;
  uint8_t helo_bytes_ = 0;
  uint8_t mechanism_ = 0;         // index into the configured list
  uint8_t command_ = kNoCommand;  // the last one read: index into kCommands
  State state_ = kConnected;
  Effect waiting_ = Effect::kNone;
  bool tls_ : 1;
  bool esmtp_ : 1 = false;
  bool authenticated_ : 1 = false;
  bool has_auth_response_ : 1 = false;
  bool more_behind_data_ : 1 = false;
  bool vouched_for_ : 1 = false;
  SessionOffer offer_;
};

static_assert(sizeof(Session) <= 112, "an idle connection pays for this");

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_SESSION_H_
