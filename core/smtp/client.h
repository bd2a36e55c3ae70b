// Client: the sending side of one SMTP connection as a pure machine, for the relay and the load
// generator. Octets of the server go in; commands and a wish (ClientEffect) come out. No socket, no
// clock; time-outs (RFC 5321 4.5.3.2) and what a lost connection means are the outside's. One
// thread.
//
// How the outside uses it:
//
//   for each piece of input:
//     do effect = client.OnInput(input, out) and what it says, until it is kNone; then send `out`.
//   whenever client.can_start() (look after every OnInput and BodySent): client.Start(message,
//   out), or, with nothing under way, client.Quit(out).
//
// Where the server offers PIPELINING, MAIL, all RCPT and DATA go out at once, and the next
// message's group may follow right behind the end of a body: two messages are then under way,
// answered in order. Where it offers CHUNKING too, a small message goes out whole, by BDAT
// (RFC 3030), without waiting for any reply, and so may several behind it; of a large one the
// content waits for the replies to RCPT.
#ifndef SLUICE_CORE_SMTP_CLIENT_H_
#define SLUICE_CORE_SMTP_CLIENT_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/base/sasl_client.h"
#include "core/smtp/peer_reply.h"

namespace sluice::smtp {

// Messages under way at once, with CHUNKING; with PIPELINING alone 2.
inline constexpr uint32_t kClientUnderWayMax = 16;

struct ClientOptions {
  enum class Tls : uint8_t { kNever, kIfOffered, kRequired };

  std::string ehlo_name;
  Tls tls = Tls::kIfOffered;  // STARTTLS; of no meaning when the connection began with a handshake
  // AUTH by it, with RFC 4954's rules; nullptr: none. The caller decides what may go out in the
  // clear. A connection of its own, which it outlives.
  SaslClient* sasl = nullptr;
  bool pipelining = true;  // where offered
  bool chunking = false;   // where offered, and PIPELINING is too
  // Where the server offers AUTH: who submitted each message (RFC 4954 section 5), once we have
  // logged in; else AUTH=<>.
  bool tell_submitter = false;
  std::vector<std::string> ignored;  // keywords of EHLO's reply, as if they were not there
};

// What a server's EHLO reply offers.
struct ServerFeatures {
  bool pipelining = false;
  bool size = false;
  bool eight_bit_mime = false;
  bool starttls = false;
  bool enhanced_status_codes = false;
  bool chunking = false;
  bool auth = false;      // AUTH, with any mechanism
  bool sasl = false;      // AUTH with the mechanism that we were given
  uint64_t size_max = 0;  // 0: no fixed limit
};

// A message on its way out. It and what it borrows live until its kMessageResult, or until the
// outside gives up the connection.
struct OutgoingMessage {
  ByteView sender;                       // empty: the null sender
  ByteView submitter;                    // for AUTH=; empty, or no mailbox of 7-bit octets: AUTH=<>
  std::span<const ByteView> recipients;  // at least one
  uint64_t bytes = 0;  // of the content; with chunking exactly. 0: SIZE= is not said
  bool eight_bit = false;                // BODY=8BITMIME where offered
  bool at_hand = false;                  // the content can be appended at once
};

enum class ClientEffect : uint8_t {
  // Wants input.
  kNone,
  // 220 was read: shake hands, drop plain text received before, TlsStarted(out).
  kStartTls,
  // Greeted, in TLS and authenticated as asked: can_start(). Once a connection.
  kReady,
  // message(), recipient(), reply(): this one was refused, for now (4xx) or for good.
  kRecipientFailed,
  // message(): append its content, as chunking() says, then BodySent().
  kSendBody,
  // message(), reply(): the answer for all recipients that were not refused before; when all were,
  // just the end of the message.
  kMessageResult,
  // The connection is of no use: failure(), and reply() when the server said why.
  kFailed,
  // QUIT was answered.
  kClosed,
};

enum class ClientFailure : uint8_t {
  kNone,
  kGreeting,  // refused by greeting or EHLO
  kTls,       // required but not offered or refused
  kAuth,      // no mechanism in common, or refused
  kProtocol,  // what came is no SMTP reply, or came unasked
  kClosing,   // 421, or a message was answered before it was sent
};

// What the next reply is about: how long to wait for it is the owner's to say (RFC 5321 4.5.3.2).
enum class ClientAwaits : uint8_t {
  kLogin,  // greeting, EHLO, STARTTLS, AUTH
  kMail,   // MAIL, or RSET
  kRcpt,
  kData,    // 354
  kNoReply,  // a body is being sent
  kEnd,     // the answer to the final dot
  kNothing,
};

class Client {
 public:
  // `options` outlives the client. `tls`: the connection began with a handshake.
  Client(const ClientOptions& options, bool tls);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Consumes replies and stops at an effect; kNone means that all input is consumed.
  [[nodiscard]] ClientEffect OnInput(ByteView& input, Buffer& out);

  void TlsStarted(Buffer& out);  // sends EHLO anew; what was learnt in the clear is forgotten

  // True when a message may be started now: nothing is under way, or (pipelining) all bodies of
  // what is are sent, and it is not too much.
  bool can_start() const;
  // True: as if kSendBody had been returned for it. REQUIRES: can_start(), recipients not empty.
  [[nodiscard]] bool Start(const OutgoingMessage* message, Buffer& out);
  // How bodies go out: as they are, `bytes` octets; else through a DotStuffer and its Finish.
  bool chunking() const { return options_->chunking && features_.chunking && pipelining(); }
  // All of it was appended. REQUIRES: kSendBody was returned.
  void BodySent();
  // Keeps an idle session alive: its answer is awaited and has no effect, but for a 421 (kFailed). REQUIRES:
  // can_start(), and nothing is under way.
  void Noop(Buffer& out);
  // REQUIRES: kReady was returned, and nothing is under way.
  void Quit(Buffer& out);

  // Started and not yet answered by kMessageResult: at most kClientUnderWayMax.
  uint32_t under_way() const { return under_way_; }
  // The server has answered something of the message that is under way longest.
  bool oldest_heard() const { return under_way_ > 0 && oldest().stage > Stage::kMail; }

  ClientAwaits awaits() const;

  // About the effect just returned.
  const OutgoingMessage* message() const { return subject_; }
  uint32_t recipient() const { return subject_recipient_; }  // index into message()->recipients
  const PeerReply& reply() const { return reply_; }          // valid until the next OnInput
  ClientFailure failure() const { return failure_; }

  const ServerFeatures& features() const { return features_; }
  bool tls() const { return tls_; }
  bool esmtp() const { return esmtp_; }  // the server took EHLO, not just HELO

 private:
  enum class State : uint8_t {
    kGreeting,
    kEhlo,
    kHelo,
    kStartTls,   // STARTTLS was sent
    kHandshake,  // TlsStarted is awaited
    kAuth,       // AUTH was sent
    kReady,
    kQuit,
    kEnded,  // kFailed or kClosed was returned
  };
  // What a message's next reply answers.
  enum class Stage : uint8_t { kClear, kMail, kRcpt, kData, kBodyDue, kBody, kResult, kReset };
  struct Slot {
    const OutgoingMessage* message = nullptr;
    uint32_t answered = 0;  // recipients
    uint32_t accepted = 0;
    Stage stage = Stage::kMail;
    bool grouped = false;    // MAIL and RCPT, and DATA if it is that, were sent at once
    bool body_sent = false;  // all of it
  };

  ClientEffect OnReply(Buffer& out);
  ClientEffect OnAuthReply(Buffer& out);
  ClientEffect OnTransactionReply(Buffer& out);
  ClientEffect OnSkippedReply(Buffer& out);
  void ReadFeature(ByteView line);
  ClientEffect AfterHello(Buffer& out);
  ClientEffect StartAuth(Buffer& out);
  void SendEhlo(Buffer& out);
  void SendMail(const OutgoingMessage& message, Buffer& out);
  void AppendSubmitter(ByteView submitter, Buffer& out) const;
  static void SendRcpt(ByteView recipient, Buffer& out);
  static void SendChunkHead(const OutgoingMessage& message, Buffer& out);
  ClientEffect Finish(bool usable);
  void AfterRecipients(Slot& slot, Buffer& out);
  void Skip(uint32_t replies, bool then_reset);
  ClientEffect Fail(ClientFailure failure);
  bool pipelining() const { return options_->pipelining && features_.pipelining; }
  Slot& oldest() { return slots_[first_]; }
  const Slot& oldest() const { return slots_[first_]; }
  Slot& newest() { return slots_[(first_ + under_way_ - 1) % kClientUnderWayMax]; }
  const Slot& newest() const { return slots_[(first_ + under_way_ - 1) % kClientUnderWayMax]; }

  const ClientOptions* options_;
  PeerReply reply_;
  ServerFeatures features_;
  Slot slots_[kClientUnderWayMax];  // a ring: those under way, in their order
  uint32_t first_ = 0;
  uint32_t under_way_ = 0;
  const OutgoingMessage* subject_ = nullptr;
  uint32_t subject_recipient_ = 0;
  uint32_t skipped_ = 0;  // replies still to come for commands of a message that has its answer
  State state_ = State::kGreeting;
  ClientFailure failure_ = ClientFailure::kNone;
  bool tls_;
  bool authenticated_ = false;
  bool esmtp_ = true;
  bool ehlo_first_line_ = true;
  bool broken_ = false;  // after the result just returned the connection is of no use
  bool reset_after_skipped_ = false;
};

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_CLIENT_H_
