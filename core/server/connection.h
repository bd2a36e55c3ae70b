// Connection: one client from accept to close. It carries bytes between a Stream and an smtp::Session, and does what
// the session wishes: proves passwords through the Authenticator, asks the sender policy, hands messages to the
// queue. It is mostly one switch over smtp::Effect.
//
// Whatever takes time (a verifier, the disk, a delay) leaves the connection paused: the stream reads no further
// and the answer comes by a callback. Its owner is the shard's slab; what outlives it names it by its handle.
#ifndef SLUICE_CORE_SERVER_CONNECTION_H_
#define SLUICE_CORE_SERVER_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <span>

#include "auth/authenticator.h"
#include "core/base/slab.h"
#include "core/io/timer_wheel.h"
#include "core/net/stream.h"
#include "core/server/body_budget.h"
#include "core/server/counters.h"
#include "core/server/event_log.h"
#include "core/server/session_listing.h"
#include "core/server/usage.h"
#include "core/smtp/session.h"
#include "queue/queue.h"

namespace sluice::server {

class Shard;
struct Listener;

class Connection final : public net::StreamOwner, private smtp::SessionObserver {
 public:
  Connection(SlabHandle handle, Shard& shard, const Listener& listener, const SockAddr& peer);
  ~Connection();

  // Takes the socket over and begins the dialogue.
  void Start(io::Socket socket);
  // Says why not, where the client can read it, and closes.
  void Refuse(io::Socket socket, smtp::Reply reply);

  // A verifier's answer to the attempt under way; late ones for earlier attempts are ignored.
  void OnVerified(const auth::VerifyToken& token, auth::Verdict verdict);
  // What came of the attempt under way, whose last result was kWait. REQUIRES: waits_for_login.
  void OnLoginResult(auth::LoginAttempt::Result result);
  // One that has ended meanwhile tells by itself that there was no verdict.
  bool waits_for_login() const { return attempt_ != nullptr && !stream_.ending(); }

  // The server is stopping: a client between messages gets 421 now, others when their message is answered ...
  void BeginStop();
  // ... or when that takes too long.
  void EndStop();
  // An operator ends this session: now, or when what is under way (a commit, a verdict) has been answered.
  void EndByOperator();
  void Abort() { stream_.Abort(); }

  // --- for listings ---
  bool Matches(const SessionFilter& filter) const;
  ListedSession Describe() const;

  // --- StreamOwner ---
  void OnFlight() override;
  void OnSecure() override;
  tls::HandshakeInfo* handshake_info() override {
    return tls_channel_ == nullptr ? nullptr : &tls_channel_->info;
  }
  void OnInput(ByteView& input) override;
  void OnInputEnd() override;
  void OnSent() override;
  void OnClosed(net::CloseReason reason) override;

 private:
  // What the one timer of the connection waits for.
  enum class Wait : uint8_t { kHandshake, kIdle, kAuthFailure, kClose };

  void Run(ByteView& input);
  void Answered();  // after an answer that came late: go on with what the client sent meanwhile
  void Perform(smtp::Effect effect);
  void StartTls();
  void TakeBindings();
  void TakeCertificate();
  std::unique_ptr<auth::LoginAttempt> BeginAttempt(auth::Mechanism mechanism);
  void OnAuth(auth::LoginAttempt::Result result);
  void FailAuth();
  void CountGuess();
  void TellAuthFailure();
  smtp::AuthFailure FailureToTell() const;
  void OnMail();
  bool TakeSubmitter();
  void ForgetSubmitter();
  bool IsOver(const Amount& more);
  void OnRcpt();
  std::optional<smtp::Reply> CheckOriginators();
  void RefuseOver(const OverLimit& over);
  void CountOverLimit(const OverLimit& over);
  bool Charge();
  Amount MessageAmount() const;
  ByteView SenderToAdd() const;
  void RefuseSession();
  bool IsStillWelcome();
  const TrustedNetworkOptions* TrustedNow() const;
  void AdmitByNetwork();
  bool OpenAccount();
  std::string WhyNotTrusted() const;
  const Account& account() const;
  ByteView BodyShare(std::string& words) const;
  void ReleaseBody();
  void OnBodyPart();
  void OnMessage();
  void StoreParts();
  bool part_waits() const;
  void OnPartStored(bool durable);
  void OnCommitted(bool durable);
  void RefuseMessage(queue::SubmitResult result);
  void CountBody();
  void TakeLeave();
  void Greet();
  void CountState();
  SessionState StateNow() const;
  std::span<const ByteView> ListRecipients();
  void ReportReception(ByteView id);
  void Abandon();
  void MakeEnvelope();
  void EnsureIncoming();
  void Reject(smtp::Reply reply);
  void Tell(smtp::Reply reply);
  void Close();

  // --- SessionObserver ---
  void OnCommand(size_t verb) override;
  void OnReply(int digit) override;

  // --- events ---
  void OnRefusal(const smtp::Session& session, smtp::Reply reply) override;
  bool IsWorthALine(smtp::Reply refusal);
  void ReportRejection(smtp::Reply reply, ByteView command);
  void ReportAuthFailure();
  void AbandonLogin();
  void CountLogin(LoginResult result);

  void SetTimer(Wait wait, Duration delay);
  void OnTimer();
  void CheckIdle();
  bool BodyIsTooSlow();
  Duration IdleTimeout() const;
  Event MakeEvent(EventType type) const;

  Shard& shard_;
  const Listener& listener_;
  const SlabHandle handle_;
  SockAddr peer_;
  Wait wait_ = Wait::kIdle;
  bool refused_ : 1 = false;
  bool stopping_ : 1 = false;  // leaves when it can
  bool ended_by_operator_ : 1 = false;
  bool peer_finished_ : 1 = false;
  bool too_many_recipients_ : 1 = false;  // of this transaction, and logged
  bool greeted_ : 1 = false;
  bool unread_ : 1 = false;  // too many replies wait to be taken by the client: paused until they are gone
  uint8_t auth_failures_ = 0;
  SessionState state_ = SessionState::kConnected;  // as it is counted
  uint32_t messages_ = 0;                          // acknowledged
  const uint32_t opened_ds_;                       // tenths of seconds of the monotonic clock: 13 years
  net::Stream stream_;
  smtp::Session session_;
  io::Timer timer_;
  MonoTime active_;      // when the client last said something
  MonoTime body_since_;      // while a body comes: since when, or since its rate was last looked at ...
  uint64_t body_before_ = 0;  // ... and what had come by then
  BodyBudget::Charge body_charge_;
  uint64_t session_id_;
  // Where -PLUS or EXTERNAL is offered, from the start of TLS until the client has logged in.
  struct TlsChannel {
    tls::HandshakeInfo info;
    auth::ChannelBindings bindings;  // once it is secure
    std::unique_ptr<auth::ExternalIdentity> external;  // of a client with a certificate
  };
  std::unique_ptr<TlsChannel> tls_channel_;
  std::unique_ptr<auth::LoginAttempt> attempt_;
  // Whose mail it is, and what that counts for.
  struct Submitter {
    auth::Identity identity;
    Account account;
    bool counted = false;     // as a connection of its login's
    bool by_network = false;  // has not authenticated: its network is trusted
    // Of this transaction:
    std::unique_ptr<Submitter> other;  // where AUTH= of MAIL names another
    bool untold = false;               // AUTH=<> to the next hop
    bool originators_checked = false;
    bool add_sender = false;
  };
  // REQUIRES: login_ is there.
  const Submitter& submitter() const { return login_->other != nullptr ? *login_->other : *login_; }
  ByteView login() const { return login_ == nullptr ? ByteView() : submitter().identity.login; }
  // Who has logged in, or whom the client's network is trusted to be; nullptr: anybody.
  std::unique_ptr<Submitter> login_;
  struct Incoming;
  std::unique_ptr<Incoming> incoming_;  // a message on its way into the journal
};

static_assert(sizeof(Connection) <= 552, "memory of every idle connection; the table in README.md");

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_CONNECTION_H_
